
#include "shard_clients.h"
#include "shard_codec.h"
#include "shard_metrics_parts.h"


/* upper bounds: the first us of the next bucket, 100 * 2^((b + 1) / 2) */

static const uint32_t  shard_metrics_bounds[SHARD_METRICS_LATENCY_BUCKETS] = {
    142, 200, 283, 400, 566, 800, 1132, 1600,
    2263, 3200, 4526, 6400, 9051, 12800, 18102, 25600,
    36204, 51200, 72408, 102400, 144816, 204800, 289631, 409600,
    579262, 819200, 1158524, 1638400, 2317048, 3276800, 4634096, 6553600
};


size_t
shard_metrics_entry_size(uint32_t nshards)
{
    return 4 + 1 + (SHARD_NAME_SIZE - 1) + SHARD_METRICS_FIXED
           + SHARD_METRICS_SECTION + 4
           + (size_t) nshards * SHARD_METRICS_SHARD_BYTES
           + SHARD_METRICS_SECTION + 2 + 4 * SHARD_METRICS_LATENCY_BUCKETS
           + SHARD_METRICS_SECTION + 2 + 4 * SHARD_METRICS_POSITION_BUCKETS;
}


size_t
shard_metrics_clients_size(uint32_t nnames, uint32_t nclients)
{
    return SHARD_METRICS_SECTION + 2 + (size_t) nnames * SHARD_CLIENT_SIZE
           + 4 + (size_t) nclients * SHARD_METRICS_CLIENT_BYTES;
}


int
shard_metrics_begin(shard_metrics_writer_t *w, void *buf, size_t size,
    const shard_metrics_head_t *head)
{
    memset(w, 0, sizeof(*w));

    if (!shard_name_valid(head->router) || head->interval_ms == 0) {
        return SHARD_ERROR;
    }

    if (size > SHARD_METRICS_ENTRY_MAX) {
        size = SHARD_METRICS_ENTRY_MAX;
    }

    if (size < 5 + head->router.len + SHARD_METRICS_FIXED) {
        return SHARD_AGAIN;
    }

    w->start = buf;
    w->pos = buf;
    w->end = w->start + size;

    memcpy(w->pos, "SHM1", 4);
    w->pos += 4;

    shard_metrics_put(&w->pos, head->router.len, 1);
    memcpy(w->pos, head->router.data, head->router.len);
    w->pos += head->router.len;

    shard_metrics_put(&w->pos, head->instance, 8);
    shard_metrics_put(&w->pos, head->sequence, 8);
    shard_metrics_put(&w->pos, head->end_ms, 8);
    shard_metrics_put(&w->pos, head->interval_ms, 4);

    w->sections = w->pos;
    shard_metrics_put(&w->pos, 0, 2);

    return SHARD_OK;
}


/* SHARD_ERROR: shards come before histograms */

int
shard_metrics_add_shard(shard_metrics_writer_t *w,
    const shard_metrics_shard_t *shard)
{
    size_t  size;

    size = SHARD_METRICS_SHARD_BYTES;

    if (w->count == NULL) {
        if (w->nsections) {
            return SHARD_ERROR;
        }

        size += SHARD_METRICS_SECTION + 4;
    }

    if (shard_metrics_room(w, size) != SHARD_OK) {
        return SHARD_AGAIN;
    }

    if (w->count == NULL) {
        shard_metrics_put(&w->pos, SHARD_METRICS_SHARDS, 2);
        w->count = w->pos;
        w->pos += 4 + 4;
        w->nsections++;
    }

    shard_metrics_put(&w->pos, shard->id, 4);
    shard_metrics_put(&w->pos, shard->offered, 4);
    shard_metrics_put(&w->pos, shard->completed, 4);
    shard_metrics_put(&w->pos, shard->errors, 4);
    shard_metrics_put(&w->pos, shard->reads, 4);
    shard_metrics_put(&w->pos, shard->writes, 4);
    shard_metrics_put(&w->pos, shard->bytes, 8);
    shard_metrics_put(&w->pos, shard->latency_us, 8);
    shard_metrics_put(&w->pos, shard->inflight, 4);
    shard_metrics_put(&w->pos, shard->held, 4);

    w->nshards++;

    return SHARD_OK;
}


int
shard_metrics_add_histogram(shard_metrics_writer_t *w, uint16_t type,
    const uint32_t *buckets, uint16_t n)
{
    uint16_t  i;

    if (n == 0 || w->clients != NULL || w->samples != NULL
        || !((type == SHARD_METRICS_LATENCY
              && n <= SHARD_METRICS_LATENCY_BUCKETS)
             || (type == SHARD_METRICS_POSITION
                 && n <= SHARD_METRICS_POSITION_BUCKETS)))
    {
        return SHARD_ERROR;
    }

    if (shard_metrics_room(w, SHARD_METRICS_SECTION + 2 + (size_t) n * 4)
        != SHARD_OK)
    {
        return SHARD_AGAIN;
    }

    shard_metrics_put(&w->pos, type, 2);
    shard_metrics_put(&w->pos, 2 + (uint64_t) n * 4, 4);
    shard_metrics_put(&w->pos, n, 2);

    for (i = 0; i < n; i++) {
        shard_metrics_put(&w->pos, buckets[i], 4);
    }

    w->nsections++;

    return SHARD_OK;
}


int
shard_metrics_add_names(shard_metrics_writer_t *w, const shard_str_t *names,
    uint32_t n)
{
    size_t    size;
    uint32_t  i;

    if (w->clients != NULL || w->samples != NULL
        || n > SHARD_METRICS_NAMES_MAX)
    {
        return SHARD_ERROR;
    }

    for (i = 0, size = 0; i < n; i++) {
        if (!shard_metrics_name_good(names[i])) {
            return SHARD_ERROR;
        }

        size += 1 + names[i].len;
    }

    if (shard_metrics_room(w, SHARD_METRICS_SECTION + 2 + size + 4)
        != SHARD_OK)
    {
        return SHARD_AGAIN;
    }

    shard_metrics_put(&w->pos, SHARD_METRICS_CLIENTS, 2);
    w->clients = w->pos;
    w->pos += 4;
    shard_metrics_put(&w->pos, n, 2);

    for (i = 0; i < n; i++) {
        shard_metrics_put(&w->pos, names[i].len, 1);
        memcpy(w->pos, names[i].data, names[i].len);
        w->pos += names[i].len;
    }

    w->nclients = w->pos;
    w->pos += 4;
    w->nnames = (uint16_t) n;
    w->nsections++;

    return SHARD_OK;
}


int
shard_metrics_add_client(shard_metrics_writer_t *w,
    const shard_metrics_client_t *client)
{
    if (w->clients == NULL || w->samples != NULL
        || client->client >= w->nnames
        || client->id == SHARD_ID_NONE)
    {
        return SHARD_ERROR;
    }

    if (shard_metrics_room(w, SHARD_METRICS_CLIENT_BYTES) != SHARD_OK) {
        return SHARD_AGAIN;
    }

    shard_metrics_put(&w->pos, client->id, 4);
    shard_metrics_put(&w->pos, client->client, 2);
    shard_metrics_put(&w->pos, client->offered, 4);
    shard_metrics_put(&w->pos, client->errors, 4);
    shard_metrics_put(&w->pos, client->bytes, 8);

    w->ncounts++;

    return SHARD_OK;
}


long
shard_metrics_end(shard_metrics_writer_t *w)
{
    uint8_t  *p;

    if (w->start == NULL) {
        return SHARD_AGAIN;
    }

    p = w->sections;
    shard_metrics_put(&p, w->nsections, 2);

    if (w->count != NULL) {
        p = w->count;
        shard_metrics_put(&p, 4 + (uint64_t) w->nshards
                                  * SHARD_METRICS_SHARD_BYTES, 4);
        shard_metrics_put(&p, w->nshards, 4);
    }

    if (w->samples == NULL) {
        shard_metrics_close_clients(w);
    }

    shard_metrics_close_samples(w);

    return (long) (w->pos - w->start);
}


/* samples, where there are any, begin behind them */

void
shard_metrics_close_clients(shard_metrics_writer_t *w)
{
    uint8_t  *p;

    if (w->clients != NULL) {
        p = w->clients;
        shard_metrics_put(&p, (uint64_t) (w->pos - w->clients) - 4, 4);
        p = w->nclients;
        shard_metrics_put(&p, w->ncounts, 4);
    }
}


int
shard_metrics_name_good(shard_str_t name)
{
    char  buf[SHARD_CLIENT_SIZE];

    return name.len > 0 && shard_client_clean(buf, name) == name.len
           && memcmp(buf, name.data, name.len) == 0;
}


uint32_t
shard_metrics_latency_bucket(uint64_t us)
{
    uint32_t  bucket;

    if (us < 100) {
        return 0;
    }

    /* two buckets an octave: which octave, then which half */

    bucket = 2 * (63 - (uint32_t) __builtin_clzll(us / 100));

    if (bucket >= SHARD_METRICS_LATENCY_BUCKETS) {
        return SHARD_METRICS_LATENCY_BUCKETS - 1;
    }

    if (us >= shard_metrics_bounds[bucket]) {
        bucket++;
    }

    return bucket;
}


uint64_t
shard_metrics_latency_us(uint32_t bucket)
{
    if (bucket >= SHARD_METRICS_LATENCY_BUCKETS) {
        bucket = SHARD_METRICS_LATENCY_BUCKETS - 1;
    }

    return shard_metrics_bounds[bucket];
}
