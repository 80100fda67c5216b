
/*
 * Who keeps which block: each migrator claims its share of the blocks and,
 * by "migrator:HOLDER", says that it is there.  The hash of claims is read
 * once a round, so that only blocks that are free are asked for.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keep.h"


typedef struct {
    uint32_t   peers;
    uint32_t   taken;                   /* bit by block: somebody else's */
} migrator_keep_seen_t;


static void
migrator_keep_scope(shardd_claim_t *claim, const char *holder,
    uint32_t block, uint64_t token)
{
    memset(claim, 0, sizeof(shardd_claim_t));
    snprintf(claim->scope, sizeof(claim->scope), "standby:%u", block);
    snprintf(claim->holder, sizeof(claim->holder), "%s", holder);
    claim->token = token;
}


static uint64_t
migrator_keep_clock(shardd_store_t *store)
{
    uint64_t     now;
    redisReply  *reply;

    now = 0;
    reply = shardd_redis_command(&store->redis, "TIME");

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[0]->type == REDIS_REPLY_STRING
        && reply->element[1]->type == REDIS_REPLY_STRING)
    {
        now = strtoull(reply->element[0]->str, NULL, 10) * 1000
              + strtoull(reply->element[1]->str, NULL, 10) / 1000;
    }

    if (reply) {
        freeReplyObject(reply);
    }

    return now;
}


/* "token holder until_ms" of one scope */

static void
migrator_keep_see(migrator_keep_seen_t *seen, const shardd_field_t *field,
    const char *holder, uint64_t now_ms)
{
    char         name[SHARD_NAME_SIZE];
    unsigned     block;
    uint64_t     until;
    const char  *scope = field->name;

    if (strncmp(scope, "migrator:", 9) != 0
        && strncmp(scope, "standby:", 8) != 0)
    {
        return;
    }

    until = 0;

    if (sscanf(field->value, "%*u %63s %lu", name, &until) != 2
        || until <= now_ms || strcmp(name, holder) == 0)
    {
        return;
    }

    if (scope[0] == 'm') {
        seen->peers++;

    } else if (sscanf(scope, "standby:%u", &block) == 1
               && block < MIGRATOR_KEEP_BLOCKS)
    {
        seen->taken |= (uint32_t) 1 << block;
    }
}


static int
migrator_keep_look(shardd_store_t *store, const char *holder,
    migrator_keep_seen_t *seen)
{
    int             rc;
    size_t          i;
    uint64_t        now;
    shardd_entry_t  claims;

    memset(seen, 0, sizeof(migrator_keep_seen_t));
    seen->peers = 1;

    now = migrator_keep_clock(store);

    if (now == 0) {
        return SHARDD_DOWN;
    }

    rc = shardd_hash_load(store, "claims", &claims);

    if (rc != SHARDD_OK) {
        return rc == SHARDD_NONE ? SHARDD_OK : rc;
    }

    for (i = 0; i < claims.nfields; i++) {
        migrator_keep_see(seen, &claims.fields[i], holder, now);
    }

    shardd_entry_free(&claims);

    return SHARDD_OK;
}


/* 1: it is ours from now on */

static int
migrator_keep_take_block(migrator_keep_claims_t *claims,
    shardd_store_t *store, const char *holder, uint32_t block, long ttl_ms)
{
    shardd_claim_t  claim;

    migrator_keep_scope(&claim, holder, block, 0);

    if (shardd_claim(store, claim.scope, holder, ttl_ms, &claim)
        != SHARDD_OK)
    {
        return 0;
    }

    claims->token[block] = claim.token;

    return 1;
}


static void
migrator_keep_give(migrator_keep_claims_t *claims, shardd_store_t *store,
    const char *holder, uint32_t block)
{
    shardd_claim_t  claim;

    migrator_keep_scope(&claim, holder, block, claims->token[block]);
    (void) shardd_release(store, &claim);
}


int
migrator_keep_claim(migrator_keep_claims_t *claims, shardd_store_t *store,
    const char *holder, long ttl_ms)
{
    int                   rc;
    uint32_t              i, share, n, had, block;
    shardd_claim_t        claim;
    migrator_keep_seen_t  seen;

    memset(&claim, 0, sizeof(shardd_claim_t));
    snprintf(claim.scope, sizeof(claim.scope), "migrator:%s", holder);

    rc = shardd_claim(store, claim.scope, holder, ttl_ms, &claim);

    if (rc == SHARDD_OK) {
        claims->presence = claim.token;
        rc = migrator_keep_look(store, holder, &seen);
    }

    if (rc != SHARDD_OK) {
        return rc;
    }

    share = (MIGRATOR_KEEP_BLOCKS + seen.peers - 1) / seen.peers;
    had = claims->blocks & ~seen.taken;
    claims->blocks = 0;
    n = 0;

    /* its own first, then free ones, each migrator from another one on */

    for (i = 0; i < 2 * MIGRATOR_KEEP_BLOCKS; i++) {
        block = (uint32_t) (i + claims->presence) % MIGRATOR_KEEP_BLOCKS;

        if ((seen.taken >> block & 1) || (claims->blocks >> block & 1)
            || (i < MIGRATOR_KEEP_BLOCKS && !(had >> block & 1)))
        {
            continue;
        }

        if (n < share && migrator_keep_take_block(claims, store, holder,
                                                  block, ttl_ms))
        {
            claims->blocks |= (uint32_t) 1 << block;
            n++;

        } else if (i < MIGRATOR_KEEP_BLOCKS) {
            migrator_keep_give(claims, store, holder, block);
        }
    }

    return SHARDD_OK;
}


void
migrator_keep_leave(migrator_keep_claims_t *claims, shardd_store_t *store,
    const char *holder)
{
    uint32_t        i;
    shardd_claim_t  claim;

    for (i = 0; i < MIGRATOR_KEEP_BLOCKS; i++) {
        if (claims->blocks >> i & 1) {
            migrator_keep_give(claims, store, holder, i);
        }
    }

    claims->blocks = 0;

    memset(&claim, 0, sizeof(shardd_claim_t));
    snprintf(claim.scope, sizeof(claim.scope), "migrator:%s", holder);
    snprintf(claim.holder, sizeof(claim.holder), "%s", holder);
    claim.token = claims->presence;
    (void) shardd_release(store, &claim);
}


int
migrator_keep_unclaimed(shardd_store_t *store, shard_id_t shard)
{
    int       rc;
    char      scope[32], *claim;
    uint64_t  now, until;

    snprintf(scope, sizeof(scope), "shard:%u", (unsigned) shard);
    rc = shardd_hash_get(store, "claims", scope, &claim);

    if (rc != SHARDD_OK) {
        return rc == SHARDD_NONE;
    }

    if (sscanf(claim, "%*u %*s %lu", &until) != 1) {
        until = 0;
    }

    free(claim);
    now = migrator_keep_clock(store);

    return now && until <= now;
}
