
/*
 * What one worker has found and counted, in memory of its own: routing and
 * counting touch the zone, which is large and shared, only where they must.
 *
 *   locate ───────▶ note of this very position? ─▶ slot, id      else: index
 *   enter ────────▶ its route, none written since? ─▶ route      else: latch
 *   offer, count ─▶ its counts, histograms ──drain──▶ the zone's counters
 *
 * A note is found by its position; it is of the structure it was read under,
 * and whatever it counted goes to the shard that holds the position when it
 * is drained: each second or interval of "shard_router", the shorter one,
 * before this worker flushes or answers a scrape, when another position takes
 * its place, and when the worker ends.  A worker killed takes with it what it
 * has counted since, nothing else.
 *
 * A note's route is good while the zone's "routes" is what it was before the
 * latch was read.  Who publishes writes the latch, then counts "routes" up,
 * and only then looks for requests in flight; so reading "routes" stands for
 * reading the latch in the proof of shard_ledger.h.  A publisher that dies
 * between the two has proved no drain, and the next lead counts "routes" up.
 *
 * Only a hash keyspace has notes: there the position says all about the key.
 */


#ifndef _NGX_HTTP_SHARD_NOTES_H_INCLUDED_
#define _NGX_HTTP_SHARD_NOTES_H_INCLUDED_


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_NOTES  2048               /* 2^n */
#define NGX_HTTP_SHARD_NOTED  1000               /* ms, drained after it */


/* two cache lines: what a request is routed by, and what it leaves */

typedef struct {
    uint64_t                    position;
    uint32_t                    structure;       /* low bits */
    uint32_t                    slot;            /* SHARD_SLOT_NONE: free */
    shard_id_t                  id;
    uint32_t                    routes;          /* that route is of ... */
    uint32_t                    routed;          /* ... if it is */
    shard_route_t               route;
    ngx_http_shard_counters_t   n __attribute__((aligned(64)));
} ngx_http_shard_note_t;

_Static_assert(sizeof(ngx_http_shard_note_t) == 128, "a note is two lines");


/* of a node, not yet in the zone; with a count it is in "answered" */

typedef struct {
    uint32_t                    n[NGX_HTTP_SHARD_CLASSES]
                                 [NGX_HTTP_SHARD_OUTCOMES];
    uint32_t                    counted;
} ngx_http_shard_node_note_t;


struct ngx_http_shard_notes_s {
    ngx_http_shard_note_t       note[NGX_HTTP_SHARD_NOTES];
    uint64_t                    counted[NGX_HTTP_SHARD_NOTES / 64];
                                                 /* notes with counts */
    uint32_t                    latency[SHARD_METRICS_LATENCY_BUCKETS];
    uint32_t                    position[SHARD_METRICS_POSITION_BUCKETS];
    uint64_t                    latency_us;
    ngx_msec_t                  drained;         /* when */
    uint32_t                    nanswered;       /* nodes with a count */
    uint16_t                   *answered;        /* [nnodes_max + 1] */
    ngx_http_shard_node_note_t *nodes;           /* [nnodes_max + 1] */
};


ngx_int_t ngx_http_shard_notes_create(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_notes_destroy(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_notes_drain(ngx_http_shard_keyspace_t *ks);

/* if it is time; at each tick */

void ngx_http_shard_notes_tick(ngx_http_shard_keyspace_t *ks);

/* another position takes its place: what it has counted is drained first */

void ngx_http_shard_note_set(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_note_t *note, uint64_t position, uint64_t structure,
    shard_index_entry_t *entry);


/* the low bits: the top ones are the shard's, and those of a test are few */

static ngx_inline ngx_http_shard_note_t *
ngx_http_shard_note(ngx_http_shard_keyspace_t *ks, uint64_t position)
{
    return &ks->notes->note[position & (NGX_HTTP_SHARD_NOTES - 1)];
}


/* its first count since it was drained */

static ngx_inline void
ngx_http_shard_note_counted(ngx_http_shard_notes_t *notes,
    ngx_http_shard_note_t *note)
{
    ngx_uint_t  i;

    i = note - notes->note;
    notes->counted[i / 64] |= (uint64_t) 1 << (i % 64);
}


/* this request's, NULL when it has none (any more) */

static ngx_inline ngx_http_shard_note_t *
ngx_http_shard_note_of(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_note_t  *note;

    note = ngx_http_shard_note(ctx->conf->keyspace, ctx->position);

    return note->position == ctx->position && note->slot == ctx->slot
           ? note : NULL;
}


/*
 * Load is what arrives, when it arrives: a request counts before it is parked
 * or waits for a slow node, or an overloaded node would look like a full one.
 */

static ngx_inline void
ngx_http_shard_offer(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_note_t  *note;

    if (ctx->offered) {
        return;
    }

    ctx->offered = 1;

    if (__builtin_expect(--ngx_http_shard_keyspace(ctx)->sampler.left == 0, 0))
    {
        ngx_http_shard_sample(ctx);
    }

    note = ngx_http_shard_note_of(ctx);

    if (note) {
        if (note->n.offered++ == 0) {
            ngx_http_shard_note_counted(ctx->conf->keyspace->notes, note);
        }

    } else {
        ngx_http_shard_offer_shared(ctx);
    }
}


/* the shard's, behind the request's entry in the ledger */

static ngx_inline void
ngx_http_shard_note_route(ngx_http_shard_ctx_t *ctx, ngx_http_shard_sh_t *sh)
{
    uint32_t                routes;
    ngx_http_shard_note_t  *note;

    note = ngx_http_shard_note_of(ctx);
    routes = __atomic_load_n(&sh->routes, __ATOMIC_SEQ_CST);

    if (note && note->routed && note->routes == routes) {
        ctx->route = note->route;
        return;
    }

    shard_latch_read(&sh->latches[ctx->slot], &ctx->route);

    if (note) {
        note->route = ctx->route;
        note->routes = routes;
        note->routed = 1;
    }
}


static ngx_inline void
ngx_http_shard_note_outcome(ngx_http_shard_notes_t *notes, uint32_t node,
    ngx_uint_t class, ngx_http_shard_fate_e outcome)
{
    ngx_http_shard_node_note_t  *n;

    n = &notes->nodes[node];
    n->n[class][outcome]++;

    if (!n->counted) {
        n->counted = 1;
        notes->answered[notes->nanswered++] = (uint16_t) node;
    }
}


#endif /* _NGX_HTTP_SHARD_NOTES_H_INCLUDED_ */
