
/*
 * What one worker has found and counted, in memory of its own: routing and
 * counting touch the zone, which is large and shared, only where they must.
 *
 *   locate ───────▶ note of this very position? ─▶ slot, id      else: index
 *   enter ────────▶ its route, none written since? ─▶ route      else: latch
 *   offer ────────▶ its counts ─────────────────┐
 *   count ─▶ left ──▶ its counts, histograms ───┴─drain─▶ the zone's counters
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
 * Who marks a node counts "routes" up as well, behind the flag: what a note
 * says of its primary is as good as a look at its flags.
 *
 * Only a hash keyspace has notes: there the position says all about the key.
 *
 * Addresses of nodes are noted, too ("near"), of the structure as well.
 */


#ifndef _NGX_HTTP_SHARD_NOTES_H_INCLUDED_
#define _NGX_HTTP_SHARD_NOTES_H_INCLUDED_


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_NOTES  2048               /* 2^n */
#define NGX_HTTP_SHARD_PLACES 4                  /* that a position may have */
#define NGX_HTTP_SHARD_NOTED  1000               /* ms, drained after it */
#define NGX_HTTP_SHARD_LEFT   64                 /* counted in one go */

/* the last one's places are behind it */

#define NGX_HTTP_SHARD_NOTES_ALL                                              \
    (NGX_HTTP_SHARD_NOTES + NGX_HTTP_SHARD_PLACES - 1)


/*
 * One cache line: by the time a key comes again others have taken its place
 * in the cache, and each line of it comes from far away.  Most routes are an
 * owner and its epoch; one that is more is in notes->route.
 */

typedef struct {
    uint64_t                    position;
    uint32_t                    structure;       /* low bits */
    uint32_t                    slot;            /* SHARD_SLOT_NONE: free */
    shard_id_t                  id;
    uint32_t                    routes;          /* that route is of ... */
    uint16_t                    routed;          /* ... if it is: */
#define NGX_HTTP_SHARD_ROUTED        1
#define NGX_HTTP_SHARD_ROUTED_PLAIN  2           /* by its primary alone,
                                                    which has no flags */
    uint16_t                    primary;         /* of a plain one */
    uint32_t                    epoch;           /* of it, too */
    uint8_t                     strategy;
    uint8_t                     flags;
    ngx_http_shard_counters_t   n;
} __attribute__((aligned(64))) ngx_http_shard_note_t;

_Static_assert(sizeof(ngx_http_shard_note_t) == 64, "a note is one line");


/* of a node with an IPv4 address, in one cache line */

struct ngx_http_shard_near_s {
    uint32_t                    structure;       /* low bits; 0: none */
    uint32_t                    len;             /* of addr */
    struct sockaddr_in          sin;
    u_char                      addr[NGX_HTTP_SHARD_SHORT_ADDR];
} __attribute__((aligned(64)));


/* of a node, not yet in the zone; with a count it is in "answered" */

typedef struct {
    uint32_t                    n[NGX_HTTP_SHARD_CLASSES]
                                 [NGX_HTTP_SHARD_OUTCOMES];
    uint32_t                    counted;
} ngx_http_shard_node_note_t;


/*
 * What a request leaves at its end, not yet counted: many are counted in one
 * go, whose code and lines of memory are then fetched once for all of them.
 */

typedef struct {
    uint64_t                    position;
    uint32_t                    slot;            /* SHARD_SLOT_NONE: of none */
    uint32_t                    structure;       /* that slot is of */
    uint32_t                    ms;
    uint32_t                    bytes_64;
    uint16_t                    node;            /* or SHARD_NODE_NONE */
    uint16_t                    status;
    uint8_t                     fate;
    uint8_t                     write;
} ngx_http_shard_left_t;


/* aligned to a page: what follows the notes, with the first nodes, is in one */

struct ngx_http_shard_notes_s {
    ngx_http_shard_note_t       note[NGX_HTTP_SHARD_NOTES_ALL];
    uint64_t                    counted[NGX_HTTP_SHARD_NOTES / 64 + 1];
                                                 /* notes with counts */
    uint32_t                    latency[SHARD_METRICS_LATENCY_BUCKETS];
    uint32_t                    position[SHARD_METRICS_POSITION_BUCKETS];
    uint64_t                    latency_us;
    ngx_msec_t                  drained;         /* when */
    uint32_t                    nanswered;       /* nodes with a count */
    uint16_t                   *answered;        /* [nnodes_max + 1] */
    ngx_http_shard_node_note_t *nodes;           /* [nnodes_max + 1] */
    shard_route_t              *route;           /* [NOTES_ALL] */
    void                       *memory;          /* as allocated */
    ngx_http_shard_left_t       left[NGX_HTTP_SHARD_LEFT]
                                __attribute__((aligned(64)));
    ngx_http_shard_near_t       near[];          /* [nnodes_max + 1] */
};


ngx_int_t ngx_http_shard_notes_create(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_notes_destroy(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_notes_drain(ngx_http_shard_keyspace_t *ks);

/* if it is time; at each tick */

void ngx_http_shard_notes_tick(ngx_http_shard_keyspace_t *ks);

/* _count: what requests have left, into notes and counters */

void ngx_http_shard_count_left(ngx_http_shard_keyspace_t *ks);

/* who holds the position of a hash keyspace now, if "slot" is of an older
 * structure; SHARD_SLOT_NONE: there is no table any more, or another one */

uint32_t ngx_http_shard_note_slot(ngx_http_shard_sh_t *sh, uint64_t position,
    uint32_t structure, uint32_t slot);

/* its first count since it was drained */

void ngx_http_shard_note_counted(ngx_http_shard_notes_t *notes,
    ngx_http_shard_note_t *note) ngx_http_shard_cold;

/* for a position without a note: one that is of no use any more, or else one
 * of its places */

ngx_http_shard_note_t *ngx_http_shard_note_place(ngx_http_shard_keyspace_t *ks,
    uint64_t position, uint32_t structure);

/* another position takes its place: what it has counted is drained first */

void ngx_http_shard_note_set(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_note_t *note, uint64_t position, uint64_t structure,
    shard_index_entry_t *entry);

/* its route; "routes" was read before it */

void ngx_http_shard_note_routed(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_note_t *note, shard_route_t *route, uint32_t routes);


/*
 * The first of a position's places, which most have; the others follow it.  By
 * the low bits: the top ones are the shard's, and those of a test are few.
 */

static ngx_inline ngx_http_shard_note_t *
ngx_http_shard_note_first(ngx_http_shard_keyspace_t *ks, uint64_t position)
{
    return &ks->notes->note[position & (NGX_HTTP_SHARD_NOTES - 1)];
}


/* the position's, or NULL */

static ngx_inline ngx_http_shard_note_t *
ngx_http_shard_note(ngx_http_shard_keyspace_t *ks, uint64_t position)
{
    ngx_uint_t              i;
    ngx_http_shard_note_t  *note;

    note = ngx_http_shard_note_first(ks, position);

    for (i = 0; i < NGX_HTTP_SHARD_PLACES; i++) {

        if (note[i].position == position) {
            return &note[i];
        }
    }

    return NULL;
}


/* of a request's position and slot, NULL when there is none (any more) */

static ngx_inline ngx_http_shard_note_t *
ngx_http_shard_note_of(ngx_http_shard_keyspace_t *ks, uint64_t position,
    uint32_t slot)
{
    ngx_http_shard_note_t  *note;

    note = ngx_http_shard_note(ks, position);

    return note && note->slot == slot ? note : NULL;
}


/* a plain one's: what is not in the note is the same in each of them */

static ngx_inline void
ngx_http_shard_note_route(ngx_http_shard_note_t *note, shard_route_t *route)
{
    route->migration_lo = 0;
    route->migration_hi = 0;
    route->epoch = note->epoch;
    route->primary = note->primary;
    route->target = SHARD_NODE_NONE;
    route->standbys[0] = SHARD_NODE_NONE;
    route->standbys[1] = SHARD_NODE_NONE;
    route->standbys[2] = SHARD_NODE_NONE;
    route->shift_bp = 0;
    route->spare = 0;
    route->phase = SHARD_STEADY;
    route->strategy = note->strategy;
    route->flags = note->flags;
}

_Static_assert(SHARD_STANDBYS_MAX == 3, "each of them is set above");


static ngx_inline void
ngx_http_shard_note_take(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_note_t *note, shard_route_t *route)
{
    if (ngx_http_shard_likely(note->routed == NGX_HTTP_SHARD_ROUTED_PLAIN)) {
        ngx_http_shard_note_route(note, route);
        return;
    }

    *route = ks->notes->route[note - ks->notes->note];
}


/* into the context's own place, whose address stays for logs */

static ngx_inline void
ngx_http_shard_copy_short_addr(ngx_http_shard_ctx_t *ctx, size_t len,
    struct sockaddr_in *sin, u_char *addr)
{
    u_char  *sockaddr;

    sockaddr = ctx->place + sizeof(ngx_str_t);

    ctx->name = (ngx_str_t *) ctx->place;
    ctx->name->len = len;
    ctx->name->data = sockaddr + sizeof(struct sockaddr_in);
    ctx->room = sizeof(ctx->place);
    ctx->socklen = sizeof(struct sockaddr_in);

    ngx_memcpy(sockaddr, sin, sizeof(struct sockaddr_in));
    ngx_memcpy(ctx->name->data, addr, NGX_HTTP_SHARD_SHORT_ADDR);
}


/*
 * Load is what arrives, when it arrives: a request counts before it is parked
 * or waits for a slow node, or an overloaded node would look like a full one.
 */

static ngx_inline void
ngx_http_shard_offer(ngx_http_shard_ctx_t *ctx, ngx_http_shard_note_t *note)
{
    ngx_http_shard_keyspace_t  *ks;

    if (ngx_http_shard_unlikely(ctx->offered)) {
        return;
    }

    ctx->offered = 1;
    ks = ngx_http_shard_keyspace(ctx);

    if (ngx_http_shard_unlikely(--ks->sampler.left == 0)) {
        ngx_http_shard_sample(ctx);
    }

    if (note == NULL) {
        ngx_http_shard_offer_shared(ctx);

    } else if (ngx_http_shard_unlikely(note->n.offered++ == 0)) {
        ngx_http_shard_note_counted(ks->notes, note);
    }
}


#endif /* _NGX_HTTP_SHARD_NOTES_H_INCLUDED_ */
