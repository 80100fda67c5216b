
/*
 * Who had the keys before: a request that entered before the bounds of shards
 * moved is in flight in the slot of the shard that gave its key away.
 *
 *   change of bounds ─▶ from: slots that gave   ─▶ published as structure S
 *   (split, merge)      to: slots that took             │
 *                                                       ▼
 *   barrier of a shard in "to" waits until it is published, and then for
 *   entries of "from" older than S; once there are none it is forgotten
 *
 * Keys that go on from a slot in "to" take their handovers along: what takes
 * them then is in "to" of these as well.
 *
 * What is too much to be kept counts as all slots: cutovers wait longer then,
 * none is reported drained too early.  A new leader begins with such a one,
 * for what it has not seen.  All of it is the leader's own memory.
 */


#include "ngx_http_shard_sync.h"


static ngx_http_shard_handover_t *ngx_http_shard_handover_open(
    ngx_http_shard_keyspace_t *ks);
static void ngx_http_shard_handover_close(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_handover_t *h);
static void ngx_http_shard_handover_add(ngx_http_shard_slots_t *slots,
    uint32_t slot);
static ngx_uint_t ngx_http_shard_handover_has(ngx_http_shard_slots_t *slots,
    uint32_t slot);
static void ngx_http_shard_handover_follow(ngx_http_shard_handover_t *h,
    ngx_http_shard_handover_t *next);
static ngx_uint_t ngx_http_shard_handover_lasts(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_handover_t *h);


void
ngx_http_shard_handover_begin(ngx_http_shard_keyspace_t *ks)
{
    ks->nhandovers = 0;

    ngx_http_shard_handover_all(ks);
    ngx_http_shard_handover_published(ks, (uint32_t) ks->sh->structure);
}


/* whose keys the changed shards have, and had; the default one of a list has
 * what no other names, and its own record does not change */

void
ngx_http_shard_handover(ngx_http_shard_model_t *m,
    ngx_http_shard_undo_t **firsts, ngx_uint_t n)
{
    uint32_t                    slot;
    ngx_uint_t                  i;
    ngx_http_shard_entry_t     *was, *is;
    ngx_http_shard_handover_t  *h;

    h = NULL;

    for (i = 0; i < n; i++) {
        was = &firsts[i]->was.entry;
        is = &m->entries[firsts[i]->number];

        if (was->live == is->live
            && (!is->live || ngx_http_shard_model_same_keys(m, was, is)))
        {
            continue;
        }

        if (h == NULL) {
            h = ngx_http_shard_handover_open(m->keyspace);
        }

        if (was->live) {
            ngx_http_shard_handover_add(&h->from, was->slot);
        }

        if (is->live) {
            ngx_http_shard_handover_add(&h->to, is->slot);
        }
    }

    if (h == NULL) {
        return;
    }

    if (m->kind == SHARD_KIND_LIST) {
        slot = m->entries[m->places[0].entry].slot;
        ngx_http_shard_handover_add(&h->from, slot);
        ngx_http_shard_handover_add(&h->to, slot);
    }

    ngx_http_shard_handover_close(m->keyspace, h);
}


/* whatever is in flight, for whichever shard */

void
ngx_http_shard_handover_all(ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_handover_t  *h;

    h = ngx_http_shard_handover_open(ks);
    h->from.all = 1;
    h->to.all = 1;

    ngx_http_shard_handover_close(ks, h);
}


/* a new one, to be filled and closed; the last one takes all when there is no
 * room */

static ngx_http_shard_handover_t *
ngx_http_shard_handover_open(ngx_http_shard_keyspace_t *ks)
{
    ngx_http_shard_handover_t  *h;

    if (ks->nhandovers == NGX_HTTP_SHARD_HANDOVERS) {
        ngx_http_shard_handover_settle(ks);
    }

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


/* a request older than both may be in flight where "h" has it from */

static void
ngx_http_shard_handover_follow(ngx_http_shard_handover_t *h,
    ngx_http_shard_handover_t *next)
{
    uint32_t    i;
    ngx_uint_t  met;

    met = next->from.all;

    for (i = 0; i < next->from.n; i++) {
        met |= ngx_http_shard_handover_has(&h->to, next->from.slot[i]);
    }

    if (!met) {
        return;
    }

    for (i = 0; i < next->to.n; i++) {
        ngx_http_shard_handover_add(&h->to, next->to.slot[i]);
    }

    h->to.all |= next->to.all;
}


/* all of it is known; what was found drained was so of other keys */

static void
ngx_http_shard_handover_close(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_handover_t *h)
{
    uint32_t                    i;
    ngx_http_shard_handover_t  *earlier;

    for (earlier = ks->handovers; earlier < h; earlier++) {
        ngx_http_shard_handover_follow(earlier, h);
    }

    for (i = 0; i < ks->nheld; i++) {
        if (ngx_http_shard_handover_has(&h->to, ks->held[i].slot)) {
            ks->held[i].drained = 0;
        }
    }
}


/* with the structure that is about to be the live one */

void
ngx_http_shard_handover_published(ngx_http_shard_keyspace_t *ks,
    uint32_t structure)
{
    uint32_t                    i;
    ngx_http_shard_handover_t  *h;

    for (i = 0; i < ks->nhandovers; i++) {
        h = &ks->handovers[i];

        if (!h->published) {
            h->published = 1;
            h->structure = structure;
        }
    }
}


/*
 * One scan after it was published tells: who enters later with an older
 * structure sees that, and looks up its slot anew.
 */

static ngx_uint_t
ngx_http_shard_handover_lasts(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_handover_t *h)
{
    return !h->published
           || shard_ledger_older(&ks->sh->ledger, h->structure,
                                 h->from.all ? NULL : h->from.slot,
                                 h->from.n);
}


/* 1: requests of what are this slot's keys now may be in flight elsewhere;
 * asked behind _settle, which looks */

ngx_uint_t
ngx_http_shard_handover_waits(ngx_http_shard_keyspace_t *ks, uint32_t slot)
{
    uint32_t  i;

    for (i = 0; i < ks->nhandovers; i++) {
        if (ngx_http_shard_handover_has(&ks->handovers[i].to, slot)) {
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

        if (shard_ledger_overflow(&ks->sh->ledger)
            || ngx_http_shard_handover_lasts(ks, h))
        {
            ks->handovers[n++] = *h;
        }
    }

    ks->nhandovers = n;
}
