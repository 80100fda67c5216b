
#include "../lib/combine_case.h"


#define HOSTILE_ROUNDS  300


static void test_choice(void);
static void test_zeros(void);
static void test_gaps(void);
static void test_shift(void);
static void test_alone(void);
static void test_order(void);
static void test_refusals(void);
static void test_hostile(void);
static void spoil(uint32_t n, uint64_t *seed);


int
main(void)
{
    test_choice();
    test_zeros();
    test_gaps();
    test_shift();
    test_alone();
    test_order();
    test_refusals();
    test_hostile();

    return tap_done();
}


static void
test_choice(void)
{
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    static const struct {
        uint32_t                  steps;
        uint32_t                  week;
        const predictor_model_t  *wish;
        const char               *used;
        const char               *what;
    } cases[] = {
        { 28 * 96, 1, NULL, "combined", "four weeks" },
        { 14 * 96, 0, NULL, "combined", "no week" },
        { 6 * 96, 0, NULL, "combined", "six days" },
        { 3 * 96 - 1, 0, NULL, "combined", "below 3 days" },
        { 2 * 96 - 1, 0, NULL, "naive-day", "below 2 days" },
        { 120, 0, NULL, "naive-day", "a day and a quarter" },
        { 96, 0, NULL, "naive-day", "a day" },
        { 95, 0, NULL, "level", "less" },
        { 1, 0, NULL, "level", "one value" },
        { 28 * 96, 1, &predictor_model_naive_day, "naive-day", "naive" },
        { 28 * 96, 1, &predictor_model_lagreg, "lagreg", "lagreg wished" },
        { 28 * 96, 1, &predictor_model_naive_week, "naive-week", "weekly" },
        { 28 * 96, 1, &predictor_model_level, "level", "level wished" },
        { 28 * 96, 1, &predictor_model_lagreg_raw, "lagreg-raw", "raw" },
        { 28 * 96, 1, &predictor_model_lagreg_fresh, "lagreg-fresh", "fresh" },
        { 60, 1, &predictor_model_lagreg, "level", "lagreg wished in vain" }
    };

    seed = 11;
    combine_make(CASE_VALUES, 96, &seed);
    ask = case_ask(96);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        series = case_series(cases[i].steps, 900, cases[i].week);

        tap_is_int(combine_run(&series, &ask, cases[i].wish, 0xff), SHARD_OK,
                   "%s: a forecast", cases[i].what);
        tap_is_str(combine_used, cases[i].used, "%s: by its model",
                   cases[i].what);
        tap_is_str(combine_sane(&series, &ask), "", "%s: sane", cases[i].what);
    }
}


static void
test_zeros(void)
{
    double              night, noon;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    ask = case_ask(96);
    series = case_series(21 * 96, 900, 1);

    memset(case_y, 0, sizeof(case_y));
    tap_is_int(combine_run(&series, &ask, NULL, 0xff), SHARD_OK,
               "all zeros: a forecast");
    tap_is_str(combine_sane(&series, &ask), "", "all zeros: sane");

    for (i = 0, noon = 0; i < 96 * 6; i++) {
        noon += case_out[i];
    }

    tap_is_dbl(noon, 0, 0, "all zeros: forecast as zeros");

    for (i = 0; i < 21 * 96; i++) {
        case_y[i] = 7;
    }

    (void) combine_run(&series, &ask, NULL, 0xff);
    tap_is_dbl(case_out[50 * 6], 7, 1e-6, "a constant goes on");
    tap_is_dbl(case_out[50 * 6 + 5], 7, 1e-6, "without a spread");

    /* zero from 0:00 to 8:00 */

    seed = 12;
    combine_make(22 * 96, 96, &seed);

    for (i = 0; i < 22 * 96; i++) {
        case_y[i] = i % 96 < 32 ? 0 : case_y[i];
    }

    (void) combine_run(&series, &ask, NULL, 0xff);
    tap_is_str(combine_sane(&series, &ask), "", "nightly zeros: sane");

    night = case_out[16 * 6];
    noon = case_out[48 * 6];
    tap_ok(night < 5, "nightly zeros: the night stays quiet (%.2f)", night);
    tap_is_dbl(noon / 340, 1, 0.15, "nightly zeros: noon is not dragged down");
}


static void
test_gaps(void)
{
    double              whole, holes;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = tap_seed(13);
    combine_make(22 * 96, 96, &seed);
    ask = case_ask(96);
    series = case_series(21 * 96, 900, 1);

    (void) combine_run(&series, &ask, NULL, 0xff);
    whole = case_error(&series, &ask, case_out);

    for (i = 0; i < 21 * 96; i++) {
        if (tap_random(&seed) % 10 == 0 || (i > 700 && i < 760)
            || i < 10 || i > 21 * 96 - 4)
        {
            case_y[i] = i % 2 ? NAN : INFINITY;
        }
    }

    tap_is_int(combine_run(&series, &ask, NULL, 0xff), SHARD_OK,
               "a tenth and some hours missing: a forecast");
    tap_is_str(combine_sane(&series, &ask), "", "gaps: sane");

    holes = case_error(&series, &ask, case_out);
    tap_diag("error %.2f whole, %.2f with gaps", whole, holes);
    tap_ok(holes < 1.2 * whole, "gaps: hardly worse");

    for (i = 0; i < 21 * 96; i++) {
        case_y[i] = NAN;
    }

    tap_is_int(combine_run(&series, &ask, NULL, 0xff), SHARD_AGAIN,
               "gaps only: too little history");

    case_y[1000] = 5;
    tap_is_int(combine_run(&series, &ask, NULL, 0xff), SHARD_OK,
               "one value among gaps: a forecast");
    tap_is_dbl(case_out[0], 5, 1e-9, "which is that value");
}


static void
test_shift(void)
{
    double              truth, combined, naive;
    uint32_t            i;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 14;
    combine_make(22 * 96, 96, &seed);

    for (i = 21 * 96 - 24; i < 22 * 96; i++) {
        case_y[i] *= 2;
    }

    ask = case_ask(8);
    series = case_series(21 * 96, 900, 1);

    (void) combine_run(&series, &ask, NULL, 0xff);
    combined = case_error(&series, &ask, case_out);
    (void) combine_run(&series, &ask, &predictor_model_naive_day, 0xff);
    naive = case_error(&series, &ask, case_out);

    for (i = 0, truth = 0; i < 8; i++) {
        truth += case_y[21 * 96 + i] / 8;
    }

    tap_diag("6 h after the load doubled: naive %.2f, combined %.2f of the "
             "load", naive / truth, combined / truth);
    tap_ok(combined < 0.6 * naive, "a new level is followed");
}


/* a week without a rhythm that comes again as it was: nothing is near the
 * weekly naive method, which is left alone */

static void
test_alone(void)
{
    double              wrong;
    uint32_t            i, h;
    uint64_t            seed;
    predictor_ask_t     ask;
    predictor_series_t  series;

    seed = 77;
    ask = case_ask(48);
    series = case_series(28 * 48, 1800, 1);

    for (i = 0; i < series.n; i++) {
        case_y[i] = i < 336 ? 50 + 100 * case_uniform(&seed) : case_y[i - 336];
    }

    tap_is_int(combine_run(&series, &ask, NULL, 0), SHARD_OK, "weeks alike");
    wrong = 0;

    for (h = 0; h < ask.horizon; h++) {
        wrong = fmax(wrong, fabs(case_out[(1 + ask.nq) * h]
                                 - case_y[series.n - 336 + h]));
    }

    tap_ok(wrong < 1e-6, "nothing is near naive: naive alone, off by %g",
           wrong);
}


/* quantiles may be asked for in any order, and none at all */

static void
test_order(void)
{
    double                up[6];
    uint64_t              seed;
    predictor_ask_t       ask;
    predictor_series_t    series;

    static const double   mixed[] = { 0.9, 0.05, 0.95, 0.5, 0.1 };

    seed = 15;
    combine_make(22 * 96, 96, &seed);
    ask = case_ask(96);
    series = case_series(21 * 96, 900, 1);

    (void) combine_run(&series, &ask, NULL, 0);
    memcpy(up, &case_out[40 * 6], sizeof(up));

    ask.q = mixed;
    (void) combine_run(&series, &ask, NULL, 0);

    tap_ok(case_out[40 * 6] == up[0] && case_out[40 * 6 + 1] == up[4]
           && case_out[40 * 6 + 2] == up[1] && case_out[40 * 6 + 3] == up[5]
           && case_out[40 * 6 + 4] == up[3] && case_out[40 * 6 + 5] == up[2],
           "columns follow the order asked for");

    ask.nq = 0;
    tap_is_int(combine_run(&series, &ask, NULL, 0xff), SHARD_OK,
               "no quantiles: a forecast");
    tap_is_dbl(case_out[40], up[0], 0, "the same point");
}


static void
test_refusals(void)
{
    double              one;
    predictor_ask_t     ask, good_ask;
    predictor_size_t    size;
    predictor_series_t  series, good;

    good = case_series(100, 900, 1);
    good_ask = case_ask(10);

#define refused(what)                                                         \
    tap_is_int(predictor_size(&series, &ask, NULL, &size), SHARD_ERROR, what)

    series = good; ask = good_ask;
    tap_is_int(predictor_size(&series, &ask, NULL, &size), SHARD_OK,
               "all in range");

    series.day = 0;
    refused("no day");
    series = good; series.week = 100;
    refused("a week that is no multiple of the day");
    series = good; series.interval_s = 0;
    refused("no interval");
    series = good; series.n = PREDICTOR_SERIES_MAX + 1;
    refused("a series too long");
    series = good; ask.horizon = 0;
    refused("no step");
    ask.horizon = PREDICTOR_HORIZON_MAX + 1;
    refused("a horizon too far");
    ask = good_ask; ask.nq = PREDICTOR_QUANTILES_MAX + 1;
    refused("too many quantiles");
    ask = good_ask; ask.nq = 1; ask.q = &one;
    one = 1;
    refused("a quantile of 1");
    one = NAN;
    refused("a quantile that is no number");

    series.n = 0; ask = good_ask;
    tap_is_int(combine_run(&series, &ask, NULL, 0xff), SHARD_AGAIN,
               "an empty series");
}


/* spikes, steps, gaps, plateaus, tiny and huge values, negative ones */

static void
spoil(uint32_t n, uint64_t *seed)
{
    double    big;
    uint32_t  i, j, k, kind, from, len;

    big = pow(10, (double) (tap_random(seed) % 27) - 12);

    for (i = 0; i < n; i++) {
        case_y[i] = big * (case_uniform(seed) + case_day(i, 96, 0.9));
    }

    for (k = 0; k < 6; k++) {
        kind = (uint32_t) (tap_random(seed) % 7);
        from = (uint32_t) (tap_random(seed) % n);
        len = 1 + (uint32_t) (tap_random(seed) % (1 + n / 4));

        for (i = from, j = 0; i < n && j < len; i++, j++) {
            case_y[i] = kind == 0 ? NAN
                        : kind == 1 ? 0
                        : kind == 2 ? case_y[i] * 1e6
                        : kind == 3 ? case_y[i] * 1e-9
                        : kind == 4 ? case_y[from]
                        : kind == 5 && j % 50 == 0 ? 1e15
                        : kind == 6 && k == 0 ? -case_y[i] : case_y[i];
        }
    }
}


static void
test_hostile(void)
{
    int                  rc, failed, known;
    uint32_t             i, n, round, models;
    uint64_t             seed, start;
    const char          *why;
    predictor_ask_t      ask;
    predictor_series_t   series;

    seed = tap_seed(20261122);
    failed = 0;

    for (models = 0; predictor_models[models]; models++) { /* void */ }

    for (round = 0; round < HOSTILE_ROUNDS && !failed; round++) {
        start = seed;
        n = 1 + (uint32_t) (tap_random(&seed)
                            % (round % 3 ? 1200 : 24 * 96));
        spoil(n, &seed);

        series = case_series(n, 900, round % 2);
        series.day = round % 7 ? 96 : 1 + (uint32_t) (tap_random(&seed) % 30);
        series.week = round % 2 ? 7 * series.day : 0;
        ask = case_ask(1 + (uint32_t) (tap_random(&seed) % 200));

        for (i = 0, known = 0; i < n; i++) {
            known |= isfinite(case_y[i]);
        }

        /* the NULL behind the last model stands for the combination */

        rc = combine_run(&series, &ask,
                         predictor_models[round % (models + 1)], 0xff);
        why = rc == SHARD_OK ? combine_sane(&series, &ask) : "";
        failed = rc != (known ? SHARD_OK : SHARD_AGAIN) || *why;

        if (failed) {
            tap_diag("round %u, seed %llu, n %u, day %u, horizon %u: %d %s",
                     round, (unsigned long long) start, n, series.day,
                     ask.horizon, rc, why);
        }
    }

    tap_is_int(failed, 0, "%d hostile series: each forecast is sane",
               HOSTILE_ROUNDS);
}
