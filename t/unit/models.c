
#include "../lib/forecast_case.h"


/* values in test_shorter(): a week is half known, models choose by length */

#define SHORTER_FROM  (11 * 288)


static void test_names(void);
static void test_classes(void);
static void test_shorter(void);
static void test_hostile(void);
static void spoil(uint32_t kind, uint32_t n, uint64_t *seed);
static void check(const predictor_model_t *model, uint32_t kind, uint32_t n,
    uint32_t interval_s, uint64_t *seed);


int
main(void)
{
    test_names();
    test_classes();
    test_shorter();
    test_hostile();

    return tap_done();
}


static void
test_names(void)
{
    int       unique;
    uint32_t  i;

    unique = 1;

    for (i = 0; predictor_models[i]; i++) {
        unique &= predictor_model_find(predictor_models[i]->name)
                  == predictor_models[i];
    }

    tap_ok(i > 5 && unique, "%u models, each found by its name", i);
    tap_ok(predictor_model_find("naive") == &predictor_model_naive_day,
           "naive is that of the day");
    tap_ok(predictor_model_find("") == NULL
           && predictor_model_find("combined") == NULL, "no other names");
}


static void
test_classes(void)
{
    uint32_t  i;

    static const struct {
        uint32_t  interval_s;
        uint32_t  h;
        uint32_t  class;
    } cases[] = {
        { 300, 1, 0 }, { 300, 2, 1 }, { 300, 12, 1 }, { 300, 13, 2 },
        { 300, 72, 2 }, { 300, 73, 3 }, { 300, 288, 3 }, { 300, 289, 4 },
        { 3600, 1, 0 }, { 3600, 2, 2 }, { 86400, 1, 0 }, { 86400, 2, 4 },
        { 604800, 10080, 4 }, { 1, 3600, 1 }, { 1, 3601, 2 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        tap_is_int(predictor_horizon_class(cases[i].interval_s, cases[i].h),
                   cases[i].class, "step %u of %u s", cases[i].h,
                   cases[i].interval_s);
    }
}


/* memory for a history and a day of growth suffices for all shorter ones */

static void
test_shorter(void)
{
    int                       good, rc;
    void                     *state, *work;
    uint32_t                  i, n;
    uint64_t                  seed;
    predictor_ask_t           ask;
    predictor_size_t          size;
    predictor_series_t        series;

    const predictor_model_t  *model;

    seed = 42;
    ask = case_ask(24);
    spoil(0, CASE_VALUES, &seed);

    for (i = 0; predictor_models[i]; i++) {
        model = predictor_models[i];
        series = case_series(SHORTER_FROM, 300, 1);
        model->size(&series, &ask, &size);
        good = 1;

        for (n = SHORTER_FROM; n > 149; n -= 149) {
            series = case_series(n, 300, n % 2);

            state = case_alloc(size.state, 0xff);
            work = case_alloc(size.work, 0xff);
            rc = model->fit(&series, &ask, state, work);

            if (rc == SHARD_OK) {
                (void) model->forecast(&series, &ask, state, work, case_out);
            }

            good &= case_free(state, size.state);
            good &= case_free(work, size.work);
        }

        tap_ok(good, "%s: never more memory for less history", model->name);
    }
}


/* what no model may stumble over, whatever it makes of it */

static void
test_hostile(void)
{
    uint32_t  i, kind;
    uint64_t  seed;

    seed = tap_seed(41);

    for (i = 0; predictor_models[i]; i++) {
        for (kind = 0; kind < 9; kind++) {
            check(predictor_models[i], kind, 14 * 96, 900, &seed);
            check(predictor_models[i], kind, 2 * 96, 900, &seed);
            check(predictor_models[i], kind, 15 * 24 + 5, 3600, &seed);
            check(predictor_models[i], kind, 3, 3600, &seed);
        }

        check(predictor_models[i], 0, 30, 86400, &seed);
        check(predictor_models[i], 1, 1000, 604800 / 10, &seed);
    }
}


static void
spoil(uint32_t kind, uint32_t n, uint64_t *seed)
{
    double    u;
    uint32_t  i;

    for (i = 0; i < n; i++) {
        u = case_uniform(seed);

        case_y[i] = kind == 0 ? 100 * case_day(i, 96, 0.9) + 10 * u
                    : kind == 1 ? 0
                    : kind == 2 ? 7
                    : kind == 3 ? u * 1e15
                    : kind == 4 ? u * 1e-300
                    : kind == 5 ? (u < 0.02)
                    : kind == 6 ? (i == n - 1 ? 1e15 : 1)
                    : kind == 7 ? (u - 0.5) * 1e12
                    : (i < n / 2 ? 0 : 1e9 * i);
    }
}


static void
check(const predictor_model_t *model, uint32_t kind, uint32_t n,
    uint32_t interval_s, uint64_t *seed)
{
    int                 rc, good;
    double              high;
    uint32_t            i, values;
    predictor_ask_t     ask;
    predictor_series_t  series;

    ask = case_ask(200);
    series = case_series(n, interval_s < 86400 ? interval_s : 86400, 0);
    series.interval_s = interval_s;
    series.week = n >= 14 * series.day ? 7 * series.day : 0;

    spoil(kind, n, seed);
    high = 0;

    for (i = 0; i < n; i++) {
        high = fmax(high, fabs(case_y[i]));
    }

    rc = case_model(model, &series, &ask, 0xff, case_out);
    good = rc == SHARD_OK || rc == SHARD_AGAIN || rc == SHARD_ERROR;
    values = rc == SHARD_OK ? ask.horizon * (1 + ask.nq) : 0;

    for (i = 0; i < values; i++) {
        good &= isfinite(case_out[i]) && fabs(case_out[i]) <= 1e3 * high;
    }

    tap_ok(good, "%s: kind %u, %u steps of %u s: sane or refused (%d)",
           model->name, kind, n, interval_s, rc);
}
