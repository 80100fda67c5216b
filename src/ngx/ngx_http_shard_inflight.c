
/*
 * Requests on their way, in the zone: shard_ledger.h has the rows and why a
 * drain found in them is one.
 *
 * A row has room for what a worker can have in flight: each request holds an
 * upstream connection, but for those that a cache answers.  What the zone is
 * too small for, or comes with a reload that raises worker_connections and
 * keeps the zone, goes without an entry and makes cutovers wait.
 */


#include "ngx_http_shard.h"

#include <ngx_event.h>


#define NGX_HTTP_SHARD_LEDGER_MIN    64          /* entries of a row */
#define NGX_HTTP_SHARD_LEDGER_SHARE  32          /* of the zone, at most */


/* entries a worker needs, as far as a zone of this size has them to give */

uint32_t
ngx_http_shard_ledger_entries(ngx_http_shard_keyspace_t *ks,
    ngx_uint_t nworkers)
{
    size_t             most;
    ngx_event_conf_t  *ecf;

    ecf = ngx_event_get_conf(ks->cycle->conf_ctx, ngx_event_core_module);

    most = ks->zone->shm.size / NGX_HTTP_SHARD_LEDGER_SHARE
           / (nworkers * sizeof(uint64_t));
    most = ngx_max(most, NGX_HTTP_SHARD_LEDGER_MIN);

    return (uint32_t) ngx_min(ecf->connections, most);
}


/* a zone that goes on with other workers than it was made for */

void
ngx_http_shard_ledger_check(ngx_http_shard_keyspace_t *ks)
{
    uint32_t           has;
    ngx_event_conf_t  *ecf;

    ecf = ngx_event_get_conf(ks->cycle->conf_ctx, ngx_event_core_module);
    has = ks->sh->ledger.nentries;

    if (has < ngx_http_shard_ledger_entries(ks, ks->sh->nworkers)) {
        ngx_log_error(NGX_LOG_WARN, ks->cycle->log, 0,
                      "keyspace \"%V\": its zone was made for %uD connections "
                      "a worker, not %ui: cutovers wait while a worker has "
                      "more in flight; another size of \"shard_table\" makes "
                      "it anew", &ks->name, has, ecf->connections);
    }
}


uint32_t
ngx_http_shard_inflight(ngx_http_shard_keyspace_t *ks, uint32_t slot)
{
    return shard_ledger_count(&ks->sh->ledger, slot);
}


/*
 * Counts of all shards by one scan, read by shard_tally_get(); to be freed by
 * ngx_free(tally->counts).  NGX_ERROR: not counted.
 */

ngx_int_t
ngx_http_shard_tally(ngx_http_shard_keyspace_t *ks, shard_tally_t *tally)
{
    void      *memory;
    uint32_t   n;

    /* some more may have come in when they are counted */

    n = shard_ledger_total(&ks->sh->ledger) + 64;

    memory = ngx_alloc(shard_tally_size(n), ngx_cycle->log);
    if (memory == NULL) {
        return NGX_ERROR;
    }

    shard_tally_place(tally, memory, n);

    if (shard_tally_scan(tally, &ks->sh->ledger) != SHARD_OK) {
        ngx_free(memory);
        return NGX_ERROR;
    }

    return NGX_OK;
}
