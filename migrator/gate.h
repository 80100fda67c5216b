
/*
 * Gates: is a target bad, good enough, or is that not known yet?  Pure.
 *
 *        sample < minimum ─────────────────────────────▶ UNSURE: no data pauses
 *        the bound says it is worse than allowed ──────▶ BREACH
 *        the estimate is within what is allowed ───────▶ PASS
 *        worse by the estimate, not by the bound ──────▶ UNSURE, until the
 *                                  sample is full; then the estimate decides
 *
 * Shares (errors, reads that differ): Wilson's score interval, one-sided
 * (E. B. Wilson, JASA 22, 1927), with p = bad / n and z of the confidence:
 *
 *        ( p + z²/2n  ∓  z sqrt( p(1-p)/n + z²/4n² ) ) / ( 1 + z²/n )
 *
 * Latencies: bounds of a quantile by order statistics, which hold for any
 * distribution (W. J. Conover, Practical Nonparametric Statistics, 1999,
 * 3.2): of n sorted values the r-th is at most the q-quantile with
 * probability P(B >= r), the s-th is at least that with P(B <= s - 1), B
 * binomial (n, q), summed here as it stands.  A ratio of two quantiles is
 * above (lower of one) / (upper of the other), each at 1 - (1 - c) / 2
 * (Bonferroni).
 *
 * Every look is a test of its own: over many looks the chance of a breach of
 * a target just at the bound adds up, that of one well within it does not.
 */


#ifndef _MIGRATOR_GATE_H_INCLUDED_
#define _MIGRATOR_GATE_H_INCLUDED_


#include "shard_types.h"


typedef enum {
    MIGRATOR_GATE_PASS = 0,
    MIGRATOR_GATE_UNSURE,
    MIGRATOR_GATE_BREACH
} migrator_gate_e;


/* bad of n */

typedef struct {
    uint64_t        bad;
    uint64_t        n;
} migrator_share_t;

/* values in any order; sorted in place by the judge */

typedef struct {
    uint32_t       *us;
    uint32_t        n;
} migrator_latency_t;

typedef struct {
    double          confidence;         /* 0.5 .. 0.9999, one-sided */
    uint64_t        sample;             /* no judgement of fewer */
    uint64_t        full;               /* then the estimate decides */
    double          share;              /* that may be bad, 0 .. 1 */
    double          ratio;              /* target's to source's, >= 1 */
    double          floor_us;           /* as fast as this is good */
} migrator_gate_t;

/* what a judgement was made of */

typedef struct {
    double          target;             /* share, or us */
    double          source;
    double          allowed;            /* of the target */
    double          bound;              /* of the target, lower; 0: none */
    double          strain;             /* 0 idle .. 1 at what is allowed */
} migrator_figures_t;


/* of a normal distribution; |error| < 4.5e-4 (Abramowitz, Stegun, 26.2.23) */

double migrator_gate_z(double confidence);

double migrator_wilson(const migrator_share_t *share, double z, int upper);

/* ranks 1 .. n; 0: no value of so few is a bound */

uint32_t migrator_quantile_lower(uint32_t n, double q, double confidence);
uint32_t migrator_quantile_upper(uint32_t n, double q, double confidence);

/*
 * The target's share is a breach when it is surely above what is allowed and
 * above "ratio" times the source's.  source: NULL: nothing to compare with.
 */

migrator_gate_e migrator_gate_share(const migrator_gate_t *gate,
    const migrator_share_t *target, const migrator_share_t *source,
    migrator_figures_t *out);

/* the 90th percentiles */

migrator_gate_e migrator_gate_latency(const migrator_gate_t *gate,
    migrator_latency_t *target, migrator_latency_t *source,
    migrator_figures_t *out);


#endif /* _MIGRATOR_GATE_H_INCLUDED_ */
