
#include "../lib/forecast_case.h"


static void test_line(void);
static void test_walk(void);
static void test_update(void);


int
main(void)
{
    test_line();
    test_walk();
    test_update();

    return tap_done();
}


/* without noise alpha is high: half of the slope, and what it lags behind */

static void
test_line(void)
{
    double              rate, expected;
    uint32_t            i;
    predictor_ask_t     ask;
    predictor_series_t  series;

    rate = 0.01 / 24;

    for (i = 0; i < 29 * 24; i++) {
        case_y[i] = 100 * exp(rate * i);
    }

    ask = case_ask(24);
    series = case_series(28 * 24, 3600, 0);
    tap_is_int(case_model(&predictor_model_theta, &series, &ask, 0xff,
                          case_out), SHARD_OK, "four weeks of hours");

    expected = case_y[28 * 24 - 1] * exp(rate * 12);
    tap_is_dbl(case_out[23 * 6] / expected, 1, 0.004,
               "growth goes on at half its pace");
}


/* a walk around a rhythm: it stays where it is; errors grow by the root */

static void
test_walk(void)
{
    double              walk, step, later, base;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 81;
    walk = 0;

    for (i = 0; i < 29 * 288; i++) {
        walk += 0.01 * case_normal(&seed);
        case_y[i] = 1000 * exp(walk) * case_day(i, 288, 0.5);
    }

    ask = case_ask(64);
    series = case_series(28 * 288, 300, 0);
    (void) case_model(&predictor_model_theta, &series, &ask, 0, case_out);

    base = case_y[28 * 288 - 1] / case_day(28 * 288 - 1, 288, 0.5);
    tap_is_dbl(case_out[0] / (base * case_day(28 * 288, 288, 0.5)), 1, 0.02,
               "the next step is where the walk is");

    step = log(case_out[4] / case_out[0]);
    later = log(case_out[15 * 6 + 4] / case_out[15 * 6]);
    tap_is_dbl(step, 0.0128, 0.003, "as uncertain as a step of the walk");
    tap_is_dbl(later / step, 4, 1, "after 16 steps four times so");
}


static void
test_update(void)
{
    uint32_t  i;
    uint64_t  seed;

    seed = 82;

    for (i = 0; i < 30 * 96; i++) {
        case_y[i] = 100 * case_day(i, 96, 0.5) + case_normal(&seed);
    }

    case_stepped(&predictor_model_theta, 3, 3);
}
