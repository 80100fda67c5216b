
/*
 * The workers on a zone: their numbers and rows in it, and the leader's lease.
 */


#include "ngx_http_shard_notes.h"


static void ngx_http_shard_clear(ngx_http_shard_keyspace_t *ks, ngx_uint_t n);


ngx_uint_t
ngx_http_shard_alive(ngx_atomic_uint_t pid)
{
    return pid && (kill((ngx_pid_t) pid, 0) == 0 || ngx_errno != NGX_ESRCH);
}


/*
 * This worker takes a free number, or one of a worker that died.  The last
 * row of a node's counters is shared by all whose number is beyond it.
 */

ngx_int_t
ngx_http_shard_join(ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t             i;
    ngx_http_shard_sh_t   *sh;

    sh = ks->sh;

    if (ngx_http_shard_notes_create(ks) != NGX_OK) {
        return NGX_ERROR;
    }

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
    ks->node_inflight = &sh->node_inflight[ngx_min(i, sh->nworkers - 1)
                                           * sh->nnodes_max];
    ks->row_shared = i >= sh->nworkers - 1;
    ks->node_flags = sh->node_flags;
    ks->node_health = sh->node_health;
    shard_ledger_open(&ks->inflight, &sh->ledger, (uint32_t) i);
    ngx_http_shard_sample_init(ks);
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

    ngx_http_shard_notes_drain(ks);

    ngx_shmtx_lock(&ks->shpool->mutex);
    ngx_http_shard_clear(ks, ks->worker);
    ngx_shmtx_unlock(&ks->shpool->mutex);
}


/* what worker n left, under the lock */

static void
ngx_http_shard_clear(ngx_http_shard_keyspace_t *ks, ngx_uint_t n)
{
    ngx_uint_t            i, row, shared;
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;
    row = ngx_min(n, sh->nworkers - 1);
    shared = 0;

    /* the last row is cleared by the last that leaves it */

    for (i = row; row == sh->nworkers - 1 && i < NGX_HTTP_SHARD_WORKERS_MAX;
         i++)
    {
        shared |= i != n && sh->workers[i];
    }

    shard_ledger_reset(&sh->ledger, (uint32_t) n);

    if (!shared) {
        ngx_memzero(&sh->node_inflight[row * sh->nnodes_max],
                    sh->nnodes_max * sizeof(uint32_t));
    }

    (void) shard_tickets_purge(&sh->tickets, (uint16_t) n);

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

            /* it may have marked a node, or counted a failure, and not told
             * yet */
            (void) __atomic_add_fetch(&sh->routes, 1, __ATOMIC_SEQ_CST);

            if (ks->health) {
                __atomic_store_n(&sh->failing, 1, __ATOMIC_SEQ_CST);
            }
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
        ks->token = ++sh->leader_token;
        (void) __atomic_add_fetch(&sh->routes, 1, __ATOMIC_SEQ_CST);
        rc = NGX_OK;

    } else if ((ngx_msec_int_t) (ngx_current_msec - sh->leader_until - grace)
               > 0)
    {
        sh->leader = ngx_pid;
        ks->token = ++sh->leader_token;
        (void) __atomic_add_fetch(&sh->routes, 1, __ATOMIC_SEQ_CST);
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
    /* without the token, one who slept while another led and went would not
     * know that its model is not what is published */

    return ks->sh->leader == (ngx_atomic_uint_t) ngx_pid
           && ks->sh->leader_token == ks->token;
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


/* whether workers of another zone are still at work: of one of another size,
 * or of another binary */

ngx_uint_t
ngx_http_shard_old_workers(ngx_http_shard_keyspace_t *ks)
{
    ngx_uint_t                   i, n;
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_shard_module);
    n = ngx_http_shard_upgrade_workers(smcf);

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
