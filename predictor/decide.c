
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "breaks.h"
#include "daemon.h"
#include "events.h"
#include "recommend.h"
#include "report.h"
#include "report_ring.h"


#define PREDICTOR_PAUSE_SLOTS  3        /* unknown ones that are put up with */
#define PREDICTOR_MOVES_MAX    64
#define PREDICTOR_SAY_MS       5000


double
predictor_now_s(const predictor_daemon_t *d)
{
    return predictor_clock_s(&d->clock, (double) d->io->now_ms(d->io->data));
}


int
predictor_paused(const predictor_daemon_t *d)
{
    double  late;

    if (d->known < 0) {
        return 1;
    }

    /* slots are closed in time, with or without metrics, once there were any;
     * how long a forecast takes is no matter */

    if (d->slots && d->slots->base >= 0) {
        return d->history.last - d->known >= PREDICTOR_PAUSE_SLOTS;
    }

    late = predictor_now_s(d) - (double) ((d->known + 1) * d->res_s);

    return late > (double) (PREDICTOR_PAUSE_SLOTS * d->res_s)
                  + (double) d->conf->grace_real_ms / 1000 * d->clock.speed;
}


/* the ring is known to all; what is to be split or joined only where advice is
 * asked for, and not right after a start */

static int
predictor_decide_resizes(predictor_daemon_t *d, double now_s)
{
    int                       rc;
    predictor_resizes_view_t  view;

    rc = predictor_report_ring(d->io, &d->fleet, d->conf->keyspace, now_s);

    if (rc != SHARDD_OK || d->conf->mode == PREDICTOR_OBSERVE || d->learning
        || predictor_paused(d))
    {
        return rc;
    }

    view.conf = d->conf;
    view.fleet = &d->fleet;
    view.outlook = &d->outlook;
    view.history = &d->history;
    view.cold = &d->cold;
    view.spreads = &d->spreads;
    view.now_s = now_s;

    return predictor_resizes(&d->resizes, &view, d->io, &d->decisions);
}


static void
predictor_say_state(const predictor_daemon_t *d, char *buf, size_t size)
{
    char  since[32];

    if (d->state == PREDICTOR_LOADING) {
        snprintf(buf, size, "loading");

    } else if (d->known < 0) {
        snprintf(buf, size, "no metrics yet");

    } else if (predictor_paused(d)) {
        snprintf(buf, size, "no metrics since %s",
                 predictor_report_time((double) ((d->known + 1) * d->res_s),
                                       since));

    } else if (d->learning) {
        snprintf(buf, size, "learning");

    } else {
        snprintf(buf, size, "ready");
    }
}


int
predictor_say(predictor_daemon_t *d)
{
    int       rc;
    char      state[sizeof(d->said)], at[32], tick[32], refit[32];
    double    now_ms;
    uint64_t  fits;

    predictor_say_state(d, state, sizeof(state));
    now_ms = (double) d->io->now_ms(d->io->data);

    if (strcmp(state, d->said) == 0 && now_ms - d->said_ms < PREDICTOR_SAY_MS)
    {
        return SHARDD_OK;
    }

    /* what learning takes for all shards, by what it took for some */

    fits = d->times.nfits ? d->times.nfits : 1;
    snprintf(at, sizeof(at), "%.0f", predictor_now_s(d));
    snprintf(tick, sizeof(tick), "%llu", (unsigned long long) d->times.tick);
    snprintf(refit, sizeof(refit), "%.1f", (double) d->times.fits / 1000
             / (double) fits * d->fleet.plan.nshards);

    const shardd_field_t  fields[] = {
        { "at", at },
        { "mode", (char *) predictor_mode_words[d->conf->mode] },
        { "state", state },
        { "tick_ms", tick },
        { "refit_s", refit }
    };

    rc = d->io->hash_put(d->io->data, "predictor", fields, 5);

    if (rc != SHARDD_OK) {
        return rc;
    }

    if (strcmp(state, d->said) != 0) {
        shardd_log(strncmp(state, "no metrics", 10) == 0 ? SHARDD_LOG_WARN
                                                         : SHARDD_LOG_INFO,
                   "%s%s", state, strncmp(state, "no metrics", 10) == 0
                   ? ": planning pauses, nothing is taken for zero"
                   : d->learning ? ": no decisions until all shards' models "
                   "have learnt" : "");
        memcpy(d->said, state, sizeof(state));
    }

    d->said_ms = now_ms;

    return SHARDD_OK;
}


static int
predictor_decide_hindsight(predictor_daemon_t *d, double now_s)
{
    predictor_hindsight_world_t  world;

    world.io = d->io;
    world.conf = d->conf;
    world.clock = &d->clock;
    world.fleet = &d->fleet;
    world.history = &d->history;
    world.res_s = (double) d->res_s;
    world.now_s = now_s;

    return predictor_following(&d->following, &world);
}


static void
predictor_decide_stuck(predictor_daemon_t *d)
{
    uint32_t                      i;
    const predictor_plan_node_t  *n;

    for (i = 0; i < d->fleet.plan.nnodes; i++) {
        n = &d->fleet.plan.nodes[i];

        if (n->stuck) {
            shardd_log(SHARDD_LOG_DEBUG, "node %s is forecast at %.2f of its "
                       "capacity and no move helps: more capacity or smaller "
                       "shards are needed", d->fleet.table.nodes[i].name,
                       n->peak / n->capacity);
        }
    }
}


static int
predictor_decide_make(predictor_daemon_t *d, double now_s,
    const predictor_plan_move_t *moves, uint32_t n)
{
    int       rc;
    uint32_t  i;

    for (i = 0; i < n; i++) {
        rc = predictor_report_decision(d->io, &d->fleet, d->conf, &moves[i],
                                       now_s);

        if (rc == SHARDD_CONFLICT) {
            shardd_log(SHARDD_LOG_DEBUG, "shard %u: %s",
                       d->fleet.table.shards[moves[i].shard].id,
                       d->io->err(d->io->data));
            continue;
        }

        if (rc != SHARDD_OK) {
            return rc;
        }

        d->decisions++;
        predictor_report_log(&d->fleet, d->conf, &moves[i], now_s);
    }

    return SHARDD_OK;
}


/* who only observes says what it would do, and does nothing */

static int
predictor_decide_moves(predictor_daemon_t *d, double now_s)
{
    int                          rc;
    uint32_t                     n;
    predictor_plan_move_t        moves[PREDICTOR_MOVES_MAX];
    predictor_recommendations_t  list;

    n = predictor_plan(&d->fleet.plan, moves, PREDICTOR_MOVES_MAX);
    rc = SHARDD_OK;

    if (d->conf->mode != PREDICTOR_OBSERVE) {
        rc = predictor_decide_make(d, now_s, moves, n);
        predictor_decide_stuck(d);
    }

    if (rc != SHARDD_OK) {
        return rc;
    }

    predictor_recommend_plan(&list, &d->fleet, moves, n);

    return predictor_recommend(d->io, &d->fleet, d->conf, &list, now_s,
                               &d->recommended);
}


int
predictor_decide(predictor_daemon_t *d)
{
    int     rc;
    double  at, now_s;

    now_s = predictor_now_s(d);
    at = (double) ((d->history.last + 1) * d->res_s);

    rc = predictor_signals_forecast(d->signals, &d->outlook, d->history.last);

    if (rc == SHARDD_OK) {
        rc = predictor_fleet_outlook(&d->fleet, &d->outlook, &d->history,
                                     d->conf,
                                     predictor_weights_base(
                                         &d->signals->weights), now_s);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_policy_heed(&d->policy, &d->fleet, d->io, now_s);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_events_learn(d);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_watch_peaks(d);
    }

    if (rc == SHARDD_OK) {
        predictor_events_drain(d, now_s);
        predictor_watch_mark(d);
        predictor_plan_view(&d->fleet.plan);
        predictor_breaks_say(&d->fleet, &d->outlook);
        rc = predictor_report_forecasts(d->io, &d->fleet, &d->outlook,
                                        &d->cold, &d->history, &d->spreads,
                                        d->signals, at);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_signals_report(d->signals, &d->nodes, &d->outlook, at);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_decide_resizes(d, now_s);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_report_zones(d->io, &d->fleet, at);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_decide_hindsight(d, now_s);
    }

    /* right after a start the forecasts are those of a stopgap */

    if (rc == SHARDD_OK) {
        rc = d->learning || predictor_paused(d)
             ? predictor_recommend(d->io, &d->fleet, d->conf, NULL, now_s,
                                   &d->recommended)
             : predictor_decide_moves(d, now_s);
    }

    if (rc == SHARDD_OK) {
        d->said_ms = 0;
        rc = predictor_say(d);
    }

    return rc;
}
