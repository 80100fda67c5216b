
/*
 * The hash "standbys" (docs/redis-keys.md): how far each shard's standbys
 * are, as the migrators that keep them level have said.
 */


#ifndef _SHARDD_STANDBYS_H_INCLUDED_
#define _SHARDD_STANDBYS_H_INCLUDED_


#include "shardd_store.h"


#define SHARDD_STANDBY_BLOCKS  32       /* shard id mod this */


/* texts live during the call */

typedef struct {
    shard_id_t    shard;
    uint32_t      epoch;
    const char   *node;
    const char   *state;
    uint64_t      position;
    uint64_t      lag;                  /* log entries */
    uint64_t      level_ms;             /* with its block's; 0: never */
} shardd_standby_t;

typedef void (*shardd_standby_pt)(void *data, const shardd_standby_t *one);


/* all that are well formed, in no order; what is not, says nothing */

void shardd_standbys_each(const shardd_entry_t *all, shardd_standby_pt each,
    void *data);


#endif /* _SHARDD_STANDBYS_H_INCLUDED_ */
