
/*
 * What mirrored reads came to, per migration: counted by every worker, told
 * to Redis in this router's entry, where the migrator's gates look.
 */


#include "ngx_http_shard_mirror.h"
#include "ngx_http_shard_sync.h"


#define NGX_HTTP_SHARD_MIRROR_TELL   1000        /* ms between log lines */
#define NGX_HTTP_SHARD_MIRROR_LAG    1000        /* ms of the target */


static ngx_http_shard_mirrored_t *ngx_http_shard_mirrored(
    ngx_http_shard_sh_t *sh, uint64_t migration);
static uint64_t *ngx_http_shard_mirror_wrote(
    ngx_http_shard_mirrored_t *mirrored, uint64_t sticky);
static ngx_uint_t ngx_http_shard_mirror_behind(ngx_http_shard_mirror_t *m);
static ngx_http_shard_mirror_result_e ngx_http_shard_mirror_differs(
    ngx_http_shard_mirror_t *m, ngx_http_shard_mirror_result_e result,
    const char *what);
static ngx_http_shard_mirror_result_e ngx_http_shard_mirror_judge(
    ngx_http_shard_mirror_t *m);
static void ngx_http_shard_mirror_tell(ngx_http_shard_mirror_t *m,
    const char *what);


/* as in the routers' entries, and result= in shard_metrics */

const char *const  ngx_http_shard_mirror_results[] = {
    "sent", "same", "status", "body", "behind", "failed", "skipped"
};


static ngx_http_shard_mirrored_t *
ngx_http_shard_mirrored(ngx_http_shard_sh_t *sh, uint64_t migration)
{
    ngx_uint_t  i;

    for (i = 0; migration && i < NGX_HTTP_SHARD_MIRRORED_MAX; i++) {
        if (__atomic_load_n(&sh->mirrored_id[i], __ATOMIC_ACQUIRE)
            == migration)
        {
            return &sh->mirrored[i];
        }
    }

    return NULL;
}


/* NGX_DECLINED: as many migrations as there is room for are mirrored */

ngx_int_t
ngx_http_shard_mirror_open(ngx_http_shard_keyspace_t *ks, uint64_t migration,
    uint32_t slot, shard_id_t id)
{
    ngx_int_t             rc;
    ngx_uint_t            i;
    ngx_http_shard_sh_t  *sh;

    sh = ks->sh;

    if (ngx_http_shard_mirrored(sh, migration)) {
        return NGX_OK;
    }

    rc = NGX_DECLINED;

    ngx_shmtx_lock(&ks->shpool->mutex);

    if (ngx_http_shard_mirrored(sh, migration)) {
        rc = NGX_OK;
    }

    for (i = 0; rc != NGX_OK && i < NGX_HTTP_SHARD_MIRRORED_MAX; i++) {
        if (sh->mirrored_id[i]) {
            continue;
        }

        ngx_memzero(&sh->mirrored[i], sizeof(ngx_http_shard_mirrored_t));
        sh->mirrored[i].slot = slot;
        sh->mirrored[i].id = id;
        sh->mirrored[i].opened = (uint32_t) ngx_current_msec;

        __atomic_store_n(&sh->mirrored_id[i], migration, __ATOMIC_RELEASE);
        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&ks->shpool->mutex);

    return rc;
}


/* of a migration that is over meanwhile only the keyspace's sum is kept */

void
ngx_http_shard_mirror_count(ngx_http_shard_keyspace_t *ks, uint64_t migration,
    ngx_http_shard_mirror_result_e result)
{
    ngx_http_shard_mirrored_t  *mirrored;

    ngx_http_shard_add(ks->sh->totals.mirror[result], 1);

    mirrored = ngx_http_shard_mirrored(ks->sh, migration);

    if (mirrored) {
        ngx_http_shard_add(mirrored->count[result], 1);
    }
}


void
ngx_http_shard_mirror_latency(ngx_http_shard_keyspace_t *ks,
    uint64_t migration, ngx_msec_t source, ngx_msec_t target)
{
    ngx_http_shard_mirrored_t  *mirrored;

    mirrored = ngx_http_shard_mirrored(ks->sh, migration);

    if (mirrored) {
        ngx_http_shard_add(mirrored->source_ms, (uint32_t) source);
        ngx_http_shard_add(mirrored->target_ms, (uint32_t) target);
    }
}


static uint64_t *
ngx_http_shard_mirror_wrote(ngx_http_shard_mirrored_t *mirrored,
    uint64_t sticky)
{
    return &mirrored->wrote[(sticky * 0x9e3779b97f4a7c15ULL >> 32)
                            % NGX_HTTP_SHARD_MIRROR_WRITES];
}


/* data travels to the target behind the source's writes */

void
ngx_http_shard_mirror_write(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_mirrored_t  *mirrored;

    mirrored = ngx_http_shard_mirrored(ngx_http_shard_keyspace(ctx)->sh,
                                       shard_route_migration(&ctx->route));

    if (mirrored) {
        __atomic_store_n(ngx_http_shard_mirror_wrote(mirrored, ctx->sticky),
                         (ctx->sticky ^ ctx->sticky >> 32) << 32
                         | (uint32_t) ngx_current_msec, __ATOMIC_RELAXED);
    }
}


/* was the key written within the lag before?  Nobody noted what was written
 * before the first mirrored read: its lag must be over, too */

static ngx_uint_t
ngx_http_shard_mirror_behind(ngx_http_shard_mirror_t *m)
{
    uint32_t                    started;
    uint64_t                    wrote;
    ngx_http_shard_mirrored_t  *mirrored;

    mirrored = ngx_http_shard_mirrored(m->keyspace->sh, m->migration);

    if (mirrored == NULL || !m->lags) {
        return 0;
    }

    started = (uint32_t) m->started;

    if ((int32_t) (started - mirrored->opened) <= NGX_HTTP_SHARD_MIRROR_LAG) {
        return 1;
    }

    wrote = __atomic_load_n(ngx_http_shard_mirror_wrote(mirrored, m->sticky),
                            __ATOMIC_RELAXED);

    return wrote >> 32 == (uint32_t) (m->sticky ^ m->sticky >> 32)
           && (int32_t) (started - (uint32_t) wrote)
              <= NGX_HTTP_SHARD_MIRROR_LAG;
}


void
ngx_http_shard_mirror_compare(ngx_http_shard_mirror_t *m)
{
    ngx_http_shard_mirror_result_e  result;

    result = ngx_http_shard_mirror_judge(m);

    ngx_http_shard_mirror_count(m->keyspace, m->migration, result);

    if (result == NGX_HTTP_SHARD_MIRROR_SAME
        || result == NGX_HTTP_SHARD_MIRROR_STATUS
        || result == NGX_HTTP_SHARD_MIRROR_BODY)
    {
        ngx_http_shard_mirror_latency(m->keyspace, m->migration,
                                      m->source.ms, m->target.ms);
    }
}


static ngx_http_shard_mirror_result_e
ngx_http_shard_mirror_differs(ngx_http_shard_mirror_t *m,
    ngx_http_shard_mirror_result_e result, const char *what)
{
    if (ngx_http_shard_mirror_behind(m)) {
        return NGX_HTTP_SHARD_MIRROR_BEHIND;
    }

    ngx_http_shard_mirror_tell(m, what);

    return result;
}


static ngx_http_shard_mirror_result_e
ngx_http_shard_mirror_judge(ngx_http_shard_mirror_t *m)
{
    if (!m->source.complete) {
        return NGX_HTTP_SHARD_MIRROR_SKIPPED;
    }

    if (!m->target.complete) {
        return NGX_HTTP_SHARD_MIRROR_FAILED;
    }

    if (m->source.status != m->target.status) {
        return ngx_http_shard_mirror_differs(m, NGX_HTTP_SHARD_MIRROR_STATUS,
                                             "another status");
    }

    if (m->source.too_long && m->target.too_long) {
        return NGX_HTTP_SHARD_MIRROR_SKIPPED;
    }

    if (m->source.too_long != m->target.too_long
        || m->source.length != m->target.length
        || m->source.digest != m->target.digest)
    {
        return ngx_http_shard_mirror_differs(m, NGX_HTTP_SHARD_MIRROR_BODY,
                                             "another body");
    }

    return NGX_HTTP_SHARD_MIRROR_SAME;
}


/* one line a second of this worker, and how many it stands for */

static void
ngx_http_shard_mirror_tell(ngx_http_shard_mirror_t *m, const char *what)
{
    static ngx_uint_t  untold;
    static ngx_msec_t  tell_at;

    if (tell_at && (ngx_msec_int_t) (ngx_current_msec - tell_at) < 0) {
        untold++;
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "keyspace \"%V\" shard %uD, migration %016xL: %s from the "
                  "target than from the source of \"%*s\": source %ui, %uL "
                  "bytes, target %ui, %uL bytes (%ui more since the last "
                  "line)", &m->keyspace->name, m->id, m->migration, what,
                  m->uri_len, m->uri, m->source.status, m->source.length,
                  m->target.status, m->target.length, untold);

    untold = 0;
    tell_at = ngx_current_msec + NGX_HTTP_SHARD_MIRROR_TELL;
}


/*
 * "mirrors" of this router's entry, by its leader.  A migration that its
 * shard's route does not name any more is over: its place is free again.
 */

void
ngx_http_shard_print_mirrors(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t)
{
    uint64_t                    migration;
    ngx_uint_t                  i, k;
    const char                 *comma;
    shard_route_t               route;
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_mirrored_t  *mirrored;

    sh = sync->keyspace->sh;
    comma = "";

    for (i = 0; i < NGX_HTTP_SHARD_MIRRORED_MAX; i++) {
        migration = __atomic_load_n(&sh->mirrored_id[i], __ATOMIC_ACQUIRE);

        if (migration == 0) {
            continue;
        }

        mirrored = &sh->mirrored[i];
        shard_latch_read(&sh->latches[mirrored->slot], &route);

        if (shard_route_migration(&route) != migration) {
            __atomic_store_n(&sh->mirrored_id[i], 0, __ATOMIC_RELEASE);
            continue;
        }

        ngx_http_shard_print(t, "%s\"%016xL\":{\"shard\":%uD", comma,
                             migration, mirrored->id);

        for (k = 0; k < NGX_HTTP_SHARD_MIRROR_RESULTS; k++) {
            ngx_http_shard_print(t, ",\"%s\":%uD",
                                 ngx_http_shard_mirror_results[k],
                                 mirrored->count[k]);
        }

        ngx_http_shard_print(t, ",\"source_ms\":%uD,\"target_ms\":%uD}",
                             mirrored->source_ms, mirrored->target_ms);
        comma = ",";
    }
}
