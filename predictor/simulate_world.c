
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate_world.h"


const char *const  predictor_sim_acts[] = { "move", "split", "promotion" };


static int predictor_sim_place(predictor_sim_world_t *w);
static void predictor_sim_sink(const predictor_sim_world_t *w, uint32_t *heap);


int
predictor_sim_world_init(predictor_sim_world_t *w, const predictor_sim_t *s,
    const predictor_sim_part_t *part, uint32_t nnodes)
{
    uint32_t  i;

    memset(w, 0, sizeof(predictor_sim_world_t));

    w->s = s;
    w->part = *part;
    w->seed = (uint64_t) s->conf.seed + 2;
    w->nnodes = nnodes;
    w->nshards = s->ncols;
    w->figures.settled = part->from;

    w->nodes = calloc(nnodes, sizeof(predictor_sim_node_t));
    w->down = calloc(nnodes, 1);
    w->ends = calloc(nnodes, sizeof(uint32_t));
    w->sum = calloc(nnodes, sizeof(double));
    w->shards = calloc(w->nshards, sizeof(predictor_sim_shard_t));
    w->worst = calloc(part->before - part->from + 1, sizeof(float));
    w->flying = calloc((size_t) s->conf.in_all + nnodes, sizeof(uint32_t));

    if (!w->nodes || !w->down || !w->ends || !w->sum || !w->shards
        || !w->worst || !w->flying)
    {
        return SHARD_ERROR;
    }

    /* more nodes than the scenario has are as its own, in turn */

    for (i = 0; i < nnodes; i++) {
        w->nodes[i] = s->nodes[i % s->nnodes];
        w->nodes[i].capacity *= part->scale;

        if (i >= s->nnodes) {
            snprintf(w->nodes[i].name, SHARD_NAME_SIZE, "n%u", i);
        }
    }

    for (i = 0; i < w->nshards; i++) {
        w->shards[i].col = i;
        w->shards[i].parent = SHARD_ID_NONE;
        w->shards[i].share = 1;
        w->shards[i].bytes = s->bytes[i];
        w->shards[i].last = -(1L << 40);
    }

    return predictor_sim_place(w);
}


void
predictor_sim_world_free(predictor_sim_world_t *w)
{
    free(w->nodes);
    free(w->down);
    free(w->ends);
    free(w->sum);
    free(w->shards);
    free(w->moves);
    free(w->flying);
    free(w->worst);

    memset(w, 0, sizeof(predictor_sim_world_t));
}


int
predictor_sim_rank_cmp(const void *a, const void *b)
{
    const predictor_sim_rank_t  *x = a, *y = b;

    if (x->mean != y->mean) {
        return x->mean < y->mean ? 1 : -1;
    }

    return (x->shard > y->shard) - (x->shard < y->shard);
}


/* the first of "heap" finds its place: the least loaded node is the first */

static void
predictor_sim_sink(const predictor_sim_world_t *w, uint32_t *heap)
{
    uint32_t  i, least, k, node;

    for (i = 0; /* void */ ; i = least) {
        least = i;

        for (k = 2 * i + 1; k <= 2 * i + 2 && k < w->nnodes; k++) {

            if (w->sum[heap[k]] < w->sum[heap[least]]
                || (w->sum[heap[k]] == w->sum[heap[least]]
                    && heap[k] < heap[least]))
            {
                least = k;
            }
        }

        if (least == i) {
            return;
        }

        node = heap[i];
        heap[i] = heap[least];
        heap[least] = node;
    }
}


static void
predictor_sim_means(const predictor_sim_world_t *w, predictor_sim_rank_t *rank)
{
    uint32_t  i, t;

    for (i = 0; i < w->nshards; i++) {
        rank[i].shard = i;
        rank[i].mean = w->s->mean ? w->s->mean[i] : 0;
    }

    for (t = 0; t < w->part.from && w->s->mean == NULL; t++) {

        for (i = 0; i < w->nshards; i++) {
            rank[i].mean += predictor_sim_value(w->s, t, i);
        }
    }

    for (i = 0; i < w->nshards && w->part.from && w->s->mean == NULL; i++) {
        rank[i].mean /= w->part.from;
    }
}


/* by descending mean of the history, each on the then least loaded node */

static int
predictor_sim_place(predictor_sim_world_t *w)
{
    uint32_t               i, *heap;
    predictor_sim_rank_t  *rank;

    rank = calloc(w->nshards, sizeof(predictor_sim_rank_t));
    heap = calloc(w->nnodes, sizeof(uint32_t));

    if (rank == NULL || heap == NULL) {
        free(rank);
        free(heap);
        return SHARD_ERROR;
    }

    for (i = 0; i < w->nnodes; i++) {
        heap[i] = i;
    }

    predictor_sim_means(w, rank);
    qsort(rank, w->nshards, sizeof(*rank), predictor_sim_rank_cmp);

    for (i = 0; i < w->nshards; i++) {
        w->sum[heap[0]] += rank[i].mean;
        w->shards[rank[i].shard].node = heap[0];
        w->shards[rank[i].shard].to = heap[0];
        predictor_sim_sink(w, heap);
    }

    free(rank);
    free(heap);

    return SHARD_OK;
}


void
predictor_sim_world_name(const predictor_sim_world_t *w, uint32_t shard,
    char *name)
{
    char                          rest[SHARD_NAME_SIZE], part[SHARD_NAME_SIZE];
    const predictor_sim_shard_t  *p;

    rest[0] = '\0';

    for (p = &w->shards[shard]; p->parent != SHARD_ID_NONE;
         p = &w->shards[p->parent])
    {
        snprintf(part, sizeof(part), "/%u%.60s", p->second, rest);
        memcpy(rest, part, sizeof(rest));
    }

    snprintf(name, SHARD_NAME_SIZE, "%.40s%.20s", w->s->name[p->col], rest);
}


double
predictor_sim_move_ms(const predictor_sim_world_t *w, uint32_t shard)
{
    return (double) w->s->conf.move_ms
           + (double) w->s->conf.move_gb_ms * w->shards[shard].bytes / 1e9;
}


/* loads of the step; both ends of a move, or the one of a cut, bear more */

static void
predictor_sim_loads(predictor_sim_world_t *w)
{
    double                       load;
    uint32_t                     i, step;
    const predictor_sim_move_t  *m;

    step = (uint32_t) w->t;
    memset(w->sum, 0, w->nnodes * sizeof(double));

    for (i = 0; i < w->nshards; i++) {

        if (!w->shards[i].gone) {
            w->sum[w->shards[i].node] += predictor_sim_shard_load(w, i, step);
        }
    }

    for (i = 0; i < w->nflying; i++) {
        m = &w->moves[w->flying[i]];
        load = w->s->conf.move_extra
               * predictor_sim_shard_load(w, m->shard, step);

        w->sum[m->from] += load;

        if (m->act == PREDICTOR_SIM_MOVE) {
            w->sum[m->to] += load;
        }
    }
}


void
predictor_sim_world_end(predictor_sim_world_t *w)
{
    double                    over, use, worst, most, all, steps;
    uint32_t                  i;
    predictor_sim_figures_t  *f;

    predictor_sim_loads(w);

    f = &w->figures;
    steps = w->part.before - w->part.from;
    worst = 0;
    most = 0;
    all = 0;

    for (i = 0; i < w->nnodes; i++) {
        over = w->sum[i] - (w->down[i] ? 0 : w->nodes[i].capacity);
        use = w->sum[i] / w->nodes[i].capacity;
        worst = fmax(worst, use);
        most = fmax(most, w->sum[i]);
        all += w->sum[i];

        f->mean_use += use / w->nnodes / steps;
        f->node_h += w->down[i] ? 0 : w->s->step_s / 3600.0;
        f->cost += w->down[i] ? 0 : w->nodes[i].cost * w->s->step_s / 3600.0;

        if (over > 0) {
            f->violation_s += w->s->step_s;
            f->excess_s += w->s->step_s * over / w->nodes[i].capacity;
        }
    }

    w->worst[w->t - w->part.from] = (float) worst;
    f->max_use = fmax(f->max_use, worst);
    f->worst_mean += all > 0 ? most / (all / w->nnodes) / steps : 0;
}
