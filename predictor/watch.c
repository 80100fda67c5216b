
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/core/shard_key.h"
#include "../src/daemon/shardd_log.h"
#include "daemon.h"
#include "number.h"
#include "report.h"


#define PREDICTOR_WATCH_LOOK_MS   500
#define PREDICTOR_WATCH_FIRST_MS  1000      /* nothing could be done: again */
#define PREDICTOR_WATCH_BUSY_MS   2000      /* while somebody is at it */
#define PREDICTOR_WATCH_LAST_MS   30000
#define PREDICTOR_WATCH_MAX       256       /* decisions at once */


typedef struct {
    predictor_daemon_t       *d;
    predictor_watch_fleet_t   fleet;
    const char               *verb;
    uint32_t                  made;
    long                      most_ms;      /* until the next one */
} predictor_watch_round_t;


void
predictor_watch_done(predictor_watch_t *w)
{
    free(w->dead);
    free(w->peak);
    memset(w, 0, sizeof(predictor_watch_t));
}


/* what each shard will bear at most, for those who must be placed at once */

int
predictor_watch_peaks(predictor_daemon_t *d)
{
    float                     *peak, worst;
    size_t                     i, step, steps;
    shard_id_t                 id;
    const predictor_fleet_t   *f;

    f = &d->fleet;
    peak = calloc(f->ncols + 1, sizeof(float));

    if (peak == NULL) {
        return SHARDD_BAD;
    }

    steps = f->plan.nsteps;

    for (i = 0; i < f->table.nshards; i++) {
        id = f->table.shards[i].id;
        worst = f->now[i];

        for (step = 0; step < steps; step++) {
            worst = fmaxf(worst, f->quantile[i * steps + step]);
        }

        if (id < f->ncols) {
            peak[id] = worst;
        }
    }

    free(d->watch.peak);
    d->watch.peak = peak;
    d->watch.npeak = f->ncols;

    return SHARDD_OK;
}


/* to the planner dead nodes are no targets, and nothing is moved off them */

void
predictor_watch_mark(predictor_daemon_t *d)
{
    uint32_t                 i;
    predictor_fleet_t       *f;
    predictor_plan_shard_t  *s;

    f = &d->fleet;

    for (i = 0; d->watch.ndead && i < f->plan.nnodes; i++) {
        if (predictor_watch_find(&d->watch, f->table.nodes[i].name)) {
            f->plan.nodes[i].closing = 1;
        }
    }

    for (i = 0; d->watch.ndead && i < f->plan.nshards; i++) {
        s = &f->plan.shards[i];

        if (predictor_watch_find(&d->watch, f->table.nodes[s->from].name)) {
            s->fixed = 1;
        }
    }
}


/* to be freed */

static char *
predictor_watch_reason(const predictor_watch_round_t *r,
    const predictor_failure_choice_t *c)
{
    json_t                        *reason;
    const shard_record_t          *rec;
    const predictor_dead_t        *dead;
    const predictor_watch_fleet_t *fleet;

    fleet = &r->fleet;
    rec = &fleet->table.shards[c->shard];
    dead = predictor_watch_find(&r->d->watch,
                                fleet->table.nodes[c->from].name);

    reason = json_pack("{ss ss sI sI sf sf sf sI}",
                       "why", "failure",
                       "node", fleet->table.nodes[c->from].name,
                       "votes", (json_int_t) (dead ? dead->votes : 0),
                       "routers", (json_int_t) r->d->watch.live,
                       "load_moved", fleet->f.shards[c->shard].load,
                       "utilisation_to_before", c->to_before,
                       "utilisation_to_after", c->to_after,
                       "standbys", (json_int_t) rec->nstandbys);

    if (reason == NULL) {
        return NULL;
    }

    json_object_set_new(reason, "at",
                        json_integer(llround(predictor_now_s(r->d))));
    json_object_set_new(reason, "down", json_boolean(dead && dead->down));
    json_object_set_new(reason, "dead_s", dead == NULL ? json_null()
                        : json_real((double) (fleet->now_ms - dead->since_ms)
                                    / 1000));
    json_object_set_new(reason, "behind_s", c->behind_s < 0 ? json_null()
                        : json_real(c->behind_s));

    return predictor_number_text(reason);
}


static void
predictor_watch_log(const predictor_watch_round_t *r,
    const predictor_failure_choice_t *c)
{
    char                 behind[96];
    const shard_node_t  *nodes;

    nodes = r->fleet.table.nodes;

    if (strcmp(r->verb, "promote") != 0) {
        snprintf(behind, sizeof(behind), "a replica is to be rebuilt");

    } else if (c->behind_s < 0) {
        snprintf(behind, sizeof(behind), "how far %.63s is behind is unknown",
                 nodes[c->to].name);

    } else {
        snprintf(behind, sizeof(behind), "%.63s had all of it %.1f s before",
                 nodes[c->to].name, c->behind_s);
    }

    shardd_log(SHARDD_LOG_WARN, "%s: %s shard %u from %s to %s: %s is dead, "
               "%s; %s %.2f to %.2f", r->d->conf->mode == PREDICTOR_ACT
               ? "decided" : "recommended", r->verb,
               r->fleet.table.shards[c->shard].id, nodes[c->from].name,
               nodes[c->to].name, nodes[c->from].name, behind,
               nodes[c->to].name, c->to_before, c->to_after);
}


static int
predictor_watch_decision(predictor_watch_round_t *r,
    const predictor_failure_choice_t *c)
{
    int                       rc;
    char                     *reason, id[17];
    predictor_report_entry_t  e;

    reason = predictor_watch_reason(r, c);

    if (reason == NULL) {
        return SHARDD_BAD;
    }

    e.id = id;
    e.verb = r->verb;
    e.rec = &r->fleet.table.shards[c->shard];
    e.from = r->fleet.table.nodes[c->from].name;
    e.to = r->fleet.table.nodes[c->to].name;
    e.mode = r->d->conf->mode;
    e.reason = reason;
    e.nmore = 0;

    shard_hex_encode(shard_decision_id(e.rec->id, e.rec->epoch, e.from, e.to),
                     id);
    rc = predictor_report_entry(r->d->io, &e);
    free(reason);

    if (rc == SHARDD_OK) {
        r->made++;
        r->d->decisions++;
        predictor_watch_log(r, c);
    }

    return rc == SHARDD_CONFLICT ? SHARDD_OK : rc;
}


/* once for each new state of things */

static void
predictor_watch_say(predictor_watch_t *w, const predictor_watch_fleet_t *fleet)
{
    char                     text[sizeof(w->said)];
    uint32_t                 i, n, first;
    predictor_failure_why_e  why;

    static const char *const  words[] = {
        [PREDICTOR_FAILURE_FIXED] = "have an operator's override",
        [PREDICTOR_FAILURE_ALONE] = "have no standby that could serve",
        [PREDICTOR_FAILURE_BEHIND] = "have no standby that is known to be "
                                     "caught up (failure: promote)"
    };

    text[0] = '\0';

    for (why = PREDICTOR_FAILURE_FIXED; why <= PREDICTOR_FAILURE_BEHIND;
         why++)
    {
        n = 0;
        first = 0;

        for (i = 0; i < fleet->f.nshards; i++) {
            if (fleet->f.shards[i].why == why && n++ == 0) {
                first = fleet->table.shards[i].id;
            }
        }

        if (n && words[why]) {
            snprintf(text + strlen(text), sizeof(text) - strlen(text),
                     "%s%u (shard %u%s) %s", text[0] ? "; " : "", n, first,
                     n > 1 ? " the first" : "", words[why]);
        }
    }

    if (text[0] && strcmp(text, w->said) != 0) {
        shardd_log(SHARDD_LOG_WARN, "of the shards of dead nodes %s", text);
    }

    memcpy(w->said, text, sizeof(text));
}


static int
predictor_watch_rebuild(predictor_watch_round_t *r)
{
    int                          rc;
    uint32_t                     i, n, most;
    predictor_failure_choice_t  *c;

    most = (uint32_t) r->d->conf->failure_rebuilds;
    most -= r->fleet.rebuilding < most ? r->fleet.rebuilding : most;

    c = calloc((size_t) most + 1, sizeof(*c));

    if (c == NULL) {
        return SHARDD_BAD;
    }

    r->verb = "replicate";
    n = predictor_failure_rebuild(&r->fleet.f, c, most);
    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < n; i++) {
        rc = predictor_watch_decision(r, &c[i]);
    }

    free(c);

    return rc;
}


static int
predictor_watch_promote(predictor_watch_round_t *r)
{
    int                         rc;
    uint32_t                    i, n;
    predictor_failure_choice_t  c[PREDICTOR_WATCH_MAX];

    r->verb = "promote";
    n = predictor_failure_promote(&r->fleet.f, c, PREDICTOR_WATCH_MAX);
    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < n; i++) {
        rc = predictor_watch_decision(r, &c[i]);
    }

    predictor_watch_say(&r->d->watch, &r->fleet);

    r->most_ms = PREDICTOR_WATCH_LAST_MS;

    for (i = 0; i < r->fleet.f.nshards; i++) {
        if (r->fleet.f.shards[i].why == PREDICTOR_FAILURE_BUSY
            || r->fleet.f.shards[i].why == PREDICTOR_FAILURE_LATER)
        {
            r->most_ms = PREDICTOR_WATCH_BUSY_MS;
        }
    }

    return rc;
}


static int
predictor_watch_act(predictor_daemon_t *d)
{
    int                      rc;
    predictor_watch_round_t  r;

    memset(&r, 0, sizeof(r));
    r.d = d;

    rc = predictor_watch_load(&r.fleet, &d->watch, d->io, d->conf);

    if (rc == SHARDD_OK) {
        rc = predictor_watch_promote(&r);

        if (rc == SHARDD_OK) {
            rc = predictor_watch_rebuild(&r);
        }

        predictor_watch_free(&r.fleet);
    }

    if (rc == SHARDD_OK) {
        d->watch.pause_ms = r.made || d->watch.pause_ms == 0
                            ? PREDICTOR_WATCH_FIRST_MS
                            : d->watch.pause_ms * 2;

        if (d->watch.pause_ms > r.most_ms) {
            d->watch.pause_ms = r.most_ms;
        }
    }

    return rc;
}


int
predictor_watch_step(predictor_daemon_t *d)
{
    int                 rc, changed;
    uint64_t            now_ms;
    predictor_watch_t  *w;

    w = &d->watch;
    now_ms = d->io->now_ms(d->io->data);

    if (d->state == PREDICTOR_WAITING
        || now_ms - w->looked_ms < PREDICTOR_WATCH_LOOK_MS)
    {
        return SHARDD_OK;
    }

    changed = 0;
    rc = predictor_watch_look(w, d->io, d->conf, &changed);

    if (rc != SHARDD_OK) {
        return rc;
    }

    w->looked_ms = now_ms;

    if (w->ndead == 0 || d->conf->mode == PREDICTOR_OBSERVE
        || (!changed && now_ms < w->again_ms))
    {
        return SHARDD_OK;
    }

    if (changed) {
        w->pause_ms = 0;
    }

    rc = predictor_watch_act(d);

    if (rc == SHARDD_OK) {
        w->again_ms = now_ms + (uint64_t) w->pause_ms;
    }

    return rc;
}
