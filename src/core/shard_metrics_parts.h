
/* What the files of the metrics entry share: bytes in and out. */


#ifndef _SHARD_METRICS_PARTS_H_INCLUDED_
#define _SHARD_METRICS_PARTS_H_INCLUDED_


#include <string.h>

#include "shard_metrics.h"


#define SHARD_METRICS_SHARDS    1
#define SHARD_METRICS_LATENCY   2
#define SHARD_METRICS_POSITION  3
#define SHARD_METRICS_CLIENTS   4
#define SHARD_METRICS_SAMPLES   5

#define SHARD_METRICS_FIXED     (8 + 8 + 8 + 4 + 2)   /* after the name */
#define SHARD_METRICS_SECTION   (2 + 4)


static inline void
shard_metrics_put(uint8_t **p, uint64_t value, unsigned bytes)
{
    /* "bytes" is known where this is inlined: one store */

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    value = __builtin_bswap64(value);
#endif

    memcpy(*p, &value, bytes);
    *p += bytes;
}


static inline uint64_t
shard_metrics_get(const uint8_t **p, unsigned bytes)
{
    unsigned  i;
    uint64_t  value;

    value = 0;

    for (i = 0; i < bytes; i++) {
        value |= (uint64_t) (*p)[i] << (8 * i);
    }

    *p += bytes;

    return value;
}


/* an entry that did not get all its parts is none: it stays refused */

static inline int
shard_metrics_room(shard_metrics_writer_t *w, size_t size)
{
    if (w->start == NULL || (size_t) (w->end - w->pos) < size) {
        w->start = NULL;
        return SHARD_AGAIN;
    }

    return SHARD_OK;
}


/* 1 for a client's that shard_client_clean() leaves as it is */

int shard_metrics_name_good(shard_str_t name);

/* lengths and numbers of the sections that end here */

void shard_metrics_close_clients(shard_metrics_writer_t *w);
void shard_metrics_close_samples(shard_metrics_writer_t *w);

int shard_metrics_samples(shard_metrics_entry_t *out, const uint8_t *body,
    size_t len, char *err);


#endif /* _SHARD_METRICS_PARTS_H_INCLUDED_ */
