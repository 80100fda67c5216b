
#include "../lib/forecast_case.h"

#include "../../predictor/decompose.h"


static void test_seasons(void);
static void test_outliers(void);
static void test_forecast(void);
static void test_shift(void);
static void test_moved(void);
static double weekly(uint32_t i, uint32_t day);


int
main(void)
{
    test_seasons();
    test_outliers();
    test_forecast();
    test_shift();
    test_moved();

    return tap_done();
}


/* weekdays of 1, a weekend of 0.5 */

static double
weekly(uint32_t i, uint32_t day)
{
    return i / day % 7 < 5 ? 1 : 0.5;
}


/* an additive day and week come out as they went in */

static void
test_seasons(void)
{
    float                  *season;
    double                 *work, off, at;
    uint32_t                i;
    predictor_series_t      series;
    predictor_decompose_t   parts;

    for (i = 0; i < 28 * 96; i++) {
        case_y[i] = 10 + case_day(i, 96, 1)
                    + 0.5 * cos(2 * M_PI * (i % 672) / 672);
    }

    series = case_series(28 * 96, 900, 1);
    predictor_decompose_init(&parts, &series);

    season = case_alloc(predictor_decompose_seasons(&parts) * sizeof(float),
                        0xff);
    work = case_alloc(predictor_decompose_work(&parts, series.n)
                      * sizeof(double), 0xff);

    predictor_decompose(&parts, case_y, series.n, 0, 0, 0, season, work);

    for (i = 0, off = 0; i < 672; i++) {
        at = predictor_decompose_at(&parts, season, 672 * 1000 + i);
        off = fmax(off, fabs(at - case_y[i] + 11));
    }

    tap_ok(off < 0.03, "a day and a week of sines, to 0.03 (%.4f)", off);

    /* days 7 to 13 are absurd, and left out */

    for (i = 7 * 96; i < 14 * 96; i++) {
        case_y[i] = 10;
    }

    predictor_decompose(&parts, case_y, series.n, 0, 7 * 96, 14 * 96, season,
                        work);

    for (i = 0, off = 0; i < 672; i++) {
        at = predictor_decompose_at(&parts, season, i);
        off = fmax(off, fabs(at - case_y[i] + 11));
    }

    tap_ok(off < 0.2, "values left out have no say (%.4f)", off);

    tap_ok(case_free(season, predictor_decompose_seasons(&parts)
                             * sizeof(float))
           && case_free(work, predictor_decompose_work(&parts, series.n)
                              * sizeof(double)), "within its memory");
}


static void
test_outliers(void)
{
    double              clean, spoilt;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 71;

    for (i = 0; i < 22 * 96; i++) {
        case_y[i] = 100 * case_day(i, 96, 0.5) * exp(0.05
                                                     * case_normal(&seed));
    }

    ask = case_ask(96);
    series = case_series(21 * 96, 900, 1);
    (void) case_model(&predictor_model_mstl, &series, &ask, 0, case_out);
    clean = case_error(&series, &ask, case_out);

    for (i = 0; i < 40; i++) {
        case_y[tap_random(&seed) % (20 * 96)] *= 100;
    }

    (void) case_model(&predictor_model_mstl, &series, &ask, 0, case_out);
    spoilt = case_error(&series, &ask, case_out);

    tap_ok(spoilt < 2 * clean, "40 values of a hundred times the load "
           "(%.2f, %.2f without)", spoilt, clean);
}


static void
test_forecast(void)
{
    double              error;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 72;

    for (i = 0; i < 29 * 288; i++) {
        case_y[i] = 1000 * case_day(i, 288, 0.5) * weekly(i, 288)
                    * exp(0.1 * case_normal(&seed));
    }

    ask = case_ask(288);
    series = case_series(28 * 288, 300, 1);
    tap_is_int(case_model(&predictor_model_mstl, &series, &ask, 0xff,
                          case_out), SHARD_OK, "28 days of 5 minutes");
    error = case_error(&series, &ask, case_out);
    tap_ok(error < 100, "a Monday with noise of 10 %%: near what it leaves "
           "(%.2f)", error);
    tap_is_dbl(log(case_out[100 * 6 + 4] / case_out[100 * 6]), 0.128, 0.03,
               "the upper quantile is as wide as the noise");
    tap_is_dbl(log(case_out[100 * 6 + 2] / case_out[100 * 6]), -0.128, 0.03,
               "the lower one too");

    series = case_series(47, 3600, 0);
    ask = case_ask(24);
    tap_is_int(case_model(&predictor_model_mstl, &series, &ask, 0xff,
                          case_out), SHARD_AGAIN, "less than two days");
    series = case_series(60 * 24, 3600, 1);
    ask = case_ask(400);
    tap_is_int(case_model(&predictor_model_mstl, &series, &ask, 0xff,
                          case_out), SHARD_OK, "16 days ahead");
}


/* what was learnt of level shifts is to follow them */

static void
test_shift(void)
{
    double              ratio;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 73;

    for (i = 0; i < 22 * 96; i++) {
        case_y[i] = (i / 300 % 2 ? 200 : 100) * case_day(i, 96, 0.5)
                    * exp(0.03 * case_normal(&seed));
    }

    ask = case_ask(4);
    series = case_series(20 * 96 + 50, 900, 0);
    (void) case_model(&predictor_model_mstl, &series, &ask, 0, case_out);

    ratio = case_out[2 * 6] / case_y[series.n + 2];
    tap_is_dbl(ratio, 1, 0.12, "an hour ahead the present level goes on");
}


/* one fit, then a window that moved on by a day, with and without update() */

static void
test_moved(void)
{
    uint32_t  i;
    uint64_t  seed;

    seed = 74;

    for (i = 0; i < 30 * 96; i++) {
        case_y[i] = 100 * case_day(i, 96, 0.5) * weekly(i, 96)
                    + 2 * case_normal(&seed);
    }

    case_moved(&predictor_model_mstl, 10000 * 672, 3);
}
