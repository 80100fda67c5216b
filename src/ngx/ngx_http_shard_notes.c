
#include "ngx_http_shard_notes.h"


static void ngx_http_shard_note_drain(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_note_t *note);
static void ngx_http_shard_notes_drain_nodes(ngx_http_shard_sh_t *sh,
    ngx_http_shard_notes_t *notes);


/* the worker's, until it ends */

ngx_int_t
ngx_http_shard_notes_create(ngx_http_shard_keyspace_t *ks)
{
    void                    *memory;
    size_t                   nnodes;
    ngx_uint_t               i;
    ngx_http_shard_notes_t  *notes;

    nnodes = ks->sh->nnodes_max + 1;

    memory = ngx_calloc(sizeof(ngx_http_shard_notes_t)
                        + nnodes * sizeof(ngx_http_shard_near_t)
                        + ngx_pagesize, ngx_cycle->log);
    if (memory == NULL) {
        return NGX_ERROR;
    }

    notes = (ngx_http_shard_notes_t *) ngx_align_ptr(memory, ngx_pagesize);
    notes->memory = memory;

    for (i = 0; i < NGX_HTTP_SHARD_NOTES_ALL; i++) {
        notes->note[i].slot = SHARD_SLOT_NONE;
    }

    notes->nodes = ngx_calloc(nnodes * sizeof(ngx_http_shard_node_note_t),
                              ngx_cycle->log);
    notes->answered = ngx_calloc(nnodes * sizeof(uint16_t), ngx_cycle->log);
    notes->route = ngx_calloc(NGX_HTTP_SHARD_NOTES_ALL * sizeof(shard_route_t),
                              ngx_cycle->log);

    if (notes->nodes == NULL || notes->answered == NULL
        || notes->route == NULL)
    {
        return NGX_ERROR;
    }

    ks->notes = notes;
    ks->near = notes->near;
    ks->nleft = 0;
    ks->left_room = 1;

    return NGX_OK;
}


void
ngx_http_shard_note_counted(ngx_http_shard_notes_t *notes,
    ngx_http_shard_note_t *note)
{
    ngx_uint_t  i;

    i = note - notes->note;
    notes->counted[i / 64] |= (uint64_t) 1 << (i % 64);
}


/* nothing is counted any more */

void
ngx_http_shard_notes_destroy(ngx_http_shard_keyspace_t *ks)
{
    if (ks->notes) {
        ngx_free(ks->notes->nodes);
        ngx_free(ks->notes->answered);
        ngx_free(ks->notes->route);
        ngx_free(ks->notes->memory);
        ks->notes = NULL;
    }
}


void
ngx_http_shard_note_set(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_note_t *note, uint64_t position, uint64_t structure,
    shard_index_entry_t *entry)
{
    if (note->n.offered || note->n.done) {
        ngx_http_shard_note_drain(ks, note);
    }

    note->position = position;
    note->structure = (uint32_t) structure;
    note->slot = entry->slot & ~(uint32_t) SHARD_ENTRY_AGAIN;
    note->id = entry->id;
    note->routed = 0;
}


/* which one is displaced is up to the position, or two that come by turns
 * would displace each other all the time */

ngx_http_shard_note_t *
ngx_http_shard_note_place(ngx_http_shard_keyspace_t *ks, uint64_t position,
    uint32_t structure)
{
    ngx_uint_t              i;
    ngx_http_shard_note_t  *note;

    note = ngx_http_shard_note_first(ks, position);

    for (i = 0; i < NGX_HTTP_SHARD_PLACES; i++) {

        if (note[i].structure != structure) {
            return &note[i];
        }
    }

    return &note[position / NGX_HTTP_SHARD_NOTES % NGX_HTTP_SHARD_PLACES];
}


void
ngx_http_shard_note_routed(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_note_t *note, shard_route_t *route, uint32_t routes)
{
    shard_route_t  plain;

    note->primary = route->primary;
    note->epoch = route->epoch;
    note->strategy = route->strategy;
    note->flags = route->flags;
    note->routes = routes;

    ngx_http_shard_note_route(note, &plain);

    if (shard_pick_plain(route, ks->node_flags)
        && ngx_memcmp(&plain, route, sizeof(shard_route_t)) == 0)
    {
        note->routed = NGX_HTTP_SHARD_ROUTED_PLAIN;
        return;
    }

    ks->notes->route[note - ks->notes->note] = *route;
    note->routed = NGX_HTTP_SHARD_ROUTED;
}


static void
ngx_http_shard_note_drain(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_note_t *note)
{
    uint32_t                    slot;
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_counters_t  *c;

    sh = ks->sh;
    slot = ngx_http_shard_note_slot(sh, note->position, note->structure,
                                    note->slot);

    if (slot != SHARD_SLOT_NONE) {
        c = &sh->counters[slot];

        if (note->n.errors) {
            ngx_http_shard_add(c->errors, note->n.errors);
        }

        if (note->n.writes) {
            ngx_http_shard_add(c->writes, note->n.writes);
        }

        ngx_http_shard_add(c->bytes_64, note->n.bytes_64);
        ngx_http_shard_add(c->latency_ms, note->n.latency_ms);
        ngx_http_shard_add(c->offered, note->n.offered);
        ngx_http_shard_add(c->done, note->n.done);

        /* behind the counts: a flush that takes the bit finds them */

        ngx_http_shard_touch(sh, slot);
    }

    ngx_memzero(&note->n, sizeof(ngx_http_shard_counters_t));
}


uint32_t
ngx_http_shard_note_slot(ngx_http_shard_sh_t *sh, uint64_t position,
    uint32_t structure, uint32_t slot)
{
    uint64_t        now;
    uint32_t        found;
    shard_index_t  *index;

    do {
        now = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);

        if ((uint32_t) now == structure) {
            return slot;
        }

        index = &sh->arenas[now & 1].index;
        found = SHARD_SLOT_NONE;

        if (__atomic_load_n(&index->n, __ATOMIC_RELAXED)
            && index->kind == SHARD_KIND_HASH)
        {
            found = shard_index_slot(index, shard_index_find(index, position));
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (now != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));

    return found;
}


void
ngx_http_shard_notes_drain(ngx_http_shard_keyspace_t *ks)
{
    uint64_t                 bits;
    ngx_uint_t               i;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_notes_t  *notes;

    sh = ks->sh;
    notes = ks->notes;
    notes->drained = ngx_current_msec;

    ngx_http_shard_count_left(ks);

    for (i = 0; i <= NGX_HTTP_SHARD_NOTES / 64; i++) {

        for (bits = notes->counted[i]; bits; bits &= bits - 1) {
            ngx_http_shard_note_drain(ks,
                                      &notes->note[i * 64
                                                   + __builtin_ctzll(bits)]);
        }

        notes->counted[i] = 0;
    }

    if (notes->nanswered == 0) {
        return;
    }

    ngx_http_shard_notes_drain_nodes(sh, notes);

    ngx_http_shard_add(sh->totals.latency_us, notes->latency_us);

    for (i = 0; i < SHARD_METRICS_LATENCY_BUCKETS; i++) {
        if (notes->latency[i]) {
            ngx_http_shard_add(sh->latency[i], notes->latency[i]);
        }
    }

    for (i = 0; i < SHARD_METRICS_POSITION_BUCKETS; i++) {
        if (notes->position[i]) {
            ngx_http_shard_add(sh->position[i], notes->position[i]);
        }
    }

    ngx_memzero(notes->latency, sizeof(notes->latency));
    ngx_memzero(notes->position, sizeof(notes->position));
    notes->latency_us = 0;
}


void
ngx_http_shard_notes_tick(ngx_http_shard_keyspace_t *ks)
{
    ngx_msec_t                   period;
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(ks->cycle,
                                               ngx_http_shard_module);
    period = ngx_min(smcf->interval, NGX_HTTP_SHARD_NOTED);

    if (ngx_current_msec - ks->notes->drained >= period) {
        ngx_http_shard_notes_drain(ks);
    }
}


static void
ngx_http_shard_notes_drain_nodes(ngx_http_shard_sh_t *sh,
    ngx_http_shard_notes_t *notes)
{
    uint32_t                     node;
    ngx_uint_t                   i, class, outcome;
    ngx_http_shard_node_note_t  *n;

    for (i = 0; i < notes->nanswered; i++) {
        node = notes->answered[i];
        n = &notes->nodes[node];

        for (class = 0; class < NGX_HTTP_SHARD_CLASSES; class++) {
            for (outcome = 0; outcome < NGX_HTTP_SHARD_OUTCOMES; outcome++) {
                if (n->n[class][outcome]) {
                    ngx_http_shard_add(sh->requests[node].n[class][outcome],
                                       n->n[class][outcome]);
                }
            }
        }

        ngx_memzero(n, sizeof(ngx_http_shard_node_note_t));
    }

    notes->nanswered = 0;
}
