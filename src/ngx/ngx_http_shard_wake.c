
/*
 * Workers wake each other: one eventfd a worker of a cycle, made by the master
 * before it forks, so that each can write to all.  Whoever is woken looks at
 * what it has parked, and at the table if it leads.
 */


#include "ngx_http_shard.h"

#include <sys/eventfd.h>


static void ngx_http_shard_wake_handler(ngx_event_t *ev);
static void ngx_http_shard_wake_cleanup(void *data);


ngx_int_t
ngx_http_shard_wake_init(ngx_cycle_t *cycle)
{
    ngx_uint_t                   i, n;
    ngx_core_conf_t             *ccf;
    ngx_pool_cleanup_t          *cln;
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shard_module);

    if (smcf == NULL || smcf->keyspaces.nelts == 0) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);
    n = ngx_max(ccf->worker_processes, 1);

    smcf->wake = ngx_palloc(cycle->pool, (n + 1) * sizeof(int));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (smcf->wake == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        smcf->wake[i] = eventfd(0, EFD_NONBLOCK|EFD_CLOEXEC);

        if (smcf->wake[i] == -1) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, ngx_errno,
                          "eventfd() failed");
            return NGX_ERROR;
        }
    }

    smcf->wake[n] = -1;
    cln->handler = ngx_http_shard_wake_cleanup;
    cln->data = smcf->wake;

    return NGX_OK;
}


static void
ngx_http_shard_wake_cleanup(void *data)
{
    int  *fd = data;

    for ( /* void */ ; *fd != -1; fd++) {
        (void) close(*fd);
    }
}


ngx_int_t
ngx_http_shard_wake_listen(ngx_cycle_t *cycle)
{
    ngx_uint_t                    i;
    ngx_connection_t             *c;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shard_module);

    c = ngx_get_connection(smcf->wake[ngx_worker], cycle->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = smcf;
    c->read->handler = ngx_http_shard_wake_handler;
    c->read->log = cycle->log;
    smcf->wake_connection = c;

    /* an idle connection does not keep an old worker alive */
    c->idle = 0;
    c->recv = ngx_recv;

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        return NGX_ERROR;
    }

    ks = smcf->keyspaces.elts;

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        ks[i]->tick.data = ks[i]->zone;
        ngx_add_timer(&ks[i]->tick, 1);
    }

    return NGX_OK;
}


void
ngx_http_shard_wake_close(ngx_cycle_t *cycle)
{
    ngx_connection_t            *c;
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_shard_module);
    c = smcf->wake_connection;

    if (c) {
        ngx_del_event(c->read, NGX_READ_EVENT, 0);
        ngx_free_connection(c);
        c->fd = (ngx_socket_t) -1;
        smcf->wake_connection = NULL;
    }
}


static void
ngx_http_shard_wake_handler(ngx_event_t *ev)
{
    uint64_t                      n;
    ngx_uint_t                    i;
    ngx_connection_t             *c;
    ngx_http_shard_keyspace_t   **ks;
    ngx_http_shard_main_conf_t   *smcf;

    c = ev->data;
    smcf = c->data;

    if (read(c->fd, &n, sizeof(n)) == -1) {
        return;
    }

    ks = smcf->keyspaces.elts;

    for (i = 0; i < smcf->keyspaces.nelts; i++) {
        if (ks[i]->nparked) {
            ngx_http_shard_poll_handler(&ks[i]->poll);
        }

        if (ks[i]->sync) {
            ngx_http_shard_sync_poke(ks[i]);
        }
    }
}


void
ngx_http_shard_wake_all(ngx_http_shard_keyspace_t *ks)
{
    int                         *fd;
    uint64_t                     one;
    ngx_http_shard_main_conf_t  *smcf;

    smcf = ngx_http_cycle_get_module_main_conf(ngx_cycle,
                                               ngx_http_shard_module);
    one = 1;

    if (smcf == NULL || smcf->wake == NULL) {
        return;
    }

    for (fd = smcf->wake; *fd != -1; fd++) {
        if (write(*fd, &one, sizeof(one)) == -1 && ngx_errno != NGX_EAGAIN) {
            ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                          "keyspace \"%V\": waking a worker failed",
                          &ks->name);
        }
    }
}
