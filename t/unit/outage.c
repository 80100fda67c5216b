
/* Outages: found where they are, nowhere else, and followed. */


#include "../lib/shift_case.h"


static void test_outage(void);
static void test_no_outage(void);
static void test_under_way(void);


int
main(void)
{
    test_outage();
    test_no_outage();
    test_under_way();

    return tap_done();
}


static void
test_outage(void)
{
    uint32_t             i, at;
    uint64_t             seed;
    predictor_series_t   series;
    predictor_outages_t  outages;

    static double        whole[CASE_VALUES];

    seed = tap_seed(74);
    at = FROM - DAY + 30;

    shift_make(FROM, seed);
    shift_times(at, at + 12, 0.001);
    shift_times(at - 9 * DAY, at - 9 * DAY + 8, 0);
    series = shift_now(FROM);

    predictor_outages_find(&series, &outages);
    tap_is_int(outages.n, 2, "two outages");
    tap_is_int(outages.outage[0].from, at - 9 * DAY, "the older one first");
    tap_is_int(outages.outage[1].from, at, "yesterday's began when it did");
    tap_is_int(outages.outage[1].n, 12, "and lasted three hours");

    predictor_outages_fill(&outages, &series, case_y);

    for (i = at; i < at + 12 && case_y[i] == case_y[i - DAY]; i++) {
        /* void */
    }

    tap_is_int(i, at + 12, "the day before stands in");
    tap_is_int(predictor_outages_now(&outages, &series), 0,
               "none is under way");

    /* the window moves on, beyond it */

    memcpy(whole, case_y, sizeof(whole));
    series.y += 10 * DAY;
    series.start += 10 * DAY;
    series.n = DAY;
    predictor_outages_fill(&outages, &series, case_y + 10 * DAY);
    series.n = 0;
    predictor_outages_fill(&outages, &series, case_y + 10 * DAY);
    tap_ok(memcmp(case_y, whole, sizeof(whole)) == 0,
           "outages outside of the window change nothing");
}


static void
test_no_outage(void)
{
    uint32_t             i, k;
    uint64_t             seed;
    predictor_series_t   series;
    predictor_outages_t  outages;

    static const char *const  cases[] = {
        "empty nights", "empty Sundays", "a series of zeros and counts",
        "what fades out and in", "two days of nothing",
        "negative values", "two days of history", "zeros at night"
    };

    seed = tap_seed(75);

    for (k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        shift_make(FROM, seed + k);
        series = shift_now(k == 6 ? 2 * DAY : FROM);

        for (i = 0; i < FROM; i++) {
            if ((k == 0 && i % DAY < 32)
                || (k == 1 && i / DAY % 7 == 6)
                || (k == 2 && case_uniform(&seed) < 0.4)
                || (k == 4 && i > FROM - 3 * DAY && i < FROM - DAY)
                || (k == 6 && i > DAY + 40 && i < DAY + 52)
                || (k == 7 && i > FROM - DAY && i < FROM - DAY + 9))
            {
                case_y[i] = 0;
            }

            if (k == 3) {
                case_y[i] *= fmin(1, pow((i - FROM + 60.0) / 50, 4));
            }

            if (k == 7 && i % DAY < 20) {
                case_y[i] /= 20;
            }
        }

        case_y[1] = k == 5 ? -1 : case_y[1];
        shift_times(FROM - 40, FROM - 30, k == 5 ? 0 : 1);

        predictor_outages_find(&series, &outages);
        tap_is_int(outages.n, 0, "no outage: %s", cases[k]);
    }
}


/* it is followed value by value, and expected to last as long again */

static void
test_under_way(void)
{
    uint32_t             i, at;
    uint64_t             seed;
    predictor_ask_t      ask;
    predictor_series_t   series;
    predictor_outages_t  outages;

    static const double  q[] = { 0.1, 0.5, 0.9 };

    seed = tap_seed(76);
    at = FROM - 50;
    shift_make(FROM, seed);
    shift_times(at, at + 8, 0);

    series = shift_now(at);
    predictor_outages_find(&series, &outages);

    for (i = 1; i <= 8; i++) {
        series = shift_now(at + i);
        predictor_outages_follow(&series, &outages);
        tap_is_int(predictor_outages_now(&outages, &series), i,
                   "under way for %u steps", i);
    }

    tap_is_int(outages.n, 1, "one outage");

    series = shift_now(at + 9);
    predictor_outages_follow(&series, &outages);
    tap_is_int(predictor_outages_now(&outages, &series), 0, "it is over");
    tap_is_int(outages.n, 1, "but not forgotten");

    for (i = 0; i < 32; i++) {
        case_out[i] = 100;
    }

    ask.horizon = 8;
    ask.nq = 3;
    ask.q = q;
    predictor_outages_expect(4, 0, &ask, case_out);

    tap_is_dbl(case_out[2 * 4], 0, 0, "three steps on it still lasts");
    tap_is_dbl(case_out[3 * 4], 100, 0, "four steps on, probably not");
    tap_is_dbl(case_out[7 * 4 + 1], 0, 0, "but it may");
    tap_is_dbl(case_out[3], 100, 0, "or may end at once");
}
