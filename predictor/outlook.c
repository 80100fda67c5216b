
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "models.h"
#include "outlook.h"


#define PREDICTOR_DAY_S   86400
#define PREDICTOR_WEEK    7
#define PREDICTOR_STALE_S 3600

/* learns in no time, stands in until a shard's first fit */

#define PREDICTOR_STOPGAP  "naive-week"


static void predictor_outlook_fit_one(void *data, uint32_t id,
    uint32_t thread);
static void predictor_outlook_forecast_one(void *data, uint32_t id,
    uint32_t thread);


static size_t
predictor_outlook_own(void *data, const predictor_history_t *h, shard_id_t id,
    double *y, uint32_t *own)
{
    size_t  n;

    (void) data;

    n = predictor_history_column(h, id, y);
    *own = (uint32_t) n;

    return n;
}


static size_t
predictor_outlook_own_length(void *data, const predictor_history_t *h,
    shard_id_t id)
{
    (void) data;

    return predictor_history_length(h, id);
}


static void
predictor_outlook_shape(predictor_outlook_t *o, long res_s, size_t window,
    uint32_t horizon, double quantile)
{
    o->q[0] = 0.5;
    o->q[1] = 0.9;
    o->q[2] = quantile;
    o->ask.q = o->q;
    o->ask.nq = quantile == 0.5 || quantile == 0.9 ? 2 : 3;
    o->ask.horizon = horizon;
    o->planned = quantile == 0.5 ? 0 : o->ask.nq - 1;

    o->series.interval_s = (uint32_t) res_s;
    o->series.day = (uint32_t) (PREDICTOR_DAY_S / res_s);
    o->series.week = PREDICTOR_WEEK * o->series.day;
    o->series.n = (uint32_t) window;

    predictor_errors_plan(&o->plan, o->series.interval_s, horizon);
}


/* scratch of all threads; -1 without memory */

static int
predictor_outlook_scratch(predictor_outlook_t *o, size_t work)
{
    uint32_t                     i, n;
    predictor_outlook_thread_t  *t;

    n = predictor_pool_threads(o->pool);
    o->threads = calloc(n, sizeof(predictor_outlook_thread_t));

    for (i = 0; o->threads && i < n; i++) {
        t = &o->threads[i];
        t->series = o->series;
        t->y = malloc(((size_t) o->series.n + 1) * sizeof(double));
        t->out = malloc((size_t) o->ask.horizon * (1 + o->ask.nq)
                        * sizeof(double));
        t->work = malloc(work);
        t->busy = malloc((size_t) o->series.n + 1);

        if (!t->y || !t->out || !t->work || !t->busy) {
            return -1;
        }

        t->series.y = t->y;
    }

    return o->threads ? 0 : -1;
}


int
predictor_outlook_init(predictor_outlook_t *o, predictor_pool_t *pool,
    long res_s, size_t window, uint32_t horizon, double quantile, long refit,
    uint32_t nshards)
{
    int               missing;
    size_t            values;
    uint32_t          i;
    predictor_size_t  all, stopgap;

    memset(o, 0, sizeof(predictor_outlook_t));
    predictor_outlook_shape(o, res_s, window, horizon, quantile);

    o->pool = pool;
    o->refit = refit > 0 ? refit : 1;
    o->nshards = nshards;
    o->column = predictor_outlook_own;
    o->length = predictor_outlook_own_length;

    if (predictor_size(&o->series, &o->ask, NULL, &all) != SHARD_OK
        || predictor_size(&o->series, &o->ask,
                          predictor_model_find(PREDICTOR_STOPGAP), &stopgap)
           != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    o->state_size = all.state > stopgap.state ? all.state : stopgap.state;
    values = (size_t) nshards * horizon + 1;

    o->shards = calloc(nshards + 1, sizeof(predictor_outlook_shard_t));
    o->turns = calloc(nshards + 1, sizeof(predictor_turn_t));
    o->errors = calloc(nshards + 1, sizeof(predictor_errors_t));
    o->list = malloc((nshards + 1) * sizeof(shard_id_t));
    o->mean = calloc(values, sizeof(float));

    missing = !o->shards || !o->turns || !o->errors || !o->list || !o->mean;

    for (i = 0; i < o->ask.nq; i++) {
        o->quantile[i] = calloc(values, sizeof(float));
        missing |= o->quantile[i] == NULL;
    }

    if (missing || predictor_outlook_scratch(o, all.work > stopgap.work
                                                ? all.work : stopgap.work))
    {
        predictor_outlook_done(o);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


void
predictor_outlook_done(predictor_outlook_t *o)
{
    uint32_t  i;

    if (o->pool) {
        predictor_pool_cancel(o->pool);
    }

    for (i = 0; o->shards && i < o->nshards; i++) {
        free(o->shards[i].state);
    }

    for (i = 0; o->threads && i < predictor_pool_threads(o->pool); i++) {
        free(o->threads[i].y);
        free(o->threads[i].out);
        free(o->threads[i].work);
        free(o->threads[i].busy);
    }

    for (i = 0; i < PREDICTOR_OUTLOOK_QUANTILES; i++) {
        free(o->quantile[i]);
    }

    free(o->threads);
    free(o->shards);
    free(o->turns);
    free(o->errors);
    free(o->list);
    free(o->mean);

    memset(o, 0, sizeof(predictor_outlook_t));
}


void
predictor_outlook_forget(predictor_outlook_t *o, shard_id_t id)
{
    free(o->shards[id].state);

    memset(&o->shards[id], 0, sizeof(predictor_outlook_shard_t));
    memset(&o->turns[id], 0, sizeof(predictor_turn_t));
    memset(&o->errors[id], 0, sizeof(predictor_errors_t));
}


void
predictor_outlook_schedule(predictor_outlook_t *o,
    const predictor_history_t *h, const shard_id_t *ids, uint32_t n,
    shard_id_t *list, uint32_t max, predictor_schedule_t *result)
{
    uint32_t  i, known;

    known = 0;

    for (i = 0; i < n; i++) {

        if (ids[i] < o->nshards) {
            o->turns[ids[i]].now = (uint32_t) o->length(o->column_data, h,
                                                        ids[i]);
            o->list[known++] = ids[i];
        }
    }

    predictor_schedule(o->turns, o->list, known, h->last, o->refit, list, max,
                       result);
}


static void
predictor_outlook_start(predictor_outlook_t *o, const predictor_history_t *h,
    const shard_id_t *ids, uint32_t n, predictor_pool_pt work)
{
    uint32_t  i, known;

    known = 0;

    for (i = 0; i < n; i++) {

        if (ids[i] < o->nshards) {
            o->list[known++] = ids[i];
        }
    }

    o->history = h;
    predictor_pool_start(o->pool, work, o, o->list, known);
}


void
predictor_outlook_fit(predictor_outlook_t *o, const predictor_history_t *h,
    const shard_id_t *ids, uint32_t n)
{
    predictor_outlook_start(o, h, ids, n, predictor_outlook_fit_one);
}


void
predictor_outlook_forecast(predictor_outlook_t *o,
    const predictor_history_t *h, const shard_id_t *ids, uint32_t n)
{
    predictor_outlook_start(o, h, ids, n, predictor_outlook_forecast_one);
}


int
predictor_outlook_wait(predictor_outlook_t *o, long ms)
{
    return predictor_pool_wait(o->pool, ms);
}


uint64_t
predictor_outlook_broken(const predictor_outlook_t *o)
{
    uint32_t  i;
    uint64_t  sum;

    sum = 0;

    for (i = 0; i < predictor_pool_threads(o->pool); i++) {
        sum += o->threads[i].broken;
    }

    return sum;
}


/* without the scheduled events; 0 when there is none */

static uint32_t
predictor_outlook_column(predictor_outlook_t *o,
    predictor_outlook_thread_t *t, shard_id_t id)
{
    long      next;
    uint32_t  own;

    t->series.n = (uint32_t) o->column(o->column_data, o->history, id, t->y,
                                       &own);

    /* a full window moves on: its length does not tell that values are new */

    next = o->history->last + 1;
    t->series.start = next > (long) t->series.n
                      ? (uint64_t) (next - (long) t->series.n) : 0;

    if (o->calendar && id < o->calendar->nshards) {
        predictor_calendar_clean(o->calendar, id,
                                 (int64_t) (o->history->last + 1)
                                 * o->series.interval_s, t->y, t->series.n,
                                 t->busy);
    }

    return t->series.n;
}


void
predictor_outlook_tail(predictor_outlook_t *o, const predictor_history_t *h,
    shard_id_t id, double *y, uint32_t n)
{
    uint32_t                     i, known;
    predictor_outlook_thread_t  *t;

    t = &o->threads[0];
    o->history = h;
    known = predictor_outlook_column(o, t, id);

    for (i = 1; i <= n; i++) {
        y[n - i] = i <= known ? t->y[known - i] : NAN;
    }
}


/* SHARD_AGAIN: nothing to learn from */

static int
predictor_outlook_learn(predictor_outlook_t *o, predictor_outlook_thread_t *t,
    shard_id_t id, const char *model)
{
    int                         rc;
    predictor_outlook_shard_t  *s;

    s = &o->shards[id];

    if (s->state == NULL) {
        s->state = malloc(o->state_size);

        if (s->state == NULL) {
            t->broken++;
            return SHARD_AGAIN;
        }
    }

    rc = predictor_fit(&t->series, &o->ask,
                       model ? predictor_model_find(model) : NULL, s->state,
                       t->work);

    if (rc != SHARD_OK) {
        free(s->state);
        s->state = NULL;
    }

    return rc;
}


static void
predictor_outlook_fit_one(void *data, uint32_t id, uint32_t thread)
{
    predictor_turn_t            *turn;
    predictor_outlook_t         *o = data;
    predictor_outlook_thread_t  *t;

    t = &o->threads[thread];
    turn = &o->turns[id];

    if (predictor_outlook_column(o, t, id)) {
        (void) predictor_outlook_learn(o, t, id, NULL);
    }

    turn->now = (uint32_t) o->length(o->column_data, o->history, id);
    predictor_schedule_done(turn, id, o->history->last, o->refit);
}


/* a level that seems to have shifted is due for a fit, once an hour */

static void
predictor_outlook_stale(predictor_outlook_t *o, shard_id_t id)
{
    predictor_turn_t  *turn;

    turn = &o->turns[id];

    if (predictor_breaks(o->shards[id].state)->stale
        && (o->history->last - turn->fitted) * o->series.interval_s
           >= PREDICTOR_STALE_S)
    {
        turn->fitted = o->history->last - o->refit;
    }
}


/* what was learnt may be too old for the series: then a stopgap as well */

static int
predictor_outlook_predict(predictor_outlook_t *o,
    predictor_outlook_thread_t *t, shard_id_t id, predictor_said_t *said)
{
    int                         rc;
    predictor_merit_t          *merit;
    predictor_outlook_shard_t  *s;

    s = &o->shards[id];
    merit = &o->errors[id].merit;
    merit = merit->version ? merit : NULL;
    rc = SHARD_ERROR;

    if (s->state) {
        predictor_update(&t->series, &o->ask, s->state, t->work);
        rc = predictor_predict_said(&t->series, &o->ask, s->state, merit,
                                    t->work, t->out, &s->model, said);
        predictor_outlook_stale(o, id);
    }

    if (rc != SHARD_OK) {
        o->turns[id].full = 0;
        rc = predictor_outlook_learn(o, t, id, PREDICTOR_STOPGAP);

        if (rc == SHARD_OK) {
            rc = predictor_predict_said(&t->series, &o->ask, s->state, merit,
                                        t->work, t->out, &s->model, said);
        }
    }

    return rc;
}


static void
predictor_outlook_forecast_one(void *data, uint32_t id, uint32_t thread)
{
    int                          known;
    size_t                       i;
    uint32_t                     h, k;
    const double                *row;
    predictor_outlook_t         *o = data;
    predictor_said_t             said[PREDICTOR_CLASSES];
    predictor_outlook_thread_t  *t;

    t = &o->threads[thread];
    known = 0;

    if (predictor_outlook_column(o, t, id)) {
        predictor_errors_observe(&o->plan, &o->errors[id], t->y, t->series.n,
                                 o->history->last);

        known = predictor_outlook_predict(o, t, id, said) == SHARD_OK;
    }

    if (known) {
        predictor_errors_record(&o->plan, &o->errors[id], said,
                                o->history->last);

        predictor_merit_heed(&o->errors[id].merit, o->plan.lead, &o->ask,
                             t->out);

        /* what the models are worth is told without the events */

        if (o->calendar && id < o->calendar->nshards) {
            predictor_calendar_return(o->calendar, id, &o->ask, t->out);
        }

    } else {
        o->shards[id].model = NULL;
    }

    for (h = 0; h < o->ask.horizon; h++) {
        i = (size_t) id * o->ask.horizon + h;
        row = t->out + (size_t) h * (1 + o->ask.nq);

        o->mean[i] = known ? (float) row[0] : NAN;

        for (k = 0; k < o->ask.nq; k++) {
            o->quantile[k][i] = known ? (float) row[1 + k] : NAN;
        }
    }
}
