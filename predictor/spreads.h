
/*
 * The distributions of all shards: from the samples of metrics entries, kept
 * over restarts, handed on when shards are split or joined.
 *
 *   entry ──add──▶ by_id[shard] ──save, in turns──▶ hash "spread"
 *                     ▲    │                             │
 *      table changed: │    └──▶ cut, keys ──▶ forecast   │
 *      follow ────────┘◀──────────────────load───────────┘
 *
 * A shard without samples takes 16 bytes, one with them 8 KB.  After a
 * restart the samples of the slots still open are counted again, as these
 * slots are: shares move by nothing that matters.
 */


#ifndef _PREDICTOR_SPREADS_H_INCLUDED_
#define _PREDICTOR_SPREADS_H_INCLUDED_


#include "fleet.h"
#include "spread_cut.h"


/* bytes of predictor_spreads_json(), at most */

#define PREDICTOR_SPREADS_JSON  (PREDICTOR_SPREAD_JSON + 16)


typedef struct {
    shard_spread_t   spread;
    predictor_cut_t  cut;               /* as of the last save */
    unsigned         known:1;           /* the cut */
    unsigned         dirty:1;           /* not saved yet */
} predictor_spreads_one_t;

typedef struct {
    uint32_t                   n;       /* ids below it */
    predictor_spreads_one_t  **by_id;   /* NULL: no samples */
    double                     half_s;  /* after which a sample is worth half */
    uint32_t                   next;    /* to be looked at by save */
    uint64_t                   samples;
    uint64_t                   left;    /* out: of no shard, or another frame */
} predictor_spreads_t;


/* ids below n; what is there stays, once more room is asked for; SHARD_ERROR
 * without memory, then nothing is changed */

int predictor_spreads_room(predictor_spreads_t *sp, uint32_t n,
    double half_s);
void predictor_spreads_done(predictor_spreads_t *sp);

/* samples of an entry that ended at "at_s" and was not counted before */

void predictor_spreads_add(predictor_spreads_t *sp,
    const predictor_fleet_t *fleet, const shard_metrics_entry_t *e,
    double at_s);

/* from one table to the next: parts go with what they are of */

void predictor_spreads_follow(predictor_spreads_t *sp,
    shardd_table_t *old, const shardd_table_t *new);

/* all of the store; SHARDD_OK also where some cannot be read */

int predictor_spreads_load(predictor_spreads_t *sp,
    const predictor_io_t *io, const predictor_fleet_t *fleet);

/* the next some that have changed; after a call of predictor_spreads_turn() */

void predictor_spreads_turn(predictor_spreads_t *sp);
int predictor_spreads_save(predictor_spreads_t *sp, const predictor_io_t *io,
    const predictor_fleet_t *fleet);

/* ",\"spread\":{...}" of a shard; 0 bytes when nothing is known of it */

size_t predictor_spreads_json(const predictor_spreads_t *sp, shard_id_t id,
    char *buf);


#endif /* _PREDICTOR_SPREADS_H_INCLUDED_ */
