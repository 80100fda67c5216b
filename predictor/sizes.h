
/*
 * How large shards are: their primaries are asked in turns, a few a second,
 * GET BASE/_shard/ID/stats of docs/backend-contract.md.
 *
 *   table's shards ──one by one──▶ primary ──"bytes"──▶ by id ──▶ durations
 *                                                        │  ▲
 *                                                        ▼  │ at the start
 *                                                       "sizes"
 *
 * A shard that was not asked yet, or whose node does not answer, is of the
 * size it had; of one that never had any its last move may tell (fleet.h).
 */


#ifndef _PREDICTOR_SIZES_H_INCLUDED_
#define _PREDICTOR_SIZES_H_INCLUDED_


#include "fleet.h"


#define PREDICTOR_SIZES_ASKED  16           /* at once */
#define PREDICTOR_SIZES_SAVED  64           /* in one command */


typedef struct {
    const predictor_conf_t  *conf;
    const predictor_io_t    *io;
    uint32_t                 ncols;
    float                   *bytes;         /* by id, negative: unknown */
    uint32_t                 known;         /* of the planner's, last time */

    uint32_t                 next;          /* number in the table */
    double                   next_ms;
    uint32_t                 asked;
    uint64_t                 answers;

    uint32_t                 nsaves;
    shard_id_t               saves[PREDICTOR_SIZES_SAVED];
    double                   save_ms;       /* at the latest */

    /* of this round over all shards, and whether the last one's were told */
    uint32_t                 failed;
    char                     why[160];
    unsigned                 told:1;
} predictor_sizes_t;


void predictor_sizes_init(predictor_sizes_t *s, const predictor_conf_t *conf,
    const predictor_io_t *io);
void predictor_sizes_done(predictor_sizes_t *s);

/* ids below ncols; what is there stays.  SHARDD_BAD without memory */

int predictor_sizes_room(predictor_sizes_t *s, uint32_t ncols);

/* those that are stored */

int predictor_sizes_load(predictor_sizes_t *s);

/* asks the next ones, takes what has come, saves some; never waits */

int predictor_sizes_step(predictor_sizes_t *s, const predictor_fleet_t *f);

/* the planner's bytes of shards whose size is known */

void predictor_sizes_fill(predictor_sizes_t *s, predictor_fleet_t *f);

/* "bytes" of an answer, or -1 */

double predictor_sizes_read(shard_str_t text);


#endif /* _PREDICTOR_SIZES_H_INCLUDED_ */
