
/*
 * The zone's layout, the workers' numbers in it, and the leader's lease.
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
    ngx_uint_t nworkers);
static ngx_http_shard_keyspace_t *ngx_http_shard_old_keyspace(
    ngx_http_shard_keyspace_t *ks);
static ngx_int_t ngx_http_shard_inherit(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_keyspace_t *old);
static void ngx_http_shard_inherit_routes(ngx_http_shard_sh_t *to,
    ngx_http_shard_sh_t *from, ngx_http_shard_arena_t *src);
static void ngx_http_shard_inherit_workers(ngx_http_shard_sh_t *to,
    ngx_http_shard_sh_t *from);
static void ngx_http_shard_place_rows(ngx_http_shard_sh_t *sh, u_char *p);
static ngx_int_t ngx_http_shard_alive(ngx_atomic_uint_t pid);
static void ngx_http_shard_clear(ngx_http_shard_keyspace_t *ks, ngx_uint_t n);


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

            return NGX_OK;
        }
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(ks->cycle->conf_ctx,
                                           ngx_core_module);

    /* a generation that leaves, one that comes, some to spare, and the row
     * that any more of them share */

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
    ngx_uint_t nworkers)
{
    return ngx_http_shard_align(sizeof(ngx_http_shard_sh_t))
           + 2 * ngx_http_shard_align(nnodes * sizeof(ngx_http_shard_node_t))
           + 2 * ngx_http_shard_align(shard_index_size(nslots))
           + ngx_http_shard_align((size_t) nslots * sizeof(shard_latch_t))
           + ngx_http_shard_align((size_t) nslots
                                  * sizeof(ngx_http_shard_counters_t))
           + ngx_http_shard_align((size_t) nslots * nworkers
                                  * sizeof(uint32_t))
           + ngx_http_shard_align(NGX_HTTP_SHARD_QUEUES
                                  * sizeof(ngx_http_shard_queue_t))
           + ngx_http_shard_align((size_t) nnodes * nworkers
                                  * sizeof(uint32_t))
           + ngx_http_shard_align(nnodes * sizeof(uint32_t))
           + 64;
}


static ngx_int_t
ngx_http_shard_layout(ngx_http_shard_keyspace_t *ks, ngx_uint_t nworkers)
{
    size_t                size, room;
    u_char               *p;
    uint32_t              nslots, nnodes, step;
    ngx_http_shard_sh_t  *sh;

    /* what the slab pool takes for itself: its header and its page table */

    room = ks->zone->shm.size
           - ks->zone->shm.size / ngx_pagesize * sizeof(ngx_slab_page_t)
           - 4 * ngx_pagesize;

    nnodes = (uint32_t) ngx_min(4096, ks->zone->shm.size / 16384);
    nslots = 0;

    for (step = 1 << 24; step; step >>= 1) {
        if (ngx_http_shard_layout_size(nslots + step, nnodes, nworkers)
            <= room)
        {
            nslots += step;
        }
    }

    size = ngx_http_shard_layout_size(nslots, nnodes, nworkers);
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
    sh->instance = (uint64_t) ngx_random() << 33 ^ (uint64_t) ngx_random() << 11
                   ^ (uint64_t) ngx_pid << 48 ^ ngx_time();

    ngx_http_shard_place_rows(sh,
                      p + ngx_http_shard_align(sizeof(ngx_http_shard_sh_t)));

    sh->magic = NGX_HTTP_SHARD_MAGIC;

    ks->sh = sh;
    ks->shpool->data = sh;

    return NGX_OK;
}


/* everything behind the head, as layout_size() has it */

static void
ngx_http_shard_place_rows(ngx_http_shard_sh_t *sh, u_char *p)
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

    sh->inflight = (uint32_t *) p;
    p += ngx_http_shard_align((size_t) nslots * nworkers * sizeof(uint32_t));

    sh->queues = (ngx_http_shard_queue_t *) p;
    p += ngx_http_shard_align(NGX_HTTP_SHARD_QUEUES
                              * sizeof(ngx_http_shard_queue_t));

    for (i = 0; i < NGX_HTTP_SHARD_QUEUES; i++) {
        sh->queues[i].slot = SHARD_SLOT_NONE;
    }

    sh->node_inflight = (uint32_t *) p;
    p += ngx_http_shard_align((size_t) nnodes * nworkers * sizeof(uint32_t));
    sh->node_failed = (uint32_t *) p;
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
    uint64_t                 structure;
    uint32_t                 n;
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

    do {
        structure = __atomic_load_n(&from->structure, __ATOMIC_SEQ_CST);
        src = &from->arenas[structure & 1];
        dst = &to->arenas[0];
        n = src->index.n;

        if (n == 0) {
            return NGX_OK;
        }

        if (n > to->nslots || src->nnodes > to->nnodes_max) {
            ngx_log_error(NGX_LOG_EMERG, ks->cycle->log, 0,
                          "keyspace \"%V\": its %uD shards and %ui nodes do "
                          "not fit a zone of %uz bytes, give \"shard_table\" "
                          "more", &ks->name, n, src->nnodes,
                          ks->zone->shm.size);
            return NGX_ERROR;
        }

        ngx_memcpy(dst->nodes, src->nodes,
                   src->nnodes * sizeof(ngx_http_shard_node_t));
        ngx_memcpy(dst->index.lo, src->index.lo, n * sizeof(uint64_t));
        ngx_memcpy(dst->index.id, src->index.id, n * sizeof(uint32_t));
        dst->nnodes = src->nnodes;
        dst->index.n = n;

        ngx_http_shard_inherit_routes(to, from, src);

    } while (structure != __atomic_load_n(&from->structure, __ATOMIC_SEQ_CST));

    if (shard_index_build(&dst->index, n) == SHARD_OK) {
        to->table_version = from->table_version;
        to->contact_ms = from->contact_ms;
    }

    from->replaced = 1;

    return NGX_OK;
}


/* held shards stay so, each with a queue to wait in */

static void
ngx_http_shard_inherit_routes(ngx_http_shard_sh_t *to,
    ngx_http_shard_sh_t *from, ngx_http_shard_arena_t *src)
{
    uint32_t                 i;
    ngx_uint_t               nqueues;
    shard_route_t            route;
    ngx_http_shard_arena_t  *dst;

    dst = &to->arenas[0];

    for (nqueues = 0; nqueues < NGX_HTTP_SHARD_QUEUES; nqueues++) {
        to->queues[nqueues].slot = SHARD_SLOT_NONE;
    }

    nqueues = 0;

    for (i = 0; i < dst->index.n; i++) {
        shard_latch_read(&from->latches[src->index.slot[i]], &route);
        route.queue = 0;

        if (route.phase == SHARD_HELD && nqueues < NGX_HTTP_SHARD_QUEUES) {
            shard_tickets_init(&to->queues[nqueues].tickets);
            to->queues[nqueues].slot = i;
            route.queue = ++nqueues;
        }

        dst->index.slot[i] = i;
        to->latches[i].v[0] = route;
    }
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


static ngx_int_t
ngx_http_shard_alive(ngx_atomic_uint_t pid)
{
    return pid && (kill((ngx_pid_t) pid, 0) == 0 || ngx_errno != NGX_ESRCH);
}


/*
 * This worker takes a free number, or one of a worker that died.  The last
 * row of counters is shared by all whose number is beyond it.
 */

ngx_int_t
ngx_http_shard_join(ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t             i;
    ngx_http_shard_sh_t   *sh;

    sh = ks->sh;

    ngx_http_shard_bury(ks);

    ngx_shmtx_lock(&ks->shpool->mutex);

    for (i = 0; i < NGX_HTTP_SHARD_WORKERS_MAX; i++) {
        if (sh->workers[i] == 0) {
            sh->workers[i] = ngx_pid;
            break;
        }
    }

    ngx_shmtx_unlock(&ks->shpool->mutex);

    if (i == NGX_HTTP_SHARD_WORKERS_MAX) {
        ngx_log_error(NGX_LOG_EMERG, ngx_cycle->log, 0,
                      "keyspace \"%V\": more than %d workers at once, wait for "
                      "old ones to end", &ks->name,
                      NGX_HTTP_SHARD_WORKERS_MAX);
        return NGX_ERROR;
    }

    ks->worker = i;
    ks->row = ngx_min(i, sh->nworkers - 1);
    ngx_queue_init(&ks->parked);

    ks->poll.handler = ngx_http_shard_poll_handler;
    ks->poll.data = ks->zone;
    ks->poll.log = ngx_cycle->log;

    ks->tick.handler = ngx_http_shard_tick_handler;
    ks->tick.log = ngx_cycle->log;
    ks->tick.cancelable = 1;

    return NGX_OK;
}


void
ngx_http_shard_leave_worker(ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;

    if (sh == NULL
        || sh->workers[ks->worker] != (ngx_atomic_uint_t) ngx_pid)
    {
        return;
    }

    ngx_shmtx_lock(&ks->shpool->mutex);
    ngx_http_shard_clear(ks, ks->worker);
    ngx_shmtx_unlock(&ks->shpool->mutex);
}


/* what worker n left, under the lock */

static void
ngx_http_shard_clear(ngx_http_shard_keyspace_t *ks, ngx_uint_t n)
{
    ngx_uint_t               i, row, shared;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_queue_t  *q;

    sh = ks->sh;
    row = ngx_min(n, sh->nworkers - 1);
    shared = 0;

    /* the last row is cleared by the last that leaves it */

    for (i = row; row == sh->nworkers - 1 && i < NGX_HTTP_SHARD_WORKERS_MAX;
         i++)
    {
        shared |= i != n && sh->workers[i];
    }

    if (!shared) {
        ngx_memzero(&sh->inflight[row * sh->nslots],
                    sh->nslots * sizeof(uint32_t));
        ngx_memzero(&sh->node_inflight[row * sh->nnodes_max],
                    sh->nnodes_max * sizeof(uint32_t));
    }

    for (i = 0; i < NGX_HTTP_SHARD_QUEUES; i++) {
        q = &sh->queues[i];

        if (q->slot != SHARD_SLOT_NONE) {
            (void) shard_tickets_purge(&q->tickets, (uint16_t) n);
        }
    }

    sh->waiting[n] = 0;
    ngx_memory_barrier();
    sh->workers[n] = 0;
}


/*
 * Gives back what dead workers left: what they had in flight ended with
 * their connections, their parked requests with their clients'.
 */

void
ngx_http_shard_bury(ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t             i;
    ngx_atomic_uint_t      pid;
    ngx_http_shard_sh_t   *sh;

    sh = ks->sh;

    for (i = 0; i < NGX_HTTP_SHARD_WORKERS_MAX; i++) {

        pid = sh->workers[i];

        if (pid == 0 || ngx_http_shard_alive(pid)) {
            continue;
        }

        ngx_shmtx_lock(&ks->shpool->mutex);

        if (sh->workers[i] == pid) {
            ngx_http_shard_clear(ks, i);
        }

        ngx_shmtx_unlock(&ks->shpool->mutex);

        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "keyspace \"%V\": worker %uA died, its number is free",
                      &ks->name, pid);
    }
}


/*
 * The lease: taken when nobody has it, its holder is dead, or it ran out;
 * NGX_OK when this worker leads now.  The token tells a leader that slept
 * through its lease from the next one: it is compared under the lock by
 * whoever publishes.
 */

ngx_int_t
ngx_http_shard_lead(ngx_http_shard_keyspace_t *ks)
{
    ngx_int_t             rc;
    ngx_msec_t            grace;
    ngx_atomic_uint_t     pid;
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;
    rc = NGX_DECLINED;

    /* a worker that ends leads only where nobody else does */
    grace = ngx_exiting && !sh->replaced ? NGX_HTTP_SHARD_LEASE : 0;

    ngx_shmtx_lock(&ks->shpool->mutex);

    pid = sh->leader;

    if (pid == (ngx_atomic_uint_t) ngx_pid) {
        rc = NGX_OK;

    } else if ((pid == 0 || !ngx_http_shard_alive(pid)) && grace == 0) {
        sh->leader = ngx_pid;
        sh->leader_token++;
        rc = NGX_OK;

    } else if ((ngx_msec_int_t) (ngx_current_msec - sh->leader_until - grace)
               > 0)
    {
        sh->leader = ngx_pid;
        sh->leader_token++;
        rc = NGX_OK;
    }

    if (rc == NGX_OK) {
        sh->leader_until = ngx_current_msec + NGX_HTTP_SHARD_LEASE;
    }

    ngx_shmtx_unlock(&ks->shpool->mutex);

    return rc;
}


void
ngx_http_shard_abdicate(ngx_http_shard_keyspace_t *ks)
{
    (void) ngx_atomic_cmp_set(&ks->sh->leader, ngx_pid, 0);
}


ngx_uint_t
ngx_http_shard_leading(ngx_http_shard_keyspace_t *ks)
{
    return ks->sh->leader == (ngx_atomic_uint_t) ngx_pid;
}


uint32_t
ngx_http_shard_inflight(ngx_http_shard_keyspace_t *ks, uint32_t slot)
{
    uint32_t              n;
    ngx_uint_t            i;
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;
    n = 0;

    for (i = 0; i < sh->nworkers; i++) {
        n += __atomic_load_n(&sh->inflight[i * sh->nslots + slot],
                             __ATOMIC_SEQ_CST);
    }

    return n;
}


/* parked now, by all workers */

ngx_uint_t
ngx_http_shard_waiting(ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t  i, n;

    for (i = 0, n = 0; i < NGX_HTTP_SHARD_WORKERS_MAX; i++) {
        n += ks->sh->waiting[i];
    }

    return n;
}


uint32_t
ngx_http_shard_node_inflight(ngx_http_shard_keyspace_t *ks, ngx_uint_t node)
{
    uint32_t              n;
    ngx_uint_t            i;
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;
    n = 0;

    for (i = 0; i < sh->nworkers; i++) {
        n += __atomic_load_n(&sh->node_inflight[i * sh->nnodes_max + node],
                             __ATOMIC_RELAXED);
    }

    return n;
}


/* whether workers of a zone of another size are still at work */

ngx_uint_t
ngx_http_shard_old_workers(ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t  i, n;

    n = 0;

    for (i = 0; i < NGX_HTTP_SHARD_WORKERS_MAX; i++) {
        if (ks->sh->before[i] == 0) {
            continue;
        }

        if (ngx_http_shard_alive(ks->sh->before[i])) {
            n++;

        } else {
            ks->sh->before[i] = 0;
        }
    }

    return n;
}
