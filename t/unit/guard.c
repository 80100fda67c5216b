
/* What models are spared, and what users of forecasts are. */


#include "../lib/forecast_case.h"

#include "../../predictor/guard.h"


#define LONGEST  40


static void test_within(void);
static void test_within_any(void);
static void test_guard(void);
static int within(const double *y, uint32_t n, double most);


/* signs, ends, and what is no number or none that can be summed */

static const double  odd[] = {
    0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1, -1,
    1.0000000000000002, -1.0000000000000002, 3, -3, 1e15, 1e100, -1e100,
    1.0000000000000002e100, 1.7976931348623157e308, -1.7976931348623157e308,
    INFINITY, -INFINITY, NAN, -NAN
};

#define ODD  (sizeof(odd) / sizeof(odd[0]))


int
main(void)
{
    test_within();
    test_within_any();
    test_guard();

    return tap_done();
}


/* the same, as it is said in guard.h */

static int
within(const double *y, uint32_t n, double most)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        if (!isfinite(y[i]) || !(y[i] >= -most && y[i] <= most)) {
            return 0;
        }
    }

    return n > 0 && isfinite(most) && most >= 0;
}


static void
test_within(void)
{
    double  y[3] = { -3, 2, 0 };

    tap_ok(predictor_within(y, 3, 3), "within bounds");
    tap_ok(!predictor_within(y, 3, 2.5), "one is not");
    y[2] = NAN;
    tap_ok(!predictor_within(y, 3, 3), "a gap is not");
    y[2] = -INFINITY;
    tap_ok(!predictor_within(y, 3, 1e100), "nor is an infinity");
    tap_ok(!predictor_within(y, 0, 3), "nothing is not");
}


/* each of them against each, alone and at each place of many */

static void
test_within_any(void)
{
    double    y[LONGEST];
    size_t    i, k;
    uint32_t  n, wrong, yes;
    uint64_t  seed;

    wrong = 0;
    yes = 0;

    for (k = 0; k < ODD; k++) {
        for (i = 0; i < ODD; i++) {
            yes += within(&odd[i], 1, odd[k]) != 0;
            wrong += predictor_within(&odd[i], 1, odd[k])
                     != within(&odd[i], 1, odd[k]);
        }

        wrong += predictor_within(odd, 0, odd[k]) != 0;
    }

    tap_is_int(wrong, 0, "any value, any bound, nothing: as it is said");
    tap_ok(yes > 0 && yes < ODD * ODD, "some are within, some are not");

    seed = tap_seed(92);

    for (n = 1; n <= LONGEST; n++) {
        for (i = 0; i < n; i++) {
            y[i] = 2 * case_uniform(&seed) - 1;
        }

        wrong += !predictor_within(y, n, 1);

        for (i = 0; i < n; i++) {
            for (k = 0; k < ODD; k++) {
                y[i] = odd[k];
                wrong += predictor_within(y, n, 1) != within(y, n, 1);
            }

            y[i] = 0.5;
        }
    }

    tap_is_int(wrong, 0, "one of them, wherever it is");
}


static void
test_guard(void)
{
    double              y[3] = { -1, 0.5, -0.0 };
    predictor_ask_t     ask;
    predictor_series_t  series;

    case_y[0] = 1;
    case_y[1] = 2;
    series = case_series(2, 3600, 0);
    ask = case_ask(3);
    ask.nq = 0;

    predictor_guard(&series, &ask, y);
    tap_ok(y[0] == 0 && y[1] == 0.5 && !signbit(y[2]),
           "no negative load, nor a negative zero");

    y[0] = -1;
    case_y[1] = -2;
    predictor_guard(&series, &ask, y);
    tap_ok(y[0] == -1, "unless there were some");
}
