
/*
 * What fit and forecast of the combination have in common: the members, and
 * how the caller's memory is cut up.  Known to combine.c and said.c only.
 */


#ifndef _PREDICTOR_COMBINE_STATE_H_INCLUDED_
#define _PREDICTOR_COMBINE_STATE_H_INCLUDED_


#include "calibrate.h"
#include "combine.h"


typedef struct {
    const predictor_model_t  *model;
    predictor_learn_pt        learn;        /* NULL: naive, or no voter */
} predictor_member_t;


extern const predictor_member_t  predictor_members[];

#define PREDICTOR_WEEKLY   4
#define PREDICTOR_DAILY    5
#define PREDICTOR_LEVEL    6
#define PREDICTOR_MEMBERS  7

#define PREDICTOR_LAGREGS  0x03
#define PREDICTOR_LEARNT   0x0f


/* states of the fitted members follow, each at its offset */

typedef struct {
    uint32_t              fitted;   /* bit i: member i */
    uint32_t              wish;     /* 1 + its number, 0 = combined */
    uint32_t              limit;    /* values the memory has room for */
    uint32_t              horizon;  /* as asked when it was fitted */
    uint32_t              nq;
    double                most;     /* what is beyond it counts as this */
    predictor_breaks_t    breaks;
    size_t                offset[PREDICTOR_MEMBERS];
    predictor_voices_t    weights;
    predictor_margins_t   margins;
} predictor_state_t;

/* the scratch memory, cut up; trials and votes take turns in one place */

typedef struct {
    double               *y;        /* the series, cleaned */
    double               *vote[PREDICTOR_VOTERS];
    float                *said[PREDICTOR_VOTERS];
    void                 *work;
} predictor_cut_t;


/* the model that is wished for stands in the place of the first */

const predictor_model_t *predictor_member(uint32_t wish, uint32_t i);

/* the series without gaps, outages and shifts, when the state can be asked
 * about it */

int predictor_whole(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_state_t *s, double *y,
    predictor_series_t *whole);

void predictor_cut(const predictor_series_t *series,
    const predictor_ask_t *ask, void *work, predictor_cut_t *cut);


#endif /* _PREDICTOR_COMBINE_STATE_H_INCLUDED_ */
