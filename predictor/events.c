
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_key.h"
#include "../src/daemon/shardd_log.h"
#include "events.h"


#define PREDICTOR_EVENTS_BATCH  64
#define PREDICTOR_DAY_S         86400


static int predictor_events_read(predictor_daemon_t *d,
    const shardd_entry_t *events);
static int predictor_events_forget(predictor_daemon_t *d);
static void predictor_events_nodes(predictor_daemon_t *d);
static int predictor_events_restore(predictor_daemon_t *d);
static void predictor_events_shares(predictor_daemon_t *d);


int
predictor_events_load(predictor_daemon_t *d, int first)
{
    int             rc;
    int64_t         until_s;
    shardd_entry_t  events;

    memset(&events, 0, sizeof(shardd_entry_t));
    rc = d->io->hash_load(d->io->data, "events", &events);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    rc = predictor_events_read(d, &events);
    shardd_entry_free(&events);

    if (rc == SHARDD_OK && first) {
        rc = predictor_events_restore(d);
    }

    if (rc != SHARDD_OK) {
        return rc;
    }

    predictor_events_nodes(d);
    predictor_events_shares(d);

    until_s = (int64_t) (d->history.last + 1) * d->res_s;

    if (predictor_calendar_prepare(&d->calendar, until_s
                                   - (int64_t) d->history.window * d->res_s,
                                   until_s, d->outlook.ask.horizon)
        != SHARD_OK)
    {
        shardd_log(SHARDD_LOG_ERROR, "no memory for the events");
        return SHARDD_BAD;
    }

    return SHARDD_OK;
}


/* malformed ones are told of once, as long as they are the same */

static int
predictor_events_read(predictor_daemon_t *d, const shardd_entry_t *events)
{
    int          rc, say;
    char         err[SHARD_ERR_SIZE];
    size_t       i;
    uint64_t     bad;
    const char  *value;

    predictor_calendar_begin(&d->calendar);

    for (say = 0; say < 2; say++) {
        bad = 0;

        for (i = 0; i < events->nfields; i++) {
            value = events->fields[i].value;

            if (predictor_calendar_put(&d->calendar, events->fields[i].name,
                                       value, err)
                == SHARD_OK)
            {
                continue;
            }

            bad += 1 + shard_key_position(value, strlen(value));

            if (say) {
                shardd_log(SHARDD_LOG_WARN, "event \"%.63s\" is ignored: %s",
                           events->fields[i].name, err);
            }
        }

        if (bad == d->bad_events) {
            break;
        }
    }

    d->bad_events = bad;
    rc = predictor_events_forget(d);

    if (rc == SHARDD_OK) {
        predictor_calendar_end(&d->calendar);
    }

    return rc;
}


/* fields of "effects" whose events are no more */

static int
predictor_events_forget(predictor_daemon_t *d)
{
    int             rc;
    size_t          i, n;
    shardd_field_t  fields[PREDICTOR_EVENTS_BATCH];

    n = 0;
    rc = SHARDD_OK;

    for (i = 0; i < d->calendar.n && rc == SHARDD_OK; i++) {

        if (!d->calendar.events[i]->there) {
            fields[n].name = d->calendar.events[i]->event.id;
            fields[n++].value = NULL;
        }

        if (n == PREDICTOR_EVENTS_BATCH) {
            rc = d->io->hash_put(d->io->data, "effects", fields, n);
            n = 0;
        }
    }

    return rc == SHARDD_OK && n
           ? d->io->hash_put(d->io->data, "effects", fields, n) : rc;
}


static int
predictor_events_restore(predictor_daemon_t *d)
{
    int             rc;
    size_t          i;
    shardd_entry_t  effects;
    shardd_field_t  field;

    memset(&effects, 0, sizeof(shardd_entry_t));
    rc = d->io->hash_load(d->io->data, "effects", &effects);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    rc = SHARDD_OK;

    for (i = 0; i < effects.nfields && rc == SHARDD_OK; i++) {

        if (predictor_calendar_find(&d->calendar, effects.fields[i].name)) {
            predictor_calendar_restore(&d->calendar, effects.fields[i].name,
                                       effects.fields[i].value);
            continue;
        }

        field.name = effects.fields[i].name;
        field.value = NULL;
        rc = d->io->hash_put(d->io->data, "effects", &field, 1);
    }

    shardd_entry_free(&effects);

    return rc;
}


/* an event of nodes concerns the shards that they serve now */

static void
predictor_events_nodes(predictor_daemon_t *d)
{
    size_t                i;
    uint32_t              k, node;
    predictor_planned_t  *p;

    for (i = 0; i < d->calendar.n; i++) {
        p = d->calendar.events[i];

        if (p->event.nnodes == 0 || p->event.kind == SHARD_EFFECT_DRAIN) {
            continue;
        }

        predictor_calendar_named(&d->calendar, p);

        for (k = 0; k < d->fleet.plan.nshards; k++) {
            node = d->fleet.plan.shards[k].from;

            if (predictor_calendar_on(p, d->fleet.table.nodes[node].name)) {
                (void) predictor_calendar_touch(&d->calendar, p,
                                              d->fleet.table.shards[k].id);
            }
        }
    }
}


/* a day's load: what is added to many shards is shared among them by it */

static void
predictor_events_shares(predictor_daemon_t *d)
{
    uint32_t    k;
    shard_id_t  id;

    if (!predictor_calendar_wants_load(&d->calendar)) {
        return;
    }

    for (k = 0; k < d->fleet.plan.nshards; k++) {
        id = d->fleet.table.shards[k].id;

        if (id < d->calendar.nshards) {
            d->calendar.load[id] = predictor_history_now(&d->history, id,
                                       (size_t) (PREDICTOR_DAY_S / d->res_s));
        }
    }
}


int
predictor_events_learn(predictor_daemon_t *d)
{
    int                   rc;
    size_t                i;
    shardd_field_t        field;
    predictor_planned_t  *p;

    predictor_calendar_pool(&d->calendar);
    rc = SHARDD_OK;

    for (i = 0; i < d->calendar.n && rc == SHARDD_OK; i++) {
        p = d->calendar.events[i];

        if (!p->news) {
            continue;
        }

        field.name = p->event.id;
        field.value = predictor_calendar_save(&d->calendar, p);

        if (field.value == NULL) {
            return SHARDD_BAD;
        }

        rc = d->io->hash_put(d->io->data, "effects", &field, 1);
        free(field.value);
        p->news = rc != SHARDD_OK;
    }

    return rc;
}


/*
 * A node must be empty when the event begins: it drains for as long before as
 * its moves take.  A shard that came just before could not leave in time,
 * since it rests after a move: so long the node takes none.
 */

void
predictor_events_drain(predictor_daemon_t *d, double now_s)
{
    double                    lead;
    int64_t                   now;
    uint32_t                  i, k;
    const char               *id;
    predictor_plan_t         *plan;
    predictor_plan_limits_t  *l;

    plan = &d->fleet.plan;
    l = &plan->limits;
    now = (int64_t) now_s;

    for (i = 0; i < plan->nnodes; i++) {
        plan->nodes[i].shards = 0;
    }

    for (k = 0; k < plan->nshards; k++) {
        plan->nodes[plan->shards[k].to].shards++;
    }

    for (i = 0; i < plan->nnodes; i++) {

        if (plan->nodes[i].state != SHARD_NODE_UP) {
            continue;
        }

        lead = ceil((double) plan->nodes[i].shards / l->moves_per_node)
               * l->move_s * (1 + l->move_spread) + l->margin_s + l->step_s;

        id = predictor_calendar_drains(&d->calendar,
                                       d->fleet.table.nodes[i].name, now,
                                       now + (int64_t) lead);

        if (id) {
            plan->nodes[i].state = SHARD_NODE_DRAINING;
            plan->nodes[i].event = id;
            continue;
        }

        lead += (double) d->conf->cooldown_ms / 1000 + l->move_s;

        plan->nodes[i].closing = predictor_calendar_drains(&d->calendar,
                                     d->fleet.table.nodes[i].name, now,
                                     now + (int64_t) lead)
                                 != NULL;
    }
}
