
#include "../lib/forecast_case.h"

#include "../../predictor/spread.h"
#include "../../predictor/transform.h"


static void test_leads(void);
static void test_between(void);
static void test_scale(void);


int
main(void)
{
    test_leads();
    test_between();
    test_scale();

    return tap_done();
}


static void
test_leads(void)
{
    tap_is_int(predictor_spread_leads(1), 1, "one step: one lead");
    tap_is_int(predictor_spread_leads(2), 2, "two: 1 and 2");
    tap_is_int(predictor_spread_leads(3), 3, "three: 4 covers them");
    tap_is_int(predictor_spread_leads(288), 10, "288: up to 512");
    tap_is_int(predictor_spread_leads(PREDICTOR_HORIZON_MAX),
               PREDICTOR_SPREAD_LEADS, "the farthest fits");
}


static void
test_between(void)
{
    double              errors[101], offset[PREDICTOR_QUANTILES_MAX];
    uint32_t            i;
    predictor_ask_t     ask;
    predictor_spread_t  spread;

    ask = case_ask(8);
    memset(&spread, 0, sizeof(spread));

    for (i = 0; i <= 100; i++) {
        errors[i] = i;
    }

    predictor_spread_add(&spread, &ask, errors, 101);

    for (i = 0; i <= 100; i++) {
        errors[i] = 3.0 * i;
    }

    predictor_spread_add(&spread, &ask, errors, 101);
    predictor_spread_add(&spread, &ask, errors, 0);

    predictor_spread_at(&spread, 1, offset);
    tap_is_dbl(offset[3], 90, 1e-9, "the 0.9 quantile one step ahead");
    predictor_spread_at(&spread, 2, offset);
    tap_is_dbl(offset[3], 270, 1e-9, "two steps ahead");
    predictor_spread_at(&spread, 3, offset);
    tap_is_dbl(offset[3], 270, 1e-9, "without errors as the lead before");
    predictor_spread_at(&spread, 5000, offset);
    tap_is_dbl(offset[3], 270, 1e-9, "beyond the last lead it stands");

    spread.offset[2][3] = 470;
    predictor_spread_at(&spread, 3, offset);
    tap_is_dbl(offset[3], 270 + 200 * (log2(3) - 1), 1e-9,
               "between leads, by the logarithm");
}


static void
test_scale(void)
{
    double                *z, off, top;
    uint32_t               i;
    predictor_series_t     series;
    predictor_transform_t  t;

    static double          scratch[200];

    for (i = 0; i < 200; i++) {
        case_y[i] = i % 50;
    }

    series = case_series(200, 3600, 0);
    z = case_out;

    predictor_transform_fit(&series, 1, &t, scratch);
    predictor_transform(&t, case_y, 200, z);

    for (i = 0, off = 0; i < 200; i++) {
        off = fmax(off, fabs(predictor_transform_back(&t, z[i])
                             - case_y[i]));
    }

    tap_is_int(t.log, 1, "no negative value: logarithms");
    tap_is_int(t.zero, 0, "there are values");
    tap_ok(off < 1e-9, "there and back again, zeros too (%g)", off);

    top = predictor_transform_back(&t, 700);
    tap_ok(top > 49 && top <= 5 * 49 + 1e-9,
           "an absurd forecast is held near what was seen (%.1f)", top);
    tap_ok(predictor_transform_back(&t, -700) > -1.5,
           "at the lower end as well");

    tap_ok(predictor_transform_undo(&t, 20) > 1e6,
           "undone only, it is not held");

    case_y[199] = 1000;
    predictor_transform_seen(&t, &series, 1);
    tap_ok(predictor_transform_back(&t, 700) > 1000,
           "what comes to be seen moves the bound");

    case_y[0] = -1;
    predictor_transform_fit(&series, 1, &t, scratch);
    tap_is_int(t.log, 0, "a negative value: none");

    memset(case_y, 0, 200 * sizeof(double));
    predictor_transform_fit(&series, 1, &t, scratch);
    predictor_transform(&t, case_y, 200, z);
    tap_is_int(t.zero, 1, "zeros only: it is told");
    tap_ok(isfinite(z[0]) && fabs(predictor_transform_back(&t, z[0])) < 1e-12,
           "and they are transformed");
}
