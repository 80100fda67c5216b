
#include <string.h>

#include "combine_state.h"
#include "guard.h"


static int predictor_check(const predictor_series_t *series,
    const predictor_ask_t *ask);
static uint32_t predictor_wish(const predictor_model_t *wish);
static size_t predictor_round(size_t size);
static size_t predictor_shared(const predictor_ask_t *ask);
static void predictor_look(predictor_series_t *series, predictor_state_t *s,
    predictor_cut_t *cut);
static void predictor_settle(predictor_series_t *series,
    const predictor_state_t *s, double *y);
static int predictor_clean(const predictor_series_t *series,
    const predictor_ask_t *ask, const predictor_state_t *s, double *y,
    predictor_series_t *whole);
static void predictor_learn(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_state_t *s, predictor_cut_t *cut);
static void predictor_stand_in(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_state_t *s, void *work);


/*
 * Regressions first, then the other voters, then what stands in.  The order
 * of the voters is that of predictor_said_t: PREDICTOR_MERIT_VERSION.
 */

const predictor_member_t  predictor_members[] = {
    { &predictor_model_lagreg_fresh, predictor_lagreg_learn_fresh },
    { &predictor_model_lagreg_raw, predictor_lagreg_learn_raw },
    { &predictor_model_ets, predictor_ets_learn },
    { &predictor_model_mstl, predictor_mstl_learn },
    { &predictor_model_naive_week, NULL },
    { &predictor_model_naive_day, NULL },
    { &predictor_model_level, NULL }
};


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
    work = predictor_calibrate_work(PREDICTOR_TRIAL_STEPS);
    one.work = predictor_shifts_work(&grown);
    work = one.work > work ? one.work : work;

    for (i = 0; i < PREDICTOR_MEMBERS; i++) {
        predictor_member(number, i)->size(&grown, ask, &one);
        size->state += predictor_round(one.state);
        work = one.work > work ? one.work : work;
    }

    size->work = predictor_round(grown.n * sizeof(double))
                 + PREDICTOR_VOTERS * predictor_shared(ask)
                 + predictor_round(work);

    return SHARD_OK;
}


int
predictor_fit(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_model_t *wish, void *state, void *work)
{
    return predictor_fit_to(series, ask, wish, wish == NULL, state, work);
}


int
predictor_fit_to(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_model_t *wish, int breaks, void *state, void *work)
{
    uint32_t                  i;
    predictor_cut_t           cut;
    predictor_size_t          one;
    predictor_state_t        *s;
    predictor_series_t        whole;

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
    memset(s, 0, sizeof(predictor_state_t));
    s->most = predictor_most(&whole, cut.work);
    predictor_clip(cut.y, whole.n, s->most);

    if (breaks) {
        predictor_look(&whole, s, &cut);
    }

    s->wish = predictor_wish(wish);
    s->limit = series->n + series->day;
    s->horizon = ask->horizon;
    s->nq = ask->nq;
    s->offset[0] = predictor_round(sizeof(predictor_state_t));

    for (i = 0; i + 1 < PREDICTOR_MEMBERS; i++) {
        predictor_member(s->wish, i)->size(&whole, ask, &one);
        s->offset[i + 1] = s->offset[i] + predictor_round(one.state);
    }

    if (wish == NULL) {
        predictor_learn(&whole, ask, s, &cut);

    } else if (predictor_member(s->wish, 0)->fit(&whole, ask,
                                                 (char *) s + s->offset[0],
                                                 cut.work)
               == SHARD_OK)
    {
        s->fitted = 1;
    }

    predictor_stand_in(&whole, ask, s, cut.work);

    return SHARD_OK;
}


/* outages first: they are no shifts; then they are filled at the new level */

static void
predictor_look(predictor_series_t *series, predictor_state_t *s,
    predictor_cut_t *cut)
{
    predictor_outages_find(series, &s->breaks.outages);
    predictor_outages_fill(&s->breaks.outages, series, cut->y);
    predictor_shifts_find(series, cut->work, &s->breaks.shifts);
    predictor_settle(series, s, cut->y);
}


/* a series cleaned but for these, in y from here on if there are any */

static void
predictor_settle(predictor_series_t *series, const predictor_state_t *s,
    double *y)
{
    if (s->breaks.shifts.n == 0 && s->breaks.outages.n == 0) {
        return;
    }

    if (series->y != y) {
        memcpy(y, series->y, series->n * sizeof(double));
        series->y = y;
    }

    predictor_shifts_scale(&s->breaks.shifts, series->start, y, series->n);
    predictor_outages_fill(&s->breaks.outages, series, y);
}


/*
 * The voters, their weights and the margins.  No voter is asked for quantiles.
 * Without a regression the history is too short for the others, too.
 */

static void
predictor_learn(const predictor_series_t *series, const predictor_ask_t *ask,
    predictor_state_t *s, predictor_cut_t *cut)
{
    int                        rc;
    uint32_t                   i, season;
    predictor_ask_t            points;
    predictor_trial_t          trial[PREDICTOR_VOTERS];
    predictor_trial_t         *tried[PREDICTOR_VOTERS];
    const predictor_member_t  *member;

    points = *ask;
    points.nq = 0;

    for (i = 0; i < PREDICTOR_VOTERS; i++) {
        member = &predictor_members[i];
        tried[i] = NULL;
        predictor_trial_init(&trial[i], series, ask->horizon, cut->said[i]);

        if (i == PREDICTOR_WEEKLY) {
            rc = member->model->fit(series, &points,
                                    (char *) s + s->offset[i], cut->work);
            season = rc == SHARD_OK ? series->week : series->day;
            predictor_trial_naive(&trial[i], series, season);
            tried[i] = &trial[i];

        } else {
            rc = member->learn(series, &points, &trial[i],
                               (char *) s + s->offset[i], cut->work);
        }

        if (rc == SHARD_OK) {
            s->fitted |= 1u << i;
            tried[i] = &trial[i];
        }
    }

    predictor_weigh(series, tried, &s->weights);
    predictor_calibrate(series, ask, tried, &s->weights, &s->margins,
                        cut->work);

    if (s->margins.nsteps == 0) {
        s->fitted = 0;
    }
}


/* the naive model, and the level when it has too little */

static void
predictor_stand_in(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_state_t *s, void *work)
{
    uint32_t  i;

    for (i = PREDICTOR_DAILY; i <= PREDICTOR_LEVEL; i++) {

        if (i == PREDICTOR_LEVEL && s->fitted) {
            break;
        }

        if (predictor_members[i].model->fit(series, ask,
                                            (char *) s + s->offset[i], work)
            == SHARD_OK)
        {
            s->fitted |= 1u << i;
        }
    }
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
    predictor_cut(series, ask, work, &cut);

    if (predictor_clean(series, ask, s, cut.y, &whole) != SHARD_OK) {
        return;
    }

    predictor_outages_follow(&whole, &s->breaks.outages);
    predictor_settle(&whole, s, cut.y);
    s->breaks.stale |= predictor_shifts_stale(&s->breaks.shifts, &whole);

    for (i = 0; i < PREDICTOR_MEMBERS; i++) {
        model = predictor_member(s->wish, i);

        if (s->fitted & 1u << i && model->update) {
            (void) model->update(&whole, ask, (char *) state + s->offset[i],
                                 cut.work);
        }
    }
}


const predictor_breaks_t *
predictor_breaks(const void *state)
{
    return &((const predictor_state_t *) state)->breaks;
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


const predictor_model_t *
predictor_member(uint32_t wish, uint32_t i)
{
    return wish && i == 0 ? predictor_models[wish - 1]
                          : predictor_members[i].model;
}


int
predictor_whole(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_state_t *s, double *y, predictor_series_t *whole)
{
    int  rc;

    rc = predictor_clean(series, ask, s, y, whole);

    if (rc == SHARD_OK) {
        predictor_settle(whole, s, y);
    }

    return rc;
}


static int
predictor_clean(const predictor_series_t *series, const predictor_ask_t *ask,
    const predictor_state_t *s, double *y, predictor_series_t *whole)
{
    if (predictor_check(series, ask) != SHARD_OK || series->n > s->limit
        || ask->horizon != s->horizon || ask->nq != s->nq)
    {
        return SHARD_ERROR;
    }

    *whole = *series;

    /* as most series are: nothing to fill or to clip */

    if (predictor_within(series->y, series->n, s->most)) {
        return SHARD_OK;
    }

    if (predictor_fill(series, y) != SHARD_OK) {
        return SHARD_AGAIN;
    }

    predictor_clip(y, series->n, s->most);
    whole->y = y;

    return SHARD_OK;
}


static size_t
predictor_round(size_t size)
{
    return (size + 15) & ~(size_t) 15;
}


/* bytes of a voter's place: its votes, or before them its trial */

static size_t
predictor_shared(const predictor_ask_t *ask)
{
    size_t  votes, trial;

    votes = ask->horizon * sizeof(double);
    trial = predictor_trial_size(PREDICTOR_TRIAL_STEPS) * sizeof(float);

    return predictor_round(votes > trial ? votes : trial);
}


void
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
        cut->said[i] = (float *) p;
        p += predictor_shared(ask);
    }

    cut->work = p;
}
