
/* Gates: bounds against published figures, and verdicts. */


#include <math.h>

#include "../lib/tap.h"
#include "../../migrator/gate.h"
#include "../../migrator/pacing.h"


#define ROUNDS  2000


static migrator_gate_t
gate_of(uint64_t sample, uint64_t full)
{
    migrator_gate_t  gate;

    gate.confidence = 0.95;
    gate.sample = sample;
    gate.full = full;
    gate.share = 0.05;
    gate.ratio = 3;
    gate.floor_us = 1000;

    return gate;
}


static void
test_z(void)
{
    tap_ok(fabs(migrator_gate_z(0.95) - 1.6449) < 5e-4, "z of 95 %%");
    tap_ok(fabs(migrator_gate_z(0.975) - 1.9600) < 5e-4, "z of 97.5 %%");
    tap_ok(fabs(migrator_gate_z(0.99) - 2.3263) < 5e-4, "z of 99 %%");
    tap_ok(migrator_gate_z(0.5) == 0, "z of nothing");
    tap_ok(migrator_gate_z(1) < 6, "z of all is bounded");
}


/* Newcombe, Statistics in Medicine 17 (1998), table I, method 3 */

static void
test_wilson(void)
{
    size_t            i;
    double            z;
    migrator_share_t  share;

    static const struct {
        uint64_t  bad;
        uint64_t  n;
        double    lower;
        double    upper;
    } cases[] = {
        { 81, 263, 0.2553, 0.3662 },
        { 15, 148, 0.0624, 0.1605 },
        { 0, 20, 0.0000, 0.1611 },
        { 1, 29, 0.0061, 0.1718 },
    };

    z = migrator_gate_z(0.975);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        share.bad = cases[i].bad;
        share.n = cases[i].n;

        tap_ok(fabs(migrator_wilson(&share, z, 0) - cases[i].lower) < 2e-4
               && fabs(migrator_wilson(&share, z, 1) - cases[i].upper) < 2e-4,
               "Wilson of %llu in %llu as published",
               (unsigned long long) share.bad, (unsigned long long) share.n);
    }

    share.bad = share.n = 0;
    tap_ok(migrator_wilson(&share, z, 0) == 0
           && migrator_wilson(&share, z, 1) == 1, "of nothing all is possible");
}


/* Conover's example 3.2.1 is of n 16, q 0.75: ranks by the binomial alone */

static void
test_ranks(void)
{
    tap_is_int(migrator_quantile_upper(28, 0.9, 0.95), 0,
               "28 values have no upper bound of their p90");
    tap_is_int(migrator_quantile_upper(29, 0.9, 0.95), 29, "29 have one");
    tap_is_int(migrator_quantile_lower(20, 0.9, 0.95), 16,
               "lower bound of 20: P(B >= 16) is 0.957");
    tap_is_int(migrator_quantile_lower(16, 0.75, 0.95), 9,
               "lower bound of 16 for the third quartile");
    tap_is_int(migrator_quantile_lower(1, 0.9, 0.95), 0, "one value is none");
    tap_is_int(migrator_quantile_lower(0, 0.9, 0.95), 0, "nor is nothing");
}


static void
test_share(const char *name, uint64_t bad, uint64_t n, uint64_t source_bad,
    uint64_t source_n, migrator_gate_e want)
{
    migrator_gate_t     gate;
    migrator_share_t    target, source;
    migrator_gate_e     got;
    migrator_figures_t  f;

    gate = gate_of(20, 200);
    target.bad = bad;
    target.n = n;
    source.bad = source_bad;
    source.n = source_n;

    got = migrator_gate_share(&gate, &target, &source, &f);
    tap_is_int(got, want,
               "share: %s (bound %.3f, allowed %.3f)", name, f.bound,
               f.allowed);
}


static migrator_gate_e
judge(uint32_t n, uint32_t source_us, uint32_t target_us, uint64_t *seed,
    migrator_figures_t *f)
{
    uint32_t            i, us[2][200];
    migrator_gate_t     gate;
    migrator_latency_t  source, target;

    gate = gate_of(20, 200);

    for (i = 0; i < n; i++) {
        us[0][i] = source_us + (uint32_t) (tap_random(seed) % 1000);
        us[1][i] = target_us + (uint32_t) (tap_random(seed) % 1000);
    }

    source.us = us[0];
    target.us = us[1];
    source.n = target.n = n;

    return migrator_gate_latency(&gate, &target, &source, f);
}


static void
test_latency(void)
{
    uint64_t            seed;
    migrator_figures_t  f;

    seed = 1;

    tap_is_int(judge(19, 2000, 2000, &seed, &f), MIGRATOR_GATE_UNSURE,
               "latency: too few");
    tap_is_int(judge(20, 2000, 2000, &seed, &f), MIGRATOR_GATE_PASS,
               "latency: alike");
    tap_is_int(judge(20, 2000, 90000, &seed, &f), MIGRATOR_GATE_UNSURE,
               "latency: 20 cannot say it surely");
    tap_is_int(judge(60, 2000, 90000, &seed, &f), MIGRATOR_GATE_BREACH,
               "latency: 60 can");
    tap_is_int(judge(60, 2000, 6500, &seed, &f), MIGRATOR_GATE_PASS,
               "latency: slower, within the ratio");
    tap_is_int(judge(199, 2000, 7900, &seed, &f), MIGRATOR_GATE_UNSURE,
               "latency: above, not surely");
    tap_is_int(judge(200, 2000, 7900, &seed, &f), MIGRATOR_GATE_BREACH,
               "latency: and the sample is full");
    tap_is_int(judge(20, 10, 10, &seed, &f), MIGRATOR_GATE_PASS,
               "latency: below the floor");
    tap_ok(f.strain <= 1.1, "strain is told: %.2f", f.strain);
    tap_is_int(judge(0, 1, 1, &seed, &f), MIGRATOR_GATE_UNSURE,
               "latency: no data");
}


/* how often a target that is as good as its source is refused: never ... */

static void
test_false(uint64_t seed)
{
    int                 i;
    uint32_t            n, breach, unsure;
    migrator_figures_t  f;

    breach = unsure = 0;

    for (i = 0; i < ROUNDS; i++) {
        n = 20 + (uint32_t) (tap_random(&seed) % 60);

        switch (judge(n, 500, 500, &seed, &f)) {

        case MIGRATOR_GATE_BREACH:
            breach++;
            break;

        case MIGRATOR_GATE_UNSURE:
            unsure++;
            break;

        default:
            break;
        }
    }

    tap_is_int(breach + unsure, 0, "of %d equal pairs none is refused",
               ROUNDS);
}


static void
test_pacing(void)
{
    migrator_pace_t   pace;
    migrator_paces_t  bounds;

    memset(&pace, 0, sizeof(pace));
    bounds.first_bp = 100;
    bounds.min_bp = 10;
    bounds.max_bp = 300;

    tap_is_int(migrator_pace(&pace, &bounds, 0.1), 100, "the first step");
    tap_is_int(migrator_pace(&pace, &bounds, 0.1), 150, "grows");
    tap_is_int(migrator_pace(&pace, &bounds, 0.1), 225, "and grows");
    tap_is_int(migrator_pace(&pace, &bounds, 0.1), 300, "to its most");
    tap_is_int(migrator_pace(&pace, &bounds, 0.45), 300, "still good");
    tap_is_int(migrator_pace(&pace, &bounds, 0.7), 300, "stays");
    tap_is_int(migrator_pace(&pace, &bounds, 0.9), 150, "halves");
    tap_is_int(migrator_pace(&pace, &bounds, 0.9), 75, "and halves");
    tap_is_int(migrator_pace(&pace, &bounds, 1), 37, "and halves");
    tap_is_int(migrator_pace(&pace, &bounds, 1), 18, "and halves");
    tap_is_int(migrator_pace(&pace, &bounds, 1), 10, "to its least");
    tap_is_int(migrator_pace(&pace, &bounds, 0.2), 15, "comes back");
    tap_is_int(migrator_pace(&pace, &bounds, 0.45), 15,
               "does not grow while the target gets worse");

    memset(&pace, 0, sizeof(pace));
    tap_is_int(migrator_pace(&pace, &bounds, 0.95), 50,
               "begins small where the target is loaded");

    bounds.max_bp = 100;
    memset(&pace, 0, sizeof(pace));
    (void) migrator_pace(&pace, &bounds, 0);
    tap_is_int(migrator_pace(&pace, &bounds, 0), 100,
               "never beyond the most");
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(1);

    test_z();
    test_wilson();
    test_ranks();

    test_share("no data", 0, 0, 0, 0, MIGRATOR_GATE_UNSURE);
    test_share("all good", 0, 20, 0, 20, MIGRATOR_GATE_PASS);
    test_share("too few", 0, 19, 0, 19, MIGRATOR_GATE_UNSURE);
    test_share("one of twenty", 1, 20, 0, 20, MIGRATOR_GATE_PASS);
    test_share("two of twenty", 2, 20, 0, 20, MIGRATOR_GATE_UNSURE);
    test_share("five of twenty", 5, 20, 0, 20, MIGRATOR_GATE_BREACH);
    test_share("five of six: the rest cannot help", 5, 6, 0, 6,
               MIGRATOR_GATE_BREACH);
    test_share("one of one", 1, 1, 0, 1, MIGRATOR_GATE_UNSURE);
    test_share("the source is no better", 5, 20, 5, 20, MIGRATOR_GATE_PASS);
    test_share("above, and the sample is full", 12, 200, 0, 200,
               MIGRATOR_GATE_BREACH);
    test_share("above, not surely", 6, 100, 0, 100, MIGRATOR_GATE_UNSURE);

    test_latency();
    test_false(seed);
    test_pacing();

    return tap_done();
}
