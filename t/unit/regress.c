
/* Non-negative ridge regression: what was put in comes out, or is refused. */

#include "../lib/tap.h"
#include "../../predictor/regress.h"


static double
uniform(uint64_t *seed)
{
    return (double) (tap_random(seed) % 1000000) / 1e6;
}


/* y = 2 a + 0.003 b + noise, c counts for nothing */

static void
test_known(uint64_t *seed)
{
    int                  i;
    double               x[3], w[3], r2;
    predictor_regress_t  r;

    predictor_regress_init(&r, 3);

    for (i = 0; i < 400; i++) {
        x[0] = 100 * uniform(seed);
        x[1] = 1e5 * uniform(seed);
        x[2] = 1e-3 * uniform(seed);
        predictor_regress_add(&r, x, 2 * x[0] + 0.003 * x[1]
                                     + 10 * (uniform(seed) - 0.5));
    }

    tap_is_int(predictor_regress_solve(&r, 1e-6, w, &r2), SHARD_OK, "solved");
    tap_is_dbl(w[0], 2, 0.05, "the first weight");
    tap_is_dbl(w[1], 0.003, 1e-4, "the second, of another magnitude");
    tap_ok(w[2] * 1e-3 < 2, "the third adds little: %g", w[2]);
    tap_ok(r2 > 0.99 && r2 <= 1, "R^2 %.4f", r2);

    /* what was is forgotten for what is */

    for (i = 0; i < 400; i++) {
        predictor_regress_fade(&r, 0.95);
        x[0] = 100 * uniform(seed);
        x[1] = 1e5 * uniform(seed);
        x[2] = 1e-3 * uniform(seed);
        predictor_regress_add(&r, x, 5 * x[0]);
    }

    predictor_regress_solve(&r, 1e-6, w, &r2);
    tap_is_dbl(w[0], 5, 0.05, "faded: the new weight");
    tap_ok(w[1] * 1e5 < 1, "and the one that is gone: %g", w[1]);
}


/* no weight below 0, whatever is thrown at it, and no better neighbour */

static double
sse(const predictor_regress_t *r, const double *w)
{
    double    e;
    uint32_t  i, k;

    e = r->yy;

    for (i = 0; i < r->nx; i++) {
        e -= 2 * w[i] * r->xy[i];

        for (k = 0; k < r->nx; k++) {
            e += w[i] * w[k] * r->xx[i * PREDICTOR_REGRESS_MAX + k];
        }
    }

    return e;
}


static void
test_random(uint64_t *seed)
{
    int                  i, k, round, negative, better;
    double               x[6], w[6], near[6], common, r2;
    predictor_regress_t  r;

    negative = better = 0;

    for (round = 0; round < 300; round++) {
        predictor_regress_init(&r, 6);

        for (i = 0; i < 40; i++) {
            common = uniform(seed);

            for (k = 0; k < 6; k++) {
                x[k] = pow(10, 3 * k) * (common + 0.1 * uniform(seed));
            }

            predictor_regress_add(&r, x, 1e6 * (uniform(seed) - 0.5)
                                         + x[round % 6]);
        }

        if (predictor_regress_solve(&r, 1e-9, w, &r2) != SHARD_OK) {
            tap_ok(0, "round %d: not solved", round);
            return;
        }

        for (k = 0; k < 6; k++) {
            negative += !(w[k] >= 0);
            memcpy(near, w, sizeof(w));
            near[k] = w[k] * 1.05 + 1e-3 / pow(10, 3 * k);
            better += sse(&r, near) < sse(&r, w) - 1e-4 * r.yy;
            near[k] = w[k] * 0.95;
            better += sse(&r, near) < sse(&r, w) - 1e-4 * r.yy;
        }
    }

    tap_is_int(negative, 0, "no weight is negative");
    tap_is_int(better, 0, "and none is better changed alone");
}


static void
test_refused(void)
{
    int                  i;
    double               x[2] = { 1, 2 }, w[2], r2;
    predictor_regress_t  r;

    predictor_regress_init(&r, 2);
    tap_is_int(predictor_regress_solve(&r, 1e-6, w, &r2), SHARD_AGAIN,
               "nothing was seen");

    for (i = 0; i < 50; i++) {
        predictor_regress_add(&r, x, 7);
    }

    tap_is_int(predictor_regress_solve(&r, 1e-6, w, &r2), SHARD_AGAIN,
               "y never varies");

    x[0] = NAN;
    tap_is_int(predictor_regress_add(&r, x, 7), SHARD_ERROR, "NaN");
    x[0] = 1;
    tap_is_int(predictor_regress_add(&r, x, INFINITY), SHARD_ERROR,
               "infinite");
    tap_is_int((long) r.seen, 50, "are not taken");

    /* x is the same all the time and y is not: nothing is explained */

    for (i = 0; i < 50; i++) {
        predictor_regress_add(&r, x, i % 2 ? 1 : 13);
    }

    tap_is_int(predictor_regress_solve(&r, 1e-6, w, &r2), SHARD_OK, "solved");
    tap_ok(r2 < 0.01, "but R^2 is %.4f", r2);
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(11);
    test_known(&seed);
    test_random(&seed);
    test_refused();

    return tap_done();
}
