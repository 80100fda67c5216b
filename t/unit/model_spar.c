
#include "../lib/forecast_case.h"


static void test_rhythm(void);
static void test_inertia(void);
static void test_growth(void);
static void test_short(void);


int
main(void)
{
    test_rhythm();
    test_inertia();
    test_growth();
    test_short();

    return tap_done();
}


/* a rhythm of the day that a week changes: a(7) = 1 */

static void
test_rhythm(void)
{
    uint32_t            i;
    predictor_ask_t     ask;
    predictor_series_t  series;

    for (i = 0; i < 44 * 24; i++) {
        case_y[i] = 100 * case_day(i, 24, 0.6) * (i / 24 % 7 < 5 ? 1 : 0.5)
                    + i % 13 * (i / 24 % 7);
    }

    /* what repeats by the week is an exact solution */

    for (i = 7 * 24; i < 44 * 24; i++) {
        case_y[i] = case_y[i - 7 * 24];
    }

    ask = case_ask(36);
    series = case_series(42 * 24, 3600, 1);

    tap_is_int(case_model(&predictor_model_spar, &series, &ask, 0xff,
                          case_out), SHARD_OK, "six weeks of hours");
    tap_ok(case_error(&series, &ask, case_out) < 0.3,
           "a week that repeats is forecast, beyond a day too (%g)",
           case_error(&series, &ask, case_out));
    tap_is_dbl(case_out[30 * 6 + 5], case_out[30 * 6], 0.05,
               "and nothing is uncertain about it");
}


/* deviations that halve with every step: b(0) = 1/2 one step ahead */

static void
test_inertia(void)
{
    double              x, first;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    x = 0;
    seed = 51;

    for (i = 0; i < 29 * 288; i++) {
        x = 0.9 * x + case_normal(&seed);
        case_y[i] = 1000 * case_day(i, 288, 0.6) + x;
    }

    /* the last steps are far above the rhythm */

    for (i = 28 * 288 - 3; i < 28 * 288; i++) {
        x = 30;
        case_y[i] = 1000 * case_day(i, 288, 0.6) + x;
    }

    ask = case_ask(100);
    series = case_series(28 * 288, 300, 0);
    (void) case_model(&predictor_model_spar, &series, &ask, 0, case_out);

    first = case_out[0] - 1000 * case_day(28 * 288, 288, 0.6);
    tap_is_dbl(first, 27, 3, "nine tenths of the deviation go on");

    first = case_out[4 * 6] - 1000 * case_day(28 * 288 + 4, 288, 0.6);
    tap_is_dbl(first, 30 * 0.59049, 4, "after five steps 0.9^5 of it");

    first = case_out[90 * 6] - 1000 * case_day(28 * 288 + 90, 288, 0.6);
    tap_is_dbl(first, 0, 6, "after 90 steps nothing");

    /* noise of deviation 1, and 2.29 in the long run */

    tap_is_dbl(case_out[4] - case_out[0], 1.28, 0.15,
               "one step ahead as uncertain as the noise");
    tap_is_dbl(case_out[90 * 6 + 4] - case_out[90 * 6], 1.28 * 2.29 * 1.07,
               0.5, "far ahead as its sum");
}


/* one fit, and a series that went on */

static void
test_growth(void)
{
    double              error;
    void               *state, *work;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_size_t    size;
    predictor_series_t  series, grown;

    seed = 52;

    for (i = 0; i < 30 * 96; i++) {
        case_y[i] = 50 * case_day(i, 96, 0.5) + case_normal(&seed);
    }

    ask = case_ask(96);
    series = case_series(20 * 96, 900, 0);
    grown = case_series(21 * 96, 900, 0);

    predictor_model_spar.size(&grown, &ask, &size);
    state = case_alloc(size.state, 0xff);
    work = case_alloc(size.work, 0xff);

    (void) predictor_model_spar.fit(&series, &ask, state, work);
    tap_is_int(predictor_model_spar.forecast(&grown, &ask, state, work,
                                             case_out), SHARD_OK,
               "a forecast a day after the fit");
    error = case_error(&grown, &ask, case_out);
    tap_ok(error < 1.2, "as good as the noise lets it be (%.2f)", error);
    tap_ok(case_free(state, size.state) && case_free(work, size.work),
           "within its memory");
}


static void
test_short(void)
{
    predictor_ask_t     ask;
    predictor_series_t  series;

    ask = case_ask(24);
    series = case_series(60, 3600, 0);
    tap_is_int(case_model(&predictor_model_spar, &series, &ask, 0xff,
                          case_out), SHARD_AGAIN,
               "two days and a half are too short");

    series = case_series(120, 3600, 0);
    tap_is_int(case_model(&predictor_model_spar, &series, &ask, 0xff,
                          case_out), SHARD_OK, "five will do");
}
