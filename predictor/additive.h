
/*
 * The additive model's rows: what it knows of a step.
 *
 *     1 | time, bends | day: sin, cos .. | week: .. | year: .. | given
 *
 *     bend(j) = time since the j-th changepoint, 0 before it
 *
 * Time is 0 at the first step that was learnt from and 1 after the last.
 * Changepoints lie evenly over the first four fifths; seasons are in step
 * with 1970.  A harmonic of the week that is one of the day is left out.
 */


#ifndef _PREDICTOR_ADDITIVE_H_INCLUDED_
#define _PREDICTOR_ADDITIVE_H_INCLUDED_


#include "model.h"


#define PREDICTOR_ADDITIVE_BENDS    15
#define PREDICTOR_ADDITIVE_DAY      8       /* pairs of sine and cosine */
#define PREDICTOR_ADDITIVE_WEEK     12
#define PREDICTOR_ADDITIVE_YEAR     3
#define PREDICTOR_ADDITIVE_GIVEN    8

#define PREDICTOR_ADDITIVE_COLUMNS                                            \
    (2 + PREDICTOR_ADDITIVE_BENDS                                             \
     + 2 * (PREDICTOR_ADDITIVE_DAY + PREDICTOR_ADDITIVE_WEEK                  \
            + PREDICTOR_ADDITIVE_YEAR)                                        \
     + PREDICTOR_ADDITIVE_GIVEN)


/* columns of the caller, of events and such: history and horizon */

typedef struct {
    uint64_t       start;               /* step from 1970 of column[..][0] */
    uint32_t       steps;               /* outside of them a column is 0 */
    uint32_t       n;                   /* columns */
    const double  *column[PREDICTOR_ADDITIVE_GIVEN];
} predictor_additive_given_t;

typedef struct {
    uint64_t       start;
    uint32_t       n;                   /* steps learnt from */
    uint32_t       day;
    uint32_t       week;
    uint32_t       bends;
    uint32_t       days;                /* pairs of each season */
    uint32_t       weeks;
    uint32_t       years;
    uint32_t       given;
    double         year;                /* steps */
} predictor_additive_plan_t;


void predictor_additive_plan(const predictor_series_t *series,
    const predictor_additive_given_t *given, predictor_additive_plan_t *plan);

uint32_t predictor_additive_columns(const predictor_additive_plan_t *plan);

/* of a step, or of the middle of a block of steps */

void predictor_additive_row(const predictor_additive_plan_t *plan,
    const predictor_additive_given_t *given, uint64_t step, uint32_t block,
    double *row);


/*
 * The model of model_additive.c with columns of the caller, whose weights it
 * learns; NULL: none.  The same columns, gone on, are given to forecast.
 */

int predictor_additive_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_additive_given_t *given,
    void *state, void *work);
int predictor_additive_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_additive_given_t *given,
    const void *state, double *out);


#endif /* _PREDICTOR_ADDITIVE_H_INCLUDED_ */
