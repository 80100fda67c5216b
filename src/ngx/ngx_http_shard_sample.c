
/*
 * Which keys the requests are for: a sample of them goes into the metrics
 * entry, for the distribution inside each shard.
 *
 *   every request: --left ─▶ 0? ─▶ ring of this worker ─▶ leader's flush
 *                   ▲        │      (shared memory)
 *                   └─ a random gap; its mean follows the load at each tick
 *
 * A gap is drawn before the requests it covers are seen, so that no order of
 * theirs can hide from it, and the request at its end stands for all of them.
 * A ring that nobody empties is full: what comes then is left out.
 */


#include "ngx_http_shard_sync.h"


#define NGX_HTTP_SHARD_SAMPLE_EACH    16         /* requests, of a low load */
#define NGX_HTTP_SHARD_SAMPLE_RARELY  (1 << 20)
#define NGX_HTTP_SHARD_SAMPLE_TICK    32         /* of a worker, in a tick */
#define NGX_HTTP_SHARD_SAMPLE_RING    256
#define NGX_HTTP_SHARD_SAMPLE_SHARE   128        /* of the zone at most */


static void ngx_http_shard_sample_next(ngx_http_shard_sampler_t *s);
static uint64_t ngx_http_shard_sample_due(ngx_http_shard_sampler_t *s);
static void ngx_http_shard_sample_rarer(ngx_http_shard_sampler_t *s);
static ngx_int_t ngx_http_shard_sample_position(ngx_http_shard_ctx_t *ctx,
    shard_metrics_sample_t *sample);


#define ngx_http_shard_ring_size(n)                                           \
    (sizeof(ngx_http_shard_ring_t)                                            \
     + (((n) * sizeof(shard_metrics_sample_t) + 63) & ~(size_t) 63))

#define ngx_http_shard_ring(sh, i)                                            \
    ((ngx_http_shard_ring_t *) ((sh)->rings                                   \
                         + (i) * ngx_http_shard_ring_size((sh)->ring_size)))


/* places in a ring: a power of 2, or 0 where the zone is too small */

uint32_t
ngx_http_shard_ring_places(size_t size, ngx_uint_t nworkers)
{
    uint32_t  n;

    n = NGX_HTTP_SHARD_SAMPLE_RING;

    while (n && ngx_http_shard_rings_size(n, nworkers)
                > size / NGX_HTTP_SHARD_SAMPLE_SHARE)
    {
        n /= 2;
    }

    return n;
}


size_t
ngx_http_shard_rings_size(uint32_t n, ngx_uint_t nworkers)
{
    return n ? nworkers * ngx_http_shard_ring_size(n) : 0;
}


/* this worker's; one that is beyond the rings takes no samples */

void
ngx_http_shard_sample_init(ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_sh_t       *sh;
    ngx_http_shard_sampler_t  *s;

    sh = ks->sh;
    s = &ks->sampler;

    ngx_memzero(s, sizeof(ngx_http_shard_sampler_t));

    if (sh->ring_size && ks->worker < sh->nworkers) {
        s->ring = ngx_http_shard_ring(sh, ks->worker);
    }

    /* all workers at full load must not have more than an entry takes */

    s->most = NGX_HTTP_SHARD_SAMPLE_TICK;
    s->most = ngx_min(s->most, sh->ring_size / 8);
    s->most = ngx_min(s->most, SHARD_METRICS_SAMPLES_MAX / 2 / sh->nworkers);
    s->most = ngx_max(s->most, 1);

    s->random = ((uint64_t) ngx_random() << 32 ^ (uint64_t) ngx_random()
                 ^ (uint64_t) ngx_pid << 16) | 1;
    s->mean = NGX_HTTP_SHARD_SAMPLE_EACH;
    s->limit = 2 * s->most;
    s->since = ngx_current_msec;

    ngx_http_shard_sample_next(s);
}


/* a gap of 1 to 2 * mean - 1, all alike */

static void
ngx_http_shard_sample_next(ngx_http_shard_sampler_t *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;

    s->gap = 1 + (uint32_t) ((s->random >> 32) * (2 * s->mean - 1) >> 32);
    s->left = s->gap;
}


void
ngx_http_shard_sample(ngx_http_shard_ctx_t *ctx)
{
    uint32_t                    weight;
    ngx_atomic_uint_t           head;
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_ring_t      *ring;
    shard_metrics_sample_t     *sample;
    ngx_http_shard_sampler_t   *s;

    sh = ngx_http_shard_keyspace(ctx)->sh;
    s = &ngx_http_shard_keyspace(ctx)->sampler;

    weight = s->gap;
    s->passed += weight;

    if (++s->taken == s->limit) {
        ngx_http_shard_sample_rarer(s);
    }

    ngx_http_shard_sample_next(s);

    ring = s->ring;

    /* a part of a scatter has no key */

    if (ring == NULL || ctx->forced) {
        return;
    }

    head = ring->head;

    if (head - ring->tail >= sh->ring_size) {
        return;
    }

    sample = &ring->samples[head & (sh->ring_size - 1)];

    sample->position = ctx->position;
    sample->key = ctx->sticky;
    sample->id = ctx->id;
    sample->weight = weight;
    sample->skip = 0;
    sample->write = !ngx_http_shard_read_only(ctx->request);

    if (ngx_http_shard_sample_position(ctx, sample) == NGX_OK) {
        __atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
    }
}


/* of "range bytes": in the part of the key that its shard leaves open */

static ngx_int_t
ngx_http_shard_sample_position(ngx_http_shard_ctx_t *ctx,
    shard_metrics_sample_t *sample)
{
    size_t                skip;
    uint32_t              i;
    uint64_t              structure;
    shard_id_t            id;
    shard_str_t           key, hi;
    shard_index_t        *index;
    ngx_http_shard_sh_t  *sh;

    sh = ngx_http_shard_keyspace(ctx)->sh;
    structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
    index = &sh->arenas[structure & 1].index;

    if (index->kind != SHARD_KIND_RANGE_BYTES) {
        return NGX_OK;
    }

    key.data = (const char *) ctx->key.data;
    key.len = ctx->key.len;

    ngx_memzero(&hi, sizeof(shard_str_t));
    i = shard_index_find_key(index, ctx->position, key);
    id = index->entries[i].id;

    if (i + 1 < __atomic_load_n(&index->n, __ATOMIC_RELAXED)) {
        hi = shard_index_bound(index, i + 1);
    }

    skip = shard_key_frame(shard_index_bound(index, i), hi);

    __atomic_thread_fence(__ATOMIC_ACQUIRE);

    /* the table changes at this moment: this sample is left out */

    if (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED)
        || id != ctx->id || skip > SHARD_BOUND_MAX)
    {
        return NGX_DECLINED;
    }

    sample->skip = skip & 0x7f;
    sample->position = shard_key_behind(key.data, key.len, skip);

    return NGX_OK;
}


/* samples that are due since the last tick, which may be late */

static uint64_t
ngx_http_shard_sample_due(ngx_http_shard_sampler_t *s)
{
    ngx_msec_t  ms;

    ms = ngx_current_msec - s->since;

    return (uint64_t) s->most * ngx_max(ms, 1) / NGX_HTTP_SHARD_TICK + 1;
}


/* the load may have jumped since then */

static void
ngx_http_shard_sample_rarer(ngx_http_shard_sampler_t *s)
{
    s->limit += s->most;

    if (s->taken >= 2 * ngx_http_shard_sample_due(s)) {
        s->mean = ngx_min(2 * s->mean, NGX_HTTP_SHARD_SAMPLE_RARELY);
    }
}


/*
 * Half-way to the mean that the requests since the last tick would have
 * wanted.  A smaller one shortens the gap under way, too: it may be long.
 */

void
ngx_http_shard_sample_tick(ngx_http_shard_keyspace_t *ks)
{
    uint32_t                   left;
    uint64_t                   mean;
    ngx_http_shard_sampler_t  *s;

    s = &ks->sampler;

    s->passed += s->gap - s->left;

    mean = (uint64_t) ngx_max(s->passed, 0) / ngx_http_shard_sample_due(s);
    mean = (mean + s->mean) / 2;
    mean = ngx_max(mean, NGX_HTTP_SHARD_SAMPLE_EACH);
    mean = ngx_min(mean, NGX_HTTP_SHARD_SAMPLE_RARELY);

    s->passed = (int64_t) s->left - s->gap;
    s->since = ngx_current_msec;
    s->limit = 2 * s->most;
    s->taken = 0;

    if (mean < s->mean && s->left) {
        left = (uint32_t) ((s->left * mean + s->mean - 1) / s->mean);
        s->gap -= s->left - left;
        s->left = left;
    }

    s->mean = (uint32_t) mean;
}


size_t
ngx_http_shard_samples_size(ngx_http_shard_sh_t *sh)
{
    return shard_metrics_samples_size((uint32_t)
                              ngx_min(SHARD_METRICS_SAMPLES_MAX,
                                      (ngx_uint_t) sh->nworkers
                                      * sh->ring_size));
}


void
ngx_http_shard_take_samples(ngx_http_shard_sync_t *sync)
{
    ngx_uint_t              i;
    ngx_atomic_uint_t       head, tail;
    ngx_http_shard_sh_t    *sh;
    ngx_http_shard_ring_t  *ring;

    sh = sync->keyspace->sh;

    for (i = 0; sh->ring_size && i < sh->nworkers; i++) {
        ring = ngx_http_shard_ring(sh, i);
        head = __atomic_load_n(&ring->head, __ATOMIC_ACQUIRE);
        tail = ring->tail;

        /* set back by a leader that slept through its lease */

        if (head - tail > sh->ring_size) {
            tail = head - sh->ring_size;
        }

        while (tail != head
               && sync->writer.nsamples < SHARD_METRICS_SAMPLES_MAX)
        {
            (void) shard_metrics_add_sample(&sync->writer,
                             &ring->samples[tail++ & (sh->ring_size - 1)]);
        }

        __atomic_store_n(&ring->tail, tail, __ATOMIC_RELEASE);
    }
}
