
/* What happens in the world: moves, cuts, nodes that fail. */

#include <stdlib.h>
#include <string.h>

#include "simulate_world.h"


#define PREDICTOR_SIM_ROOM  256


static int predictor_sim_fail(predictor_sim_world_t *w, uint32_t node);
static int predictor_sim_commit(predictor_sim_world_t *w);
static int predictor_sim_cut(predictor_sim_world_t *w, uint32_t shard);
static int predictor_sim_note(predictor_sim_world_t *w,
    const predictor_sim_move_t *move);


int
predictor_sim_world_begin(predictor_sim_world_t *w, long t)
{
    int                             rc;
    uint32_t                        i;
    const predictor_sim_failure_t  *f;

    w->t = t;
    rc = SHARD_OK;

    for (i = 0; i < w->s->nfailures && rc == SHARD_OK; i++) {
        f = &w->s->failures[i];

        if (f->node >= w->nnodes) {
            continue;
        }

        if (f->before == t) {
            w->down[f->node] = 0;
        }

        if (f->from == t) {
            rc = predictor_sim_fail(w, f->node);
        }
    }

    return rc == SHARD_OK ? predictor_sim_commit(w) : rc;
}


/* the move's ends are free again; in place i another one is then */

static void
predictor_sim_land(predictor_sim_world_t *w, uint32_t i)
{
    predictor_sim_move_t  *m;

    m = &w->moves[w->flying[i]];

    if (m->act == PREDICTOR_SIM_MOVE) {
        w->ends[m->from]--;
        w->ends[m->to]--;
    }

    memmove(&w->flying[i], &w->flying[i + 1],
            (--w->nflying - i) * sizeof(uint32_t));
}


static uint32_t
predictor_sim_least(const predictor_sim_world_t *w)
{
    double    use, least;
    uint32_t  i, to;

    to = SHARD_ID_NONE;
    least = HUGE_VAL;

    for (i = 0; i < w->nnodes; i++) {
        use = w->sum[i] / w->nodes[i].capacity;

        if (!w->down[i] && use < least) {
            least = use;
            to = i;
        }
    }

    return to;
}


static int
predictor_sim_promote(predictor_sim_world_t *w, uint32_t shard, uint32_t step)
{
    uint32_t               to;
    predictor_sim_move_t   move;
    predictor_sim_shard_t  *s;

    s = &w->shards[shard];
    to = predictor_sim_least(w);

    if (to == SHARD_ID_NONE) {
        return SHARD_OK;
    }

    memset(&move, 0, sizeof(predictor_sim_move_t));
    move.act = PREDICTOR_SIM_PROMOTION;
    move.start = w->t;
    move.commit = w->t;
    move.shard = shard;
    move.from = s->node;
    move.to = to;

    w->sum[to] += predictor_sim_shard_load(w, shard, step);
    s->node = to;
    s->to = to;
    w->figures.promotions++;

    return predictor_sim_note(w, &move);
}


/*
 * A node is lost: what moves from or to it is given up, and the standbys of
 * its shards take over on the nodes that are least loaded, the largest first,
 * whatever the policy: only what comes then is the policy's.
 */

static int
predictor_sim_fail(predictor_sim_world_t *w, uint32_t node)
{
    int                    rc;
    uint32_t               i, n, step;
    predictor_sim_move_t  *m;
    predictor_sim_rank_t  *rank;

    rank = calloc(w->nshards, sizeof(predictor_sim_rank_t));

    if (rank == NULL) {
        return SHARD_ERROR;
    }

    w->down[node] = 1;

    for (i = 0; i < w->nflying; /* void */ ) {
        m = &w->moves[w->flying[i]];

        if (m->from != node && m->to != node) {
            i++;
            continue;
        }

        m->aborted = 1;
        m->commit = w->t;
        w->figures.aborted++;
        w->shards[m->shard].to = w->shards[m->shard].node;
        w->shards[m->shard].cutting = 0;
        predictor_sim_land(w, i);
    }

    /* by the last loads that are known */

    step = (uint32_t) (w->t - w->s->conf.known_after);
    n = 0;
    memset(w->sum, 0, w->nnodes * sizeof(double));

    for (i = 0; i < w->nshards; i++) {

        if (w->shards[i].gone) {
            continue;
        }

        if (w->shards[i].node == node) {
            rank[n].shard = i;
            rank[n++].mean = predictor_sim_shard_load(w, i, step);

        } else {
            w->sum[w->shards[i].to] += predictor_sim_shard_load(w, i, step);
        }
    }

    qsort(rank, n, sizeof(*rank), predictor_sim_rank_cmp);
    rc = SHARD_OK;

    for (i = 0; i < n && rc == SHARD_OK; i++) {
        rc = predictor_sim_promote(w, rank[i].shard, step);
    }

    free(rank);

    return rc;
}


static int
predictor_sim_commit(predictor_sim_world_t *w)
{
    int                    rc;
    uint32_t               i;
    predictor_sim_move_t  *m;

    for (i = 0; i < w->nflying; /* void */ ) {
        m = &w->moves[w->flying[i]];

        if (m->commit != w->t) {
            i++;
            continue;
        }

        if (m->act == PREDICTOR_SIM_MOVE) {
            w->shards[m->shard].node = m->to;
            w->figures.bytes += w->shards[m->shard].bytes;

        } else {
            rc = predictor_sim_cut(w, m->shard);

            if (rc != SHARD_OK) {
                return rc;
            }
        }

        predictor_sim_land(w, i);
    }

    return SHARD_OK;
}


/* a shard ends, its two children begin where it was */

static int
predictor_sim_cut(predictor_sim_world_t *w, uint32_t shard)
{
    double                  share;
    uint32_t                i;
    predictor_sim_shard_t  *s, *child;

    s = realloc(w->shards, (w->nshards + 2) * sizeof(*s));

    if (s == NULL) {
        return SHARD_ERROR;
    }

    w->shards = s;
    s += shard;
    s->gone = 1;
    s->cutting = 0;

    for (i = 0; i < 2; i++) {
        share = i ? 1 - w->s->conf.split_share : w->s->conf.split_share;

        child = &w->shards[w->nshards++];
        *child = *s;
        child->gone = 0;
        child->parent = shard;
        child->second = i;
        child->share *= share;
        child->bytes *= share;
        child->last = -(1L << 40);
    }

    return SHARD_OK;
}


static int
predictor_sim_note(predictor_sim_world_t *w, const predictor_sim_move_t *move)
{
    predictor_sim_move_t  *moves;

    if (w->nmoves % PREDICTOR_SIM_ROOM == 0) {
        moves = realloc(w->moves, (w->nmoves + PREDICTOR_SIM_ROOM)
                                  * sizeof(*moves));

        if (moves == NULL) {
            return SHARD_ERROR;
        }

        w->moves = moves;
    }

    w->moves[w->nmoves++] = *move;

    return SHARD_OK;
}


/* 1: nothing but the rules is against it */

static int
predictor_sim_allowed(const predictor_sim_world_t *w, uint32_t shard,
    uint32_t to)
{
    uint32_t                       i, moving;
    const predictor_sim_shard_t   *s;
    const predictor_scenario_t    *c;

    c = &w->s->conf;
    s = &w->shards[shard];
    moving = 0;

    for (i = 0; i < w->nflying; i++) {
        moving += w->moves[w->flying[i]].act == PREDICTOR_SIM_MOVE;
    }

    return !s->gone && !s->cutting && s->to == s->node && to != s->node
           && !w->down[to] && !w->down[s->node]
           && moving < (uint32_t) c->in_all
           && w->ends[s->node] < (uint32_t) c->per_node
           && w->ends[to] < (uint32_t) c->per_node
           && w->t - s->last >= predictor_sim_steps(w->s,
                                                    (double) c->rest_ms);
}


int
predictor_sim_world_move(predictor_sim_world_t *w, uint32_t shard, uint32_t to)
{
    double                  ms;
    predictor_sim_move_t    move;
    predictor_sim_shard_t  *s;

    if (!predictor_sim_allowed(w, shard, to)) {
        w->refused++;
        return SHARD_OK;
    }

    s = &w->shards[shard];
    ms = predictor_sim_move_ms(w, shard)
         * (1 + w->s->conf.move_spread
                * (2 * predictor_sim_uniform(&w->seed) - 1));

    memset(&move, 0, sizeof(predictor_sim_move_t));
    move.act = PREDICTOR_SIM_MOVE;
    move.start = w->t;
    move.commit = w->t + predictor_sim_steps(w->s, ms);
    move.shard = shard;
    move.from = s->node;
    move.to = to;

    s->to = to;
    s->last = w->t;
    w->ends[s->node]++;
    w->ends[to]++;
    w->flying[w->nflying++] = w->nmoves;
    w->figures.moves++;
    w->figures.settled = (uint32_t) w->t + 1;

    return predictor_sim_note(w, &move);
}


int
predictor_sim_world_split(predictor_sim_world_t *w, uint32_t shard)
{
    uint32_t                i;
    predictor_sim_move_t    move;
    predictor_sim_shard_t  *s;

    s = &w->shards[shard];

    for (i = 0; i < w->nflying; i++) {

        if (w->moves[w->flying[i]].act == PREDICTOR_SIM_SPLIT
            && w->moves[w->flying[i]].from == s->node)
        {
            return SHARD_OK;
        }
    }

    if (s->gone || s->cutting || s->to != s->node || !w->s->conf.splits) {
        w->refused++;
        return SHARD_OK;
    }

    memset(&move, 0, sizeof(predictor_sim_move_t));
    move.act = PREDICTOR_SIM_SPLIT;
    move.start = w->t;
    move.commit = w->t + predictor_sim_steps(w->s,
                                             (double) w->s->conf.split_ms);
    move.shard = shard;
    move.from = s->node;
    move.to = s->node;

    s->cutting = 1;
    w->flying[w->nflying++] = w->nmoves;
    w->figures.splits++;

    return predictor_sim_note(w, &move);
}
