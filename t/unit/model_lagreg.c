
#include "../lib/forecast_case.h"


static void test_rhythm(void);
static void test_week(void);
static void test_memory_of_noise(void);
static void test_scale(void);
static void test_shift(void);
static void test_short(void);
static void test_growth(void);
static void make(uint32_t n, uint32_t day, double noise, double inertia,
    uint64_t *seed);


int
main(void)
{
    test_rhythm();
    test_week();
    test_memory_of_noise();
    test_scale();
    test_shift();
    test_short();
    test_growth();

    return tap_done();
}


/* load with a daily rhythm; noise lives on by "inertia" per step */

static void
make(uint32_t n, uint32_t day, double noise, double inertia, uint64_t *seed)
{
    double    x;
    uint32_t  i;

    x = 0;

    for (i = 0; i < n; i++) {
        x = inertia * x
            + sqrt(1 - inertia * inertia) * noise * case_normal(seed);
        case_y[i] = 1000 * case_day(i, day, 0.6) * exp(x);
    }
}


static void
test_rhythm(void)
{
    int                       same;
    uint64_t                  seed;
    predictor_ask_t           ask;
    predictor_series_t        series;

    static double             again[sizeof(case_out) / sizeof(double)];

    ask = case_ask(288);
    series = case_series(28 * 288, 300, 1);
    seed = 1;

    make(29 * 288, 288, 0, 0, &seed);

    tap_is_int(case_model(&predictor_model_lagreg, &series, &ask, 0xff,
                          case_out), SHARD_OK, "28 days of 5 minutes");
    tap_diag("error %.2f of 1000", case_error(&series, &ask, case_out));
    tap_ok(case_error(&series, &ask, case_out) < 2,
           "a pure rhythm is forecast to 0.2 %%");

    tap_is_int(case_model(&predictor_model_lagreg_raw, &series, &ask, 0xff,
                          case_out), SHARD_OK, "the same without logarithm");
    tap_ok(case_error(&series, &ask, case_out) < 2,
           "a pure rhythm is forecast to 0.2 %%");

    make(29 * 288, 288, 0.1, 0.5, &seed);

    (void) case_model(&predictor_model_lagreg, &series, &ask, 0, case_out);
    (void) case_model(&predictor_model_lagreg, &series, &ask, 0xff, again);
    same = memcmp(case_out, again, 288 * 6 * sizeof(double)) == 0;

    tap_ok(same, "the same bits whatever the memory held before");

    /* independent noise of 10 %: its 0.9 quantile is 1.28 deviations */

    make(29 * 288, 288, 0.1, 0, &seed);
    (void) case_model(&predictor_model_lagreg, &series, &ask, 0, case_out);

    tap_is_dbl(log(case_out[200 * 6 + 4] / case_out[200 * 6]), 0.128, 0.03,
               "the upper quantile is as wide as the noise");
    tap_is_dbl(log(case_out[200 * 6 + 2] / case_out[200 * 6]), -0.128, 0.03,
               "the lower one too");
}


static void
test_week(void)
{
    double              daily, weekly;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 2;
    make(43 * 24, 24, 0.02, 0, &seed);

    /* days 5 and 6 of a week are quiet; the forecast is of a day 0 */

    for (i = 0; i < 43 * 24; i++) {
        case_y[i] *= i / 24 % 7 < 5 ? 1 : 0.4;
    }

    ask = case_ask(24);
    series = case_series(42 * 24, 3600, 0);
    (void) case_model(&predictor_model_lagreg, &series, &ask, 0, case_out);
    daily = case_error(&series, &ask, case_out);

    series = case_series(42 * 24, 3600, 1);
    (void) case_model(&predictor_model_lagreg, &series, &ask, 0, case_out);
    weekly = case_error(&series, &ask, case_out);

    tap_diag("Monday after a quiet weekend: %.1f without, %.1f with weeks",
             daily, weekly);
    tap_ok(weekly < 0.5 * daily, "weeks are learnt");
}


static void
test_memory_of_noise(void)
{
    double              naive, lagreg;
    uint32_t            round;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = tap_seed(3);
    ask = case_ask(3);
    naive = lagreg = 0;

    for (round = 0; round < 8; round++) {
        make(22 * 96, 96, 0.2, 0.98, &seed);
        series = case_series(21 * 96 + 5 * round, 900, 1);

        (void) case_model(&predictor_model_lagreg, &series, &ask, 0,
                          case_out);
        lagreg += case_error(&series, &ask, case_out);

        (void) case_model(&predictor_model_naive_day, &series, &ask, 0,
                          case_out);
        naive += case_error(&series, &ask, case_out);
    }

    tap_diag("inert noise, 3 steps ahead: naive %.1f, lagreg %.1f", naive / 8,
             lagreg / 8);
    tap_ok(lagreg < 0.6 * naive, "what is now tells what is next");
}


static void
test_scale(void)
{
    int                 same;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    static double       small[96 * 6];

    seed = 4;
    make(16 * 96, 96, 0.1, 0.9, &seed);
    ask = case_ask(96);
    series = case_series(15 * 96, 900, 1);

    (void) case_model(&predictor_model_lagreg, &series, &ask, 0, case_out);

    for (i = 0; i < 16 * 96; i++) {
        case_y[i] *= 1e-9;
    }

    (void) case_model(&predictor_model_lagreg, &series, &ask, 0, small);

    for (i = 0, same = 1; i < 96 * 6; i++) {
        same &= fabs(small[i] * 1e9 / case_out[i] - 1) < 1e-6;
    }

    tap_ok(same, "the unit of the load does not matter");
}


static void
test_shift(void)
{
    double              truth;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 5;
    make(15 * 288, 288, 0.05, 0.9, &seed);

    for (i = 14 * 288 - 144; i < 15 * 288; i++) {
        case_y[i] *= 3;
    }

    ask = case_ask(12);
    series = case_series(14 * 288, 300, 1);
    (void) case_model(&predictor_model_lagreg, &series, &ask, 0, case_out);

    for (i = 0, truth = 0; i < 12; i++) {
        truth += case_y[14 * 288 + i] / 12;
    }

    tap_diag("12 h after the level tripled: error %.3f of the load",
             case_error(&series, &ask, case_out) / truth);
    tap_ok(case_error(&series, &ask, case_out) < 0.2 * truth,
           "a new level is followed in the next hour");
}


static void
test_short(void)
{
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 6;
    make(15 * 96, 96, 0.1, 0.5, &seed);

    ask = case_ask(96);
    series = case_series(2 * 96, 900, 0);
    tap_is_int(case_model(&predictor_model_lagreg, &series, &ask, 0,
                          case_out), SHARD_AGAIN, "two days are too short");

    series.n = 5 * 96;
    tap_is_int(case_model(&predictor_model_lagreg, &series, &ask, 0,
                          case_out), SHARD_OK, "five days will do");

    ask = case_ask(300);
    tap_is_int(case_model(&predictor_model_lagreg, &series, &ask, 0,
                          case_out), SHARD_AGAIN,
               "but not for three days ahead");

    series.n = 15 * 96;
    tap_is_int(case_model(&predictor_model_lagreg, &series, &ask, 0xff,
                          case_out), SHARD_OK, "which fifteen days allow");

    memset(case_y, 0, sizeof(case_y));
    tap_is_int(case_model(&predictor_model_lagreg, &series, &ask, 0,
                          case_out), SHARD_AGAIN, "nothing but zeros");
}


/* learnt once, forecast from a later end without learning again */

static void
test_growth(void)
{
    void                *state, *work;
    double               fresh, kept;
    uint64_t             seed;
    predictor_ask_t      ask;
    predictor_size_t     size;
    predictor_series_t   series;

    seed = 7;
    make(17 * 288, 288, 0.1, 0.95, &seed);
    ask = case_ask(12);
    series = case_series(15 * 288 + 100, 300, 1);

    predictor_model_lagreg.size(&series, &ask, &size);
    state = case_alloc(size.state, 0xff);
    work = case_alloc(size.work, 0xff);

    series.n = 15 * 288;
    (void) predictor_model_lagreg.fit(&series, &ask, state, work);

    series.n += 100;
    memset(work, 0xff, size.work);
    tap_is_int(predictor_model_lagreg.forecast(&series, &ask, state, work,
                                               case_out),
               SHARD_OK, "forecast 100 steps after the fit");
    kept = case_error(&series, &ask, case_out);

    (void) case_model(&predictor_model_lagreg, &series, &ask, 0, case_out);
    fresh = case_error(&series, &ask, case_out);

    tap_diag("error %.2f with the old fit, %.2f with a fresh one", kept,
             fresh);
    tap_is_dbl(kept / fresh, 1, 0.1, "about as good as a fresh fit");

    series.n = 300;
    tap_is_int(predictor_model_lagreg.forecast(&series, &ask, state, work,
                                               case_out),
               SHARD_AGAIN, "a series that shrank is refused");

    tap_ok(case_free(state, size.state) && case_free(work, size.work),
           "nothing was written beyond the memory");
}
