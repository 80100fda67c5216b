
/*
 * Seasons of the day and the week out of a history, in the manner of MSTL
 * (Bandara, Hyndman, Bergmeir, arXiv 2107.13462): one after the other from
 * what the trend and the other leave, twice, by weighted means.
 *
 *     trend  = mean of a week (a day) around     z - trend - week ─▶ day
 *     weight = recency, less for what lies far   z - trend - day  ─▶ week
 *              from all three
 *
 * The week has a knot for every hour and lines between; what few occurrences
 * do not agree on shrinks it.  Neither season has a mean.
 */


#ifndef _PREDICTOR_DECOMPOSE_H_INCLUDED_
#define _PREDICTOR_DECOMPOSE_H_INCLUDED_


#include "model.h"


/* "season", of its user: the slots of the day, then the knots of the week */

typedef struct {
    uint32_t  day;
    uint32_t  week;                 /* 0: none */
    uint32_t  bin;                  /* steps from knot to knot */
    uint32_t  pad;
} predictor_decompose_t;


void predictor_decompose_init(predictor_decompose_t *d,
    const predictor_series_t *series);

/* floats that the seasons take */

uint32_t predictor_decompose_seasons(const predictor_decompose_t *d);

/* doubles of scratch for n values */

size_t predictor_decompose_work(const predictor_decompose_t *d, uint32_t n);

/*
 * The seasons of n values z, the first of which is step "start"; those of
 * [from, to) are not looked at.
 */

void predictor_decompose(const predictor_decompose_t *d, const double *z,
    uint32_t n, uint64_t start, uint32_t from, uint32_t to, float *season,
    double *work);

/* both seasons' sum at a step from 1970 */

double predictor_decompose_at(const predictor_decompose_t *d,
    const float *season, uint64_t step);


#endif /* _PREDICTOR_DECOMPOSE_H_INCLUDED_ */
