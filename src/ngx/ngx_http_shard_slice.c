
/*
 * A slice of time: what an event handler may take of its worker at once.
 */


#include "ngx_http_shard_model.h"


static uint64_t ngx_http_shard_now_us(void);


static uint64_t
ngx_http_shard_now_us(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}


void
ngx_http_shard_slice_begin(ngx_http_shard_slice_t *slice)
{
    slice->steps = 0;
    slice->until_us = ngx_http_shard_now_us() + NGX_HTTP_SHARD_SLICE_US;
}


/* "slice" may be NULL: as long as it takes */

ngx_uint_t
ngx_http_shard_slice_over(ngx_http_shard_slice_t *slice)
{
    return slice && ++slice->steps % NGX_HTTP_SHARD_SLICE_ASK == 0
           && ngx_http_shard_slice_late(slice);
}


ngx_uint_t
ngx_http_shard_slice_late(ngx_http_shard_slice_t *slice)
{
    return ngx_http_shard_now_us() >= slice->until_us;
}


uint64_t
ngx_http_shard_slice_spent(ngx_http_shard_slice_t *slice)
{
    return ngx_http_shard_now_us() + NGX_HTTP_SHARD_SLICE_US
           - slice->until_us;
}
