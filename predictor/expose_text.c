
/* What the predictor is at, and what its decisions were worth, as text. */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "expose.h"


typedef struct {
    FILE        *out;
    const char  *keyspace;
} predictor_exposition_t;


/* names and keyspaces are such that no label needs an escape */

static void
predictor_expose_head(const predictor_exposition_t *e, const char *name,
    const char *type, const char *help)
{
    fprintf(e->out, "# HELP shard_predictor_%s %s\n"
            "# TYPE shard_predictor_%s %s\n", name, help, name, type);
}


static void
predictor_expose_line(const predictor_exposition_t *e, const char *name,
    const char *label, const char *value, const char *label2,
    const char *value2, double v)
{
    fprintf(e->out, "shard_predictor_%s{keyspace=\"%s\"", name, e->keyspace);

    if (label) {
        fprintf(e->out, ",%s=\"%s\"", label, value);
    }

    if (label2) {
        fprintf(e->out, ",%s=\"%s\"", label2, value2);
    }

    fprintf(e->out, "} %.15g\n", v);
}


static void
predictor_expose_one(const predictor_exposition_t *e, const char *name,
    const char *type, const char *help, double v)
{
    predictor_expose_head(e, name, type, help);
    predictor_expose_line(e, name, NULL, NULL, NULL, NULL, v);
}


static void
predictor_expose_state(const predictor_exposition_t *e,
    const predictor_daemon_t *d)
{
    int  active, ready;

    active = d->state != PREDICTOR_WAITING;
    ready = active && d->state != PREDICTOR_LOADING && !d->learning
            && !predictor_paused(d);

    predictor_expose_one(e, "active", "gauge", "1: this one plans, 0: it "
                         "stands by.", active);
    predictor_expose_one(e, "ready", "gauge", "1: it decides, 0: it loads, "
                         "learns, or pauses for want of metrics.", ready);
    predictor_expose_one(e, "clock_seconds", "gauge", "The predictor's clock.",
                         predictor_now_s(d));
    predictor_expose_one(e, "known_until_seconds", "gauge", "End of the last "
                         "slot of which metrics are known, by that clock.",
                         (double) ((d->known + 1) * d->res_s));
    predictor_expose_one(e, "shards", "gauge", "Shards that are forecast.",
                         d->fleet.plan.nshards);
    predictor_expose_one(e, "forecast_seconds", "gauge", "Real time that the "
                         "last forecast of all shards took.",
                         (double) d->times.tick / 1000);
    predictor_expose_one(e, "refused_entries_total", "counter", "Metrics "
                         "entries of routers that were malformed.",
                         (double) d->refused);
    predictor_expose_one(e, "decisions_total", "counter", "Decisions made "
                         "since the start.", (double) d->decisions);
    predictor_expose_one(e, "recommendations", "gauge", "Moves in the list of "
                         "recommendations.", d->recommended);
    predictor_expose_one(e, "pending_decisions", "gauge", "Decisions whose "
                         "horizon is not over.", (double) d->following.n);
}


static void
predictor_expose_zones(const predictor_exposition_t *e,
    const predictor_daemon_t *d)
{
    double                        score;
    uint32_t                      i, zone;
    const predictor_plan_node_t  *n;

    predictor_expose_head(e, "zone_score", "gauge", "Highest forecast "
                          "utilisation of the zone's nodes.");

    for (zone = 0; zone < d->fleet.nzones; zone++) {
        score = -1;

        for (i = 0; i < d->fleet.plan.nnodes; i++) {
            n = &d->fleet.plan.nodes[i];

            /* of a node that bears nothing yet nothing is known */

            if (n->zone == zone && n->peak > n->base) {
                score = fmax(score, n->peak / n->capacity);
            }
        }

        if (score >= 0) {
            predictor_expose_line(e, "zone_score", "zone",
                                  d->fleet.zones[zone], NULL, NULL, score);
        }
    }
}


static void
predictor_expose_verdicts(const predictor_exposition_t *e,
    const predictor_following_t *f)
{
    int  mode, i;

    predictor_expose_head(e, "scored_decisions_total", "counter", "Decisions "
                          "whose horizon is over, by what they were worth.");

    for (mode = 0; mode < PREDICTOR_REGRETS; mode++) {

        for (i = 0; i < PREDICTOR_VERDICTS; i++) {
            predictor_expose_line(e, "scored_decisions_total", "mode",
                                  predictor_regret_words[mode], "verdict",
                                  predictor_verdict_words[i],
                                  (double) f->regret[mode].verdicts[i]);
        }
    }

    predictor_expose_head(e, "violation_seconds_total", "counter", "Seconds "
                          "above capacity of the nodes of scored decisions, "
                          "by course.");

    for (mode = 0; mode < PREDICTOR_REGRETS; mode++) {

        for (i = 0; i < PREDICTOR_COURSES; i++) {
            predictor_expose_line(e, "violation_seconds_total", "mode",
                                  predictor_regret_words[mode], "course",
                                  predictor_course_words[i],
                                  f->regret[mode].toll[i]);
        }
    }
}


/* savings may be negative: no counters */

static void
predictor_expose_sums(const predictor_exposition_t *e,
    const predictor_following_t *f)
{
    int          mode;
    const char  *word;

    predictor_expose_head(e, "saved_seconds", "gauge", "Seconds above "
                          "capacity that the scored decisions saved.");

    for (mode = 0; mode < PREDICTOR_REGRETS; mode++) {
        word = predictor_regret_words[mode];
        predictor_expose_line(e, "saved_seconds", "mode", word, "against",
                              "nothing", f->regret[mode].saved_nothing_s);
        predictor_expose_line(e, "saved_seconds", "mode", word, "against",
                              "reacting", f->regret[mode].saved_reacting_s);
    }

    predictor_expose_head(e, "regret_seconds_total", "counter", "Seconds above "
                          "capacity that the best of three courses had "
                          "less.");

    for (mode = 0; mode < PREDICTOR_REGRETS; mode++) {
        predictor_expose_line(e, "regret_seconds_total", "mode",
                              predictor_regret_words[mode], NULL, NULL,
                              f->regret[mode].regret_s);
    }

    predictor_expose_head(e, "copying_seconds_total", "counter", "Seconds "
                          "above capacity that copying alone made.");

    for (mode = 0; mode < PREDICTOR_REGRETS; mode++) {
        predictor_expose_line(e, "copying_seconds_total", "mode",
                              predictor_regret_words[mode], NULL, NULL,
                              f->regret[mode].cost_s);
    }
}


char *
predictor_expose_text(const predictor_daemon_t *d)
{
    char                    *text;
    size_t                   len;
    predictor_exposition_t   e;

    text = NULL;
    e.out = open_memstream(&text, &len);
    e.keyspace = d->conf->keyspace;

    if (e.out == NULL) {
        return NULL;
    }

    predictor_expose_state(&e, d);
    predictor_expose_zones(&e, d);

    if (d->following.loaded) {
        predictor_expose_verdicts(&e, &d->following);
        predictor_expose_sums(&e, &d->following);
    }

    if (fclose(e.out) != 0) {
        free(text);
        return NULL;
    }

    return text;
}
