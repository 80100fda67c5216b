
/*
 * meta.policy: what routers need of it, in shared memory.
 *
 *   load, log "meta:policy" ─▶ decode ─▶ staged ─▶ with the table's
 *                                bad: the old      publication
 *                                one stays               │
 *                                                        ▼
 *   readers, any worker ◀─────────────── v[seq & 1], seq read again
 *
 * Zones of nodes have numbers, too, so that a distance is two indexes; a
 * number stays its zone's for as long as a node or the policy names it.
 */


#include "ngx_http_shard_sync.h"


static void ngx_http_shard_policy_write(ngx_http_shard_policy_t *p,
    const shard_policy_t *policy);
static uint64_t ngx_http_shard_policy_keep(ngx_http_shard_sh_t *sh);


void
ngx_http_shard_policy_read(ngx_http_shard_sync_t *sync, redisReply *value)
{
    char                  err[SHARD_ERR_SIZE];
    shard_str_t           json;
    shard_policy_work_t  *work;

    json.data = "";
    json.len = 0;

    if (value->type == REDIS_REPLY_STRING) {
        json.data = value->str;
        json.len = value->len;

    } else if (value->type != REDIS_REPLY_NIL) {
        ngx_http_shard_sync_reject(sync, "policy", "it is not a string");
        return;
    }

    work = ngx_alloc(sizeof(shard_policy_work_t), sync->log);
    if (work == NULL) {
        return;
    }

    if (sync->policy == NULL) {
        sync->policy = ngx_alloc(sizeof(shard_policy_t), sync->log);
    }

    if (sync->policy
        && shard_policy_decode(json, work, sync->policy, err) == SHARD_OK)
    {
        sync->policy_staged = 1;

    } else if (sync->policy) {
        ngx_http_shard_sync_reject(sync, "policy", err);
    }

    ngx_free(work);
}


/* under the zone's lock, so that one leader after the other writes */

void
ngx_http_shard_policy_publish(ngx_http_shard_sync_t *sync)
{
    shard_policy_t              next, *live;
    ngx_http_shard_sh_t        *sh;
    ngx_http_shard_keyspace_t  *ks;

    if (!sync->policy_staged) {
        return;
    }

    ks = sync->keyspace;
    sh = ks->sh;

    ngx_shmtx_lock(&ks->shpool->mutex);

    if (ngx_http_shard_leading(ks)) {
        sync->policy_staged = 0;

        live = &sh->policy.v[sh->policy.seq & 1];
        next = *live;

        shard_policy_replace(&next, sync->policy,
                             ngx_http_shard_policy_keep(sh));

        if (ngx_memcmp(&next, live, sizeof(shard_policy_t)) != 0) {
            ngx_http_shard_policy_write(&sh->policy, &next);
        }
    }

    ngx_shmtx_unlock(&ks->shpool->mutex);
}


/* the version nobody is sent to, then the sequence, as a latch */

static void
ngx_http_shard_policy_write(ngx_http_shard_policy_t *p,
    const shard_policy_t *policy)
{
    uint64_t  seq;

    seq = __atomic_load_n(&p->seq, __ATOMIC_RELAXED);

    __atomic_thread_fence(__ATOMIC_RELEASE);

    p->v[(seq + 1) & 1] = *policy;
    __atomic_store_n(&p->seq, seq + 1, __ATOMIC_SEQ_CST);
}


/* bits of the zones that nodes are in */

static uint64_t
ngx_http_shard_policy_keep(ngx_http_shard_sh_t *sh)
{
    uint64_t                 keep;
    ngx_uint_t               i, n;
    ngx_http_shard_arena_t  *arena;

    keep = 0;

    for (i = 0; i < 2; i++) {
        arena = &sh->arenas[i];

        for (n = 0; n < arena->nnodes; n++) {
            if (arena->nodes[n].zone_number < SHARD_ZONES_MAX) {
                keep |= (uint64_t) 1 << arena->nodes[n].zone_number;
            }
        }
    }

    return keep;
}


void
ngx_http_shard_policy_inherit(ngx_http_shard_sh_t *to,
    ngx_http_shard_sh_t *from)
{
    uint64_t  seq;

    if (from == NULL) {
        shard_policy_init(&to->policy.v[0]);
        shard_policy_init(&to->policy.v[1]);
        return;
    }

    do {
        seq = __atomic_load_n(&from->policy.seq, __ATOMIC_ACQUIRE);
        to->policy.v[0] = from->policy.v[seq & 1];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (seq != __atomic_load_n(&from->policy.seq, __ATOMIC_RELAXED));

    to->policy.seq = 0;
}


/* of a node that is about to be published, with the zone's lock held */

ngx_uint_t
ngx_http_shard_zone_register(ngx_http_shard_sh_t *sh, ngx_str_t *name)
{
    ngx_uint_t      n;
    shard_str_t     zone;
    shard_policy_t  next, *live;

    zone.data = (const char *) name->data;
    zone.len = name->len;

    live = &sh->policy.v[sh->policy.seq & 1];
    n = shard_policy_zone(live, zone);

    if (n != SHARD_ZONE_NONE) {
        return n;
    }

    next = *live;
    n = shard_policy_zone_add(&next, zone);

    if (n != SHARD_ZONE_NONE) {
        ngx_http_shard_policy_write(&sh->policy, &next);
    }

    return n;
}


ngx_uint_t
ngx_http_shard_zone_number(ngx_http_shard_sh_t *sh, ngx_str_t *name)
{
    uint64_t     seq;
    ngx_uint_t   n;
    shard_str_t  zone;

    zone.data = (const char *) name->data;
    zone.len = name->len;

    do {
        seq = __atomic_load_n(&sh->policy.seq, __ATOMIC_ACQUIRE);
        n = shard_policy_zone(&sh->policy.v[seq & 1], zone);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (seq != __atomic_load_n(&sh->policy.seq, __ATOMIC_RELAXED));

    return n;
}


ngx_uint_t
ngx_http_shard_distance(ngx_http_shard_sh_t *sh, ngx_uint_t a, ngx_uint_t b)
{
    uint64_t    seq;
    ngx_uint_t  distance;

    do {
        seq = __atomic_load_n(&sh->policy.seq, __ATOMIC_ACQUIRE);
        distance = shard_policy_distance(&sh->policy.v[seq & 1],
                                         (unsigned) a, (unsigned) b);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (seq != __atomic_load_n(&sh->policy.seq, __ATOMIC_RELAXED));

    return distance;
}
