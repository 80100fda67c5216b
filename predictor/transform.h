
/*
 * The scale on which a model works: values by their mean size, or logarithms
 * of them; and how far from what was seen a forecast may go.
 *
 *     z = y / scale,   or   log(y / scale + add)
 */


#ifndef _PREDICTOR_TRANSFORM_H_INCLUDED_
#define _PREDICTOR_TRANSFORM_H_INCLUDED_


#include "model.h"


typedef struct {
    uint32_t  log;
    uint32_t  zero;                 /* no value was another */
    double    scale;                /* > 0 */
    double    add;                  /* keeps the logarithm off zero */
    double    low;                  /* of z, as seen */
    double    high;
} predictor_transform_t;


/* "log" is a wish: a series with negative values is taken as it is; scratch
 * has room for the series */

void predictor_transform_fit(const predictor_series_t *series, int log,
    predictor_transform_t *t, double *scratch);

void predictor_transform(const predictor_transform_t *t, const double *y,
    uint32_t n, double *z);

/* widens low and high by the last "n" values of a series that moved on */

void predictor_transform_seen(predictor_transform_t *t,
    const predictor_series_t *series, uint32_t n);

/* z held a little beyond what was seen, back as a value */

double predictor_transform_back(const predictor_transform_t *t, double z);

/* the same of any z, however far */

double predictor_transform_undo(const predictor_transform_t *t, double z);


#endif /* _PREDICTOR_TRANSFORM_H_INCLUDED_ */
