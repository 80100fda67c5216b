
/*
 * Who had the keys before: a request that entered before the bounds of shards
 * moved is in flight in the slot of the shard that gave its key away.
 *
 *   change of bounds ─▶ from: slots that gave   ─▶ published as structure S
 *   (split, merge)      to: slots that took             │
 *                                                       ▼
 *   barrier of a shard in "to" waits for entries of "from" older than S;
 *   once nothing older than S is in flight the handover is forgotten
 *
 * What is too much to be kept counts as all slots: cutovers wait longer then,
 * none is reported drained too early.  A new leader begins with such a one,
 * for what it has not seen.  All of it is the leader's own memory.
 */


#include "ngx_http_shard_sync.h"


static void ngx_http_shard_handover_add(ngx_http_shard_slots_t *slots,
    uint32_t slot);
static ngx_uint_t ngx_http_shard_handover_has(ngx_http_shard_slots_t *slots,
    uint32_t slot);


void
ngx_http_shard_handover_begin(ngx_http_shard_keyspace_t *ks)
{
    ks->nhandovers = 0;

    ngx_http_shard_handover_all(ks);
    ngx_http_shard_handover_published(ks, (uint32_t) ks->sh->structure);
}


/* a new one, to be filled; the last one takes all when there is no room */

ngx_http_shard_handover_t *
ngx_http_shard_handover_open(ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_handover_t  *h;

    if (ks->nhandovers == NGX_HTTP_SHARD_HANDOVERS) {
        h = &ks->handovers[ks->nhandovers - 1];
        h->from.all = 1;
        h->to.all = 1;

    } else {
        h = &ks->handovers[ks->nhandovers++];
        ngx_memzero(h, sizeof(ngx_http_shard_handover_t));
    }

    h->published = 0;

    return h;
}


void
ngx_http_shard_handover_all(ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_handover_t  *h;

    h = ngx_http_shard_handover_open(ks);
    h->from.all = 1;
    h->to.all = 1;
}


static void
ngx_http_shard_handover_add(ngx_http_shard_slots_t *slots, uint32_t slot)
{
    if (ngx_http_shard_handover_has(slots, slot)) {
        return;
    }

    if (slots->n == NGX_HTTP_SHARD_HANDOVER_SLOTS) {
        slots->all = 1;

    } else {
        slots->slot[slots->n++] = slot;
    }
}


void
ngx_http_shard_handover_from(ngx_http_shard_handover_t *h, uint32_t slot)
{
    ngx_http_shard_handover_add(&h->from, slot);
}


void
ngx_http_shard_handover_to(ngx_http_shard_handover_t *h, uint32_t slot)
{
    ngx_http_shard_handover_add(&h->to, slot);
}


static ngx_uint_t
ngx_http_shard_handover_has(ngx_http_shard_slots_t *slots, uint32_t slot)
{
    uint32_t  i;

    for (i = 0; i < slots->n; i++) {
        if (slots->slot[i] == slot) {
            return 1;
        }
    }

    return slots->all;
}


/* with the structure that is about to be the live one; what was found drained
 * was so of other keys */

void
ngx_http_shard_handover_published(ngx_http_shard_keyspace_t *ks,
    uint32_t structure)
{
    uint32_t                    i, k;
    ngx_http_shard_handover_t  *h;

    for (i = 0; i < ks->nhandovers; i++) {
        h = &ks->handovers[i];

        if (h->published) {
            continue;
        }

        h->published = 1;
        h->structure = structure;

        for (k = 0; k < ks->nheld; k++) {
            if (ngx_http_shard_handover_has(&h->to, ks->held[k].slot)) {
                ks->held[k].drained = 0;
            }
        }
    }
}


/* 1: requests of what are this slot's keys now may be in flight elsewhere */

ngx_uint_t
ngx_http_shard_handover_waits(ngx_http_shard_keyspace_t *ks, uint32_t slot)
{
    uint32_t                    i;
    ngx_http_shard_handover_t  *h;

    for (i = 0; i < ks->nhandovers; i++) {
        h = &ks->handovers[i];

        if (h->published
            && ngx_http_shard_handover_has(&h->to, slot)
            && shard_ledger_older(&ks->sh->ledger, h->structure,
                                  h->from.all ? NULL : h->from.slot,
                                  h->from.n))
        {
            return 1;
        }
    }

    return 0;
}


/* those that nobody is left of are forgotten */

void
ngx_http_shard_handover_settle(ngx_http_shard_keyspace_t *ks)
{
    uint32_t                    i, n;
    ngx_http_shard_handover_t  *h;

    for (i = 0, n = 0; i < ks->nhandovers; i++) {
        h = &ks->handovers[i];

        if (!h->published
            || shard_ledger_overflow(&ks->sh->ledger)
            || shard_ledger_older(&ks->sh->ledger, h->structure, NULL, 0))
        {
            ks->handovers[n++] = *h;
        }
    }

    ks->nhandovers = n;
}
