
/*
 * An operator's override, docs/redis-keys.md "Override":
 *
 *     VERB [ARGUMENTS] [until YYYY-MM-DDTHH:MM[:SS]Z]
 *
 * "pin NODE", "split NODE=BP NODE=BP [NODE=BP [NODE=BP]]", "hold", "drain",
 * "freeze".
 * Decoding is strict; "err" says what is wrong and the nearest verb.
 */


#ifndef _SHARD_OVERRIDE_H_INCLUDED_
#define _SHARD_OVERRIDE_H_INCLUDED_


#include "shard_time.h"


#define SHARD_OVERRIDE_MAX    512     /* bytes of text */
#define SHARD_OVERRIDE_NODES  4       /* of a split */


typedef enum {
    SHARD_OVERRIDE_NONE = 0,
    SHARD_OVERRIDE_PIN,
    SHARD_OVERRIDE_SPLIT,
    SHARD_OVERRIDE_HOLD,
    SHARD_OVERRIDE_DRAIN,
    SHARD_OVERRIDE_FREEZE
} shard_override_e;

typedef struct {
    shard_override_e  verb;
    uint64_t          until_ms;       /* ms since 1970, 0 = for ever */
    uint16_t          bp[SHARD_OVERRIDE_NODES];       /* split: shares */
    char              node[SHARD_OVERRIDE_NODES][SHARD_NAME_SIZE];
} shard_override_t;


int shard_override_decode(shard_str_t text, shard_override_t *out, char *err);
const char *shard_override_name(shard_override_e verb);


#endif /* _SHARD_OVERRIDE_H_INCLUDED_ */
