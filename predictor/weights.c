
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights.h"


#define PREDICTOR_LEARN_RIDGE    1e-4
#define PREDICTOR_LEARN_MEMORY   (7 * 86400.0)      /* s */
#define PREDICTOR_LEARN_MIN      100                /* nodes' slots */
#define PREDICTOR_LEARN_R2       0.5                /* to be used ... */
#define PREDICTOR_LEARN_R2_KEEP  0.4                /* ... and kept */
#define PREDICTOR_LEARN_CHANGE   0.15               /* worth a new unit */


const shard_metric_e  predictor_learn_from[PREDICTOR_LEARN_FROM] = {
    SHARD_METRIC_REQUESTS, SHARD_METRIC_WRITES, SHARD_METRIC_BYTES,
    SHARD_METRIC_LATENCY
};


void
predictor_weights_init(predictor_weights_t *w)
{
    memset(w, 0, sizeof(predictor_weights_t));

    shard_load_init(&w->policy);
    memcpy(w->weight, w->policy.weight, sizeof(w->weight));
    predictor_regress_init(&w->regress, PREDICTOR_LEARN_FROM + 1);
    w->r2 = NAN;
    w->adopted = -1;
}


int
predictor_weights_plain(const double weight[SHARD_METRICS])
{
    shard_load_t  plain;

    shard_load_init(&plain);

    return memcmp(weight, plain.weight, sizeof(plain.weight)) == 0;
}


unsigned
predictor_weights_metrics(const predictor_weights_t *w)
{
    int       i;
    unsigned  bits;

    bits = SHARD_METRIC_BIT(SHARD_METRIC_REQUESTS);

    for (i = 0; i < SHARD_METRICS; i++) {

        if (w->weight[i] > 0) {
            bits |= SHARD_METRIC_BIT(i);
        }
    }

    for (i = 0; w->policy.learned && i < PREDICTOR_LEARN_FROM; i++) {
        bits |= SHARD_METRIC_BIT(predictor_learn_from[i]);
    }

    return bits;
}


void
predictor_weights_see(predictor_weights_t *w,
    const double counters[PREDICTOR_LEARN_FROM], double capacity, double cpu)
{
    double  x[PREDICTOR_LEARN_FROM + 1];

    memcpy(x, counters, PREDICTOR_LEARN_FROM * sizeof(double));
    x[PREDICTOR_LEARN_FROM] = capacity;

    (void) predictor_regress_add(&w->regress, x, cpu * capacity);
}


void
predictor_weights_slot(predictor_weights_t *w, double res_s)
{
    int     i, rc;
    double  weight[PREDICTOR_REGRESS_MAX], r2;

    predictor_regress_fade(&w->regress, exp(-res_s / PREDICTOR_LEARN_MEMORY));

    rc = predictor_regress_solve(&w->regress, PREDICTOR_LEARN_RIDGE, weight,
                                 &r2);

    if (rc != SHARD_OK) {
        w->r2 = NAN;
        return;
    }

    memset(w->learned, 0, sizeof(w->learned));

    for (i = 0; i < PREDICTOR_LEARN_FROM; i++) {
        w->learned[predictor_learn_from[i]] = weight[i];
    }

    w->base = weight[PREDICTOR_LEARN_FROM];
    w->r2 = r2;
}


/* w->base belongs to the weights that were solved last; those in force may be
 * a little older: with these fixed, the base alone is solved for */

double
predictor_weights_base(const predictor_weights_t *w)
{
    int            i;
    double         rest;
    const double  *row;

    row = w->regress.xx + PREDICTOR_LEARN_FROM * PREDICTOR_REGRESS_MAX;

    if (!w->policy.learned || w->adopted < 0
        || !(row[PREDICTOR_LEARN_FROM] > 0))
    {
        return 0;
    }

    rest = w->regress.xy[PREDICTOR_LEARN_FROM];

    for (i = 0; i < PREDICTOR_LEARN_FROM; i++) {
        rest -= w->weight[predictor_learn_from[i]] * row[i];
    }

    return fmin(fmax(rest / row[PREDICTOR_LEARN_FROM], 0), 1);
}


/* how much of the load as it is becomes another by the learned weights */

static double
predictor_weights_change(const predictor_weights_t *w)
{
    int       i;
    double    all, change, x;
    uint32_t  m;

    all = change = 0;

    for (i = 0; i < PREDICTOR_LEARN_FROM; i++) {
        m = predictor_learn_from[i];
        x = sqrt(w->regress.xx[i * PREDICTOR_REGRESS_MAX + i]);
        all += w->weight[m] * x;
        change += fabs(w->learned[m] - w->weight[m]) * x;
    }

    return all > 0 ? change / all : INFINITY;
}


/* 1: the learned weights may be used, else "why" not */

static int
predictor_weights_good(predictor_weights_t *w)
{
    int     i, some;
    double  least;

    least = w->adopted < 0 ? PREDICTOR_LEARN_R2 : PREDICTOR_LEARN_R2_KEEP;
    some = 0;

    for (i = 0; i < SHARD_METRICS; i++) {
        some |= w->learned[i] > 0;
    }

    if (w->regress.n < PREDICTOR_LEARN_MIN) {
        snprintf(w->why, sizeof(w->why), "%.0f slots of nodes with a known "
                 "CPU were seen, %d are needed: the load is the requests",
                 w->regress.n, PREDICTOR_LEARN_MIN);

    } else if (!isfinite(w->r2) || !some) {
        snprintf(w->why, sizeof(w->why), "the CPU of the nodes says nothing "
                 "about their shards: the load is the requests");

    } else if (w->r2 < least) {
        snprintf(w->why, sizeof(w->why), "the counters explain R^2 %.2f of "
                 "the nodes' CPU, %.1f is needed: the load is the requests",
                 w->r2, least);

    } else {
        w->why[0] = '\0';
        return 1;
    }

    return 0;
}


static void
predictor_weights_remember(predictor_weights_t *w, long slot)
{
    predictor_loads_t  *last;

    if (w->nloads == PREDICTOR_LOADS_MAX) {
        memmove(w->loads, w->loads + 1,
                (PREDICTOR_LOADS_MAX - 1) * sizeof(predictor_loads_t));
        w->nloads--;
    }

    /* twice before the same slot was written: the last one counts */

    if (w->nloads && w->loads[w->nloads - 1].since >= slot) {
        w->nloads--;
    }

    last = &w->loads[w->nloads++];
    last->since = slot;
    memcpy(last->weight, w->weight, sizeof(last->weight));
}


static const double *
predictor_weights_wanted(predictor_weights_t *w, long slot, long day_slots)
{
    static const double  plain[SHARD_METRICS] = { 1 };

    if (!w->policy.learned) {
        w->adopted = -1;
        w->why[0] = '\0';
        return w->policy.weight;
    }

    if (!predictor_weights_good(w)) {
        w->adopted = -1;
        return plain;
    }

    /* each new unit costs all models what they know of the old one */

    if (w->adopted >= 0 && (slot - w->adopted < day_slots
                            || predictor_weights_change(w)
                               < PREDICTOR_LEARN_CHANGE))
    {
        return w->weight;
    }

    w->adopted = slot;

    return w->learned;
}


int
predictor_weights_choose(predictor_weights_t *w, const char *policy,
    long slot, long day_slots)
{
    char                  err[SHARD_ERR_SIZE];
    shard_str_t           text;
    const double         *wanted;
    shard_policy_work_t  *work;

    work = malloc(sizeof(shard_policy_work_t));

    if (work) {
        text.data = policy ? policy : "";
        text.len = strlen(text.data);
        w->policy_err[0] = '\0';

        if (shard_load_decode(text, work, &w->policy, err) != SHARD_OK) {
            memcpy(w->policy_err, err, sizeof(err));
        }

        free(work);
    }

    wanted = predictor_weights_wanted(w, slot, day_slots);

    if (memcmp(wanted, w->weight, sizeof(w->weight)) == 0) {
        return 0;
    }

    memmove(w->weight, wanted, sizeof(w->weight));
    predictor_weights_remember(w, slot);

    return 1;
}


const double *
predictor_weights_at(const predictor_weights_t *w, long slot)
{
    uint32_t  i;

    static const double  plain[SHARD_METRICS] = { 1 };

    for (i = w->nloads; i > 0; i--) {

        if (w->loads[i - 1].since <= slot) {
            return w->loads[i - 1].weight;
        }
    }

    return plain;
}
