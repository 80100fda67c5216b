
#include "../lib/forecast_case.h"


static void test_seasons(void);
static void test_level(void);
static void test_trend(void);
static void test_outlier(void);
static void test_update(void);


int
main(void)
{
    test_seasons();
    test_level();
    test_trend();
    test_outlier();
    test_update();

    return tap_done();
}


/* a day, and weekends of half the load */

static void
test_seasons(void)
{
    double              error;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 61;

    for (i = 0; i < 43 * 24; i++) {
        case_y[i] = 1000 * case_day(i, 24, 0.5) * (i / 24 % 7 < 5 ? 1 : 0.5);
    }

    ask = case_ask(24);
    series = case_series(42 * 24, 3600, 1);
    tap_is_int(case_model(&predictor_model_ets, &series, &ask, 0xff,
                          case_out), SHARD_OK, "six weeks of hours");
    error = case_error(&series, &ask, case_out);
    tap_ok(error < 20, "a Monday after a weekend, to 2 %% (%.2f)", error);

    series.n = 40 * 24;
    (void) case_model(&predictor_model_ets, &series, &ask, 0, case_out);
    error = case_error(&series, &ask, case_out);
    tap_ok(error < 20, "a weekend's day, to 4 %% of it (%.2f)", error);

    for (i = 0; i < 29 * 288; i++) {
        case_y[i] = 1000 * case_day(i, 288, 0.5)
                    * exp(0.1 * case_normal(&seed));
    }

    ask = case_ask(288);
    series = case_series(28 * 288, 300, 1);
    (void) case_model(&predictor_model_ets, &series, &ask, 0, case_out);
    error = case_error(&series, &ask, case_out);

    /* the mean |error| of a perfect forecast is 0.08 of 1000 */

    tap_ok(error < 90, "noise of 10 %%: hardly worse than it (%.2f)", error);
    tap_is_dbl(log(case_out[100 * 6 + 4] / case_out[100 * 6]), 0.128, 0.04,
               "the upper quantile is as wide as the noise");
}


/* white noise around a level: the mean; a walk: where it is */

static void
test_level(void)
{
    double              walk;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 62;

    for (i = 0; i < 2000; i++) {
        case_y[i] = 500 + 20 * case_normal(&seed);
    }

    ask = case_ask(12);
    series = case_series(2000, 300, 0);
    (void) case_model(&predictor_model_local_level, &series, &ask, 0xff,
                      case_out);
    tap_is_dbl(case_out[0], 500, 9, "local-level: the mean of noise");
    tap_is_dbl(case_out[11 * 6 + 4] - case_out[11 * 6], 25.6, 3,
               "local-level: and its spread");

    walk = 500;

    for (i = 0; i < 2000; i++) {
        walk += case_normal(&seed);
        case_y[i] = walk;
    }

    (void) case_model(&predictor_model_local_level, &series, &ask, 0xff,
                      case_out);
    tap_is_dbl(case_out[0], walk, 1.5, "local-level: the end of a walk");
    tap_is_dbl(case_out[3 * 6 + 4] - case_out[3 * 6], 1.28 * 2, 0.5,
               "local-level: after four steps twice as uncertain");

    series = case_series(2, 300, 0);
    tap_is_int(case_model(&predictor_model_local_level, &series, &ask, 0xff,
                          case_out), SHARD_AGAIN, "two values are no level");
}


/* load that grows by 2 % a day keeps growing, more slowly */

static void
test_trend(void)
{
    double              day;
    uint32_t            i;
    predictor_ask_t     ask;
    predictor_series_t  series;

    for (i = 0; i < 29 * 96; i++) {
        case_y[i] = 100 * exp(0.02 * i / 96) * case_day(i, 96, 0.5);
    }

    ask = case_ask(96);
    series = case_series(28 * 96, 900, 0);
    (void) case_model(&predictor_model_ets, &series, &ask, 0xff, case_out);

    day = case_out[95 * 6] / case_y[29 * 96 - 1];
    tap_is_dbl(day, 1, 0.025, "growth of 2 %% a day is kept up with");
}


static void
test_outlier(void)
{
    double              clean, spoilt;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 63;

    for (i = 0; i < 22 * 96; i++) {
        case_y[i] = 100 * case_day(i, 96, 0.5) + 2 * case_normal(&seed);
    }

    ask = case_ask(96);
    series = case_series(21 * 96, 900, 0);
    (void) case_model(&predictor_model_ets, &series, &ask, 0, case_out);
    clean = case_error(&series, &ask, case_out);

    for (i = 20 * 96 + 30; i < 20 * 96 + 34; i++) {
        case_y[i] *= 50;
    }

    (void) case_model(&predictor_model_ets, &series, &ask, 0, case_out);
    spoilt = case_error(&series, &ask, case_out);

    tap_ok(spoilt < 1.5 * clean, "an hour of fifty times the load yesterday "
           "is not expected again (%.2f, %.2f without)", spoilt, clean);
}


/* by value or at once, from a window that moves: the same state */

static void
test_update(void)
{
    uint32_t  i;
    uint64_t  seed;

    seed = 64;

    for (i = 0; i < 30 * 96; i++) {
        case_y[i] = 100 * case_day(i, 96, 0.5) + 5 * case_normal(&seed);
    }

    case_stepped(&predictor_model_ets, 8, 5.5);
}
