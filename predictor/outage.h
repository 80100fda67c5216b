
/*
 * Outages: stretches at about nothing where the season says otherwise.
 *
 *      ╭─╮    ╭─╮    ╭─╮    ╭  ╭╮        a value is missing when it is below
 *     ╭╯ ╰╮  ╭╯ ╰╮  ╭╯ ╰╮  ╭╯  ││ ╭╮    a twentieth of the median of its
 *     ╯   ╰──╯   ╰──╯   ╰──╯   └┘ ╰╯    slot on the 7 days before, and of
 *         no outage            outage    what it was a week ago
 *
 * Nights that are always empty, and Sundays that are, are none; nor are the
 * zeros of a series that has them every other day, what fades out and in, or
 * what lasts for a day and more: that is a shift.  What was missing is taken
 * as unknown: it gets the value of a day before, so that no model learns it
 * and none repeats it.
 *
 * An outage under way is expected to last as long again as it has, by a
 * Pareto law of index 1 (Lindy's): it still goes on in h steps with
 *
 *     P(h) = n / (n + h)      after n steps.
 */


#ifndef _PREDICTOR_OUTAGE_H_INCLUDED_
#define _PREDICTOR_OUTAGE_H_INCLUDED_


#include "model.h"


#define PREDICTOR_OUTAGES  12


typedef struct {
    uint64_t            from;       /* steps from 1970 */
    uint32_t            n;          /* steps */
} predictor_outage_t;

typedef struct {
    uint32_t            n;
    double              quiet;      /* load that is about nothing; 0: this
                                       series has such stretches by habit */
    predictor_outage_t  outage[PREDICTOR_OUTAGES];      /* oldest first */
} predictor_outages_t;


/* the latest ones of a series without gaps and negative values */

void predictor_outages_find(const predictor_series_t *series,
    predictor_outages_t *outages);

/* looks at the last value only, and at those before it if it is missing */

void predictor_outages_follow(const predictor_series_t *series,
    predictor_outages_t *outages);

/* the values of a day before in place of what was missing */

void predictor_outages_fill(const predictor_outages_t *outages,
    const predictor_series_t *series, double *y);

/* steps of the one that the series ends in, 0: none */

uint32_t predictor_outages_now(const predictor_outages_t *outages,
    const predictor_series_t *series);

/*
 * A forecast made after "n" steps of an outage as if there were none, "out"
 * of model.h: quantiles below P(h), and the point while P(h) is above a half,
 * are "value", the load as it is.
 */

void predictor_outages_expect(uint32_t n, double value,
    const predictor_ask_t *ask, double *out);


#endif /* _PREDICTOR_OUTAGE_H_INCLUDED_ */
