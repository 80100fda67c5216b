
/*
 * One small LSTM: offsets from the day before, by what the last day's offsets
 * were, for a grid of steps at once; between them it is interpolated.
 *
 *   y ─▶ z ─▶ view ─▶ learn: batches ─▶ weights ┐
 *        log           kept days ─▶ offsets ────┴─▶ state
 */


#include <math.h>
#include <string.h>

#include "model_lstm.h"
#include "quantile.h"


/* learning from one series: about so many operations, whatever its length */

#define PREDICTOR_LSTM_OPERATIONS  4e8

/* what was learnt from many series is fitted to one by this much more */

#define PREDICTOR_LSTM_ADOPTED     4e8

#define PREDICTOR_LSTM_RESIDUALS   128
#define PREDICTOR_LSTM_FEWEST      8


typedef struct {
    predictor_transform_t    scale;
    double                   unit;
    double                   mean;
    double                   spread;
    uint32_t                 outputs;
    uint32_t                 h[PREDICTOR_LSTM_OUTPUTS];
    double                   offset[PREDICTOR_LSTM_OUTPUTS]
                                   [PREDICTOR_QUANTILES_MAX];
    float                    w[];
} predictor_lstm_t;

/* scratch: doubles first */

typedef struct {
    double                  *view;
    double                  *residuals;
    float                   *memory;
} predictor_lstm_work_t;


static void predictor_lstm_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size);
static int predictor_lstm_taught(const predictor_series_t *series,
    const predictor_ask_t *ask, const float *weights, void *state,
    void *work);
static int predictor_lstm_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work);
static int predictor_lstm_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out);


const predictor_model_t  predictor_model_lstm = {
    "lstm",
    predictor_lstm_size,
    predictor_lstm_fit,
    predictor_lstm_forecast,
    NULL
};


/* as if all outputs were there */

static predictor_lstm_shape_t
predictor_lstm_largest(void)
{
    predictor_lstm_view_t  view;

    view.outputs = PREDICTOR_LSTM_OUTPUTS;

    return predictor_lstm_view_shape(&view);
}


static void
predictor_lstm_place(uint32_t n, void *work, predictor_lstm_work_t *w)
{
    w->view = work;
    w->residuals = w->view + predictor_lstm_view_size(n);
    w->memory = (float *) (w->residuals + (PREDICTOR_LSTM_OUTPUTS + 1)
                                          * PREDICTOR_LSTM_RESIDUALS);
}


static void
predictor_lstm_size(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_size_t *size)
{
    predictor_lstm_shape_t  shape;

    (void) ask;

    shape = predictor_lstm_largest();

    size->state = sizeof(predictor_lstm_t)
                  + predictor_lstm_weights(&shape) * sizeof(float);
    size->work = (predictor_lstm_view_size(series->n)
                  + (PREDICTOR_LSTM_OUTPUTS + 1) * PREDICTOR_LSTM_RESIDUALS)
                 * sizeof(double)
                 + predictor_lstm_learn_size(&shape) * sizeof(float);
}


static int
predictor_lstm_begin(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_lstm_t *lstm,
    predictor_lstm_work_t *w, predictor_lstm_view_t *view)
{
    int  rc;

    predictor_transform_fit(series, 1, &lstm->scale, w->view);

    rc = predictor_lstm_view(series, ask, &lstm->scale, w->view, view);

    if (rc != SHARD_OK) {
        return rc;
    }

    lstm->unit = view->unit;
    lstm->mean = view->mean;
    lstm->spread = view->spread;
    lstm->outputs = view->outputs;
    memcpy(lstm->h, view->h, sizeof(lstm->h));

    return SHARD_OK;
}


/* spreads by the days that were kept out */

static int
predictor_lstm_end(const predictor_ask_t *ask,
    const predictor_lstm_view_t *view, predictor_lstm_work_t *w,
    predictor_lstm_t *lstm)
{
    uint32_t  i, k, n;

    n = predictor_lstm_residuals(view, lstm->w, w->memory,
                                 PREDICTOR_LSTM_RESIDUALS, w->residuals);

    if (n < PREDICTOR_LSTM_FEWEST) {
        return SHARD_AGAIN;
    }

    for (k = 0; k < view->outputs; k++) {
        predictor_quantiles(w->residuals + k * PREDICTOR_LSTM_RESIDUALS, n,
                            ask->q, ask->nq, lstm->offset[k]);

        for (i = 0; i < ask->nq; i++) {
            lstm->offset[k][i] *= view->unit;
        }
    }

    return SHARD_OK;
}


static int
predictor_lstm_fit(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    return predictor_lstm_taught(series, ask, NULL, state, work);
}


int
predictor_lstm_adopt(const predictor_series_t *series,
    const predictor_ask_t *ask, const float *weights, void *state, void *work)
{
    return predictor_lstm_taught(series, ask, weights, state, work);
}


/* from the seed, or on from weights that all series have taught */

static int
predictor_lstm_taught(const predictor_series_t *series,
    const predictor_ask_t *ask, const float *weights, void *state, void *work)
{
    int                      rc;
    predictor_lstm_t        *lstm;
    predictor_lstm_view_t    view;
    predictor_lstm_work_t    w;
    predictor_lstm_shape_t   shape;
    predictor_lstm_learn_t   learn;

    lstm = state;
    predictor_lstm_place(series->n, work, &w);

    rc = predictor_lstm_begin(series, ask, lstm, &w, &view);

    if (rc != SHARD_OK) {
        return rc;
    }

    shape = predictor_lstm_view_shape(&view);

    if (weights) {
        memcpy(lstm->w, weights,
               predictor_lstm_weights(&shape) * sizeof(float));
        predictor_lstm_learn_on(&learn, &shape,
            predictor_lstm_learn_steps(&shape, PREDICTOR_LSTM_ADOPTED),
            lstm->w, w.memory);

    } else {
        predictor_lstm_learn_begin(&learn, &shape,
            predictor_lstm_learn_steps(&shape, PREDICTOR_LSTM_OPERATIONS),
            lstm->w, w.memory);
    }

    while (learn.step < learn.steps) {

        if (predictor_lstm_learn(&learn, &view, 1) < 0) {
            return SHARD_AGAIN;
        }
    }

    return predictor_lstm_end(ask, &view, &w, lstm);
}


size_t
predictor_lstm_shared_size(uint32_t n)
{
    return predictor_lstm_view_size(n);
}


int
predictor_lstm_shared_view(const predictor_series_t *series,
    const predictor_ask_t *ask, double *memory, predictor_lstm_view_t *view)
{
    predictor_transform_t  scale;

    predictor_transform_fit(series, 1, &scale, memory);

    return predictor_lstm_view(series, ask, &scale, memory, view);
}


/* the end of the series that a forecast looks at */

static predictor_series_t
predictor_lstm_tail(const predictor_series_t *series)
{
    uint32_t            n;
    predictor_series_t  tail;

    tail = *series;
    n = (PREDICTOR_LSTM_DAYS + 1) * series->day;
    n = n > series->week + series->day ? n : series->week + series->day;

    if (n < series->n) {
        tail.start += series->n - n;
        tail.y += series->n - n;
        tail.n = n;
    }

    return tail;
}


static int
predictor_lstm_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out)
{
    int                      rc;
    float                   *y, each[PREDICTOR_LSTM_EACH];
    double                   base, part, z, value[2], offset;
    uint32_t                 h, i, j, k, at;
    const float             *v;
    predictor_series_t       tail;
    predictor_lstm_view_t    view;
    predictor_lstm_work_t    w;
    predictor_lstm_batch_t   batch;
    predictor_lstm_shape_t   shape;
    const predictor_lstm_t  *lstm;

    lstm = state;
    tail = predictor_lstm_tail(series);
    predictor_lstm_place(tail.n, work, &w);

    rc = predictor_lstm_view(&tail, ask, &lstm->scale, w.view, &view);

    if (rc != SHARD_OK || view.outputs != lstm->outputs) {
        return rc != SHARD_OK ? rc : SHARD_ERROR;
    }

    view.unit = lstm->unit;
    view.mean = lstm->mean;
    view.spread = lstm->spread;

    shape = predictor_lstm_view_shape(&view);
    predictor_lstm_batch_place(&shape, w.memory, &batch);
    w.memory += predictor_lstm_batch_size(&shape);
    y = w.memory + predictor_lstm_work(&shape);

    batch.n = 1;
    predictor_lstm_view_sample(&view, view.n - 1, 0, &batch, 0);
    predictor_lstm_forward(&shape, lstm->w, &batch, w.memory, 1, y);

    k = 0;

    for (h = 1; h <= ask->horizon; h++) {

        while (k + 2 < view.outputs && view.h[k + 1] <= h) {
            k++;
        }

        base = predictor_lstm_view_each(&view, view.n - 1, h, each);

        for (j = 0; j < 2; j++) {
            at = k + j < view.outputs ? k + j : k;
            v = predictor_lstm_each(&shape, lstm->w, at);
            value[j] = y[at];

            for (i = 0; i < PREDICTOR_LSTM_EACH; i++) {
                value[j] += (double) (v[i] * each[i]);
            }
        }

        at = k + 1 < view.outputs ? k + 1 : k;
        part = at > k ? log((double) h / view.h[k])
                        / log((double) view.h[at] / view.h[k]) : 0;
        z = base + view.unit * (value[0] + part * (value[1] - value[0]));

        for (i = 0; i <= ask->nq; i++) {
            offset = i ? lstm->offset[k][i - 1]
                         + part * (lstm->offset[at][i - 1]
                                   - lstm->offset[k][i - 1]) : 0;
            *out++ = predictor_transform_back(&lstm->scale, z + offset);
        }
    }

    return SHARD_OK;
}
