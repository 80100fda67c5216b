
/*
 * Which shards run like this one: hourly means of all of them, and how well
 * two agree over the hours that both have.
 *
 *   history ──update──▶ hours, a ring: nhours x ncols means
 *                                 │
 *   one shard, since when  ──find─┤   log(own) - log(other) = offset + rest
 *                                 ▼
 *                  the most similar: correlation, ratio of loads, weight
 *
 * With few hours nearly every shard fits, so that many are mixed in about
 * equal parts; with more of them the rests tell the shards apart and the
 * weights go to a few.
 *
 * Pure, on memory of the caller.  An hour here is as many slots as make one,
 * or one slot when that is longer.
 */


#ifndef _PREDICTOR_SIMILAR_H_INCLUDED_
#define _PREDICTOR_SIMILAR_H_INCLUDED_


#include "history.h"


#define PREDICTOR_SIMILAR_MAX      8       /* lenders of one shard */
#define PREDICTOR_SIMILAR_OTHERS   4096    /* compared with, at most */
#define PREDICTOR_SIMILAR_HOURS    336     /* of its own that are compared */


typedef struct {
    uint32_t    ncols;
    uint32_t    nhours;
    long        res_s;
    long        slots;          /* in an hour */
    long        last;           /* hour, -1: none yet */
    long       *first;          /* by shard: first hour with load, -1 */
    float      *mean;           /* by hour % nhours, ncols each; NaN */
} predictor_similar_t;

typedef struct {
    shard_id_t  id;
    uint32_t    hours;          /* that both have */
    float       correlation;    /* of the logarithms over them */
    float       ratio;          /* its own load to this one's */
    float       weight;         /* all of them add up to 1 */
} predictor_similar_shard_t;


/* memory for a window of slots; aligned to 16 bytes */

size_t predictor_similar_size(long res_s, size_t window, uint32_t ncols);
void predictor_similar_place(predictor_similar_t *s, long res_s,
    size_t window, uint32_t ncols, void *memory);

/* takes in the hours that the history has and the ring has not */

void predictor_similar_update(predictor_similar_t *s,
    const predictor_history_t *h);

/* hours from the shard's first load to the last one; 0: none */

uint32_t predictor_similar_age(const predictor_similar_t *s, shard_id_t id);

/* a whole hour's mean, NaN: unknown */

float predictor_similar_mean(const predictor_similar_t *s, shard_id_t id,
    long hour);

/*
 * The shards most similar to "id" over its hours since "first", best first;
 * only such as are "age" hours old.  Returns how many, 0 when there are none
 * or nothing can be compared yet.  work: predictor_similar_work() bytes.
 */

size_t predictor_similar_work(const predictor_similar_t *s);
uint32_t predictor_similar_find(const predictor_similar_t *s, shard_id_t id,
    long first, uint32_t age, predictor_similar_shard_t *found, void *work);


#endif /* _PREDICTOR_SIMILAR_H_INCLUDED_ */
