
/* A move that was planned: its decision, with the reason in figures, and the
 * line of the log. */

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../src/core/shard_codec.h"
#include "../src/core/shard_key.h"
#include "../src/daemon/shardd_log.h"
#include "number.h"
#include "report.h"


/* a drain need not have a breach: its times are then null */

static char *
predictor_report_reason(const predictor_fleet_t *f,
    const predictor_conf_t *conf, const predictor_plan_move_t *m, double now_s)
{
    json_t      *reason;
    json_int_t   at, breach_at;

    at = llround(now_s);
    breach_at = llround(now_s + m->breach_in_s);

    reason = json_pack("{ss sf sf sf sf sf sf sf sf sf sf sf sf sf sf sf sI ss}",
                       "node", f->table.nodes[m->from].name,
                       "quantile", conf->quantile,
                       "threshold", conf->threshold,
                       "forecast_load", m->load,
                       "capacity", f->table.nodes[m->from].capacity,
                       "move_s", predictor_fleet_move_s(f, m),
                       "move_extra", conf->move_extra,
                       "lead_s", m->lead_s,
                       "horizon_s", (double) conf->horizon_ms / 1000,
                       "gain_s", m->gain_s,
                       "cost_s", m->price_s,
                       "load_moved", m->load_moved,
                       "utilisation_from_before", m->from_before,
                       "utilisation_from_after", m->from_after,
                       "utilisation_to_before", m->to_before,
                       "utilisation_to_after", m->to_after,
                       "at", at,
                       "why", m->drain ? "drain"
                              : m->breach_in_s < 0 ? "risk" : "overload");

    if (reason == NULL) {
        return NULL;
    }

    if (m->promote) {
        json_object_set_new(reason, "promote", json_true());
    }

    if (m->with != SHARD_ID_NONE) {
        json_object_set_new(reason, "with",
                            json_integer(f->table.shards[m->with].id));
    }

    json_object_set_new(reason, "breach_at", m->breach_in_s < 0
                        ? json_null() : json_integer(breach_at));
    json_object_set_new(reason, "breach_in_s", m->breach_in_s < 0
                        ? json_null() : json_integer(breach_at - at));

    if (f->plan.nodes[m->from].base > 0) {
        json_object_set_new(reason, "base",
                            json_real(f->plan.nodes[m->from].base));
    }

    if (m->drain && f->plan.nodes[m->from].event) {
        json_object_set_new(reason, "event",
                            json_string(f->plan.nodes[m->from].event));
    }

    return predictor_number_text(reason);
}


int
predictor_report_decision(const predictor_io_t *io,
    const predictor_fleet_t *fleet, const predictor_conf_t *conf,
    const predictor_plan_move_t *move, double now_s)
{
    int                       rc;
    char                     *reason, id[17];
    predictor_report_entry_t  e;

    reason = predictor_report_reason(fleet, conf, move, now_s);

    if (reason == NULL) {
        return SHARDD_BAD;
    }

    e.id = id;
    e.verb = "move";
    e.rec = &fleet->table.shards[move->shard];
    e.from = fleet->table.nodes[move->from].name;
    e.to = fleet->table.nodes[move->to].name;
    e.mode = conf->mode;
    e.reason = reason;
    e.nmore = 0;

    shard_hex_encode(shard_decision_id(e.rec->id, e.rec->epoch, e.from, e.to),
                     id);
    rc = predictor_report_entry(io, &e);
    free(reason);

    return rc;
}


void
predictor_report_log(const predictor_fleet_t *fleet,
    const predictor_conf_t *conf, const predictor_plan_move_t *move,
    double now_s)
{
    char                 why[192], at[32];
    const shard_node_t  *from, *to;

    from = &fleet->table.nodes[move->from];
    to = &fleet->table.nodes[move->to];

    if (move->drain && fleet->plan.nodes[move->from].event) {
        snprintf(why, sizeof(why), "%s is to be empty for event \"%s\"",
                 from->name, fleet->plan.nodes[move->from].event);

    } else if (move->drain) {
        snprintf(why, sizeof(why), "%s is draining", from->name);

    } else if (move->breach_in_s < 0) {
        snprintf(why, sizeof(why), "%s may exceed its limit, which the move "
                 "is expected to save %.0f s of", from->name, move->gain_s);

    } else if (move->breach_in_s == 0) {
        snprintf(why, sizeof(why), "%s is above %.0f %% now", from->name,
                 conf->threshold * 100);

    } else {
        snprintf(why, sizeof(why), "%s crosses %.0f %% in %.0f min at %s",
                 from->name, conf->threshold * 100, move->breach_in_s / 60,
                 predictor_report_time(now_s + move->breach_in_s, at));
    }

    shardd_log(SHARDD_LOG_INFO, "%s: move shard %u from %s to %s: %s "
               "(worst load %.1f of %.1f/s at q%g); the move takes %.0f min "
               "and %.1f/s along: %s %.2f to %.2f, %s %.2f to %.2f",
               conf->mode == PREDICTOR_ACT ? "decided" : "recommended",
               fleet->table.shards[move->shard].id, from->name, to->name, why,
               move->load, from->capacity, conf->quantile,
               predictor_fleet_move_s(fleet, move) / 60, move->load_moved,
               from->name, move->from_before, move->from_after, to->name,
               move->to_before, move->to_after);
}
