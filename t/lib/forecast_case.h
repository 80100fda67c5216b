
/*
 * Synthetic load with known answers, and memory with canaries, for the unit
 * tests of models.
 */


#ifndef _FORECAST_CASE_H_INCLUDED_
#define _FORECAST_CASE_H_INCLUDED_


#include "tap.h"

#include "../../predictor/combine.h"


#define CASE_VALUES   20000
#define CASE_HORIZON  400
#define CASE_QS       5
#define CASE_CANARY   64


static double        case_y[CASE_VALUES];
static double        case_out[CASE_HORIZON * (1 + PREDICTOR_QUANTILES_MAX)];
static const double  case_q[CASE_QS] = { 0.05, 0.1, 0.5, 0.9, 0.95 };


/* 0 <= result < 1 */

TAP_UNUSED static double
case_uniform(uint64_t *seed)
{
    return (double) (tap_random(seed) >> 11) / 9007199254740992.0;
}


/* nearly normal, deviation 1 */

TAP_UNUSED static double
case_normal(uint64_t *seed)
{
    int     i;
    double  sum;

    sum = -6;

    for (i = 0; i < 12; i++) {
        sum += case_uniform(seed);
    }

    return sum;
}


/* a day of 1 +- depth, around noon of which it is highest */

TAP_UNUSED static double
case_day(uint32_t i, uint32_t day, double depth)
{
    return 1 - depth * cos(2 * M_PI * (i % day) / day);
}


TAP_UNUSED static predictor_series_t
case_series(uint32_t n, uint32_t interval_s, uint32_t week)
{
    predictor_series_t  series;

    series.y = case_y;
    series.start = 0;
    series.n = n;
    series.interval_s = interval_s;
    series.day = 86400 / interval_s;
    series.week = week ? 7 * series.day : 0;

    return series;
}


TAP_UNUSED static predictor_ask_t
case_ask(uint32_t horizon)
{
    predictor_ask_t  ask;

    ask.horizon = horizon;
    ask.nq = CASE_QS;
    ask.q = case_q;

    return ask;
}


/* memory that starts out as "dirt", with a canary behind it */

TAP_UNUSED static void *
case_alloc(size_t size, int dirt)
{
    char  *p;

    p = malloc(size + CASE_CANARY);

    if (p == NULL) {
        printf("Bail out! out of memory\n");
        exit(1);
    }

    memset(p, dirt, size);
    memset(p + size, 0x5a, CASE_CANARY);

    return p;
}


TAP_UNUSED static int
case_free(void *memory, size_t size)
{
    int    good;
    char  *p;

    good = 1;

    for (p = (char *) memory + size;
         p < (char *) memory + size + CASE_CANARY;
         p++)
    {
        good &= *p == 0x5a;
    }

    free(memory);

    return good;
}


/* fit and forecast of one model; -9 when it wrote beyond its memory */

TAP_UNUSED static int
case_model(const predictor_model_t *model, const predictor_series_t *series,
    const predictor_ask_t *ask, int dirt, double *out)
{
    int               rc;
    void             *state, *work;
    predictor_size_t  size;

    model->size(series, ask, &size);
    state = case_alloc(size.state, dirt);
    work = case_alloc(size.work, dirt);

    rc = model->fit(series, ask, state, work);

    if (rc == SHARD_OK) {
        rc = model->forecast(series, ask, state, work, out);
    }

    rc = case_free(state, size.state) ? rc : -9;

    return case_free(work, size.work) ? rc : -9;
}


/* mean |forecast - truth| of the points, the truth standing behind series */

TAP_UNUSED static double
case_error(const predictor_series_t *series, const predictor_ask_t *ask,
    const double *out)
{
    double    sum;
    uint32_t  h;

    sum = 0;

    for (h = 0; h < ask->horizon; h++) {
        sum += fabs(out[h * (1 + ask->nq)] - series->y[series->n + h]);
    }

    return sum / ask->horizon;
}


/*
 * 30 days of 96 steps in case_y: a fit to 28 of them from "start" on, and a
 * window that moves on by a day, with and without update(); the errors are
 * below "most" then.
 */

TAP_UNUSED static void
case_moved(const predictor_model_t *model, uint64_t start, double most)
{
    double              error;
    void               *state, *work;
    predictor_ask_t     ask;
    predictor_size_t    size;
    predictor_series_t  series;

    ask = case_ask(96);
    series = case_series(28 * 96, 900, 1);
    series.start = start;

    model->size(&series, &ask, &size);
    state = case_alloc(size.state, 0xff);
    work = case_alloc(size.work, 0xff);

    (void) model->fit(&series, &ask, state, work);
    series.y += 96;
    series.start += 96;
    tap_is_int(model->forecast(&series, &ask, state, work, case_out),
               SHARD_OK, "a forecast a day after the fit");
    error = case_error(&series, &ask, case_out);
    tap_ok(error < most, "a day that update() was not told of: in step "
           "(%.2f)", error);

    tap_is_int(model->update(&series, &ask, state, work), SHARD_OK,
               "the day is taken in");
    (void) model->forecast(&series, &ask, state, work, case_out);
    error = case_error(&series, &ask, case_out);
    tap_ok(error < most, "in step again (%.2f)", error);

    series.start += 10000;
    tap_is_int(model->update(&series, &ask, state, work), SHARD_AGAIN,
               "values are missing in between");
    tap_ok(case_free(state, size.state) && case_free(work, size.work),
           "within its memory");
}


/*
 * The same days: one by one or at once, update() makes the same of them; the
 * error is below "most" then, and below "late" without update().
 */

TAP_UNUSED static void
case_stepped(const predictor_model_t *model, double late, double most)
{
    void               *state, *work, *slow;
    double              error;
    uint32_t            i;
    predictor_ask_t     ask;
    predictor_size_t    size;
    predictor_series_t  series, all;

    ask = case_ask(96);
    all = case_series(29 * 96, 900, 1);
    all.start = 1000003;
    series = all;
    series.n = 28 * 96;

    model->size(&all, &ask, &size);
    state = case_alloc(size.state, 0xff);
    slow = case_alloc(size.state, 0xff);
    work = case_alloc(size.work, 0xff);

    (void) model->fit(&series, &ask, state, work);
    memcpy(slow, state, size.state);

    (void) model->forecast(&all, &ask, slow, work, case_out);
    error = case_error(&all, &ask, case_out);
    tap_ok(error < late, "a day that update() was not told of: still in step "
           "(%.2f)", error);

    tap_is_int(model->update(&all, &ask, slow, work), SHARD_OK,
               "a day at once");

    for (i = 1; i <= 96; i++) {
        series.y = case_y + i;
        series.start = all.start + i;
        (void) model->update(&series, &ask, state, work);
    }

    tap_ok(memcmp(state, slow, size.state) == 0, "value by value: the same");

    (void) model->forecast(&series, &ask, state, work, case_out);
    error = case_error(&all, &ask, case_out);
    tap_ok(error < most, "a forecast in step (%.2f)", error);

    series.start += 10000;
    tap_is_int(model->update(&series, &ask, state, work), SHARD_AGAIN,
               "values are missing in between");
    tap_ok(memcmp(state, slow, size.state) == 0, "which changes nothing");
    tap_ok(case_free(state, size.state) && case_free(slow, size.state)
           && case_free(work, size.work), "within its memory");
}


#endif /* _FORECAST_CASE_H_INCLUDED_ */
