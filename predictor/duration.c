
#include <math.h>
#include <string.h>

#include "duration.h"
#include "quantile.h"


#define PREDICTOR_DURATION_SURE     8       /* moves that give a spread */
#define PREDICTOR_DURATION_HI       0.9
#define PREDICTOR_DURATION_PRIOR    0.25    /* moves that the prior is worth */
#define PREDICTOR_DURATION_APART    1.25    /* sizes of a pair, at least */
#define PREDICTOR_DURATION_PAIRS    3
#define PREDICTOR_DURATION_LEAST    0.001   /* s, for logarithms */


void
predictor_duration_init(predictor_duration_t *d, double prior_s,
    double prior_spread)
{
    memset(d, 0, sizeof(predictor_duration_t));

    d->prior_s = fmax(prior_s, PREDICTOR_DURATION_LEAST);
    d->prior_log_hi = log1p(fmax(prior_spread, 0));
}


/* 0 of none */

static double
predictor_duration_quantile(double *values, uint32_t n, double q)
{
    double  value;

    if (n == 0) {
        return 0;
    }

    predictor_quantiles(values, n, &q, 1, &value);

    return value;
}


/* seconds per byte of the copies; 0 when nothing was copied */

static double
predictor_duration_slope(predictor_duration_work_t *work, uint32_t n)
{
    uint32_t                          i, k, pairs;
    const predictor_duration_move_t  *a, *b;

    pairs = 0;

    for (i = 0; i < n; i++) {
        a = work->of[i];

        for (k = 0; k < i; k++) {
            b = work->of[k];

            if (a->bytes <= 0 || b->bytes <= 0
                || fmax(a->bytes, b->bytes) < PREDICTOR_DURATION_APART
                                              * fmin(a->bytes, b->bytes))
            {
                continue;
            }

            work->values[pairs++] = (a->copy_s - b->copy_s)
                                    / (a->bytes - b->bytes);
        }
    }

    if (pairs >= PREDICTOR_DURATION_PAIRS) {
        return fmax(predictor_duration_quantile(work->values, pairs, 0.5), 0);
    }

    pairs = 0;

    for (i = 0; i < n; i++) {

        if (work->of[i]->bytes > 0) {
            work->values[pairs++] = work->of[i]->copy_s / work->of[i]->bytes;
        }
    }

    return predictor_duration_quantile(work->values, pairs, 0.5);
}


static double
predictor_duration_at(const predictor_duration_fit_t *fit, double bytes)
{
    return fmax(fit->fixed_s + fit->byte_s * bytes, PREDICTOR_DURATION_LEAST);
}


/* of work->of[] */

static void
predictor_duration_fit(const predictor_duration_t *d,
    predictor_duration_fit_t *fit, predictor_duration_work_t *work, uint32_t n)
{
    double                            rest;
    uint32_t                          i;
    const predictor_duration_move_t  *m;

    memset(fit, 0, sizeof(predictor_duration_fit_t));
    fit->n = n;

    if (n == 0) {
        return;
    }

    fit->byte_s = predictor_duration_slope(work, n);

    for (i = 0; i < n; i++) {
        m = work->of[i];
        work->values[i] = m->copy_s - fit->byte_s * m->bytes;
    }

    fit->fixed_s = fmax(predictor_duration_quantile(work->values, n, 0.5), 0);

    for (i = 0; i < n; i++) {
        work->values[i] = work->of[i]->total_s - work->of[i]->copy_s;
    }

    rest = predictor_duration_quantile(work->values, n, 0.5);
    fit->fixed_s += fmax(rest, 0);

    for (i = 0; i < n; i++) {
        m = work->of[i];
        work->values[i] = log(fmax(m->total_s, PREDICTOR_DURATION_LEAST)
                              / predictor_duration_at(fit, m->bytes));
    }

    fit->log_hi = fmax(predictor_duration_quantile(work->values, n,
                                                   PREDICTOR_DURATION_HI), 0);

    if (n < PREDICTOR_DURATION_SURE) {
        fit->log_hi = fmax(fit->log_hi, d->prior_log_hi);
    }

    fit->weight = n / (n + PREDICTOR_DURATION_PRIOR);
}


typedef int (*predictor_duration_pt)(const predictor_duration_move_t *m,
    shard_strategy_e strategy);


static int
predictor_duration_copied(const predictor_duration_move_t *m,
    shard_strategy_e strategy)
{
    (void) strategy;

    return !m->promoted;
}


static int
predictor_duration_promoted(const predictor_duration_move_t *m,
    shard_strategy_e strategy)
{
    (void) strategy;

    return m->promoted;
}


static int
predictor_duration_of(const predictor_duration_move_t *m,
    shard_strategy_e strategy)
{
    return !m->promoted && m->strategy == strategy;
}


static void
predictor_duration_fit_of(predictor_duration_t *d,
    predictor_duration_fit_t *fit, const predictor_duration_move_t *moves,
    uint32_t n, predictor_duration_pt is, shard_strategy_e strategy,
    predictor_duration_work_t *work)
{
    uint32_t  i, some;

    some = 0;

    for (i = 0; i < n; i++) {

        if (is(&moves[i], strategy)) {
            work->of[some++] = &moves[i];
        }
    }

    predictor_duration_fit(d, fit, work, some);
}


void
predictor_duration_learn(predictor_duration_t *d,
    const predictor_duration_move_t *moves, uint32_t n,
    predictor_duration_work_t *work)
{
    uint32_t  i, some;

    n = n < PREDICTOR_DURATION_MOVES ? n : PREDICTOR_DURATION_MOVES;

    predictor_duration_fit_of(d, &d->all, moves, n, predictor_duration_copied,
                              0, work);
    predictor_duration_fit_of(d, &d->promoted, moves, n,
                              predictor_duration_promoted, 0, work);

    for (i = 0; i < PREDICTOR_DURATION_STRATEGIES; i++) {
        predictor_duration_fit_of(d, &d->strategy[i], moves, n,
                                  predictor_duration_of, (shard_strategy_e) i,
                                  work);
    }

    some = 0;

    for (i = 0; i < n; i++) {

        if (moves[i].bytes > 0) {
            work->values[some++] = moves[i].bytes;
        }
    }

    d->bytes = predictor_duration_quantile(work->values, some, 0.5);

    for (i = 0; i < n; i++) {
        work->values[i] = moves[i].hold_s;
    }

    d->hold_s = predictor_duration_quantile(work->values, n, 0.5);
}


/* what the fit says, as far as it is of moves; the rest is what was there */

static predictor_duration_s_t
predictor_duration_shrink(const predictor_duration_fit_t *fit, double bytes,
    predictor_duration_s_t before)
{
    predictor_duration_s_t  out;

    if (fit->n == 0) {
        return before;
    }

    out.s = exp(fit->weight * log(predictor_duration_at(fit, bytes))
                + (1 - fit->weight) * log(before.s));
    out.hi_s = out.s * exp(fit->log_hi);

    return out;
}


static predictor_duration_s_t
predictor_duration_any(const predictor_duration_t *d, double bytes)
{
    predictor_duration_s_t  prior;

    prior.s = d->prior_s;
    prior.hi_s = d->prior_s * exp(d->prior_log_hi);

    return predictor_duration_shrink(&d->all, bytes, prior);
}


predictor_duration_s_t
predictor_duration_move(const predictor_duration_t *d,
    shard_strategy_e strategy, double bytes)
{
    bytes = bytes > 0 ? bytes : d->bytes;

    return predictor_duration_shrink(&d->strategy[strategy], bytes,
                                     predictor_duration_any(d, bytes));
}


/* no promotion seen yet: what other moves took without their copies */

predictor_duration_s_t
predictor_duration_promote(const predictor_duration_t *d,
    shard_strategy_e strategy)
{
    predictor_duration_s_t  s;

    s = predictor_duration_any(d, 0);
    s = predictor_duration_shrink(&d->strategy[strategy], 0, s);

    return predictor_duration_shrink(&d->promoted, 0, s);
}
