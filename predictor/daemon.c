
#include <math.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "daemon.h"
#include "events.h"
#include "report.h"


#define PREDICTOR_PAUSE_MAX_MS   200
#define PREDICTOR_PAUSE_MIN_MS   10
#define PREDICTOR_RETRY_MS       500
#define PREDICTOR_HELD_MS        1000
#define PREDICTOR_WAIT_MS        100      /* for the threads, in one step */
#define PREDICTOR_SLICE          4        /* fits of each thread */
#define PREDICTOR_SLICE_MAX      (PREDICTOR_SLICE * PREDICTOR_THREADS_MAX)

/* the fits are late when so many in a hundred shards are due: no pauses */

#define PREDICTOR_LATE           10


typedef int (*predictor_state_pt)(predictor_daemon_t *d);

static int predictor_step_waiting(predictor_daemon_t *d);
static int predictor_step_loading(predictor_daemon_t *d);
static int predictor_step_running(predictor_daemon_t *d);
static int predictor_step_forecasting(predictor_daemon_t *d);
static int predictor_step_fitting(predictor_daemon_t *d);
static void predictor_turns(predictor_daemon_t *d);


static const struct {
    const char          *name;
    predictor_state_pt   step;
} predictor_states[] = {
    { "waiting", predictor_step_waiting },
    { "loading", predictor_step_loading },
    { "running", predictor_step_running },
    { "forecasting", predictor_step_forecasting },
    { "fitting", predictor_step_fitting }
};


static void
predictor_set_state(predictor_daemon_t *d, predictor_state_e state)
{
    if (d->state == state) {
        return;
    }

    shardd_log(SHARDD_LOG_DEBUG, "%s, was %s", predictor_states[state].name,
               predictor_states[d->state].name);

    if (state == PREDICTOR_WAITING || state == PREDICTOR_LOADING) {
        predictor_unload(d);
    }

    /* who plans meanwhile goes on with them */

    if (state == PREDICTOR_WAITING) {
        predictor_spreads_done(&d->spreads);
        predictor_following_done(&d->following);
    }

    d->state = state;
}


void
predictor_daemon_init(predictor_daemon_t *d, const predictor_conf_t *conf,
    const predictor_io_t *io)
{
    memset(d, 0, sizeof(predictor_daemon_t));

    d->conf = conf;
    d->io = io;
    d->res_s = conf->interval_ms / 1000;
    d->closed = -1;
    d->known = -1;

    predictor_fleet_clock(conf, &d->clock);
    predictor_nodes_init(&d->nodes, conf, io, &d->clock, d->res_s);
    predictor_policy_init(&d->policy, conf, io);
}


void
predictor_daemon_done(predictor_daemon_t *d)
{
    predictor_unload(d);
    predictor_nodes_done(&d->nodes);
    predictor_policy_done(&d->policy);
    predictor_pool_destroy(d->pool);
    d->pool = NULL;
    predictor_spreads_done(&d->spreads);
    predictor_watch_done(&d->watch);
    predictor_following_done(&d->following);
}


/* renews the lease in good time; SHARDD_FENCED when it is another's now */

static int
predictor_lease(predictor_daemon_t *d)
{
    int     rc;
    double  now_ms;

    now_ms = (double) d->io->now_ms(d->io->data);

    if (d->state != PREDICTOR_WAITING
        && now_ms - d->claimed_ms < (double) d->conf->lease_real_ms / 3)
    {
        return SHARDD_OK;
    }

    rc = d->io->claim(d->io->data, d->conf->lease_real_ms);

    if (rc == SHARDD_OK) {
        d->claimed_ms = now_ms;
        d->held = 0;
    }

    return rc;
}


static int
predictor_step_waiting(predictor_daemon_t *d)
{
    shardd_log(SHARDD_LOG_INFO, "this is the predictor now, mode %s",
               predictor_mode_words[d->conf->mode]);
    predictor_set_state(d, PREDICTOR_LOADING);

    return SHARDD_OK;
}


static int
predictor_step_loading(predictor_daemon_t *d)
{
    int  rc;

    rc = predictor_load(d);

    if (rc == SHARDD_OK) {
        predictor_set_state(d, PREDICTOR_RUNNING);
        rc = predictor_say(d);
    }

    return rc;
}


/* the table as it is now; what left it is forgotten */

static int
predictor_refresh(predictor_daemon_t *d)
{
    int                rc;
    predictor_fleet_t  fresh;

    memset(&fresh, 0, sizeof(predictor_fleet_t));
    rc = predictor_fleet_load(&fresh, d->io, d->conf);

    if (rc == SHARDD_OK && fresh.table.version != d->fleet.table.version) {
        rc = predictor_report_forget(d->io, &d->fleet, &fresh);
    }

    if (rc != SHARDD_OK) {
        predictor_fleet_done(&fresh);
        return rc;
    }

    if (fresh.table.version != d->fleet.table.version) {
        (void) predictor_spreads_room(&d->spreads, fresh.ncols,
                                      d->spreads.half_s);
        predictor_spreads_follow(&d->spreads, &d->fleet.table, &fresh.table);
    }

    predictor_following_watch(&d->following, &d->fleet, &fresh,
                              predictor_now_s(d));
    predictor_fleet_done(&d->fleet);
    d->fleet = fresh;

    return SHARDD_OK;
}


/* who came from whom; what a change mixed up ends with the slot of now */

static int
predictor_origins(predictor_daemon_t *d)
{
    long  since;

    since = (long) floor(predictor_now_s(d) / (double) d->res_s) + 1;

    return predictor_cold_change(&d->cold, d->io, &d->fleet.table,
                                 &d->history, since);
}


/* the load is another one from here on: history is read in its unit, what past
 * forecasts were worth was in the old one */

static int
predictor_unit(predictor_daemon_t *d)
{
    int  rc;

    rc = predictor_signals_save(d->signals);

    if (rc == SHARDD_OK) {
        memset(d->outlook.errors, 0, d->outlook.nshards
                                     * sizeof(predictor_errors_t));
        rc = predictor_remember_all(d);
    }

    if (rc == SHARDD_OK) {
        shardd_log(SHARDD_LOG_INFO, "the load of a shard is made otherwise: "
                   "all is loaded anew");
        predictor_set_state(d, PREDICTOR_LOADING);
    }

    return rc;
}


static int
predictor_step_running(predictor_daemon_t *d)
{
    int  rc;

    rc = predictor_intake(d);

    if (rc == SHARDD_OK) {
        rc = predictor_spreads_save(&d->spreads, d->io, &d->fleet);
    }

    if (rc == SHARDD_OK && d->due && d->drained) {
        rc = predictor_refresh(d);

        if (rc != SHARDD_OK) {
            return rc;
        }

        if (d->fleet.ncols > d->slots->ncols) {
            rc = predictor_remember_all(d);

            if (rc == SHARDD_OK) {
                predictor_set_state(d, PREDICTOR_LOADING);
            }

            return rc;
        }

        if (predictor_signals_policy(d->signals, d->fleet.table.policy,
                                     d->closed))
        {
            return predictor_unit(d);
        }

        predictor_nodes_table(&d->nodes, &d->fleet.table, d->closed + 1);
        rc = predictor_origins(d);

        if (rc != SHARDD_OK) {
            return rc;
        }

        rc = predictor_events_load(d, 0);

        if (rc != SHARDD_OK) {
            return rc;
        }

        d->due = 0;
        predictor_set_state(d, PREDICTOR_FORECASTING);
        return SHARDD_OK;
    }

    if (rc == SHARDD_OK) {
        rc = predictor_say(d);
    }

    if (rc == SHARDD_OK && d->drained) {
        rc = predictor_remember(d);
    }

    if (rc == SHARDD_OK && d->drained) {
        predictor_turns(d);
    }

    return rc;
}


static void
predictor_broken(predictor_daemon_t *d)
{
    uint64_t  broken;

    broken = predictor_outlook_broken(&d->outlook);

    if (broken > d->broken) {
        shardd_log(SHARDD_LOG_ERROR, "no memory for the models of %llu "
                   "shards: set a smaller \"history\"",
                   (unsigned long long) (broken - d->broken));
    }

    d->broken = broken;
}


/* waits a little for the threads: 1 when they are done, with "ms" they took */

static int
predictor_done(predictor_daemon_t *d, uint64_t *ms)
{
    if (!predictor_outlook_wait(&d->outlook, PREDICTOR_WAIT_MS)) {
        return 0;
    }

    d->busy = 0;
    *ms = d->io->now_ms(d->io->data) - d->times.begun;
    predictor_broken(d);

    return 1;
}


static void
predictor_begin(predictor_daemon_t *d)
{
    d->busy = 1;
    d->times.begun = d->io->now_ms(d->io->data);
}


/* begins a slice of fits when there are any to be made */

static void
predictor_turns(predictor_daemon_t *d)
{
    uint32_t    max;
    shard_id_t  list[PREDICTOR_SLICE_MAX];

    predictor_cold_prepare(&d->cold, &d->history, d->outlook.turns,
                           d->fleet.ids, d->fleet.plan.nshards);

    max = PREDICTOR_SLICE * predictor_pool_threads(d->pool);
    predictor_signals_ids(d->signals, &d->fleet);
    predictor_outlook_schedule(&d->outlook, &d->history, d->signals->ids,
                               d->signals->nids, list, max, &d->turns);

    if (d->learning && d->turns.first == 0) {
        d->learning = 0;
        d->due = d->known >= 0;
        d->drained = 0;
        shardd_log(SHARDD_LOG_DEBUG, "models of %llu shards have learnt in "
                   "%.1f s", (unsigned long long) d->times.nfits,
                   (double) d->times.fits / 1000);
        return;
    }

    if (d->turns.n) {
        predictor_begin(d);
        predictor_outlook_fit(&d->outlook, &d->history, list, d->turns.n);
        predictor_set_state(d, PREDICTOR_FITTING);
    }
}


static int
predictor_step_fitting(predictor_daemon_t *d)
{
    uint64_t  ms;

    if (!predictor_done(d, &ms)) {
        return SHARDD_OK;
    }

    d->times.fits += ms;
    d->times.nfits += d->turns.n;

    /* what has come meanwhile is read at once, where more fits wait too: a
     * few that come due are spread over the slot by the pauses */

    if (d->learning || d->turns.first > d->turns.n
        || d->turns.due > d->fleet.plan.nshards / PREDICTOR_LATE)
    {
        d->drained = 0;
    }

    predictor_set_state(d, PREDICTOR_RUNNING);

    return SHARDD_OK;
}


static int
predictor_step_forecasting(predictor_daemon_t *d)
{
    int  rc;

    if (!d->busy) {
        predictor_cold_prepare(&d->cold, &d->history, d->outlook.turns,
                               d->fleet.ids, d->fleet.plan.nshards);
        predictor_begin(d);
        predictor_signals_ids(d->signals, &d->fleet);
        predictor_outlook_forecast(&d->outlook, &d->history, d->signals->ids,
                                   d->signals->nids);
    }

    if (!predictor_done(d, &d->times.tick)) {
        return SHARDD_OK;
    }

    d->told = -1;

    shardd_log(SHARDD_LOG_DEBUG, "%u shards forecast in %llu ms",
               d->fleet.plan.nshards, (unsigned long long) d->times.tick);

    rc = predictor_decide(d);

    /* what failed is done again from the table on: all of it is idempotent */

    d->due |= rc != SHARDD_OK;
    predictor_set_state(d, PREDICTOR_RUNNING);

    return rc;
}


static long
predictor_pause_ms(const predictor_daemon_t *d)
{
    double  ms;

    if (d->state != PREDICTOR_RUNNING || !d->drained) {
        return 0;
    }

    ms = (double) d->res_s / d->clock.speed * 1000 / 4;

    if (ms > PREDICTOR_PAUSE_MAX_MS) {
        return PREDICTOR_PAUSE_MAX_MS;
    }

    return ms < PREDICTOR_PAUSE_MIN_MS ? PREDICTOR_PAUSE_MIN_MS : (long) ms;
}


/* says once what is wrong, and once that it is over */

static long
predictor_trouble(predictor_daemon_t *d, int rc)
{
    if (rc == SHARDD_FENCED) {

        if (!d->held) {
            shardd_log(SHARDD_LOG_INFO, "another predictor plans, this one "
                       "waits: %s", d->io->err(d->io->data));
        }

        d->held = 1;
        predictor_set_state(d, PREDICTOR_WAITING);

        return PREDICTOR_HELD_MS;
    }

    if (!d->down) {
        shardd_log(rc == SHARDD_DOWN ? SHARDD_LOG_WARN : SHARDD_LOG_ERROR,
                   "%s: trying again", d->io->err(d->io->data));
    }

    d->down = 1;

    return PREDICTOR_RETRY_MS;
}


long
predictor_daemon_step(predictor_daemon_t *d)
{
    int  rc;

    rc = predictor_lease(d);

    if (rc == SHARDD_OK) {
        predictor_nodes_step(&d->nodes);
        rc = predictor_watch_step(d);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_sizes_step(&d->policy.sizes, &d->fleet);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_states[d->state].step(d);
    }

    if (rc != SHARDD_OK) {
        return predictor_trouble(d, rc);
    }

    if (d->down) {
        shardd_log(SHARDD_LOG_INFO, "the store answers again");
        d->down = 0;
    }

    return predictor_pause_ms(d);
}
