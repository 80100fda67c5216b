
/*
 * What the daemon would have forecast after each slot: its outlook on the
 * same history, all models learnt anew as often as the daemon has them learn.
 * That takes minutes, so it is done once for all policies and node counts,
 * and may be kept in a file.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outlook.h"
#include "progress.h"
#include "simulate_command.h"
#include "simulate_forecast.h"


typedef struct {
    predictor_simulate_t   *m;
    predictor_pool_t       *pool;
    predictor_history_t     history;
    predictor_outlook_t     outlook;
    predictor_calendar_t    calendar;
    shard_id_t             *ids;
    shard_id_t             *list;
    float                  *row;
    long                    slot0;      /* of the fleet's first step */
} predictor_foresee_t;


static int predictor_foresee_able(const predictor_simulate_t *m);
static int predictor_foresee_room(predictor_simulate_t *m);
static int predictor_foresee_begin(predictor_foresee_t *f);
static int predictor_foresee_all(predictor_foresee_t *f);
static void predictor_foresee_push(predictor_foresee_t *f, uint32_t step);
static void predictor_foresee_fit(predictor_foresee_t *f);
static int predictor_foresee_events(predictor_foresee_t *f);
static int predictor_foresee_prepare(predictor_foresee_t *f, uint32_t step);
static void predictor_foresee_keep(predictor_foresee_t *f, uint32_t step);
static void predictor_foresee_end(predictor_foresee_t *f);


int
predictor_simulate_forecasts(predictor_simulate_t *m)
{
    int                  rc;
    predictor_foresee_t  f;

    if (!predictor_foresee_able(m)) {
        return 2;
    }

    if (predictor_foresee_room(m) != SHARD_OK) {
        fputs("shard-predictor: no memory for the forecasts\n", stderr);
        return 1;
    }

    if (m->forecasts) {
        rc = predictor_foreseen_read(m);

        if (rc != SHARD_AGAIN) {
            return rc;
        }
    }

    memset(&f, 0, sizeof(predictor_foresee_t));
    f.m = m;

    rc = predictor_foresee_begin(&f);

    if (rc == SHARD_OK) {
        rc = predictor_foresee_all(&f);
    }

    predictor_foresee_end(&f);

    if (rc != SHARD_OK) {
        fputs("shard-predictor: no memory or no thread for the forecasts\n",
              stderr);
        return 1;
    }

    return m->forecasts ? predictor_foreseen_write(m) : 0;
}


/* 0: said; models refuse what is beyond their limits without a word */

static int
predictor_foresee_able(const predictor_simulate_t *m)
{
    long                    horizon;
    uint32_t                week;
    const predictor_sim_t  *s;

    s = &m->sim;
    horizon = predictor_sim_steps(s, (double) s->conf.horizon_ms);
    week = 7 * (86400 / s->step_s);

    if (week >= 7 && week <= PREDICTOR_SEASON_MAX
        && horizon <= PREDICTOR_HORIZON_MAX
        && s->nsteps <= PREDICTOR_SERIES_MAX)
    {
        return 1;
    }

    fprintf(stderr, "shard-predictor: %s: a fleet of %u steps of %u s cannot "
            "be forecast %ld steps ahead: steps may be up to a day and %d to "
            "a week, %d in all, and %d ahead (\"horizon\" in \"planner\"); or "
            "leave predictive out of --policy\n", s->conf.path, s->nsteps,
            s->step_s, horizon, PREDICTOR_SEASON_MAX, PREDICTOR_SERIES_MAX,
            PREDICTOR_HORIZON_MAX);

    return 0;
}


/* from the first step that a policy is tried on */

static int
predictor_foresee_room(predictor_simulate_t *m)
{
    size_t                      n;
    predictor_sim_part_t        part;
    predictor_sim_forecasts_t  *seen;

    seen = &m->seen;
    (void) predictor_sim_tuned(&m->sim, &part);

    seen->from = part.from > (uint32_t) m->sim.conf.known_after
                 ? part.from - (uint32_t) m->sim.conf.known_after : 0;
    seen->before = m->sim.nsteps;
    seen->ncols = m->sim.ncols;
    seen->horizon = (uint32_t) predictor_sim_steps(&m->sim,
                                   (double) m->sim.conf.horizon_ms);

    n = (size_t) (seen->before - seen->from) * seen->ncols * seen->horizon;
    seen->mean = malloc(n * sizeof(float));
    seen->quantile = malloc(n * sizeof(float));

    return seen->mean && seen->quantile ? SHARD_OK : SHARD_ERROR;
}


static int
predictor_foresee_begin(predictor_foresee_t *f)
{
    long                    refit;
    uint32_t                i;
    const predictor_sim_t  *s;

    s = &f->m->sim;
    refit = predictor_sim_steps(s, (double) s->conf.refit_ms);
    f->slot0 = (long) (s->start_s / s->step_s);

    f->pool = predictor_pool_create(f->m->threads);
    f->ids = malloc((s->ncols + 1) * sizeof(shard_id_t));
    f->list = malloc((s->ncols + 1) * sizeof(shard_id_t));
    f->row = malloc((s->ncols + 1) * sizeof(float));

    if (!f->pool || !f->ids || !f->list || !f->row
        || predictor_history_init(&f->history, s->nsteps, s->ncols)
           != SHARD_OK
        || predictor_outlook_init(&f->outlook, f->pool, s->step_s, s->nsteps,
                                  f->m->seen.horizon, s->conf.quantile, refit,
                                  s->ncols)
           != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    for (i = 0; i < s->ncols; i++) {
        f->ids[i] = i;
    }

    predictor_history_begin(&f->history, f->slot0 - 1);

    return predictor_foresee_events(f);
}


static void
predictor_foresee_end(predictor_foresee_t *f)
{
    if (f->pool) {
        predictor_outlook_done(&f->outlook);
        predictor_pool_destroy(f->pool);
    }

    predictor_history_done(&f->history);
    predictor_calendar_done(&f->calendar);
    free(f->ids);
    free(f->list);
    free(f->row);
}


static int
predictor_foresee_all(predictor_foresee_t *f)
{
    uint32_t                    step;
    predictor_progress_t        progress;
    predictor_sim_forecasts_t  *seen;

    seen = &f->m->seen;

    for (step = 0; step < seen->from; step++) {
        predictor_foresee_push(f, step);
    }

    predictor_progress_start(&progress, "slots forecast",
                             seen->before - seen->from);

    for (step = seen->from; step < seen->before; step++) {
        predictor_foresee_push(f, step);

        if (predictor_foresee_prepare(f, step) != SHARD_OK) {
            return SHARD_ERROR;
        }

        predictor_foresee_fit(f);

        predictor_outlook_forecast(&f->outlook, &f->history, f->ids,
                                   f->m->sim.ncols);
        predictor_outlook_wait(&f->outlook, -1);
        predictor_calendar_pool(&f->calendar);

        predictor_foresee_keep(f, step);
        predictor_progress_show(&progress, step + 1 - seen->from);
    }

    predictor_progress_end(&progress);

    return predictor_outlook_broken(&f->outlook) ? SHARD_ERROR : SHARD_OK;
}


static void
predictor_foresee_push(predictor_foresee_t *f, uint32_t step)
{
    uint32_t                i;
    const predictor_sim_t  *s;

    s = &f->m->sim;

    for (i = 0; i < s->ncols; i++) {
        f->row[i] = (float) s->load[(size_t) step * s->ncols + i];
    }

    predictor_history_push(&f->history, f->slot0 + step, f->row);
}


/* whoever's turn it is, as in the daemon, where it takes some slots longer */

static void
predictor_foresee_fit(predictor_foresee_t *f)
{
    predictor_schedule_t  turns;

    predictor_outlook_schedule(&f->outlook, &f->history, f->ids,
                               f->m->sim.ncols, f->list, f->m->sim.ncols,
                               &turns);
    predictor_outlook_fit(&f->outlook, &f->history, f->list, turns.n);
    predictor_outlook_wait(&f->outlook, -1);
}


/* those that are known in advance, as an operator would have entered them */

static int
predictor_foresee_events(predictor_foresee_t *f)
{
    int                     rc;
    char                    id[32], err[SHARD_ERR_SIZE], *json;
    uint32_t                i, day;
    const predictor_sim_t  *s;

    s = &f->m->sim;
    day = 86400 / s->step_s;

    if (predictor_calendar_init(&f->calendar, s->ncols, s->step_s, day,
                                7 * day)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    f->outlook.calendar = &f->calendar;
    rc = SHARD_OK;

    predictor_calendar_begin(&f->calendar);

    for (i = 0; i < s->nevents && rc == SHARD_OK; i++) {

        if (!s->events[i].known) {
            continue;
        }

        snprintf(id, sizeof(id), "e%u", i);
        json = predictor_foreseen_event(s, i);
        rc = json ? predictor_calendar_put(&f->calendar, id, json, err)
                  : SHARD_ERROR;
        free(json);
    }

    predictor_calendar_end(&f->calendar);

    return rc;
}


static int
predictor_foresee_prepare(predictor_foresee_t *f, uint32_t step)
{
    int64_t                 until_s;
    uint32_t                i;
    const predictor_sim_t  *s;

    s = &f->m->sim;
    until_s = (int64_t) (f->slot0 + step + 1) * s->step_s;

    for (i = 0; i < s->ncols && predictor_calendar_wants_load(&f->calendar);
         i++)
    {
        f->calendar.load[i] = predictor_history_now(&f->history, i,
                                                    f->calendar.day);
    }

    return predictor_calendar_prepare(&f->calendar,
               until_s - (int64_t) s->nsteps * s->step_s, until_s,
               f->m->seen.horizon);
}


static void
predictor_foresee_keep(predictor_foresee_t *f, uint32_t step)
{
    size_t                      n;
    predictor_sim_forecasts_t  *seen;

    seen = &f->m->seen;
    n = (size_t) seen->ncols * seen->horizon;

    memcpy(seen->mean + (step - seen->from) * n, f->outlook.mean,
           n * sizeof(float));
    memcpy(seen->quantile + (step - seen->from) * n,
           f->outlook.quantile[f->outlook.planned], n * sizeof(float));
}
