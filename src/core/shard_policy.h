
/*
 * meta.policy as routers read it, docs/redis-keys.md "Policy":
 *
 *     {"mirror":250,"zone_distance":{"z1 z2":10,"z1 z3":40}}
 *
 * "mirror": basis points of a moving shard's reads that its target gets,
 * too.  "zone_distance": symmetric, in units of the operator's choice.
 * Decoding is strict and whole as for records; unknown fields, which other
 * programs read, are skipped.
 *
 * A zone's number is its place in zone[]; an empty name is a free place.
 */


#ifndef _SHARD_POLICY_H_INCLUDED_
#define _SHARD_POLICY_H_INCLUDED_


#include "shard_json.h"


#define SHARD_POLICY_MAX          65536      /* bytes of JSON */
#define SHARD_POLICY_TOKENS       4608       /* every pair, and some more */
#define SHARD_ZONES_MAX           64
#define SHARD_ZONE_NONE           0xff
#define SHARD_DISTANCE_UNKNOWN    1000       /* of a pair nobody named */


typedef struct {
    uint16_t        mirror_bp;               /* 0 .. SHARD_BP_ALL */
    uint16_t        nzones;                  /* places used up to here */
    char            zone[SHARD_ZONES_MAX][SHARD_NAME_SIZE];
    uint16_t        distance[SHARD_ZONES_MAX][SHARD_ZONES_MAX];
} shard_policy_t;

/* memory of one decoding, too much for a stack */

typedef struct {
    shard_json_t    json;
    shard_policy_t  policy;
    uint64_t        named[SHARD_ZONES_MAX];  /* bit: the pair's distance */
    jsmntok_t       token[SHARD_POLICY_TOKENS];
} shard_policy_work_t;


/* nothing mirrored, no zone known */

void shard_policy_init(shard_policy_t *policy);

/* empty text, as after the policy was deleted, is shard_policy_init()'s */

int shard_policy_decode(shard_str_t json, shard_policy_work_t *work,
    shard_policy_t *out, char *err);

/* SHARD_ZONE_NONE when it has no number; _add() when all are in use */

unsigned shard_policy_zone(const shard_policy_t *policy, shard_str_t name);
unsigned shard_policy_zone_add(shard_policy_t *policy, shard_str_t name);

/* what "from" says, zones that "keep" (bit by number) names stay the same */

void shard_policy_replace(shard_policy_t *policy, const shard_policy_t *from,
    uint64_t keep);


static inline unsigned
shard_policy_distance(const shard_policy_t *policy, unsigned a, unsigned b)
{
    if (a >= SHARD_ZONES_MAX || b >= SHARD_ZONES_MAX) {
        return SHARD_DISTANCE_UNKNOWN;
    }

    return policy->distance[a][b];
}


#endif /* _SHARD_POLICY_H_INCLUDED_ */
