
/*
 * The leader's own copy of the table, and its way into shared memory.
 *
 *   begin ─▶ node(), shard() ... ─▶ end ─▶ publish
 *                 bad: everything since begin is undone
 *
 * Kept on the heap of one worker.  Slots of shards and numbers of nodes are
 * taken over from the zone and stay what they are, since routes in flight
 * name them.
 *
 * Publishing order: latches of new slots, then nodes and boundaries (the
 * other arena, then the structure's sequence), then latches that changed:
 * whoever sees a route finds its node.
 */


#ifndef _NGX_HTTP_SHARD_MODEL_H_INCLUDED_
#define _NGX_HTTP_SHARD_MODEL_H_INCLUDED_


#include "ngx_http_shard.h"


#define NGX_HTTP_SHARD_NODE_MAP  16384           /* > 2 x 4096 nodes */


typedef struct {
    uint64_t                    lo;
    uint64_t                    hi;
    shard_id_t                  id;
    uint32_t                    slot;
    shard_route_t               route;           /* as the table says */
    unsigned                    live:1;
    unsigned                    dirty:1;         /* route to be published */
    unsigned                    fresh:1;         /* slot not published yet */
    unsigned                    seen:1;          /* by a whole load */
} ngx_http_shard_entry_t;

typedef struct {
    shard_id_t                  id;
    shard_override_t            verb;
} ngx_http_shard_verb_t;

typedef struct ngx_http_shard_undo_s  ngx_http_shard_undo_t;

typedef struct {
    ngx_http_shard_keyspace_t  *keyspace;
    ngx_log_t                  *log;
    uint64_t                    version;         /* of what is in it */

    uint32_t                    nentries;        /* used, live or not */
    uint32_t                    nlive;
    uint32_t                    capacity;
    ngx_http_shard_entry_t     *entries;
    uint32_t                   *map;             /* id -> entry + 1 */
    uint32_t                    map_mask;
    uint32_t                   *order;           /* live entries by lo ... */
    ngx_uint_t                  sorted;          /* ... as they are now */

    /* a ring: the slot that has been free longest is used first, since
     * requests that came before may still look at one just freed */
    uint32_t                   *free_slots;
    uint32_t                    first_free;
    uint32_t                    nfree_slots;

    uint32_t                    nnodes;          /* with removed ones */
    shard_node_t               *nodes;           /* name "" = removed */
    uint8_t                    *node_seen;
    uint16_t                   *node_map;        /* name -> number + 1 */

    ngx_uint_t                  nverbs;
    ngx_http_shard_verb_t      *verbs;           /* sorted by id */

    ngx_http_shard_undo_t      *undo;            /* since begin, newest first */
    ngx_uint_t                  in_change;
    ngx_uint_t                  structure;       /* to be published */
    ngx_uint_t                  published;       /* at least once */
} ngx_http_shard_model_t;


ngx_http_shard_model_t *ngx_http_shard_model_create(
    ngx_http_shard_keyspace_t *ks, ngx_log_t *log);
void ngx_http_shard_model_destroy(ngx_http_shard_model_t *m);

void ngx_http_shard_model_begin(ngx_http_shard_model_t *m);

/* NGX_OK, or NGX_ERROR with "err" (SHARD_ERR_SIZE); empty json removes */

ngx_int_t ngx_http_shard_model_node(ngx_http_shard_model_t *m,
    shard_str_t name, shard_str_t json, char *err);
ngx_int_t ngx_http_shard_model_shard(ngx_http_shard_model_t *m, shard_id_t id,
    shard_str_t json, char *err);

/* checks the whole; NGX_ERROR undoes everything since begin */

ngx_int_t ngx_http_shard_model_end(ngx_http_shard_model_t *m, char *err);
void ngx_http_shard_model_undo(ngx_http_shard_model_t *m);

/* a whole load: begin_load marks, what is not seen until end is removed */

void ngx_http_shard_model_begin_load(ngx_http_shard_model_t *m);
void ngx_http_shard_model_sweep(ngx_http_shard_model_t *m);

ngx_http_shard_entry_t *ngx_http_shard_model_find(ngx_http_shard_model_t *m,
    shard_id_t id);
uint16_t ngx_http_shard_model_node_number(ngx_http_shard_model_t *m,
    const char *name);
ngx_http_shard_verb_t *ngx_http_shard_model_verb(ngx_http_shard_model_t *m,
    shard_id_t id);
void ngx_http_shard_model_record(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, shard_record_t *rec);

/* between the model's own files */

ngx_int_t ngx_http_shard_model_remember(ngx_http_shard_model_t *m,
    ngx_uint_t is_node, uint32_t number);
void ngx_http_shard_model_free_slot(ngx_http_shard_model_t *m, uint32_t slot);
uint32_t ngx_http_shard_model_sort(ngx_http_shard_model_t *m);
void ngx_http_shard_model_forget(ngx_http_shard_model_t *m);
void ngx_http_shard_model_map_nodes(ngx_http_shard_model_t *m);
void ngx_http_shard_err(char *err, const char *fmt, ...);

/* _publish: NGX_DECLINED when this worker does not lead any more */

ngx_int_t ngx_http_shard_publish(ngx_http_shard_model_t *m,
    ngx_uint_t as_leader);

/* _state: last good table on disk, temporary file and rename; log NULL: silent */

ngx_int_t ngx_http_shard_state_write(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_model_t *m, ngx_log_t *log);

/* _barrier: a shard's latch was written, held by the table or not */

void ngx_http_shard_barrier_note(ngx_http_shard_keyspace_t *ks, uint32_t slot,
    shard_id_t id, ngx_uint_t held);


#endif /* _NGX_HTTP_SHARD_MODEL_H_INCLUDED_ */
