
/*
 * The leader's own copy of the table, as Redis has it, in its process' heap.
 *
 *   whole load ──▶ a model beside the one in use:  records ─▶ sort ─▶ check
 *                        │ good                          bad: dropped
 *                        ▼
 *   change (log) ──▶ the model in use ──▶ publish ──▶ shared memory
 *                    begin, records, end or undo
 *
 * A change is applied whole or not at all.  What takes longer than a slice
 * of time, with a million shards, is done in steps: sorting, checking,
 * publishing and taking over what an earlier leader left in the zone.
 */


#ifndef _NGX_HTTP_SHARD_MODEL_H_INCLUDED_
#define _NGX_HTTP_SHARD_MODEL_H_INCLUDED_


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_NODE_MAP   16384          /* > 2 x 4096 nodes */
#define NGX_HTTP_SHARD_SLICE_US   1000           /* of work at a time */
#define NGX_HTTP_SHARD_SLICE_ASK  32             /* steps between two looks
                                                    at the clock */


typedef struct {
    uint64_t                    until_us;        /* monotonic */
    ngx_uint_t                  steps;
} ngx_http_shard_slice_t;


typedef struct {
    uint64_t                    lo;              /* range bytes: 8 bytes */
    uint64_t                    hi;
    u_char                     *text;            /* bounds, or units */
    shard_id_t                  id;
    uint32_t                    slot;
    shard_route_t               route;           /* as the table says */
    uint16_t                    text_len;
    unsigned                    nunits:6;
    unsigned                    is_default:1;
    unsigned                    live:1;
    unsigned                    dirty:1;         /* route to be published */
    unsigned                    fresh:1;         /* slot not published yet */
    unsigned                    reused:1;        /* and another's until then */
} ngx_http_shard_entry_t;


/* where an entry stands in the keyspace: in ascending order; a list's shard
 * has a place for each unit, and the default one has the first of all */

typedef struct {
    uint64_t                    lo;
    uint32_t                    entry;
    unsigned                    unit:8;          /* 1, 2 ...; 0: no unit */
    unsigned                    again:1;         /* its entry has a lower one */
} ngx_http_shard_place_t;


typedef struct {
    shard_id_t                  id;
    shard_override_t            verb;
} ngx_http_shard_verb_t;


/* what an entry or a node was before a change */

typedef struct ngx_http_shard_undo_s  ngx_http_shard_undo_t;

struct ngx_http_shard_undo_s {
    ngx_http_shard_undo_t      *next;
    ngx_uint_t                  is_node;
    uint32_t                    number;
    uint32_t                    age;             /* 0: the first since begin */
    ngx_uint_t                  structure;
    union {
        ngx_http_shard_entry_t  entry;
        shard_node_t            node;
    } was;
};


typedef enum {
    NGX_HTTP_SHARD_STEP_NONE = 0,

    /* a model that was loaded */
    NGX_HTTP_SHARD_STEP_PLACES,
    NGX_HTTP_SHARD_STEP_SORT,
    NGX_HTTP_SHARD_STEP_CHECK,
    NGX_HTTP_SHARD_STEP_RELEASE,                 /* slots no longer needed */
    NGX_HTTP_SHARD_STEP_SLOTS,

    /* into the zone */
    NGX_HTTP_SHARD_STEP_FRESH,
    NGX_HTTP_SHARD_STEP_NODES,
    NGX_HTTP_SHARD_STEP_INDEX,
    NGX_HTTP_SHARD_STEP_ROUTES
} ngx_http_shard_step_e;


typedef struct ngx_http_shard_model_s  ngx_http_shard_model_t;

struct ngx_http_shard_model_s {
    ngx_http_shard_keyspace_t  *keyspace;
    ngx_log_t                  *log;
    ngx_http_shard_model_t     *base;            /* while this one is loaded */
    shard_kind_e                kind;
    ngx_uint_t                  serial;          /* of this process' models */
    uint64_t                    version;         /* of what is in it */

    uint32_t                    nentries;        /* used, live or not */
    uint32_t                    nlive;
    uint32_t                    capacity;
    ngx_http_shard_entry_t     *entries;
    uint32_t                   *map;             /* id -> entry + 1 */
    uint32_t                    map_mask;
    uint32_t                   *ids;             /* by slot, as published, + 1;
                                                    of one that went, too */
    ngx_pool_t                 *texts;

    uint32_t                    nplaces;
    uint32_t                    places_size;
    ngx_http_shard_place_t     *places;          /* ascending */
    ngx_http_shard_place_t     *spare;           /* as large */
    size_t                      text;            /* bytes of all bounds */

    /* a ring: the slot that has been free longest is used first, since
     * requests that came before may still look at one just freed */
    uint32_t                   *free_slots;
    uint32_t                    first_free;
    uint32_t                    nfree_slots;
    uint32_t                    nfreed;          /* the last of these, which the
                                                    live structure still has */

    uint32_t                    nnodes;          /* with removed ones */
    shard_node_t               *nodes;           /* name "" = removed */
    uint32_t                   *node_refs;       /* by live entries */
    uint8_t                    *node_seen;
    uint16_t                   *node_map;        /* name -> number + 1 */

    ngx_uint_t                  nverbs;
    ngx_http_shard_verb_t      *verbs;           /* sorted by id */

    uint32_t                   *dirty;           /* entries to be published */
    uint32_t                    ndirty;
    uint32_t                    dirty_size;
    ngx_uint_t                  all_dirty;       /* more than that */
    ngx_uint_t                  gone_nodes;      /* still in the zone */

    ngx_http_shard_undo_t      *undo;            /* since begin, newest first */
    uint32_t                    nundo;
    ngx_uint_t                  in_change;
    ngx_uint_t                  structure;       /* to be published */
    ngx_uint_t                  moves;           /* of boundaries, so far */
    ngx_uint_t                  moved;           /* since the base, if loaded */

    /* steps of what takes long */
    uint8_t                    *taken;           /* slots, while taking over */
    ngx_http_shard_step_e       step;
    uint32_t                    at;
    uint32_t                    width;           /* of sorted runs */
    uint32_t                    left;            /* next of either run */
    uint32_t                    right;
    shard_index_builder_t       builder;
};


void ngx_http_shard_slice_begin(ngx_http_shard_slice_t *slice);

/* looks at the clock each time, or at some of the steps only */

ngx_uint_t ngx_http_shard_slice_late(ngx_http_shard_slice_t *slice);
ngx_uint_t ngx_http_shard_slice_over(ngx_http_shard_slice_t *slice);
uint64_t ngx_http_shard_slice_spent(ngx_http_shard_slice_t *slice);


/*
 * An empty model with room for "count" shards; with a "base" one that is to
 * take that one's place: it keeps its numbers of nodes and of slots.
 */

ngx_http_shard_model_t *ngx_http_shard_model_create(
    ngx_http_shard_keyspace_t *ks, ngx_http_shard_model_t *base,
    shard_kind_e kind, uint32_t count, ngx_log_t *log);
void ngx_http_shard_model_destroy(ngx_http_shard_model_t *m);

/* the same in steps, NGX_AGAIN: there is more */

ngx_int_t ngx_http_shard_model_dismantle(ngx_http_shard_model_t *m);

/* what is in the zone; NGX_AGAIN: more to do, NGX_ERROR: no memory */

ngx_int_t ngx_http_shard_model_take_over(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice);

void ngx_http_shard_model_begin(ngx_http_shard_model_t *m);

/* NGX_OK, or NGX_ERROR with "err" (SHARD_ERR_SIZE); empty json removes */

ngx_int_t ngx_http_shard_model_node(ngx_http_shard_model_t *m,
    shard_str_t name, shard_str_t json, char *err);
ngx_int_t ngx_http_shard_model_shard(ngx_http_shard_model_t *m, shard_id_t id,
    shard_str_t json, char *err);

/* checks the change; NGX_ERROR undoes everything since begin */

ngx_int_t ngx_http_shard_model_end(ngx_http_shard_model_t *m, char *err);
void ngx_http_shard_model_undo(ngx_http_shard_model_t *m);

/*
 * A loaded model: sorted, checked, and made the one in use, in steps.
 * NGX_AGAIN: more to do; NGX_ERROR with "err": it is not good, the base is as
 * it was; NGX_OK: the base is empty now and may be destroyed.
 */

ngx_int_t ngx_http_shard_model_settle(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err);

ngx_http_shard_entry_t *ngx_http_shard_model_find(ngx_http_shard_model_t *m,
    shard_id_t id);
uint16_t ngx_http_shard_model_node_number(ngx_http_shard_model_t *m,
    const char *name);
ngx_http_shard_verb_t *ngx_http_shard_model_verb(ngx_http_shard_model_t *m,
    shard_id_t id);
void ngx_http_shard_model_dirty(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e);
void ngx_http_shard_model_record(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, shard_record_t *rec);

/* between the model's own files */

ngx_int_t ngx_http_shard_model_remember(ngx_http_shard_model_t *m,
    ngx_uint_t is_node, uint32_t number);
void ngx_http_shard_model_refer(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, uint32_t n);
ngx_int_t ngx_http_shard_model_new_slot(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, char *err);
void ngx_http_shard_model_take_slot(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e);
void ngx_http_shard_model_free_slot(ngx_http_shard_model_t *m, uint32_t slot);
void ngx_http_shard_model_forget(ngx_http_shard_model_t *m);
void ngx_http_shard_model_map_nodes(ngx_http_shard_model_t *m);
ngx_http_shard_entry_t *ngx_http_shard_model_new_entry(
    ngx_http_shard_model_t *m, shard_id_t id, char *err);
void ngx_http_shard_err(char *err, const char *fmt, ...);

/* _model_text: what range bytes and list keep beside positions */

ngx_int_t ngx_http_shard_model_set_text(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, const shard_record_t *rec);
ngx_uint_t ngx_http_shard_model_same_keys(const ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *a, const ngx_http_shard_entry_t *b);
shard_str_t ngx_http_shard_model_lo_text(const ngx_http_shard_entry_t *e);
shard_str_t ngx_http_shard_model_hi_text(const ngx_http_shard_entry_t *e);
uint32_t ngx_http_shard_model_nplaces(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *e);
void ngx_http_shard_model_put_places(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *e, uint32_t number,
    ngx_http_shard_place_t *place);

/* _model_places: the order of the keyspace.  "ea" and "eb" are whose places
 * they are: texts decide where positions are equal */

int ngx_http_shard_model_compare(const ngx_http_shard_model_t *m,
    const ngx_http_shard_place_t *a, const ngx_http_shard_entry_t *ea,
    const ngx_http_shard_place_t *b, const ngx_http_shard_entry_t *eb);
ngx_int_t ngx_http_shard_model_room(ngx_http_shard_model_t *m, uint32_t n);
ngx_int_t ngx_http_shard_model_collect(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err);
ngx_int_t ngx_http_shard_model_sort(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err);
ngx_int_t ngx_http_shard_model_check(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err);
ngx_int_t ngx_http_shard_model_fits(ngx_http_shard_model_t *m,
    uint32_t nplaces, size_t text, char *err);
ngx_int_t ngx_http_shard_model_too_big(ngx_http_shard_model_t *m, uint32_t n,
    size_t text, char *err);

/* _model_move: the places of what was changed take those they had */

ngx_int_t ngx_http_shard_model_move(ngx_http_shard_model_t *m, char *err);


/* _publish: NGX_DECLINED when this worker does not lead any more; NGX_AGAIN:
 * more to do, call again */

ngx_int_t ngx_http_shard_publish(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, ngx_uint_t as_leader);

/* _handover: keys change hands, as published with the structure */

void ngx_http_shard_handover(ngx_http_shard_model_t *m,
    ngx_http_shard_undo_t **firsts, ngx_uint_t n);
void ngx_http_shard_handover_all(ngx_http_shard_keyspace_t *ks);
void ngx_http_shard_handover_published(ngx_http_shard_keyspace_t *ks,
    uint32_t structure);

/* _barrier: a shard's latch was written, held by the table or not */

void ngx_http_shard_barrier_note(ngx_http_shard_keyspace_t *ks, uint32_t slot,
    shard_id_t id, ngx_uint_t held);


#endif /* _NGX_HTTP_SHARD_MODEL_H_INCLUDED_ */
