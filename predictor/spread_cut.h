
/*
 * What a shard's distribution says: where a cut halves its load, how sure
 * that is, and whether one key alone makes the cut useless.  Pure.
 *
 *   share of the load below x
 *   1 ┤                 ┌──        the cut is where it passes 1/2; it is
 *     │           ┌─────┘          uncertain by the samples' number and by
 *   ½ ┤- - - - - -│                the pieces that lie across the cut;
 *     │    ┌──────┘  one key:      a single key is a step that no cut
 *   0 ┼────┘    all or nothing     can go through
 *     lo        cut        last
 */


#ifndef _PREDICTOR_SPREAD_CUT_H_INCLUDED_
#define _PREDICTOR_SPREAD_CUT_H_INCLUDED_


#include "../src/core/shard_spread.h"


/* a key with more than this of its shard's load is hot: cut off or not, one
 * half keeps it whole */

#define PREDICTOR_SPREAD_HOT    0.5

/* bytes of predictor_spread_json(), at most, and keys in it */

#define PREDICTOR_SPREAD_JSON   768
#define PREDICTOR_SPREAD_NAMED  4

#define PREDICTOR_SPREAD_BARS   64


/* positions of a shard, both of them in it */

typedef struct {
    uint64_t  lo;
    uint64_t  last;
} predictor_range_t;

/* errors are half widths of 95 % */

typedef struct {
    uint64_t  position;         /* keys below it make the first part */
    double    left;             /* the first part's share of the load */
    double    error;
    double    samples;          /* that many, all alike, would tell as much */
    int       hot;              /* number of the hot key, -1: none */
} predictor_cut_t;

typedef struct {
    double    share;
    double    error;
    double    writes;           /* share of them that write */
} predictor_share_t;


/* positions of a record's keys as its distribution has them; "skip" takes
 * how many of their bytes are in front of them */

predictor_range_t predictor_spread_range(const shard_record_t *rec,
    unsigned *skip);

/* SHARD_AGAIN: there are no samples, or there is nothing to be cut */

int predictor_spread_cut(const shard_spread_t *s,
    const predictor_range_t *range, predictor_cut_t *out);

/* of key i */

predictor_share_t predictor_spread_share(const shard_spread_t *s, unsigned i);

/* numbers of the keys, the heaviest first */

void predictor_spread_rank(const shard_spread_t *s,
    unsigned order[SHARD_SPREAD_KEYS]);

/* of those that are heavy: one whose share may well be that of any other, by
 * its error, is not.  How many they are */

unsigned predictor_spread_heavy(const shard_spread_t *s,
    unsigned order[SHARD_SPREAD_KEYS]);

/* shares of n equal parts of the range, or of the piece of it that holds
 * 99 % of the load when that is much smaller: it is put into "range" */

void predictor_spread_bars(const shard_spread_t *s, predictor_range_t *range,
    double *bars, unsigned n);

/* an object; 0 without samples.  "cut" may be NULL */

size_t predictor_spread_json(const shard_spread_t *s,
    const predictor_cut_t *cut, char *buf);


#endif /* _PREDICTOR_SPREAD_CUT_H_INCLUDED_ */
