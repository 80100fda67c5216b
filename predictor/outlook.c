
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "outlook.h"


#define PREDICTOR_DAY_S   86400
#define PREDICTOR_WEEK    7


static void *
predictor_outlook_floats(uint32_t nshards, uint32_t horizon)
{
    return calloc((size_t) nshards * horizon + 1, sizeof(float));
}


int
predictor_outlook_init(predictor_outlook_t *o, long res_s, size_t window,
    uint32_t horizon, double quantile, long refit, uint32_t nshards)
{
    int               missing;
    uint32_t          i;
    predictor_size_t  size;

    memset(o, 0, sizeof(predictor_outlook_t));

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

    o->window = window;
    o->refit = refit > 0 ? refit : 1;
    o->nshards = nshards;

    if (predictor_size(&o->series, &o->ask, NULL, &size) != SHARD_OK) {
        return SHARD_ERROR;
    }

    o->state_size = size.state;

    o->shards = calloc(nshards + 1, sizeof(predictor_outlook_shard_t));
    o->mean = predictor_outlook_floats(nshards, horizon);
    o->y = malloc((window + 1) * sizeof(double));
    o->out = malloc((size_t) horizon * (1 + o->ask.nq) * sizeof(double));
    o->work = malloc(size.work);

    missing = !o->shards || !o->mean || !o->y || !o->out || !o->work;

    for (i = 0; i < o->ask.nq; i++) {
        o->quantile[i] = predictor_outlook_floats(nshards, horizon);
        missing |= o->quantile[i] == NULL;
    }

    if (missing) {
        predictor_outlook_done(o);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


void
predictor_outlook_done(predictor_outlook_t *o)
{
    uint32_t  i;

    for (i = 0; o->shards && i < o->nshards; i++) {
        free(o->shards[i].state);
    }

    for (i = 0; i < PREDICTOR_OUTLOOK_QUANTILES; i++) {
        free(o->quantile[i]);
    }

    free(o->shards);
    free(o->mean);
    free(o->y);
    free(o->out);
    free(o->work);

    memset(o, 0, sizeof(predictor_outlook_t));
}


static void
predictor_outlook_store(predictor_outlook_t *o, shard_id_t id, int known)
{
    size_t         i;
    uint32_t       h, k;
    const double  *row;

    for (h = 0; h < o->ask.horizon; h++) {
        i = (size_t) id * o->ask.horizon + h;
        row = o->out + (size_t) h * (1 + o->ask.nq);

        o->mean[i] = known ? (float) row[0] : NAN;

        for (k = 0; k < o->ask.nq; k++) {
            o->quantile[k][i] = known ? (float) row[1 + k] : NAN;
        }
    }
}


/* a first fit is dated back by the shard's turn */

static int
predictor_outlook_fit(predictor_outlook_t *o, shard_id_t id, long slot)
{
    int                         rc;
    predictor_outlook_shard_t  *s;

    s = &o->shards[id];

    if (s->state && slot - s->fitted < o->refit && o->series.n / 2 < s->n) {
        return SHARD_OK;
    }

    if (s->state == NULL) {
        s->state = malloc(o->state_size);

        if (s->state == NULL) {
            return SHARD_ERROR;
        }

        s->fitted = slot - (long) (id % (uint32_t) o->refit);

    } else {
        s->fitted = slot;
    }

    s->n = o->series.n;

    rc = predictor_fit(&o->series, &o->ask, NULL, s->state, o->work);

    if (rc != SHARD_OK) {
        free(s->state);
        s->state = NULL;
    }

    return SHARD_OK;
}


int
predictor_outlook_shard(predictor_outlook_t *o, const predictor_history_t *h,
    shard_id_t id)
{
    int                         rc;
    predictor_outlook_shard_t  *s;

    s = &o->shards[id];
    s->model = NULL;
    rc = SHARD_AGAIN;

    o->series.n = (uint32_t) predictor_history_column(h, id, o->y);
    o->series.start = (uint64_t) (h->last + 1) - o->series.n;
    o->series.y = o->y;

    if (o->series.n) {

        if (predictor_outlook_fit(o, id, h->last) != SHARD_OK) {
            return SHARD_ERROR;
        }

        if (s->state) {
            predictor_update(&o->series, &o->ask, s->state, o->work);

            rc = predictor_predict(&o->series, &o->ask, s->state, o->work,
                                   o->out, &s->model);
        }
    }

    if (rc != SHARD_OK) {
        s->model = NULL;
    }

    predictor_outlook_store(o, id, rc == SHARD_OK);

    return SHARD_OK;
}
