
/* What it is worth to know of shifts and outages, and what it costs. */


#include "../lib/shift_case.h"


#define SEEDS  6


typedef struct {
    double               after_h;       /* hours from the shift to now */
    double               factor;
    const char          *what;
} step_t;

/* summed errors of a day: naive, with shifts looked for, without */

typedef struct {
    double               naive;
    double               known;
    double               blind;
    uint32_t             shifts;
    uint32_t             outages;
} worth_t;


static void test_worth(void);
static void test_worth_outage(void);
static void test_worth_none(void);
static void test_short(void);
static double error(const predictor_series_t *series, int breaks, worth_t *w);
static void worth(uint32_t n, worth_t *w);


int
main(void)
{
    test_worth();
    test_worth_outage();
    test_worth_none();
    test_short();

    return tap_done();
}


/* sum of absolute errors of the day after the series */

static double
error(const predictor_series_t *series, int breaks, worth_t *w)
{
    int               rc;
    void             *state, *work;
    double            sum;
    uint32_t          h;
    const char       *used;
    predictor_ask_t   ask;
    predictor_size_t  size;

    ask = case_ask(DAY);
    (void) predictor_size(series, &ask, NULL, &size);
    state = case_alloc(size.state, 0xff);
    work = case_alloc(size.work, 0xff);

    rc = predictor_fit_to(series, &ask, NULL, breaks, state, work);

    if (rc == SHARD_OK) {
        w->shifts += predictor_breaks(state)->shifts.n;
        w->outages += predictor_breaks(state)->outages.n;
        rc = predictor_predict(series, &ask, state, work, case_out, &used);
    }

    sum = 0;

    for (h = 0; h < DAY; h++) {
        sum += fabs(case_out[h * (1 + CASE_QS)] - series->y[series->n + h]);
    }

    rc = case_free(state, size.state) && case_free(work, size.work)
         ? rc : SHARD_ERROR;

    return rc == SHARD_OK ? sum : INFINITY;
}


static void
worth(uint32_t n, worth_t *w)
{
    uint32_t            h;
    predictor_series_t  series;

    series = shift_now(n);
    w->blind += error(&series, 0, w);
    w->known += error(&series, 1, w);

    for (h = 0; h < DAY; h++) {
        w->naive += fabs(case_y[n + h] - case_y[n + h - DAY]);
    }
}


/* the day after a step, from several times of the day */

static void
test_worth(void)
{
    uint32_t  i, k, at;
    uint64_t  seed;
    worth_t   w;

    static const step_t  cases[] = {
        { 10, 0.4, "x0.4, ten hours on" },
        { 14, 0.4, "x0.4, fourteen hours on" },
        { 14, 2, "x2, fourteen hours on" },
        { 20, 2, "x2, twenty hours on" }
    };

    seed = tap_seed(78);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&w, 0, sizeof(worth_t));

        for (k = 0; k < SEEDS; k++) {
            at = FROM + 13 * k;
            shift_make(CASE_VALUES, seed + k);
            shift_times(at, CASE_VALUES, cases[i].factor);
            worth(at + (uint32_t) (4 * cases[i].after_h), &w);
        }

        tap_ok(w.known < 0.75 * w.naive && w.known < 0.75 * w.blind,
               "%s: error %.2f of naive's, %.2f of what it is without; "
               "%u of %u found", cases[i].what, w.known / w.naive,
               w.known / w.blind, w.shifts, SEEDS);
    }
}


static void
test_worth_outage(void)
{
    uint32_t  k, at;
    uint64_t  seed;
    worth_t   w;

    seed = tap_seed(79);
    memset(&w, 0, sizeof(worth_t));

    for (k = 0; k < 2 * SEEDS; k++) {
        at = FROM + 30 + DAY * (k / 2);
        shift_make(CASE_VALUES, seed + k);
        shift_times(at, at + 12, 0);
        worth(at + 20 + 9 * k, &w);
    }

    tap_is_int(w.outages, 2 * SEEDS, "all outages are found");
    tap_ok(w.known < 0.9 * w.naive && w.known < w.blind,
           "the day after an outage of 3 h: error %.2f of naive's, %.2f of "
           "what it is without", w.known / w.naive, w.known / w.blind);
}


/* no shift, empty nights, counts: nothing changes */

static void
test_worth_none(void)
{
    uint32_t  i, k, kind;
    uint64_t  seed;
    worth_t   w;

    static const char *const  kinds[] = {
        "no shift", "empty nights", "counts"
    };

    seed = tap_seed(80);

    for (kind = 0; kind < 3; kind++) {
        memset(&w, 0, sizeof(worth_t));

        for (k = 0; k < SEEDS; k++) {
            shift_make(CASE_VALUES, seed + k);

            for (i = 0; kind && i < FROM + 9 * DAY; i++) {
                case_y[i] = kind == 1 ? (i % DAY < 30 ? 0 : case_y[i])
                            : case_uniform(&seed) < case_y[i] / 1500
                            ? floor(1 + 3 * case_uniform(&seed)) : 0;
            }

            worth(FROM + 101 * k, &w);
        }

        tap_is_int(w.shifts + w.outages, 0, "%s: none found", kinds[kind]);
        tap_is_dbl(w.known / w.blind, 1, 0.005, "%s: nothing is lost",
                   kinds[kind]);
        tap_ok(w.known < 1.05 * w.naive, "%s: error %.2f of naive's",
               kinds[kind], w.known / w.naive);
    }
}


/* from a day of history on, naive is what is lost least against */

static void
test_short(void)
{
    uint32_t  i, k, kind;
    uint64_t  seed;
    worth_t   w;

    static const uint32_t  steps[] = { 96, 100, 144, 191 };

    seed = tap_seed(81);

    for (kind = 0; kind < 3; kind++) {
        for (k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
            memset(&w, 0, sizeof(worth_t));
            shift_make(CASE_VALUES, seed + k);

            for (i = 0; kind && i < 4 * DAY; i++) {
                case_y[i] = kind == 1 ? (i % DAY < 30 ? 0 : case_y[i])
                            : case_uniform(&seed) < 0.1 ? 1 : 0;
            }

            worth(steps[k], &w);
            tap_ok(w.known <= 1.05 * w.naive, "%u steps of kind %u: error "
                   "%.2f of naive's", steps[k], kind, w.known / w.naive);
        }
    }
}
