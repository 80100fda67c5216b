
/*
 * Barriers: which shards the table holds, and which of them are drained, for
 * the cutover that waits for it.
 *
 *   publish ─▶ note(slot, held) ─▶ list, by slot ─▶ scan of the ledger, each
 *                                      │            ms while some are not
 *   routers ◀─ text ◀──────────────────┴──────────  drained
 *
 * A held shard is drained when no worker has a request of it on its way, nor
 * of what were other shards' keys before (_handover): one scan after it was
 * published tells for all of them.  Nothing new can start, so once drained
 * stays drained, until its latch is written with another phase or it gets
 * more keys.
 */


#include "ngx_http_shard_sync.h"


#define NGX_HTTP_SHARD_HELD_MIN  64


static uint32_t ngx_http_shard_barrier_find(ngx_http_shard_keyspace_t *ks,
    uint32_t slot);
static ngx_uint_t ngx_http_shard_barrier_holds(ngx_http_shard_sync_t *sync,
    ngx_http_shard_held_t *held);
static ngx_uint_t ngx_http_shard_barrier_open(ngx_http_shard_sync_t *sync);
static ngx_uint_t ngx_http_shard_barrier_scan(ngx_http_shard_sync_t *sync);


/* a new leader knows of none until it has published a table */

void
ngx_http_shard_barrier_begin(ngx_http_shard_keyspace_t *ks)
{
    ks->nheld = 0;
    ngx_http_shard_handover_begin(ks);
}


/* the first with this slot, or a greater one */

static uint32_t
ngx_http_shard_barrier_find(ngx_http_shard_keyspace_t *ks, uint32_t slot)
{
    uint32_t  low, high, middle;

    low = 0;
    high = ks->nheld;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (ks->held[middle].slot < slot) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return low;
}


void
ngx_http_shard_barrier_note(ngx_http_shard_keyspace_t *ks, uint32_t slot,
    shard_id_t id, ngx_uint_t is_held)
{
    uint32_t                i, size;
    ngx_uint_t              there;
    ngx_http_shard_held_t  *held;

    if (!is_held && ks->nheld == 0) {
        return;
    }

    i = ngx_http_shard_barrier_find(ks, slot);
    there = i < ks->nheld && ks->held[i].slot == slot;

    if (there && is_held && ks->held[i].id == id) {
        return;
    }

    if (there) {
        ks->nheld--;
        ngx_memmove(&ks->held[i], &ks->held[i + 1],
                    (ks->nheld - i) * sizeof(ngx_http_shard_held_t));
    }

    if (!is_held) {
        return;
    }

    if (ks->nheld == ks->held_size) {
        size = ks->held_size ? 2 * ks->held_size : NGX_HTTP_SHARD_HELD_MIN;

        held = ngx_alloc(size * sizeof(ngx_http_shard_held_t), ngx_cycle->log);
        if (held == NULL) {

            /* no barrier is reported: the cutover gives up in time */
            return;
        }

        if (ks->nheld) {
            ngx_memcpy(held, ks->held,
                       ks->nheld * sizeof(ngx_http_shard_held_t));
        }

        ngx_free(ks->held);
        ks->held = held;
        ks->held_size = size;
    }

    held = &ks->held[i];
    ngx_memmove(held + 1, held,
                (ks->nheld - i) * sizeof(ngx_http_shard_held_t));

    held->slot = slot;
    held->id = id;
    held->drained = 0;
    ks->nheld++;
}


/* still so in the model: what it releases may not be published yet, and what
 * it removed never is */

static ngx_uint_t
ngx_http_shard_barrier_holds(ngx_http_shard_sync_t *sync,
    ngx_http_shard_held_t *held)
{
    ngx_http_shard_entry_t  *e;

    e = ngx_http_shard_model_find(sync->model, held->id);

    return e && e->live && e->slot == held->slot
           && e->route.phase == SHARD_HELD;
}


/* how many are not drained yet */

static ngx_uint_t
ngx_http_shard_barrier_open(ngx_http_shard_sync_t *sync)
{
    uint32_t                    i;
    ngx_uint_t                  n;
    ngx_http_shard_keyspace_t  *ks;

    ks = sync->keyspace;

    for (i = 0, n = 0; i < ks->nheld; i++) {
        n += !ks->held[i].drained
             && ngx_http_shard_barrier_holds(sync, &ks->held[i]);
    }

    return n;
}


/* how many were found drained */

static ngx_uint_t
ngx_http_shard_barrier_scan(ngx_http_shard_sync_t *sync)
{
    uint32_t                    i;
    ngx_uint_t                  n;
    shard_tally_t               tally;
    ngx_http_shard_keyspace_t  *ks;

    ks = sync->keyspace;

    /* requests without an entry may be of any shard */

    if (ngx_http_shard_old_workers(ks)
        || shard_ledger_overflow(&ks->sh->ledger)
        || ngx_http_shard_tally(ks, &tally) != NGX_OK)
    {
        return 0;
    }

    ngx_http_shard_handover_settle(ks);

    for (i = 0, n = 0; i < ks->nheld; i++) {

        if (!ks->held[i].drained
            && shard_tally_get(&tally, ks->held[i].slot) == 0
            && !ngx_http_shard_handover_waits(ks, ks->held[i].slot)
            && ngx_http_shard_barrier_holds(sync, &ks->held[i]))
        {
            ks->held[i].drained = 1;
            n++;
        }
    }

    ngx_free(tally.counts);

    return n;
}


void
ngx_http_shard_barrier(ngx_http_shard_sync_t *sync)
{
    ngx_uint_t  open, drained;

    open = ngx_http_shard_barrier_open(sync);

    if (open == 0) {
        return;
    }

    drained = ngx_http_shard_barrier_scan(sync);

    if (drained) {
        ngx_http_shard_flush_router(sync);
    }

    if (drained < open && !sync->barrier.timer_set) {
        ngx_add_timer(&sync->barrier, NGX_HTTP_SHARD_POLL);
    }
}


void
ngx_http_shard_barrier_handler(ngx_event_t *ev)
{
    ngx_shm_zone_t             *zone;
    ngx_http_shard_keyspace_t  *ks;

    zone = ev->data;
    ks = zone->data;

    if (ks->sync) {
        ngx_http_shard_barrier(ks->sync);
    }
}


/* for this router's entry */

void
ngx_http_shard_barrier_print(ngx_http_shard_sync_t *sync,
    ngx_http_shard_text_t *t)
{
    uint32_t                    i, waiting;
    const char                 *comma;
    ngx_http_shard_held_t      *held;
    ngx_http_shard_keyspace_t  *ks;

    ks = sync->keyspace;
    comma = "";

    for (i = 0; i < ks->nheld; i++) {
        held = &ks->held[i];

        if (!ngx_http_shard_barrier_holds(sync, held)) {
            continue;
        }

        ngx_shmtx_lock(&ks->shpool->mutex);
        waiting = shard_tickets_waiting(&ks->sh->tickets, held->slot, NULL);
        ngx_shmtx_unlock(&ks->shpool->mutex);

        ngx_http_shard_print(t, "%s\"%uD\":{\"version\":%uL,\"drained\":%s,"
                             "\"waiting\":%uD}", comma, held->id,
                             (uint64_t) sync->model->version,
                             held->drained ? "true" : "false", waiting);
        comma = ",";
    }
}
