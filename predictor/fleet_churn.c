
/*
 * What moves cost in time, and how many may start: durations learnt from
 * finished migrations, and the churn budget with what they have used of it.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "fleet_moves.h"


#define PREDICTOR_FLEET_GB  1e9


double
predictor_fleet_phase_ms(const char *trail, const char *phase)
{
    size_t  len;

    len = strlen(phase);

    while (trail && *trail) {

        if (strncmp(trail, phase, len) == 0 && trail[len] == '@') {
            return strtod(trail + len + 1, NULL);
        }

        trail = strchr(trail, ' ');
        trail = trail ? trail + 1 : NULL;
    }

    return -1;
}


/* real ms that were spent in a phase, which may be there several times */

static double
predictor_fleet_phase_lasted(const char *trail, const char *phase)
{
    char    *at;
    double   ms, since, sum;
    size_t   len;

    len = strlen(phase);
    since = -1;
    sum = 0;

    while (trail && (at = strchr(trail, '@')) != NULL) {
        ms = strtod(at + 1, NULL);
        sum += since >= 0 ? ms - since : 0;
        since = (size_t) (at - trail) == len && strncmp(trail, phase, len) == 0
                ? ms : -1;

        trail = strchr(at, ' ');
        trail = trail ? trail + 1 : NULL;
    }

    return fmax(sum, 0);
}


static shard_strategy_e
predictor_fleet_strategy(const shardd_entry_t *e)
{
    uint32_t     i;
    const char  *word;

    word = shardd_entry_field(e, "strategy");

    for (i = 0; word && i < PREDICTOR_DURATION_STRATEGIES; i++) {

        if (strcmp(word, shard_strategy_name((shard_strategy_e) i)) == 0) {
            return (shard_strategy_e) i;
        }
    }

    return SHARD_LOG_SHIPPING;
}


/* the load leaves the source with the commit: until then the move lasts */

void
predictor_fleet_learn(predictor_fleet_read_t *r, const shardd_entry_t *e)
{
    double                      from, to, second;
    uint32_t                    shard;
    const char                 *trail, *verb;
    predictor_plan_shard_t     *s;
    predictor_duration_move_t  *m;

    verb = shardd_entry_field(e, "verb");

    /* a dead node's shard is promoted at once: no move is as short */

    if (verb && strcmp(verb, "move") != 0) {
        return;
    }

    trail = shardd_entry_field(e, "trail");
    from = predictor_fleet_phase_ms(trail, "claimed");
    to = predictor_fleet_phase_ms(trail, "release");

    if (to < 0) {
        to = predictor_fleet_ms(e, "finished_ms");
    }

    if (from <= 0 || to <= from || r->nmoves == PREDICTOR_DURATION_MOVES) {
        return;
    }

    second = 1000 / r->clock.speed;
    m = &r->moves[r->nmoves++];
    m->total_s = (to - from) / second;
    m->copy_s = fmin(predictor_fleet_phase_lasted(trail, "copy") / second,
                     m->total_s);
    m->bytes = fmax(predictor_fleet_ms(e, "bytes"), 0);
    m->hold_s = fmax(predictor_fleet_ms(e, "hold_ms"), 0) / second;
    m->strategy = predictor_fleet_strategy(e);
    m->promoted = predictor_fleet_ms(e, "copies") == 0
                  && predictor_fleet_phase_ms(trail, "copy") > 0;

    shard = predictor_fleet_shard(r->fleet, shardd_entry_field(e, "shard"));

    if (shard == SHARD_ID_NONE || m->promoted) {
        return;
    }

    /* newer moves were seen before */

    s = &r->fleet->plan.shards[shard];
    s->bytes = s->bytes > 0 ? s->bytes : (float) m->bytes;
}


void
predictor_fleet_durations(predictor_fleet_t *f)
{
    uint32_t                 i;
    shard_strategy_e         strategy;
    predictor_duration_s_t   s;
    predictor_plan_shard_t  *shard;

    for (i = 0; i < f->plan.nshards; i++) {
        shard = &f->plan.shards[i];
        strategy = f->table.shards[i].strategy;

        if (shard->bytes <= 0) {
            shard->bytes = (float) f->duration.bytes;
        }

        s = predictor_duration_move(&f->duration, strategy,
                                    (double) shard->bytes);
        shard->move_s = (float) s.s;
        shard->move_hi_s = (float) s.hi_s;

        s = predictor_duration_promote(&f->duration, strategy);
        shard->promote_s = (float) s.s;
        shard->promote_hi_s = (float) s.hi_s;
    }
}


double
predictor_fleet_move_s(const predictor_fleet_t *f,
    const predictor_plan_move_t *move)
{
    double                         s;
    const predictor_plan_shard_t  *shard;

    shard = &f->plan.shards[move->shard];
    s = predictor_plan_promotes(&f->plan, move->shard, move->to)
        ? (double) shard->promote_s : (double) shard->move_s;

    return s > 0 ? s : f->plan.limits.move_s;
}


/* what a migration has used; one in flight goes on for as long as most do */

static void
predictor_fleet_spend(predictor_fleet_read_t *r, const shardd_entry_t *e)
{
    double                  ms, start, end, bytes;
    uint32_t                shard, from, to;
    const char             *name;
    predictor_fleet_t      *f;
    predictor_budget_t     *b;

    f = r->fleet;
    b = &f->budget;
    ms = predictor_fleet_phase_ms(shardd_entry_field(e, "trail"), "claimed");
    ms = ms > 0 ? ms : predictor_fleet_ms(e, "created_ms");

    if (ms < 0) {
        return;
    }

    start = b->now_s - (r->now_ms - ms) / 1000 * r->clock.speed;
    ms = predictor_fleet_ms(e, "finished_ms");
    end = ms > 0 ? b->now_s - (r->now_ms - ms) / 1000 * r->clock.speed
                 : b->now_s + f->plan.limits.move_s;

    bytes = fmax(predictor_fleet_ms(e, "bytes"), 0);
    shard = predictor_fleet_shard(f, shardd_entry_field(e, "shard"));

    name = shardd_entry_field(e, "from");
    from = name ? predictor_fleet_node(f, name) : SHARD_ID_NONE;
    name = shardd_entry_field(e, "to");
    to = name ? predictor_fleet_node(f, name) : SHARD_ID_NONE;

    if (ms <= 0 && shard != SHARD_ID_NONE) {
        bytes = fmax(bytes, predictor_plan_copied(&f->plan, shard, to));
    }

    /* there is room for all that are looked at */

    (void) predictor_budget_add(b, start, end, from, to, bytes);
}


static int
predictor_fleet_budget(predictor_fleet_read_t *r,
    const shardd_entries_t *migrations)
{
    size_t                   j, size;
    uint32_t                 i, max;
    predictor_fleet_t       *f;
    predictor_budget_t      *b;
    predictor_plan_shard_t  *s;

    f = r->fleet;
    b = &f->budget;
    max = 2 * PREDICTOR_FLEET_RECENT + (uint32_t) r->conf->max_moves;
    size = predictor_budget_size(f->plan.nnodes, f->nzones, max);
    f->budget_memory = malloc(size);

    if (f->budget_memory == NULL) {
        return SHARDD_BAD;
    }

    predictor_budget_place(b, f->budget_memory, f->plan.nnodes, f->nzones,
                           max);
    b->window_s = (double) r->conf->budget_window_ms / 1000;
    b->now_s = predictor_clock_s(&r->clock, r->now_ms);

    for (i = 0; i < PREDICTOR_BUDGET_SCOPES; i++) {
        b->limit[i].moves = (uint32_t) r->conf->budget_moves[i];
        b->limit[i].bytes = r->conf->budget_gb[i] * PREDICTOR_FLEET_GB;
    }

    for (i = 0; i < f->plan.nnodes; i++) {
        b->zone[i] = f->plan.nodes[i].zone;
    }

    for (j = 0; j < migrations->n; j++) {
        predictor_fleet_spend(r, &migrations->entries[j]);
    }

    for (i = 0; i < f->waiting; i++) {
        s = &f->plan.shards[r->waiting[i]];
        (void) predictor_budget_add(b, b->now_s, b->now_s, s->from, s->to,
                                    predictor_plan_copied(&f->plan,
                                                          r->waiting[i],
                                                          s->to));
    }

    return SHARDD_OK;
}


/* of moves in flight; so far left_s is what they have taken, below 0 */

static void
predictor_fleet_left(predictor_fleet_t *f)
{
    float                    s;
    uint32_t                 i;
    predictor_plan_shard_t  *shard;

    for (i = 0; i < f->plan.nshards; i++) {
        shard = &f->plan.shards[i];

        if (shard->to != shard->from) {
            s = predictor_plan_promotes(&f->plan, i, shard->to)
                ? shard->promote_hi_s : shard->move_hi_s;
            shard->left_s = fmaxf(s + shard->left_s, 1);
        }
    }
}


int
predictor_fleet_limits(predictor_fleet_read_t *r,
    const shardd_entries_t *migrations)
{
    predictor_fleet_t          *f;
    predictor_duration_s_t      s;
    predictor_plan_limits_t    *l;
    predictor_duration_work_t   work;

    f = r->fleet;
    l = &f->plan.limits;

    predictor_duration_init(&f->duration,
                            (double) r->conf->move_time_ms / 1000,
                            r->conf->move_spread);
    predictor_duration_learn(&f->duration, r->moves, r->nmoves, &work);
    s = predictor_duration_move(&f->duration, SHARD_LOG_SHIPPING, 0);

    l->threshold = r->conf->threshold;
    l->rho = r->conf->correlation;
    l->caution = predictor_plan_caution(r->conf->caution, r->conf->quantile);
    l->price_s = (double) r->conf->move_price_ms / 1000;
    l->extra = r->conf->move_extra;
    l->step_s = (double) r->conf->interval_ms / 1000;
    l->margin_s = (double) r->conf->lead_margin_ms / 1000;
    l->move_s = s.s;
    l->move_spread = s.hi_s / s.s - 1;
    l->moves_per_node = (uint32_t) r->conf->max_moves_per_node;
    l->moves = (uint32_t) r->conf->max_moves;

    predictor_fleet_durations(f);
    predictor_fleet_left(f);

    return predictor_fleet_budget(r, migrations);
}
