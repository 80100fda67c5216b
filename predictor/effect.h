
/*
 * What scheduled events do to one series: how large each occurrence was, how
 * large the next one will be, and both ways between a load with events and
 * the load without them that models see.
 *
 *    series ─▶ measure each past occurrence ─▶ learn a size ─────────┐
 *       │      against the same hours of other days                  │
 *       └────▶ remove: (y - add) / factor ─▶ models ─▶ forecast ─▶ put ─▶ out
 *
 * An occurrence is compared with the same steps of up to 21 days before and
 * after that have no event, each scaled by the steps beside it: the weighted
 * median of the ratios is the occurrence's, the same weekday counting three
 * times, near days more than far ones.  Where all days have the event at that
 * hour, nothing can be compared: then it is part of the daily rhythm, and the
 * models' to learn.
 *
 * All of it is pure, on memory of the caller.
 */


#ifndef _PREDICTOR_EFFECT_H_INCLUDED_
#define _PREDICTOR_EFFECT_H_INCLUDED_


#include "../src/core/shard_event.h"
#include "model.h"
#include "quantile.h"


#define PREDICTOR_EFFECT_DAYS   21          /* before and after */
#define PREDICTOR_EFFECT_LEAST  0.1         /* a smaller factor hides all */


/* what came, and what would have come, a mean of its steps; NaN: unknown */

typedef struct {
    float                      actual;
    float                      expected;
    float                      noise;       /* of log(expected) */
} predictor_measure_t;

/* of a factor both are logarithms, of a difference requests per second */

typedef struct {
    uint32_t                   n;           /* occurrences, 0: nothing known */
    uint32_t                   added;       /* a difference, no factor */
    double                     size;
    double                     spread;      /* deviation of the next one */
    double                     among;       /* deviation among shards */
} predictor_learned_t;

/* an occurrence that acts on a series: y * factor + add */

typedef struct {
    shard_span_t               span;
    double                     factor;
    double                     add;
    double                     spread;      /* of log(factor) */
    double                     spread_add;
} predictor_act_t;


/*
 * The steps [first, last) of the series; busy[i] is how many events touch
 * step i, this one included.  "work" takes 2 * PREDICTOR_EFFECT_DAYS.
 * SHARD_AGAIN when there is nothing to compare with: "out" is NaN then.
 */

int predictor_effect_measure(const predictor_series_t *series,
    const uint8_t *busy, uint32_t first, uint32_t last,
    predictor_weighted_t *work, predictor_measure_t *out);

/* 1: differences tell the occurrences better from each other than ratios do;
 * work takes n doubles */

int predictor_effect_added(const predictor_measure_t *m, uint32_t n,
    double *work);

/*
 * The size of the next occurrence from those before; "prior" is that of all
 * shards (n 0: none).  The fewer they are, and the more they differ, the
 * nearer it lies to the prior, and to no effect without one.  work takes n
 * doubles.
 */

void predictor_effect_learn(const predictor_measure_t *m, uint32_t n,
    int added, const predictor_learned_t *prior, double *work,
    predictor_learned_t *out);

/* values without the events; a step that an event hides becomes NaN */

void predictor_effect_remove(double *y, uint32_t n, int64_t from_s,
    uint32_t interval_s, const predictor_act_t *acts, uint32_t nacts);

/* a forecast of "ask" with the events; quantiles widen by the spreads */

void predictor_effect_put(double *out, const predictor_ask_t *ask,
    int64_t from_s, uint32_t interval_s, const predictor_act_t *acts,
    uint32_t nacts);


#endif /* _PREDICTOR_EFFECT_H_INCLUDED_ */
