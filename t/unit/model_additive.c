
#include "../lib/forecast_case.h"

#include "../../predictor/additive.h"


static void test_rows(void);
static void test_waves(void);
static void test_bend(void);
static void test_event(void);
static void test_update(void);


int
main(void)
{
    test_rows();
    test_waves();
    test_bend();
    test_event();
    test_update();

    return tap_done();
}


static void
test_rows(void)
{
    double                      row[PREDICTOR_ADDITIVE_COLUMNS], turn, event;
    uint32_t                    columns;
    predictor_series_t          series;
    predictor_additive_plan_t   plan;
    predictor_additive_given_t  given;

    static double               column[3] = { 5, 6, 7 };

    series = case_series(28 * 24, 3600, 1);
    series.start = 1000 * 168;
    given.start = series.start + 100;
    given.steps = 3;
    given.n = 1;
    given.column[0] = column;

    predictor_additive_plan(&series, &given, &plan);
    columns = predictor_additive_columns(&plan);
    tap_is_int(columns, 2 + 14 + 2 * (8 + 12) + 1,
               "a day and a week, no year in four weeks");

    predictor_additive_row(&plan, &given, series.start + 102, 1, row);
    turn = 2 * M_PI * 102;

    tap_is_dbl(row[1], 102.0 / 672, 1e-12, "time is a share of the history");
    tap_is_dbl(row[2], 102.0 / 672 - 0.8 / 15, 1e-12, "after the first bend");
    tap_is_dbl(row[2 + 13], 0, 0, "before the last");
    tap_is_dbl(row[16 + 2 * 2], sin(3 * turn / 24), 1e-9, "day, thrice");
    tap_is_dbl(row[16 + 2 * 7 + 1], cos(8 * turn / 24), 1e-9, "day, 8 times");
    tap_is_dbl(row[32 + 2 * 4], sin(5 * turn / 168), 1e-9, "week, 5 times");
    tap_is_dbl(row[32 + 2 * 6], 0, 0, "7 times a week is the day");
    event = row[columns - 1];
    tap_is_dbl(event, 7, 0, "the given column");

    predictor_additive_row(&plan, &given, series.start + 99, 3, row);
    tap_is_dbl(row[columns - 1], 11.0 / 3, 1e-12, "its mean over a block");
    predictor_additive_row(&plan, NULL, series.start + 102, 1, row);
    tap_is_dbl(row[columns - 1], 0, 0, "not given: nothing");

    series = case_series(800 * 24, 3600, 1);
    predictor_additive_plan(&series, NULL, &plan);
    tap_is_int(plan.years, PREDICTOR_ADDITIVE_YEAR, "a year of two");
}


static void
test_waves(void)
{
    double              error;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 91;

    for (i = 0; i < 29 * 288; i++) {
        case_y[i] = 1000 * exp(0.5 * sin(2 * M_PI * i / 288)
                               + 0.2 * cos(2 * M_PI * 3 * i / 288)
                               + 0.3 * sin(2 * M_PI * i / 2016)
                               + 0.1 * case_normal(&seed));
    }

    ask = case_ask(288);
    series = case_series(28 * 288, 300, 1);
    tap_is_int(case_model(&predictor_model_additive, &series, &ask, 0xff,
                          case_out), SHARD_OK, "28 days of 5 minutes");
    error = case_error(&series, &ask, case_out);

    /* the mean |error| of a perfect forecast is 0.08 of the load */

    tap_ok(error < 110, "waves and noise of 10 %%: near what it leaves "
           "(%.2f)", error);
    tap_is_dbl(log(case_out[100 * 6 + 4] / case_out[100 * 6]), 0.128, 0.03,
               "the upper quantile is as wide as the noise");

    series = case_series(47, 3600, 0);
    tap_is_int(case_model(&predictor_model_additive, &series, &ask, 0xff,
                          case_out), SHARD_AGAIN, "less than two days");
}


/* growth that sets in half way is gone on with, not that of the whole */

static void
test_bend(void)
{
    double              end, expected;
    uint32_t            i;
    predictor_ask_t     ask;
    predictor_series_t  series;

    for (i = 0; i < 30 * 24; i++) {
        case_y[i] = 100 * exp(i < 14 * 24 ? 0 : 0.05 * (i - 14 * 24) / 24.0)
                    * case_day(i, 24, 0.3);
    }

    ask = case_ask(48);
    series = case_series(28 * 24, 3600, 0);
    (void) case_model(&predictor_model_additive, &series, &ask, 0, case_out);

    end = case_out[47 * 6];
    expected = case_y[30 * 24 - 1];
    tap_is_dbl(end / expected, 1, 0.03, "two days of growth go on");
}


/* every event doubles the load: the next, which is known of, will too */

static void
test_event(void)
{
    double                      error, ratio;
    void                       *state, *work;
    uint32_t                    i;
    uint64_t                    seed;
    predictor_ask_t             ask;
    predictor_size_t            size;
    predictor_series_t          series;
    predictor_additive_given_t  given;

    static double               column[30 * 96];

    seed = 92;

    for (i = 0; i < 29 * 96; i++) {
        column[i] = i / 96 % 9 == 1 && i % 96 >= 40 && i % 96 < 52;
        case_y[i] = 100 * case_day(i, 96, 0.3) * (1 + column[i])
                    * exp(0.03 * case_normal(&seed));
    }

    /* the day to be forecast is the 28th: 28 % 9 is 1 */

    ask = case_ask(96);
    series = case_series(28 * 96, 900, 1);
    series.start = 500000;
    given.start = series.start;
    given.steps = 29 * 96;
    given.n = 1;
    given.column[0] = column;

    predictor_model_additive.size(&series, &ask, &size);
    state = case_alloc(size.state, 0xff);
    work = case_alloc(size.work, 0xff);

    tap_is_int(predictor_additive_fit(&series, &ask, &given, state, work),
               SHARD_OK, "learnt with a column of events");
    tap_is_int(predictor_additive_forecast(&series, &ask, &given, state,
                                           case_out), SHARD_OK,
               "forecast with the next event");

    error = case_error(&series, &ask, case_out);
    ratio = case_out[45 * 6] / (100 * case_day(45, 96, 0.3));
    tap_is_dbl(ratio, 2, 0.2, "which doubles the load");
    tap_ok(error < 10, "all in all (%.2f)", error);
    tap_ok(case_free(state, size.state) && case_free(work, size.work),
           "within its memory");
}


static void
test_update(void)
{
    uint32_t  i;
    uint64_t  seed;

    seed = 93;

    for (i = 0; i < 30 * 96; i++) {
        case_y[i] = 100 * case_day(i, 96, 0.5) + 2 * case_normal(&seed);
    }

    case_moved(&predictor_model_additive, 1000003, 4);
}
