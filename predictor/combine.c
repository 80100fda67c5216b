
#include <string.h>

#include "combine.h"
#include "guard.h"


/* regressions first, then what has one more voice, then what stands in */

static const predictor_model_t *const  predictor_members[] = {
    &predictor_model_lagreg,
    &predictor_model_lagreg_fresh,
    &predictor_model_lagreg_raw,
    &predictor_model_naive_week,
    &predictor_model_naive_day,
    &predictor_model_level
};

#define PREDICTOR_WEEKLY   3
#define PREDICTOR_DAILY    4
#define PREDICTOR_LEVEL    5
#define PREDICTOR_MEMBERS  6
#define PREDICTOR_VOTERS   4

#define PREDICTOR_ALL      0x1f


/* states of the fitted members follow, each at its offset */

typedef struct {
    uint32_t  fitted;               /* bit i: member i */
    uint32_t  wish;                 /* 1 + its number, 0 = combined */
    uint32_t  voters;               /* bits of the members that may vote */
    uint32_t  limit;                /* values the memory has room for */
    uint32_t  horizon;              /* as asked when it was fitted */
    uint32_t  nq;
    size_t    offset[PREDICTOR_MEMBERS];
} predictor_state_t;

/* the scratch memory, cut up */

typedef struct {
    double   *y;                    /* the series, gaps filled */
    double   *vote[PREDICTOR_VOTERS];
    void     *work;
} predictor_cut_t;


static int predictor_check(const predictor_series_t *series,
    const predictor_ask_t *ask);
static uint32_t predictor_wish(const predictor_model_t *wish);
static const predictor_model_t *predictor_member(uint32_t wish, uint32_t i);
static int predictor_whole(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_state_t *s, double *y,
    predictor_series_t *whole);
static size_t predictor_round(size_t size);
static void predictor_cut(const predictor_series_t *series,
    const predictor_ask_t *ask, void *work, predictor_cut_t *cut);
static int predictor_voice(const predictor_state_t *s, uint32_t member,
    uint32_t votes, uint32_t naive);
static void predictor_vote(const predictor_ask_t *ask, double *const *vote,
    uint32_t n, double *out);


int
predictor_size(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_model_t *wish, predictor_size_t *size)
{
    size_t              work;
    uint32_t            i, number;
    predictor_size_t    one;
    predictor_series_t  grown;

    if (predictor_check(series, ask) != SHARD_OK) {
        return SHARD_ERROR;
    }

    grown = *series;
    grown.n += series->day;

    size->state = predictor_round(sizeof(predictor_state_t));
    number = predictor_wish(wish);
    work = 0;

    for (i = 0; i < PREDICTOR_MEMBERS; i++) {
        predictor_member(number, i)->size(&grown, ask, &one);
        size->state += predictor_round(one.state);
        work = one.work > work ? one.work : work;
    }

    size->work = predictor_round(grown.n * sizeof(double))
                 + PREDICTOR_VOTERS
                   * predictor_round((size_t) ask->horizon * (1 + ask->nq)
                                     * sizeof(double))
                 + predictor_round(work);

    return SHARD_OK;
}


int
predictor_fit(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_model_t *wish, void *state, void *work)
{
    int                       rc;
    uint32_t                  i;
    predictor_cut_t           cut;
    predictor_size_t          one;
    predictor_state_t        *s;
    predictor_series_t        whole;
    const predictor_model_t  *model;

    if (predictor_check(series, ask) != SHARD_OK) {
        return SHARD_ERROR;
    }

    predictor_cut(series, ask, work, &cut);

    if (predictor_fill(series, cut.y) != SHARD_OK) {
        return SHARD_AGAIN;
    }

    whole = *series;
    whole.y = cut.y;

    s = state;
    s->fitted = 0;
    s->wish = predictor_wish(wish);
    s->voters = wish ? 1 : PREDICTOR_ALL;
    s->limit = series->n + series->day;
    s->horizon = ask->horizon;
    s->nq = ask->nq;
    s->offset[0] = predictor_round(sizeof(predictor_state_t));

    for (i = 0; i < PREDICTOR_MEMBERS; i++) {
        model = predictor_member(s->wish, i);
        model->size(&whole, ask, &one);

        if (i + 1 < PREDICTOR_MEMBERS) {
            s->offset[i + 1] = s->offset[i] + predictor_round(one.state);
        }

        if ((i < PREDICTOR_DAILY && !(s->voters & 1u << i))
            || (i == PREDICTOR_LEVEL && s->fitted))
        {
            continue;
        }

        rc = model->fit(&whole, ask, (char *) state + s->offset[i],
                        cut.work);
        if (rc == SHARD_OK) {
            s->fitted |= 1u << i;
        }
    }

    return SHARD_OK;
}


void
predictor_update(const predictor_series_t *series,
    const predictor_ask_t *ask, void *state, void *work)
{
    uint32_t                  i;
    predictor_cut_t           cut;
    predictor_state_t        *s;
    predictor_series_t        whole;
    const predictor_model_t  *model;

    s = state;

    for (i = 0; i < PREDICTOR_MEMBERS; i++) {
        model = predictor_member(s->wish, i);

        if (!(s->fitted & 1u << i) || model->update == NULL) {
            continue;
        }

        predictor_cut(series, ask, work, &cut);

        if (predictor_whole(series, ask, s, cut.y, &whole) != SHARD_OK) {
            return;
        }

        (void) model->update(&whole, ask, (char *) state + s->offset[i],
                             cut.work);
    }
}


int
predictor_predict(const predictor_series_t *series,
    const predictor_ask_t *ask, const void *state, void *work, double *out,
    const char **used)
{
    int                       rc;
    size_t                    values;
    uint32_t                  i, n, naive;
    predictor_cut_t           cut;
    predictor_series_t        whole;
    const predictor_state_t  *s;
    const predictor_model_t  *model;

    s = state;
    predictor_cut(series, ask, work, &cut);

    rc = predictor_whole(series, ask, s, cut.y, &whole);

    if (rc != SHARD_OK) {
        return rc;
    }

    n = 0;
    naive = 0;
    values = (size_t) ask->horizon * (1 + ask->nq);

    for (i = 0; i < PREDICTOR_MEMBERS; i++) {
        if (!predictor_voice(s, i, n, naive)) {
            continue;
        }

        model = predictor_member(s->wish, i);

        rc = model->forecast(&whole, ask,
                             (const char *) state + s->offset[i],
                             cut.work, cut.vote[n]);

        if (rc != SHARD_OK || !predictor_finite(cut.vote[n], values)) {
            continue;
        }

        *used = n ? "combined" : model->name;
        naive |= i == PREDICTOR_WEEKLY;
        n++;
    }

    if (n == 0) {
        return SHARD_AGAIN;
    }

    if (n == 1) {
        memcpy(out, cut.vote[0], values * sizeof(double));

    } else {
        predictor_vote(ask, cut.vote, n, out);
    }

    predictor_guard(&whole, ask, out);

    return SHARD_OK;
}


int
predictor_forecast(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_model_t *wish, void *state,
    void *work, double *out, const char **used)
{
    int  rc;

    rc = predictor_fit(series, ask, wish, state, work);

    if (rc != SHARD_OK) {
        return rc;
    }

    return predictor_predict(series, ask, state, work, out, used);
}


static int
predictor_check(const predictor_series_t *series, const predictor_ask_t *ask)
{
    uint32_t  i;

    if (series->n > PREDICTOR_SERIES_MAX
        || series->interval_s == 0
        || series->day == 0 || series->day > PREDICTOR_SEASON_MAX
        || series->week > PREDICTOR_SEASON_MAX
        || series->week % series->day != 0
        || ask->horizon == 0 || ask->horizon > PREDICTOR_HORIZON_MAX
        || ask->nq > PREDICTOR_QUANTILES_MAX)
    {
        return SHARD_ERROR;
    }

    for (i = 0; i < ask->nq; i++) {
        if (!(ask->q[i] > 0 && ask->q[i] < 1)) {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


/* a state keeps numbers, no pointers */

static uint32_t
predictor_wish(const predictor_model_t *wish)
{
    uint32_t  i;

    for (i = 0; wish && predictor_models[i]; i++) {
        if (predictor_models[i] == wish) {
            return 1 + i;
        }
    }

    return 0;
}


/* the model that is wished for stands in the place of the first */

static const predictor_model_t *
predictor_member(uint32_t wish, uint32_t i)
{
    return wish && i == 0 ? predictor_models[wish - 1] : predictor_members[i];
}


/* the series without gaps, when the state can be asked about it */

static int
predictor_whole(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_state_t *s, double *y, predictor_series_t *whole)
{
    if (predictor_check(series, ask) != SHARD_OK || series->n > s->limit
        || ask->horizon != s->horizon || ask->nq != s->nq)
    {
        return SHARD_ERROR;
    }

    if (predictor_fill(series, y) != SHARD_OK) {
        return SHARD_AGAIN;
    }

    *whole = *series;
    whole->y = y;

    return SHARD_OK;
}


static size_t
predictor_round(size_t size)
{
    return (size + 15) & ~(size_t) 15;
}


static void
predictor_cut(const predictor_series_t *series, const predictor_ask_t *ask,
    void *work, predictor_cut_t *cut)
{
    char      *p;
    uint32_t   i;

    p = work;
    cut->y = work;
    p += predictor_round(series->n * sizeof(double));

    for (i = 0; i < PREDICTOR_VOTERS; i++) {
        cut->vote[i] = (double *) p;
        p += predictor_round((size_t) ask->horizon * (1 + ask->nq)
                             * sizeof(double));
    }

    cut->work = p;
}


/*
 * Every fitted regression speaks, and beside them one naive model: the weekly
 * one, else the daily one.  Without a regression the daily one stands alone,
 * and the level without that.
 */

static int
predictor_voice(const predictor_state_t *s, uint32_t member, uint32_t votes,
    uint32_t naive)
{
    if (!(s->fitted & 1u << member)) {
        return 0;
    }

    switch (member) {

    case PREDICTOR_WEEKLY:
        return votes > 0;

    case PREDICTOR_DAILY:
        return votes == 0 || (s->voters & 1u << member && !naive);

    case PREDICTOR_LEVEL:
        return votes == 0;

    default:
        return 1;
    }
}


/* the median of all votes; of an even number, the mean of the middle two */

static void
predictor_vote(const predictor_ask_t *ask, double *const *vote, uint32_t n,
    double *out)
{
    double    one, sorted[PREDICTOR_VOTERS];
    size_t    k, values;
    uint32_t  i, j;

    values = (size_t) ask->horizon * (1 + ask->nq);

    for (k = 0; k < values; k++) {
        for (i = 0; i < n; i++) {
            one = vote[i][k];

            for (j = i; j && sorted[j - 1] > one; j--) {
                sorted[j] = sorted[j - 1];
            }

            sorted[j] = one;
        }

        out[k] = sorted[(n - 1) / 2] / 2 + sorted[n / 2] / 2;
    }
}
