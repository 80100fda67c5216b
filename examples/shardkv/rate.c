
/*
 * The clocks, and a shard's write rate: it decays by e in SHARDKV_RATE_S and
 * every write adds one write per that time.
 */


#include <math.h>
#include <time.h>

#include "shardkv.h"


#define SHARDKV_RATE_S  10.0


double
shardkv_rate(const shardkv_shard_t *s, uint64_t now_ms)
{
    double  passed_s;

    passed_s = (now_ms > s->rate_ms) ? (now_ms - s->rate_ms) / 1000.0 : 0;

    return s->rate * exp(-passed_s / SHARDKV_RATE_S);
}


void
shardkv_rate_add(shardkv_shard_t *s, uint64_t now_ms)
{
    s->rate = shardkv_rate(s, now_ms) + 1 / SHARDKV_RATE_S;
    s->rate_ms = now_ms;
}


uint64_t
shardkv_now_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}


uint64_t
shardkv_monotonic_ns(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}
