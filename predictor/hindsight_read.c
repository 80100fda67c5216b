
/* What the store says of decisions and moves, for hindsight. */

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "fleet_moves.h"
#include "hindsight_store.h"


static int
predictor_pending_number(const shardd_entry_t *e, const char *name,
    uint64_t *n)
{
    return shard_uint64_decode(predictor_fleet_text(
                                   shardd_entry_field(e, name)), n)
           == SHARD_OK;
}


/* of a reason; an operator's has none of them */

static double
predictor_pending_figure(const json_t *reason, const char *name,
    double missing)
{
    double         v;
    const json_t  *figure;

    figure = json_object_get(reason, name);
    v = json_is_number(figure) ? json_number_value(figure) : missing;

    return v >= 0 ? v : missing;
}


static void
predictor_pending_reason(const predictor_hindsight_world_t *world,
    const char *text, predictor_pending_t *p)
{
    double         lead_s, horizon_s;
    json_t        *reason;
    const char    *why;

    reason = text ? json_loads(text, 0, NULL) : NULL;
    why = json_string_value(json_object_get(reason, "why"));

    p->drain = why && strcmp(why, "drain") == 0;
    p->threshold = predictor_pending_figure(reason, "threshold",
                                            world->conf->threshold);
    p->extra = predictor_pending_figure(reason, "move_extra",
                                        world->conf->move_extra);
    p->move_s = predictor_pending_figure(reason, "move_s",
                                         world->fleet->plan.limits.move_s);
    lead_s = predictor_pending_figure(reason, "lead_s", p->move_s);
    horizon_s = predictor_pending_figure(reason, "horizon_s",
                                   (double) world->conf->horizon_ms / 1000);
    p->due_s = p->decided_s + lead_s + horizon_s;

    json_decref(reason);
}


/* SHARDD_NONE: it is no move that could be followed */

int
predictor_pending_read(const predictor_hindsight_world_t *world,
    const shardd_entry_t *e, predictor_pending_t *p)
{
    const char  *id, *verb, *from, *to, *by, *mode;

    memset(p, 0, sizeof(predictor_pending_t));

    id = shardd_entry_field(e, "id");
    verb = shardd_entry_field(e, "verb");
    from = shardd_entry_field(e, "from");
    to = shardd_entry_field(e, "to");
    by = shardd_entry_field(e, "by");
    mode = shardd_entry_field(e, "mode");

    if (!id || !verb || !from || !to || !mode || strlen(id) != 16
        || strcmp(verb, "move") != 0 || strlen(from) >= SHARD_NAME_SIZE
        || strlen(to) >= SHARD_NAME_SIZE
        || shard_id_decode(predictor_fleet_text(
                               shardd_entry_field(e, "shard")), &p->shard)
           != SHARD_OK
        || !predictor_pending_number(e, "decided_ms", &p->decided_ms))
    {
        return SHARDD_NONE;
    }

    memcpy(p->id, id, 17);
    strcpy(p->from, from);
    strcpy(p->to, to);

    p->advice = strcmp(mode, predictor_mode_words[PREDICTOR_ACT]) != 0;
    p->operator = by && strncmp(by, "operator:", 9) == 0;
    p->decided_s = predictor_clock_s(world->clock, (double) p->decided_ms);

    predictor_pending_reason(world, shardd_entry_field(e, "reason"), p);

    return SHARDD_OK;
}


static double
predictor_passage_s(const predictor_hindsight_world_t *world, double real_ms)
{
    return real_ms > 0 ? predictor_clock_s(world->clock, real_ms) : INFINITY;
}


/* the load leaves the source with the commit, which "release" follows; who
 * has ended without it has copied for nothing */

static void
predictor_passage(const predictor_hindsight_world_t *world,
    const shardd_entry_t *e, predictor_passage_t *p)
{
    double       end_ms;
    uint64_t     finished;
    const char  *trail;

    trail = shardd_entry_field(e, "trail");
    end_ms = predictor_fleet_phase_ms(trail, "release");

    p->start_s = predictor_passage_s(world,
                             predictor_fleet_phase_ms(trail, "claimed"));
    p->commit_s = predictor_passage_s(world, end_ms);
    p->end_s = p->commit_s;

    if (end_ms <= 0 && predictor_pending_number(e, "finished_ms", &finished))
    {
        p->end_s = predictor_passage_s(world, (double) finished);
    }
}


int
predictor_passage_read(const predictor_hindsight_world_t *world,
    const shardd_entries_t *migrations, const char *id,
    predictor_passage_t *own)
{
    size_t       i;
    const char  *other;

    own->start_s = INFINITY;
    own->commit_s = INFINITY;
    own->end_s = INFINITY;

    for (i = 0; i < migrations->n; i++) {
        other = shardd_entry_field(&migrations->entries[i], "id");

        if (other && strcmp(other, id) == 0) {
            predictor_passage(world, &migrations->entries[i], own);
            return SHARDD_OK;
        }
    }

    return SHARDD_NONE;
}


static uint32_t
predictor_changes_migrations(const predictor_hindsight_world_t *world,
    const shardd_entries_t *migrations, predictor_change_t *changes)
{
    size_t                 i;
    uint32_t               n;
    const char            *from, *to;
    predictor_change_t    *c;
    const shardd_entry_t  *e;

    n = 0;

    for (i = 0; i < migrations->n; i++) {
        e = &migrations->entries[i];
        c = &changes[n];
        from = shardd_entry_field(e, "from");
        to = shardd_entry_field(e, "to");

        if (!from || !to
            || shard_id_decode(predictor_fleet_text(
                                   shardd_entry_field(e, "shard")), &c->shard)
               != SHARD_OK)
        {
            continue;
        }

        c->from = predictor_fleet_node(world->fleet, from);
        c->to = predictor_fleet_node(world->fleet, to);
        predictor_passage(world, e, &c->when);
        n++;
    }

    return n;
}


/* 1: a migration tells of it, and when exactly it was */

static int
predictor_changes_told(const predictor_seen_t *seen, uint32_t to,
    double res_s, const predictor_change_t *changes, uint32_t n)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {

        if (changes[i].shard == seen->shard && changes[i].to == to
            && changes[i].when.commit_s >= seen->after_s - res_s
            && changes[i].when.commit_s <= seen->at_s + res_s)
        {
            return 1;
        }
    }

    return 0;
}


int
predictor_changes_read(const predictor_hindsight_world_t *world,
    const predictor_following_t *f, const shardd_entries_t *migrations,
    predictor_change_t **changes, uint32_t *n)
{
    size_t                   i, nseen;
    uint32_t                 told, to;
    predictor_change_t      *c;
    const predictor_seen_t  *seen;

    nseen = f->nseen < PREDICTOR_SEEN_MAX ? f->nseen : PREDICTOR_SEEN_MAX;
    c = malloc((migrations->n + nseen + 1) * sizeof(predictor_change_t));
    *changes = c;

    if (c == NULL) {
        return SHARDD_BAD;
    }

    told = predictor_changes_migrations(world, migrations, c);
    *n = told;

    for (i = 0; i < nseen; i++) {
        seen = &f->seen[i];
        to = predictor_fleet_node(world->fleet, seen->to);

        if (predictor_changes_told(seen, to, world->res_s, c, told)) {
            continue;
        }

        /* no copying is known of it */

        c[*n].shard = seen->shard;
        c[*n].from = predictor_fleet_node(world->fleet, seen->from);
        c[*n].to = to;
        c[*n].when.start_s = INFINITY;
        c[*n].when.end_s = INFINITY;
        c[*n].when.commit_s = (seen->after_s + seen->at_s) / 2;
        (*n)++;
    }

    return SHARDD_OK;
}
