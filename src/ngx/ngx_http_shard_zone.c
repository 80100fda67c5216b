
/*
 * The zone's layout, and what a reload takes over.
 *
 * One slab allocation holds everything.  A reload with the same size keeps
 * the zone as it is; with another size the table is copied over from the old
 * zone, and no barrier is reported before the workers on the old one are gone:
 * what they have in flight is not counted here.
 */


#include "ngx_http_shard.h"


static ngx_int_t ngx_http_shard_layout(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t nworkers);
static size_t ngx_http_shard_layout_size(uint32_t nslots, uint32_t nnodes,
    ngx_uint_t nworkers, uint32_t nentries, uint32_t ntickets,
    uint32_t nclients, uint32_t nplaces);
static ngx_http_shard_keyspace_t *ngx_http_shard_old_keyspace(
    ngx_http_shard_keyspace_t *ks);
static ngx_int_t ngx_http_shard_inherit(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_keyspace_t *old);
static ngx_int_t ngx_http_shard_inherit_shards(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_sh_t *from, ngx_http_shard_arena_t *src);
static void ngx_http_shard_inherit_workers(ngx_http_shard_sh_t *to,
    ngx_http_shard_sh_t *from);
static void ngx_http_shard_place_rows(ngx_http_shard_sh_t *sh, u_char *p,
    uint32_t nentries, uint32_t ntickets, uint32_t nclients);


#define NGX_HTTP_SHARD_TICKETS_SHARE  200        /* of the zone ... */
#define NGX_HTTP_SHARD_TICKETS_MIN    4096       /* ... but of a small one */

#define ngx_http_shard_align(n)  (((n) + 63) & ~(size_t) 63)


ngx_int_t
ngx_http_shard_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_http_shard_keyspace_t  *ks = zone->data;

    ngx_uint_t                  nworkers;
    ngx_core_conf_t            *ccf;
    ngx_http_shard_keyspace_t  *old = data;

    ks->zone = zone;
    ks->shpool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old) {
        ks->sh = old->sh;

        if (ks->sh->magic == NGX_HTTP_SHARD_MAGIC
            && ks->sh->version == NGX_HTTP_SHARD_VERSION)
        {
            /* by a reload that was refused in the end */
            ks->sh->replaced = 0;
            ngx_http_shard_ledger_check(ks);

            return NGX_OK;
        }
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(ks->cycle->conf_ctx,
                                           ngx_core_module);

    /* a generation that leaves, one that comes, and some to spare */

    nworkers = ccf->worker_processes > 0 ? (ngx_uint_t) ccf->worker_processes
                                         : 1;
    nworkers = ngx_min(2 * nworkers + 3, NGX_HTTP_SHARD_WORKERS_MAX);

    if (ngx_http_shard_layout(ks, nworkers) != NGX_OK) {
        return NGX_ERROR;
    }

    old = ngx_http_shard_old_keyspace(ks);

    if (old && ngx_http_shard_inherit(ks, old) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ks->sh->table_version == 0 && ks->state_file.len) {
        (void) ngx_http_shard_state_read(ks, ks->cycle->log);
    }

    return NGX_OK;
}


static size_t
ngx_http_shard_layout_size(uint32_t nslots, uint32_t nnodes,
    ngx_uint_t nworkers, uint32_t nentries, uint32_t ntickets,
    uint32_t nclients, uint32_t nplaces)
{
    return ngx_http_shard_align(sizeof(ngx_http_shard_sh_t))
           + 2 * ngx_http_shard_align(nnodes * sizeof(ngx_http_shard_node_t))
           + 2 * ngx_http_shard_align(shard_index_size(nslots))
           + ngx_http_shard_align((size_t) nslots * sizeof(shard_latch_t))
           + ngx_http_shard_align((size_t) nslots
                                  * sizeof(ngx_http_shard_counters_t))
           + ngx_http_shard_align(((size_t) nslots + 63) / 64
                                  * sizeof(uint64_t))
           + shard_ledger_size(NGX_HTTP_SHARD_WORKERS_MAX,
                               (uint32_t) nworkers, nentries)
           + ngx_http_shard_align(shard_tickets_size(ntickets))
           + ngx_http_shard_align((size_t) nnodes * nworkers
                                  * sizeof(uint32_t))
           + ngx_http_shard_align(nnodes * sizeof(uint32_t))
           + ngx_http_shard_align(nnodes)
           + ngx_http_shard_align(nnodes
                                  * sizeof(ngx_http_shard_node_health_t))
           + ngx_http_shard_align((nnodes + 1)
                                  * sizeof(ngx_http_shard_requests_t))
           + ngx_http_shard_align(shard_clients_size(nclients))
           + ngx_http_shard_rings_size(nplaces, nworkers)
           + 64;
}


static ngx_int_t
ngx_http_shard_layout(ngx_http_shard_keyspace_t *ks, ngx_uint_t nworkers)
{
    size_t                size, room;
    u_char               *p;
    uint32_t              nslots, nnodes, nentries, ntickets, nclients,
                          nplaces, step;
    ngx_http_shard_sh_t  *sh;

    /* what the slab pool takes for itself: its header and its page table */

    room = ks->zone->shm.size
           - ks->zone->shm.size / ngx_pagesize * sizeof(ngx_slab_page_t)
           - 4 * ngx_pagesize;

    nnodes = (uint32_t) ngx_min(4096, ks->zone->shm.size / 16384);
    nentries = ngx_http_shard_ledger_entries(ks, nworkers);
    ntickets = (uint32_t) ngx_min(SHARD_TICKETS_MAX,
                                  ks->zone->shm.size
                                  / NGX_HTTP_SHARD_TICKETS_SHARE
                                  / (shard_tickets_size(1)
                                     - shard_tickets_size(0)));
    ntickets = ngx_max(ntickets, NGX_HTTP_SHARD_TICKETS_MIN);
    nclients = ngx_http_shard_clients_capacity(ks->zone->shm.size);
    nplaces = ngx_http_shard_ring_places(ks->zone->shm.size, nworkers);
    nslots = 0;

    for (step = 1 << 24; step; step >>= 1) {
        if (ngx_http_shard_layout_size(nslots + step, nnodes, nworkers,
                                       nentries, ntickets, nclients, nplaces)
            <= room)
        {
            nslots += step;
        }
    }

    size = ngx_http_shard_layout_size(nslots, nnodes, nworkers, nentries,
                                      ntickets, nclients, nplaces);
    p = nslots ? ngx_slab_alloc(ks->shpool, size) : NULL;

    if (p == NULL) {
        ngx_log_error(NGX_LOG_EMERG, ks->cycle->log, 0,
                      "keyspace \"%V\": a zone of %uz bytes holds no shard, "
                      "give \"shard_table\" more", &ks->name,
                      ks->zone->shm.size);
        return NGX_ERROR;
    }

    p = (u_char *) ngx_http_shard_align((uintptr_t) p);
    ngx_memzero(p, size - 64);

    sh = (ngx_http_shard_sh_t *) p;

    sh->version = NGX_HTTP_SHARD_VERSION;
    sh->nslots = nslots;
    sh->nnodes_max = nnodes;
    sh->nworkers = nworkers;
    sh->ring_size = nplaces;
    sh->instance = (uint64_t) ngx_random() << 33 ^ (uint64_t) ngx_random() << 11
                   ^ (uint64_t) ngx_pid << 48 ^ ngx_time();

    ngx_http_shard_place_rows(sh,
                      p + ngx_http_shard_align(sizeof(ngx_http_shard_sh_t)),
                      nentries, ntickets, nclients);

    ngx_http_shard_policy_inherit(sh, NULL);

    sh->magic = NGX_HTTP_SHARD_MAGIC;

    ks->sh = sh;
    ks->shpool->data = sh;

    return NGX_OK;
}


/* everything behind the head, as layout_size() has it */

static void
ngx_http_shard_place_rows(ngx_http_shard_sh_t *sh, u_char *p,
    uint32_t nentries, uint32_t ntickets, uint32_t nclients)
{
    uint32_t    nslots, nnodes, nworkers;
    ngx_uint_t  i;

    nslots = sh->nslots;
    nnodes = sh->nnodes_max;
    nworkers = sh->nworkers;

    for (i = 0; i < 2; i++) {
        sh->arenas[i].nodes = (ngx_http_shard_node_t *) p;
        p += ngx_http_shard_align(nnodes * sizeof(ngx_http_shard_node_t));
        shard_index_place(&sh->arenas[i].index, p, nslots);
        p += ngx_http_shard_align(shard_index_size(nslots));
    }

    sh->latches = (shard_latch_t *) p;
    p += ngx_http_shard_align((size_t) nslots * sizeof(shard_latch_t));

    sh->counters = (ngx_http_shard_counters_t *) p;
    p += ngx_http_shard_align((size_t) nslots
                              * sizeof(ngx_http_shard_counters_t));

    sh->touched = (uint64_t *) p;
    p += ngx_http_shard_align(((size_t) nslots + 63) / 64 * sizeof(uint64_t));

    shard_ledger_place(&sh->ledger, p, NGX_HTTP_SHARD_WORKERS_MAX, nworkers,
                       nentries);
    p += shard_ledger_size(NGX_HTTP_SHARD_WORKERS_MAX, nworkers, nentries);

    shard_tickets_place(&sh->tickets, p, ntickets);
    p += ngx_http_shard_align(shard_tickets_size(ntickets));

    sh->node_inflight = (uint32_t *) p;
    p += ngx_http_shard_align((size_t) nnodes * nworkers * sizeof(uint32_t));
    sh->node_failed = (uint32_t *) p;
    p += ngx_http_shard_align(nnodes * sizeof(uint32_t));
    sh->node_flags = p;
    p += ngx_http_shard_align(nnodes);
    sh->node_health = (ngx_http_shard_node_health_t *) p;
    p += ngx_http_shard_align(nnodes * sizeof(ngx_http_shard_node_health_t));
    sh->requests = (ngx_http_shard_requests_t *) p;
    p += ngx_http_shard_align((nnodes + 1)
                              * sizeof(ngx_http_shard_requests_t));
    shard_clients_place(&sh->clients, p, nclients);
    p += ngx_http_shard_align(shard_clients_size(nclients));
    sh->rings = p;
}


/* the keyspace of the same name in the cycle that is served now */

static ngx_http_shard_keyspace_t *
ngx_http_shard_old_keyspace(ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t        i;
    ngx_shm_zone_t   *zone;
    ngx_list_part_t  *part;

    if (ngx_cycle == NULL || ngx_cycle == ks->cycle
        || ngx_cycle->shared_memory.part.elts == NULL)
    {
        return NULL;
    }

    part = (ngx_list_part_t *) &ngx_cycle->shared_memory.part;
    zone = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return NULL;
            }

            part = part->next;
            zone = part->elts;
            i = 0;
        }

        if (zone[i].tag == &ngx_http_shard_module
            && zone[i].shm.name.len == ks->name.len
            && ngx_strncmp(zone[i].shm.name.data, ks->name.data, ks->name.len)
               == 0)
        {
            return zone[i].data;
        }
    }
}


/* a zone that is too small for the table refuses the reload: the old one
 * goes on */

static ngx_int_t
ngx_http_shard_inherit(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_keyspace_t *old)
{
    ngx_int_t                rc;
    uint64_t                 structure;
    ngx_http_shard_sh_t     *to, *from;
    ngx_http_shard_arena_t  *src, *dst;

    to = ks->sh;
    from = old->sh;

    if (from == NULL || from->magic != NGX_HTTP_SHARD_MAGIC
        || from->version != NGX_HTTP_SHARD_VERSION)
    {
        return NGX_OK;
    }

    ngx_http_shard_inherit_workers(to, from);
    ngx_http_shard_policy_inherit(to, from);

    dst = &to->arenas[0];

    do {
        structure = __atomic_load_n(&from->structure, __ATOMIC_SEQ_CST);
        src = &from->arenas[structure & 1];

        if (src->index.n == 0) {
            return NGX_OK;
        }

        if (src->nnodes > to->nnodes_max) {
            rc = NGX_ERROR;
            continue;
        }

        ngx_memcpy(dst->nodes, src->nodes,
                   src->nnodes * sizeof(ngx_http_shard_node_t));
        ngx_memcpy(to->node_flags, from->node_flags, src->nnodes);
        ngx_memcpy(to->node_health, from->node_health,
                   src->nnodes * sizeof(ngx_http_shard_node_health_t));
        to->failing = 1;
        dst->nnodes = src->nnodes;
        dst->nshards = src->nshards;

        rc = ngx_http_shard_inherit_shards(ks, from, src);

    } while (structure != __atomic_load_n(&from->structure, __ATOMIC_SEQ_CST));

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, ks->cycle->log, 0,
                      "keyspace \"%V\": its %uD shards and %ui nodes do "
                      "not fit a zone of %uz bytes, give \"shard_table\" "
                      "more", &ks->name, src->index.n, src->nnodes,
                      ks->zone->shm.size);
        return NGX_ERROR;
    }

    to->table_version = from->table_version;
    to->contact_ms = from->contact_ms;
    from->replaced = 1;

    return NGX_OK;
}


/* the index again, and each shard's route in a slot of the new zone; held
 * shards stay so */

static ngx_int_t
ngx_http_shard_inherit_shards(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_sh_t *from, ngx_http_shard_arena_t *src)
{
    int                     rc;
    uint32_t                i, n, slot, *place;
    shard_index_t          *index;
    ngx_http_shard_sh_t    *to;
    shard_index_builder_t   b;

    to = ks->sh;
    index = &to->arenas[0].index;

    place = ngx_alloc(from->nslots * sizeof(uint32_t), ks->cycle->log);
    if (place == NULL) {
        return NGX_ERROR;
    }

    rc = shard_index_begin(&b, index, src->index.kind, src->index.n);

    for (i = 0, n = 0; rc == SHARD_OK && i < src->index.n; i++) {
        slot = shard_index_slot(&src->index, i);

        if (slot >= from->nslots || n == to->nslots) {
            rc = SHARD_AGAIN;
            break;
        }

        if (!(src->index.entries[i].slot & SHARD_ENTRY_AGAIN)) {
            place[slot] = n++;
            shard_latch_read(&from->latches[slot],
                             &to->latches[place[slot]].v[0]);
            to->latches[place[slot]].seq = 0;
        }

        rc = shard_index_add(&b, src->index.entries[i].lo,
                             shard_index_bound(&src->index, i),
                             place[slot] | (src->index.entries[i].slot
                                            & SHARD_ENTRY_AGAIN),
                             src->index.entries[i].id);
    }

    if (rc == SHARD_OK) {
        rc = shard_index_finish(&b);
    }

    ngx_free(place);

    return rc == SHARD_OK ? NGX_OK : NGX_ERROR;
}


/* those of the old zone, and those that were still about on one before it */

static void
ngx_http_shard_inherit_workers(ngx_http_shard_sh_t *to,
    ngx_http_shard_sh_t *from)
{
    ngx_uint_t  i, n;

    for (i = 0; i < NGX_HTTP_SHARD_WORKERS_MAX; i++) {
        to->before[i] = from->workers[i];
    }

    for (i = 0, n = 0; i < NGX_HTTP_SHARD_WORKERS_MAX; i++) {

        if (!ngx_http_shard_alive(from->before[i])) {
            continue;
        }

        while (n < NGX_HTTP_SHARD_WORKERS_MAX && to->before[n]) {
            n++;
        }

        if (n < NGX_HTTP_SHARD_WORKERS_MAX) {
            to->before[n] = from->before[i];
        }
    }
}
