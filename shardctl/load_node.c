
/*
 * What a node carries: the sum over the shards it is the primary of.
 *
 * A node's forecast at a quantile is the sum of its shards' means plus the
 * root of the summed squares of what each quantile lies above its mean: the
 * shards' errors are taken as independent.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shardctl.h"


#define LOAD_QUANTILE  0.9


static int
load_by_node(const void *one, const void *two, void *data)
{
    int                    order;
    const uint32_t        *a = one, *b = two;
    const shard_record_t  *shards = data;

    order = strcmp(shards[*a].primary, shards[*b].primary);

    return order ? order : (*a > *b) - (*a < *b);
}


/* all nodes are asked for: each finds its own shards without the others' */

void
shardctl_load_sort(const shardd_table_t *table, shardctl_load_t *load)
{
    size_t  i;

    for (i = 0; i < load->n; i++) {
        load->by_node[i] = (uint32_t) i;
    }

    qsort_r(load->by_node, load->n, sizeof(uint32_t), load_by_node,
            table->shards);
}


/* where the node's shards begin in load->by_node */

static size_t
load_first(const shardd_table_t *table, const shardctl_load_t *load,
    const char *node)
{
    size_t  lo, hi, mid;

    for (lo = 0, hi = load->n; lo < hi; /* void */ ) {
        mid = lo + (hi - lo) / 2;

        if (strcmp(table->shards[load->by_node[mid]].primary, node) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }

    return lo;
}


/* adds a shard's forecast to sums of the same steps; others are left out */

static void
load_add(const shardctl_forecast_t *f, const shardctl_forecast_t *first,
    double *mean, double *square)
{
    size_t         s;
    const double  *q;

    if (f->at != first->at || f->step_s != first->step_s) {
        return;
    }

    q = shardctl_forecast_quantile(f, LOAD_QUANTILE);

    for (s = 0; s < f->n && s < first->n; s++) {
        mean[s] += f->mean[s];
        square[s] += q ? (q[s] - f->mean[s]) * (q[s] - f->mean[s]) : 0;
    }
}


void
shardctl_node_load(const shardd_table_t *table, const shardctl_load_t *load,
    const char *node, shardctl_node_load_t *out)
{
    double                     *sum, v;
    size_t                      i, k, s;
    const shardctl_forecast_t  *first, *f;

    out->shards = 0;
    out->now = NAN;
    out->peak = NAN;
    out->peak_at = 0;

    first = NULL;
    sum = calloc(2 * SHARDCTL_STEPS_MAX, sizeof(double));

    for (k = load_first(table, load, node); sum && k < load->n; k++) {
        i = load->by_node[k];

        if (strcmp(table->shards[i].primary, node) != 0) {
            break;
        }

        out->shards++;

        if (isfinite(load->now[i])) {
            out->now = load->now[i] + (isfinite(out->now) ? out->now : 0);
        }

        f = &load->forecast[i];

        if (f->n) {
            first = first ? first : f;
            load_add(f, first, sum, sum + SHARDCTL_STEPS_MAX);
        }
    }

    for (s = 0; first && s < first->n; s++) {
        v = sum[s] + sqrt(sum[SHARDCTL_STEPS_MAX + s]);

        if (!(v <= out->peak)) {
            out->peak = v;
            out->peak_at = first->at + (long) (s + 1) * first->step_s;
        }
    }

    free(sum);
}
