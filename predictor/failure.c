
#include <math.h>

#include "failure.h"


int
predictor_failure_lives(const predictor_failure_limits_t *limits,
    uint64_t age_ms)
{
    return age_ms < limits->live_ms;
}


void
predictor_failure_vote(predictor_failure_t *f, uint32_t node,
    uint64_t dead_ms)
{
    if (node < f->nnodes && dead_ms >= f->limits.after_ms) {
        f->nodes[node].votes++;
    }
}


uint32_t
predictor_failure_count(predictor_failure_t *f)
{
    uint32_t                   i, n;
    predictor_failure_node_t  *node;

    n = 0;

    for (i = 0; i < f->nnodes; i++) {
        node = &f->nodes[i];
        node->dead = node->state == SHARD_NODE_DOWN
                     || node->votes * 2 > f->live;
        n += node->dead;
    }

    return n;
}


static int
predictor_failure_dead(const predictor_failure_t *f, uint32_t node)
{
    return node < f->nnodes && f->nodes[node].dead;
}


/* 1: it can take something over */

static int
predictor_failure_serves(const predictor_failure_t *f, uint32_t node)
{
    const predictor_failure_node_t  *n;

    if (node >= f->nnodes) {
        return 0;
    }

    n = &f->nodes[node];

    return !n->dead && !n->closing && n->state == SHARD_NODE_UP
           && n->capacity > 0;
}


static double
predictor_failure_use(const predictor_failure_t *f, uint32_t node, double more)
{
    return (f->nodes[node].load + more) / f->nodes[node].capacity;
}


/* 1: the standby may be promoted; *why: why none can, so far */

static int
predictor_failure_usable(const predictor_failure_t *f,
    const predictor_failure_shard_t *s, uint32_t i,
    predictor_failure_why_e *why)
{
    if (s->standbys[i] == s->primary
        || !predictor_failure_serves(f, s->standbys[i]))
    {
        return 0;
    }

    if (s->failed >> i & 1) {
        *why = PREDICTOR_FAILURE_BUSY;
        return 0;
    }

    if (s->strong && f->limits.behind_s >= 0
        && (s->behind_s[i] < 0 || s->behind_s[i] > f->limits.behind_s))
    {
        *why = PREDICTOR_FAILURE_BEHIND;
        return 0;
    }

    return 1;
}


/* what is unknown is further behind than anything known */

static double
predictor_failure_behind(const predictor_failure_shard_t *s, uint32_t i)
{
    return s->behind_s[i] < 0 ? HUGE_VAL : s->behind_s[i];
}


/* number of the best standby, or SHARD_STANDBYS_MAX */

static uint32_t
predictor_failure_standby(const predictor_failure_t *f,
    const predictor_failure_shard_t *s, predictor_failure_why_e *why)
{
    double    least, use, best_use;
    uint32_t  i, best;

    least = HUGE_VAL;
    best = SHARD_STANDBYS_MAX;
    best_use = HUGE_VAL;
    *why = PREDICTOR_FAILURE_ALONE;

    for (i = 0; i < s->nstandbys; i++) {
        if (predictor_failure_usable(f, s, i, why)) {
            least = fmin(least, predictor_failure_behind(s, i));
        }
    }

    for (i = 0; i < s->nstandbys; i++) {

        if (!predictor_failure_usable(f, s, i, why)
            || predictor_failure_behind(s, i)
               > least + PREDICTOR_FAILURE_EVEN_S)
        {
            continue;
        }

        use = predictor_failure_use(f, s->standbys[i], s->load);

        if (use < best_use) {
            best_use = use;
            best = i;
        }
    }

    return best;
}


/* the least used of all nodes, or SHARD_ID_NONE */

static uint32_t
predictor_failure_any(const predictor_failure_t *f, double load)
{
    double    use, best_use;
    uint32_t  i, best;

    best = SHARD_ID_NONE;
    best_use = HUGE_VAL;

    for (i = 0; i < f->nnodes; i++) {

        if (!predictor_failure_serves(f, i)) {
            continue;
        }

        use = predictor_failure_use(f, i, load);

        if (use < best_use) {
            best_use = use;
            best = i;
        }
    }

    return best;
}


/* 1: "c" is the promotion; 0: the shard's "why" says why there is none */

static int
predictor_failure_choose(const predictor_failure_t *f,
    predictor_failure_shard_t *s, predictor_failure_choice_t *c)
{
    uint32_t  i;

    if (s->fixed || s->busy) {
        s->why = s->fixed ? PREDICTOR_FAILURE_FIXED : PREDICTOR_FAILURE_BUSY;
        return 0;
    }

    i = predictor_failure_standby(f, s, &s->why);

    if (i < SHARD_STANDBYS_MAX) {
        c->to = s->standbys[i];
        c->behind_s = s->stateless ? 0 : s->behind_s[i];
        return 1;
    }

    c->behind_s = 0;
    c->to = s->stateless ? predictor_failure_any(f, s->load) : SHARD_ID_NONE;

    return c->to != SHARD_ID_NONE;
}


/* the heaviest shard of a dead node that nothing was said of yet */

static uint32_t
predictor_failure_heaviest(const predictor_failure_t *f)
{
    uint32_t                          i, best;
    const predictor_failure_shard_t  *s;

    best = SHARD_ID_NONE;

    for (i = 0; i < f->nshards; i++) {
        s = &f->shards[i];

        if (s->why == PREDICTOR_FAILURE_LATER
            && (best == SHARD_ID_NONE || s->load > f->shards[best].load))
        {
            best = i;
        }
    }

    return best;
}


uint32_t
predictor_failure_promote(predictor_failure_t *f,
    predictor_failure_choice_t *choices, uint32_t max)
{
    uint32_t                     i, n;
    predictor_failure_shard_t   *s;
    predictor_failure_choice_t  *c, any;

    for (i = 0; i < f->nshards; i++) {
        s = &f->shards[i];
        s->why = PREDICTOR_FAILURE_NONE;

        /* who has none is told so at once, the others in order of load */

        if (predictor_failure_dead(f, s->primary)
            && predictor_failure_choose(f, s, &any))
        {
            s->why = PREDICTOR_FAILURE_LATER;
        }
    }

    for (n = 0; n < max; n++) {
        i = predictor_failure_heaviest(f);

        if (i == SHARD_ID_NONE) {
            break;
        }

        s = &f->shards[i];
        c = &choices[n];
        (void) predictor_failure_choose(f, s, c);

        c->shard = i;
        c->from = s->primary;
        c->to_before = predictor_failure_use(f, c->to, 0);
        c->to_after = predictor_failure_use(f, c->to, s->load);

        s->why = PREDICTOR_FAILURE_PROMOTED;
        f->nodes[c->to].load += s->load;
    }

    return n;
}


/* 1: it has the shard already, or another of its replicas is in its zone */

static int
predictor_failure_near(const predictor_failure_t *f,
    const predictor_failure_shard_t *s, uint32_t node, int zone)
{
    uint32_t  i, other;

    for (i = 0; i <= s->nstandbys; i++) {
        other = i ? s->standbys[i - 1] : s->primary;

        if (other == node) {
            return 1;
        }

        if (zone && other < f->nnodes && !f->nodes[other].dead
            && f->nodes[other].zone == f->nodes[node].zone)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * The least used node that has none of it, of a zone that has none first.  A
 * former primary that is back may have writes that nobody else has: a copy
 * would do away with them.
 */

static uint32_t
predictor_failure_room(const predictor_failure_t *f,
    const predictor_failure_shard_t *s, int zone)
{
    double    use, best_use;
    uint32_t  i, best;

    best = SHARD_ID_NONE;
    best_use = 1;

    for (i = 0; i < f->nnodes; i++) {

        if (!predictor_failure_serves(f, i) || f->nodes[i].spent
            || (s->missing && s->lost == i)
            || predictor_failure_near(f, s, i, zone))
        {
            continue;
        }

        use = predictor_failure_use(f, i, s->load * f->limits.copy_load);

        if (use < best_use) {
            best_use = use;
            best = i;
        }
    }

    return best == SHARD_ID_NONE && zone
           ? predictor_failure_room(f, s, 0) : best;
}


/* the first replica on a node that is gone, or SHARD_ID_NONE */

static uint32_t
predictor_failure_lost(const predictor_failure_t *f,
    const predictor_failure_shard_t *s)
{
    uint32_t  i;

    if (s->fixed || s->busy || s->stateless || s->primary >= f->nnodes
        || f->nodes[s->primary].dead || f->nodes[s->primary].spent)
    {
        return SHARD_ID_NONE;
    }

    for (i = 0; i < s->nstandbys; i++) {
        if (s->standbys[i] < f->nnodes && f->nodes[s->standbys[i]].gone) {
            return s->standbys[i];
        }
    }

    return s->missing && s->nstandbys < SHARD_STANDBYS_MAX ? s->lost
                                                           : SHARD_ID_NONE;
}


uint32_t
predictor_failure_rebuild(predictor_failure_t *f,
    predictor_failure_choice_t *choices, uint32_t max)
{
    uint32_t                     i, n, lost, to;
    predictor_failure_shard_t   *s;
    predictor_failure_choice_t  *c;

    n = 0;

    for (i = 0; i < f->nshards && n < max; i++) {
        s = &f->shards[i];
        lost = predictor_failure_lost(f, s);

        if (lost == SHARD_ID_NONE) {
            continue;
        }

        to = predictor_failure_room(f, s, 1);

        if (to == SHARD_ID_NONE) {
            continue;
        }

        c = &choices[n++];
        c->shard = i;
        c->from = lost;
        c->to = to;
        c->behind_s = 0;
        c->to_before = predictor_failure_use(f, to, 0);
        f->nodes[to].load += s->load * f->limits.copy_load;
        c->to_after = predictor_failure_use(f, to, 0);

        f->nodes[to].spent = 1;
        f->nodes[s->primary].spent = 1;
    }

    return n;
}
