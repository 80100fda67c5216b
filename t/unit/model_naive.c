
#include "../lib/forecast_case.h"


static void test_day(void);
static void test_week(void);
static void test_level(void);


int
main(void)
{
    test_day();
    test_week();
    test_level();

    return tap_done();
}


static void
test_day(void)
{
    int                 same;
    double              state[64];
    uint32_t            i, j;
    predictor_ask_t     ask;
    predictor_series_t  series;

    for (i = 0; i < 240; i++) {
        case_y[i] = 100 + i % 24;
    }

    ask = case_ask(60);
    series = case_series(72, 3600, 0);

    tap_is_int(case_model(&predictor_model_naive_day, &series, &ask, 0xff,
                          case_out), SHARD_OK, "three days suffice");
    same = 1;

    for (i = 0; i < 60; i++) {
        for (j = 0; j <= CASE_QS; j++) {
            same &= case_out[i * (1 + CASE_QS) + j] == 100 + i % 24;
        }
    }

    tap_ok(same, "what repeats is forecast exactly, also beyond a season");

    /* the second day is 0, 1, ... 23 above the first */

    for (i = 24; i < 48; i++) {
        case_y[i] = case_y[i - 24] + (i - 24);
    }

    series = case_series(48, 3600, 0);
    (void) case_model(&predictor_model_naive_day, &series, &ask, 0, case_out);

    tap_is_dbl(case_out[0], 100, 0, "the point is yesterday's");
    tap_is_dbl(case_out[1], 100 + 0.05 * 23, 1e-9, "q0.05 of residuals");
    tap_is_dbl(case_out[4], 100 + 0.9 * 23, 1e-9, "q0.9 of residuals");
    tap_is_dbl(case_out[6], 101 + 1, 1e-9, "the next hour's point");

    series = case_series(23, 3600, 0);
    tap_is_int(predictor_model_naive_day.fit(&series, &ask, state, case_out),
               SHARD_AGAIN, "23 hours are too short");

    series = case_series(29, 3600, 0);
    tap_is_int(case_model(&predictor_model_naive_day, &series, &ask, 0xff,
                          case_out), SHARD_OK, "a day will do");
    tap_is_dbl(case_out[0], case_y[5], 0, "with yesterday's point");
    tap_is_dbl(case_out[4] - case_out[0], 0.4 * 23, 0.5,
               "and the spread of that day");

    series = case_series(40, 3600, 0);
    (void) predictor_model_naive_day.forecast(&series, &ask, state, case_out,
                                              case_out);
    tap_is_dbl(case_out[0], case_y[16], 0,
               "a series that grew is forecast from its new end");
}


static void
test_week(void)
{
    double              state[64];
    uint32_t            i;
    predictor_ask_t     ask;
    predictor_series_t  series;

    for (i = 0; i < 400; i++) {
        case_y[i] = i % 168;
    }

    ask = case_ask(200);
    series = case_series(337, 3600, 1);

    tap_is_int(case_model(&predictor_model_naive_week, &series, &ask, 0xff,
                          case_out), SHARD_OK, "two weeks suffice");
    tap_is_dbl(case_out[0], 1, 0, "the point is last week's");
    tap_is_dbl(case_out[199 * (1 + CASE_QS)], (337 + 199) % 168, 0,
               "and the week after next the same");

    series.n = 335;
    tap_is_int(predictor_model_naive_week.fit(&series, &ask, state,
                                              case_out),
               SHARD_AGAIN, "less than two weeks are too short");

    series = case_series(337, 3600, 0);
    tap_is_int(predictor_model_naive_week.fit(&series, &ask, state,
                                              case_out),
               SHARD_AGAIN, "no week, no weekly model");
}


static void
test_level(void)
{
    uint32_t            i;
    predictor_ask_t     ask;
    predictor_series_t  series;

    ask = case_ask(16);

    /* hourly ramp: after "lead" hours it is exactly "lead" higher */

    for (i = 0; i < 20; i++) {
        case_y[i] = i;
    }

    series = case_series(20, 3600, 0);

    tap_is_int(case_model(&predictor_model_level, &series, &ask, 0xff,
                          case_out), SHARD_OK, "20 hours suffice");
    tap_is_dbl(case_out[0], 19, 0, "the level is the last hour");
    tap_is_dbl(case_out[4], 20, 1e-9, "one step ahead it is one higher");
    tap_is_dbl(case_out[2 * 6 + 4], 21, 1e-9, "three ahead take lead two");
    tap_is_dbl(case_out[3 * 6 + 4], 23, 1e-9, "four ahead take lead four");
    tap_is_dbl(case_out[15 * 6 + 4], 27, 1e-9,
               "beyond half the history the last lead seen");

    series = case_series(12, 300, 0);
    (void) case_model(&predictor_model_level, &series, &ask, 0, case_out);
    tap_is_dbl(case_out[0], 5.5, 1e-9, "an hour of five minutes is averaged");

    series = case_series(1, 300, 0);
    tap_is_int(case_model(&predictor_model_level, &series, &ask, 0xff,
                          case_out), SHARD_OK, "one value suffices");
    tap_is_dbl(case_out[5], 0, 0, "and is all that is known");

    series.n = 0;
    tap_is_int(case_model(&predictor_model_level, &series, &ask, 0xff,
                          case_out), SHARD_AGAIN, "no value does not");
}
