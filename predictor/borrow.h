
/*
 * A history for a shard that has little or none of its own.
 *
 *             before "since"                      own
 *   ├───────────────────────────────────┼───────────────────────┤
 *     sum of factor x lender's load       as it was measured      ─▶ models
 *     x correction by the hour of day
 *
 *   lenders    a split child     its parent, by the child's share of it; after
 *                                the split the siblings stand for the parent
 *              a merged shard    its parents, added up
 *              any other         the shards most similar over its own hours
 *
 * The correction leads from the lenders' day to the shard's own: how its
 * hours of the day differ from what the lenders make of the same hours,
 * trusted the more the more days it has seen of each.
 *
 * Pure: no memory but the caller's, which may be copied and written to disk.
 */


#ifndef _PREDICTOR_BORROW_H_INCLUDED_
#define _PREDICTOR_BORROW_H_INCLUDED_


#include "similar.h"


#define PREDICTOR_BORROW_PIECES  24
#define PREDICTOR_BORROW_DAYS    14      /* of its own: it borrows no more */
#define PREDICTOR_BORROW_LEND    8       /* days that a similar shard needs */


typedef enum {
    PREDICTOR_BORROW_NOTHING = 0,
    PREDICTOR_BORROW_SIMILAR,
    PREDICTOR_BORROW_SPLIT,
    PREDICTOR_BORROW_MERGED
} predictor_borrow_e;

/* slots [first, last) of one shard's column, times "factor" */

typedef struct {
    shard_id_t                 id;
    long                       first;
    long                       last;
    float                      factor;
} predictor_borrow_piece_t;

typedef struct {
    predictor_borrow_e         how;
    long                       since;       /* slot of its first own value */
    uint32_t                   npieces;
    predictor_borrow_piece_t   piece[PREDICTOR_BORROW_PIECES];
    float                      day[24];     /* factor by hour of the day */
    float                      shape[24];   /* what came of it, NaN unknown */

    /* for those who ask: lenders, the first pieces in this order */
    uint32_t                   nlenders;
    predictor_similar_shard_t  lender[PREDICTOR_SIMILAR_MAX];
} predictor_borrow_t;


/* no lender yet; pieces are then added by predictor_borrow_piece() */

void predictor_borrow_init(predictor_borrow_t *b, predictor_borrow_e how,
    long since);

/* SHARD_AGAIN when there is no room */

int predictor_borrow_piece(predictor_borrow_t *b, shard_id_t id, long first,
    long last, double factor);

/* lenders of a shard without parents, by its hours so far; work: as
 * predictor_similar_find() wants it.  how is NOTHING when there is none */

void predictor_borrow_similar(predictor_borrow_t *b,
    const predictor_similar_t *s, shard_id_t id, void *work);

/* the correction, after all pieces are there */

void predictor_borrow_correct(predictor_borrow_t *b,
    const predictor_similar_t *s, shard_id_t id);

/* fills "shape": mean load by hour of the day over the last week, borrowed */

void predictor_borrow_shape(predictor_borrow_t *b,
    const predictor_similar_t *s);

/* as predictor_history_column(): the borrowed and the own values in y; *own
 * is how many of them are its own */

size_t predictor_borrow_column(const predictor_borrow_t *b,
    const predictor_history_t *h, long res_s, shard_id_t id, double *y,
    uint32_t *own);


#endif /* _PREDICTOR_BORROW_H_INCLUDED_ */
