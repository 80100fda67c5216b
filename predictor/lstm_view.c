
#include <math.h>

#include "lstm_view.h"


/* offsets beyond so many units say no more */

#define PREDICTOR_LSTM_FAR    10.0

/* a series that is the same every day has a unit nevertheless */

#define PREDICTOR_LSTM_LEAST  0.02

#define PREDICTOR_LSTM_WEEK   7


static float predictor_lstm_clip(double v);
static double predictor_lstm_mean(const predictor_lstm_view_t *view,
    uint32_t end, uint32_t n);


size_t
predictor_lstm_view_size(uint32_t n)
{
    return 2 * (size_t) n + 1;
}


/* distinct steps in geometric progression from 1 to the horizon */

static uint32_t
predictor_lstm_grid(uint32_t horizon, uint32_t *h)
{
    uint32_t  i, n, next;

    n = 0;

    for (i = 0; i < PREDICTOR_LSTM_OUTPUTS; i++) {
        next = (uint32_t) (pow(horizon, i / (PREDICTOR_LSTM_OUTPUTS - 1.0))
                           + 0.5);

        if (n == 0 || next > h[n - 1]) {
            h[n++] = next;
        }
    }

    return n;
}


int
predictor_lstm_view(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_transform_t *t,
    double *memory, predictor_lstm_view_t *view)
{
    double    d;
    uint32_t  i;

    if (series->day < PREDICTOR_LSTM_TICKS
        || series->n / series->day <= PREDICTOR_LSTM_BACK)
    {
        return SHARD_AGAIN;
    }

    view->n = series->n;
    view->day = series->day;
    view->week = series->week;
    view->tick = series->day / PREDICTOR_LSTM_TICKS;
    view->start = series->start;
    view->z = memory;
    view->sum = memory + series->n;
    view->outputs = predictor_lstm_grid(ask->horizon, view->h);

    predictor_transform(t, series->y, series->n, view->z);

    view->sum[0] = 0;
    view->unit = 0;
    view->spread = 0;

    for (i = 0; i < view->n; i++) {
        view->sum[i + 1] = view->sum[i] + view->z[i];
    }

    view->mean = view->sum[view->n] / view->n;

    for (i = view->day; i < view->n; i++) {
        d = view->z[i] - view->z[i - view->day];
        view->unit += fabs(d) / (view->n - view->day);
        view->spread += fabs(view->z[i] - view->mean) / (view->n - view->day);
    }

    view->unit = fmax(view->unit, PREDICTOR_LSTM_LEAST);
    view->spread = fmax(view->spread, PREDICTOR_LSTM_LEAST);

    return SHARD_OK;
}


predictor_lstm_shape_t
predictor_lstm_view_shape(const predictor_lstm_view_t *view)
{
    predictor_lstm_shape_t  shape;

    shape.inputs = PREDICTOR_LSTM_INPUTS;
    shape.cells = PREDICTOR_LSTM_CELLS;
    shape.steps = PREDICTOR_LSTM_TICKS;
    shape.now = PREDICTOR_LSTM_NOW;
    shape.each = PREDICTOR_LSTM_EACH;
    shape.outputs = view->outputs;

    return shape;
}


uint32_t
predictor_lstm_view_first(const predictor_lstm_view_t *view)
{
    return PREDICTOR_LSTM_BACK * view->day - 1;
}


static float
predictor_lstm_clip(double v)
{
    return (float) fmax(-PREDICTOR_LSTM_FAR, fmin(v, PREDICTOR_LSTM_FAR));
}


/* of the n values that end with "end" */

static double
predictor_lstm_mean(const predictor_lstm_view_t *view, uint32_t end,
    uint32_t n)
{
    return (view->sum[end + 1] - view->sum[end + 1 - n]) / n;
}


static double
predictor_lstm_offset(const predictor_lstm_view_t *view, uint32_t end,
    uint32_t n)
{
    return (predictor_lstm_mean(view, end, n)
            - predictor_lstm_mean(view, end - view->day, n)) / view->unit;
}


static void
predictor_lstm_ticks(const predictor_lstm_view_t *view, uint32_t t,
    predictor_lstm_batch_t *batch, uint32_t at)
{
    float     *x;
    double     day, week;
    uint32_t   k, end;

    for (k = 0; k < PREDICTOR_LSTM_TICKS; k++) {
        end = t - (PREDICTOR_LSTM_TICKS - 1 - k) * view->tick;
        x = batch->x + ((size_t) k * batch->n + at) * PREDICTOR_LSTM_INPUTS;

        day = 2 * M_PI * (double) ((view->start + end) % view->day)
              / view->day;
        week = 2 * M_PI
               * (double) ((view->start + end)
                           % (PREDICTOR_LSTM_WEEK * (uint64_t) view->day))
               / (PREDICTOR_LSTM_WEEK * (double) view->day);

        x[0] = predictor_lstm_clip(predictor_lstm_offset(view, end,
                                                         view->tick));
        x[1] = predictor_lstm_clip((predictor_lstm_mean(view, end, view->tick)
                                    - view->mean) / view->spread);
        x[2] = (float) sin(day);
        x[3] = (float) cos(day);
        x[4] = (float) sin(week);
        x[5] = (float) cos(week);
    }
}


/* around a time, of values up to t only */

static double
predictor_lstm_around(const predictor_lstm_view_t *view, uint32_t at,
    uint32_t t)
{
    uint32_t  i;

    i = view->tick < t - at ? view->tick : t - at;
    i = i < at ? i : at;

    return (view->sum[at + i + 1] - view->sum[at - i]) / (2 * i + 1);
}


double
predictor_lstm_view_each(const predictor_lstm_view_t *view, uint32_t t,
    uint32_t h, float *each)
{
    double    base, sum;
    uint32_t  i, at, days, ahead;

    /* the same time of the last day known, and of those before it */

    ahead = (h + view->day - 1) / view->day * view->day;
    at = t + h - ahead;
    base = view->z[at];
    sum = 0;

    days = at / view->day + 1;
    days = days < PREDICTOR_LSTM_DAYS ? days : PREDICTOR_LSTM_DAYS;

    for (i = 0; i < days; i++) {
        sum += view->z[at - i * view->day];
    }

    each[0] = predictor_lstm_clip((sum / days - base) / view->unit);
    each[1] = predictor_lstm_clip((predictor_lstm_around(view, at, t) - base)
                                  / view->unit);
    each[2] = predictor_lstm_clip((view->z[at - (days > 1 ? view->day : 0)]
                                   - base) / view->unit);
    each[3] = 0;
    each[4] = 0;
    each[5] = 0;

    ahead = view->week ? (h + view->week - 1) / view->week * view->week : 0;

    if (ahead && t + h >= ahead) {
        at = t + h - ahead;
        each[3] = predictor_lstm_clip((view->z[at] - base) / view->unit);
        each[4] = predictor_lstm_clip((predictor_lstm_around(view, at, t)
                                       - base) / view->unit);
        each[5] = 1;
    }

    return base;
}


void
predictor_lstm_view_sample(const predictor_lstm_view_t *view, uint32_t t,
    int truth, predictor_lstm_batch_t *batch, uint32_t at)
{
    float     *now, *each;
    double     base;
    uint32_t   i, k;

    static const uint32_t  ticks[] = { 1, 3, 6, 24 };

    predictor_lstm_ticks(view, t, batch, at);

    now = batch->now + (size_t) at * PREDICTOR_LSTM_NOW;

    for (i = 0; i < 4; i++) {
        now[i] = predictor_lstm_clip(predictor_lstm_offset(view, t - i, 1));
        now[4 + i] = predictor_lstm_clip(predictor_lstm_offset(view, t,
                                                     ticks[i] * view->tick));
    }

    for (k = 0; k < view->outputs; k++) {
        each = batch->each + ((size_t) at * view->outputs + k)
                             * PREDICTOR_LSTM_EACH;
        base = predictor_lstm_view_each(view, t, view->h[k], each);

        if (truth) {
            batch->y[(size_t) at * view->outputs + k] =
                predictor_lstm_clip((view->z[t + view->h[k]] - base)
                                    / view->unit);
        }
    }
}
