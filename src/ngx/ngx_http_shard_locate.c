
/*
 * Where a request belongs by the table itself, which leaves notes for those
 * that come next: the shard of a key, and the shard's route.
 *
 *   key ─▶ position ─▶ index ─▶ slot ─▶ enter the ledger ─▶ latch ─▶ route
 *                        └───────── note ─────────┴─────────────┘
 */


#include "ngx_http_shard_notes.h"
#include "ngx_http_shard_scatter.h"


static void ngx_http_shard_locate_position(ngx_http_shard_ctx_t *ctx,
    shard_index_t *index, uint64_t structure);
static ngx_int_t ngx_http_shard_locate_key(ngx_http_shard_ctx_t *ctx,
    shard_index_t *index);
static void ngx_http_shard_read_route(ngx_http_shard_ctx_t *ctx,
    ngx_http_shard_sh_t *sh);


/*
 * An arena found empty may be one that is written anew behind a slow reader:
 * only what the sequence confirms counts.
 */

ngx_int_t
ngx_http_shard_locate(ngx_http_shard_ctx_t *ctx)
{
    uint32_t              n;
    uint64_t              structure;
    ngx_int_t             rc;
    shard_index_t        *index;
    ngx_http_shard_sh_t  *sh;

    sh = ngx_http_shard_keyspace(ctx)->sh;

    if (ctx->forced) {
        return ngx_http_shard_scatter_locate(ctx);
    }

    do {
        rc = NGX_OK;
        structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
        index = &sh->arenas[structure & 1].index;
        n = __atomic_load_n(&index->n, __ATOMIC_RELAXED);

        if (n == 0) {
            rc = NGX_DECLINED;

        } else if (index->kind == SHARD_KIND_HASH) {
            ngx_http_shard_locate_position(ctx, index, structure);

        } else {
            rc = ngx_http_shard_locate_key(ctx, index);
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));

    ctx->structure = (uint32_t) structure;

    return rc;
}


static void
ngx_http_shard_locate_position(ngx_http_shard_ctx_t *ctx,
    shard_index_t *index, uint64_t structure)
{
    uint32_t                    i;
    ngx_http_shard_note_t      *note;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);

    ctx->position = shard_key_position(ctx->key.data, ctx->key.len);
    ctx->sticky = ctx->position;

    note = ngx_http_shard_note(ks, ctx->position);

    if (note == NULL || note->structure != (uint32_t) structure
        || note->slot == SHARD_SLOT_NONE)
    {
        if (note == NULL) {
            note = ngx_http_shard_note_place(ks, ctx->position,
                                             (uint32_t) structure);
        }

        i = shard_index_find(index, ctx->position);
        ngx_http_shard_note_set(ks, note, ctx->position, structure,
                                &index->entries[i]);
    }

    ctx->slot = note->slot;
    ctx->id = note->id;

    /* it comes from far away in a large table */

    __builtin_prefetch(&ks->sh->latches[ctx->slot]);
}


/* ranges and lists */

static ngx_int_t
ngx_http_shard_locate_key(ngx_http_shard_ctx_t *ctx, shard_index_t *index)
{
    uint32_t     i;
    shard_key_t  located;
    shard_str_t  key;

    key.data = (const char *) ctx->key.data;
    key.len = ctx->key.len;

    if (shard_key_locate(index->kind, key.data, key.len, &located)
        != SHARD_OK)
    {
        return NGX_ABORT;
    }

    ctx->position = located.position;
    ctx->sticky = located.sticky;

    i = shard_index_find_key(index, located.position, key);
    ctx->slot = shard_index_slot(index, i);
    ctx->id = index->entries[i].id;

    return NGX_OK;
}


/*
 * Enters, then reads the route: this order makes a drain provable.  The slot
 * may have gone to another shard since it was looked up, while a request
 * was parked above all; the sequence tells.  It is in the one order of
 * shard_ledger.h, too: whoever a scan did not see sees what the scan was of.
 */

void
ngx_http_shard_enter(ngx_http_shard_ctx_t *ctx)
{
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);
    sh = ks->sh;

    for ( ;; ) {

        if (!ctx->entered) {
            ctx->entry = shard_ledger_enter(&ks->inflight, ctx->slot,
                                            ctx->structure);
            ctx->entered = 1;
        }

        ngx_http_shard_read_route(ctx, sh);

        if ((uint32_t) __atomic_load_n(&sh->structure, __ATOMIC_SEQ_CST)
            == ctx->structure)
        {
            break;
        }

        ngx_http_shard_leave(ctx);
        (void) ngx_http_shard_locate(ctx);
    }

    if (ctx->picked || ctx->attempt) {
        ngx_http_shard_forget_pick(ctx);
    }
}


/* the shard's, behind the request's entry in the ledger */

static void
ngx_http_shard_read_route(ngx_http_shard_ctx_t *ctx, ngx_http_shard_sh_t *sh)
{
    uint32_t                    routes;
    ngx_http_shard_note_t      *note;
    ngx_http_shard_keyspace_t  *ks;

    ks = ngx_http_shard_keyspace(ctx);
    note = ngx_http_shard_note_of(ks, ctx->position, ctx->slot);
    routes = __atomic_load_n(&sh->routes, __ATOMIC_SEQ_CST);

    if (note && note->routed && note->routes == routes) {
        ngx_http_shard_note_take(ks, note, &ctx->route);
        return;
    }

    shard_latch_read(&sh->latches[ctx->slot], &ctx->route);

    if (note) {
        ngx_http_shard_note_routed(ks, note, &ctx->route, routes);
    }
}
