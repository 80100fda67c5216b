
/*
 * Lasting shifts of the level: load that doubled at noon and stays there.
 *
 *     hourly means, log(y + c) ─▶ d(hour) = z(hour) - median of this hour on
 *                                 up to 7 days before the shift, or - this
 *                                 hour a week before it: the smaller of both
 *
 *        ───────╮ d = 0                  m = median d since the shift, and
 *               ╰─────────── d = m       m is far outside of what medians of
 *               ▲ since                  as many hours usually are
 *
 *     y'(t) = y(t) factor   for t < since
 *
 * Models then see one level, the new one, and the rhythm of all the history.
 * "since" is where the absolute errors of two levels instead of one shrink
 * most, "factor" the median of this hour / usual hour, weighted by the usual.
 * This is the level shift of Chen and Liu (J. Amer. Statist. Assoc. 88, 1993)
 * on logarithms, with medians in place of an ARIMA model's residuals.
 *
 * What is found is what the series shows now: when the load comes back, the
 * last hours deny the shift and it is not found any more.
 */


#ifndef _PREDICTOR_SHIFT_H_INCLUDED_
#define _PREDICTOR_SHIFT_H_INCLUDED_


#include "model.h"


#define PREDICTOR_SHIFTS  3


typedef struct {
    uint64_t           at;      /* steps from 1970 to the first one of it */
    double             factor;  /* the level since, of that before */
} predictor_shift_t;

/* latest first; each is seen with the later ones taken off */

typedef struct {
    uint32_t           n;
    float              usual;   /* size of d that is none, 0: unknown */
    double             pad;     /* c */
    predictor_shift_t  shift[PREDICTOR_SHIFTS];
} predictor_shifts_t;


/* bytes of scratch */

size_t predictor_shifts_work(const predictor_series_t *series);

/* the series is without gaps; one with negative values has no shifts */

void predictor_shifts_find(const predictor_series_t *series, void *work,
    predictor_shifts_t *shifts);

/* y[0 .. n), of which "start" tells the step, all on the latest level */

void predictor_shifts_scale(const predictor_shifts_t *shifts, uint64_t start,
    double *y, uint32_t n);

/*
 * Whether the last hours of a series, scaled by these shifts, look like
 * another shift, or like the end of the last one: to be looked for anew.
 */

int predictor_shifts_stale(const predictor_shifts_t *shifts,
    const predictor_series_t *series);


#endif /* _PREDICTOR_SHIFT_H_INCLUDED_ */
