
/*
 * The forecast that the daemon and "shard-predictor forecast" share: gaps
 * filled, models chosen by the length of the history and listened to by what
 * they were worth lately, the result made sane.
 *
 *                     ┌─▶ lagreg-fresh (log) ─┐ forecasts
 *                     ├─▶ lagreg-raw ─────────┼──────────▶ said ─┐
 *     series ─▶ clean ├─▶ ets ────────────────┤             ▲    ├─▶ guards
 *                     ├─▶ mstl ───────────────┤ trials      │    │     │
 *                     └─▶ naive, week or day ─┴─▶ weights ──┴─▶ margins ▼
 *                                                  ▲ stretch ▲         out
 *                              own past forecasts ─┴─────────┘
 *
 *      less history:            naive, day ──────────────────▶ guards
 *      about a day, or less:    level ───────────────────────▶ guards
 *
 * trial.h: what members would have said in the past; weigh.h: weights by it;
 * calibrate.h: quantiles by the combination's own errors; merit.h: what came
 * of past forecasts, where the caller has a history of them.
 *
 * What comes out is finite, never negative unless the history is, and its
 * quantiles are in order at each step.  All of it is pure, on memory of the
 * caller, and gives the same bits for the same input.
 */


#ifndef _PREDICTOR_COMBINE_H_INCLUDED_
#define _PREDICTOR_COMBINE_H_INCLUDED_


#include "merit.h"
#include "models.h"
#include "outage.h"
#include "shift.h"


typedef struct {
    predictor_shifts_t   shifts;
    predictor_outages_t  outages;
    uint32_t             stale;
} predictor_breaks_t;


/*
 * "wish" is one of predictor_models[], or NULL for the combination.  A model
 * that is wished for still falls back on a naive one, as "used" tells.
 *
 * Here "series" may have gaps: NaN (and infinities, which count as gaps).
 * "day" must be at least 1, "week" 0 or a multiple of "day".
 *
 * predictor_size() bytes of both kinds suffice for this series, any shorter
 * one, and as much as one more day of growth after the fit; the memory is
 * aligned to 16 bytes, as malloc() gives it.  SHARD_ERROR when a number is
 * out of range.
 */

int predictor_size(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_model_t *wish,
    predictor_size_t *size);


/*
 * Learns what fits the history.  SHARD_OK, or SHARD_AGAIN when the series has
 * no value at all, SHARD_ERROR when a number is out of range.
 */

int predictor_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_model_t *wish, void *state,
    void *work);


/*
 * The same with the choice whether shifts and outages are looked for; they
 * are for the combination, and not for a model that is wished for.
 */

int predictor_fit_to(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_model_t *wish, int breaks,
    void *state, void *work);


/*
 * Lets the models that follow the data see what was added to the series; to
 * be called before predictor_predict() when it has moved on.
 */

void predictor_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);


/*
 * Forecasts with what predictor_fit() learnt, for the same ask.  The series
 * may have moved on by up to a day since then: values added at the end, as
 * many or fewer dropped at the start.  SHARD_ERROR when it grew by more or
 * the ask has another shape, SHARD_AGAIN when it shrank too far to be of use.
 * Some hundred times cheaper than a fit.
 *
 * "used" is set to the name of what was used: "combined" or a model's.
 */

int predictor_predict(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out,
    const char **used);


/*
 * The same with a memory of past forecasts, and for one.  "merit" (NULL: none)
 * shifts the weights and stretches the quantiles; said[PREDICTOR_CLASSES]
 * (NULL: not wanted) gets what predictor_merit_observe() asks for when the
 * steps of predictor_merit_leads() have come; classes without a lead are left
 * as NaN.
 */

int predictor_predict_said(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state,
    const predictor_merit_t *merit, void *work, double *out,
    const char **used, predictor_said_t *said);


/*
 * What the series was found to be broken by when it was fitted, and since
 * then by predictor_update(); it is stale when another fit would probably
 * find another shift.
 */

const predictor_breaks_t *predictor_breaks(const void *state);


/* fit and forecast at once */

int predictor_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_model_t *wish, void *state,
    void *work, double *out, const char **used);


#endif /* _PREDICTOR_COMBINE_H_INCLUDED_ */
