
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"


#define QUANTILE  0.9


static double migrator_binomial_below(uint32_t n, double q, uint32_t k);
static migrator_gate_e migrator_gate_decide(const migrator_gate_t *gate,
    uint64_t n, const migrator_figures_t *f);
static double migrator_p90(migrator_latency_t *latency);
static int migrator_us_cmp(const void *one, const void *two);


double
migrator_gate_z(double confidence)
{
    double  p, t;

    p = 1 - confidence;

    if (p >= 0.5) {
        return 0;
    }

    if (p < 1e-6) {
        p = 1e-6;
    }

    t = sqrt(-2 * log(p));

    return t - (2.515517 + 0.802853 * t + 0.010328 * t * t)
               / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t * t * t);
}


double
migrator_wilson(const migrator_share_t *share, double z, int upper)
{
    double  n, p, half, edge;

    if (share->n == 0) {
        return upper ? 1 : 0;
    }

    n = (double) share->n;
    p = (double) share->bad / n;
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n));

    edge = (p + z * z / (2 * n) + (upper ? half : -half)) / (1 + z * z / n);

    return edge < 0 ? 0 : edge > 1 ? 1 : edge;
}


/* P(B <= k), term by term from the one before it */

static double
migrator_binomial_below(uint32_t n, double q, uint32_t k)
{
    double    term, sum;
    uint32_t  i;

    term = pow(1 - q, n);
    sum = term;

    for (i = 1; i <= k && i <= n; i++) {
        term *= (double) (n - i + 1) / i * q / (1 - q);
        sum += term;
    }

    return sum > 1 ? 1 : sum;
}


uint32_t
migrator_quantile_lower(uint32_t n, double q, double confidence)
{
    uint32_t  r;

    for (r = n; r >= 1; r--) {
        if (1 - migrator_binomial_below(n, q, r - 1) >= confidence) {
            return r;
        }
    }

    return 0;
}


uint32_t
migrator_quantile_upper(uint32_t n, double q, double confidence)
{
    uint32_t  s;

    for (s = 1; s <= n; s++) {
        if (migrator_binomial_below(n, q, s - 1) >= confidence) {
            return s;
        }
    }

    return 0;
}


static migrator_gate_e
migrator_gate_decide(const migrator_gate_t *gate, uint64_t n,
    const migrator_figures_t *f)
{
    if (f->bound > f->allowed) {
        return MIGRATOR_GATE_BREACH;
    }

    if (n < gate->sample) {
        return MIGRATOR_GATE_UNSURE;
    }

    if (f->target <= f->allowed) {
        return MIGRATOR_GATE_PASS;
    }

    return n < gate->full ? MIGRATOR_GATE_UNSURE : MIGRATOR_GATE_BREACH;
}


/*
 * Of a sample that is not whole yet the rest is taken for good: what is a
 * breach even so need not wait for it.
 */

migrator_gate_e
migrator_gate_share(const migrator_gate_t *gate,
    const migrator_share_t *target, const migrator_share_t *source,
    migrator_figures_t *out)
{
    double            z, worse;
    migrator_share_t  whole;

    memset(out, 0, sizeof(migrator_figures_t));

    z = migrator_gate_z(gate->confidence);
    out->allowed = gate->share;

    if (target->n) {
        out->target = (double) target->bad / (double) target->n;
    }

    if (source && source->n) {
        out->source = (double) source->bad / (double) source->n;
        worse = out->source * gate->ratio;

        if (worse > out->allowed) {
            out->allowed = worse < 1 ? worse : 1;
        }
    }

    whole = *target;

    if (whole.n < gate->sample) {
        whole.n = gate->sample;
    }

    out->bound = migrator_wilson(&whole, z, 0);
    out->strain = out->target == 0 ? 0
                  : out->allowed > 0 ? out->target / out->allowed : 1;

    return migrator_gate_decide(gate, target->n, out);
}


migrator_gate_e
migrator_gate_latency(const migrator_gate_t *gate,
    migrator_latency_t *target, migrator_latency_t *source,
    migrator_figures_t *out)
{
    double           each, sure;
    uint32_t         n, lower, upper;
    migrator_gate_e  verdict;

    memset(out, 0, sizeof(migrator_figures_t));

    if (target->n == 0 || source->n == 0) {
        return MIGRATOR_GATE_UNSURE;
    }

    out->target = migrator_p90(target);
    out->source = migrator_p90(source);
    out->allowed = fmax(out->source * gate->ratio, gate->floor_us);
    out->strain = out->allowed > 0 ? out->target / out->allowed : 1;

    n = target->n < source->n ? target->n : source->n;
    each = 1 - (1 - gate->confidence) / 2;
    lower = migrator_quantile_lower(target->n, QUANTILE, each);
    upper = migrator_quantile_upper(source->n, QUANTILE, each);

    if (lower) {
        out->bound = target->us[lower - 1];
    }

    /* the source may be as slow as its upper bound */

    sure = upper ? fmax(source->us[upper - 1] * gate->ratio, gate->floor_us)
                 : HUGE_VAL;
    verdict = migrator_gate_decide(gate, n, out);

    return verdict == MIGRATOR_GATE_BREACH && n < gate->full
           && (n < gate->sample || out->bound <= sure)
           ? MIGRATOR_GATE_UNSURE : verdict;
}


/* sorts */

static double
migrator_p90(migrator_latency_t *latency)
{
    qsort(latency->us, latency->n, sizeof(uint32_t), migrator_us_cmp);

    return latency->us[(uint64_t) (latency->n * QUANTILE + 0.999999) - 1];
}


static int
migrator_us_cmp(const void *one, const void *two)
{
    uint32_t  a, b;

    a = *(const uint32_t *) one;
    b = *(const uint32_t *) two;

    return (a > b) - (a < b);
}
