
/* Shifts of the level: found where they are, nowhere else, and undone. */


#include "../lib/shift_case.h"


typedef struct {
    double               after_h;       /* hours from the shift to now */
    double               factor;
    const char          *what;
} step_t;


static void test_found(void);
static void test_least(void);
static void test_back(void);
static void test_none(void);
static void test_stale(void);
static void find(const predictor_series_t *series, predictor_shifts_t *shifts);


int
main(void)
{
    test_found();
    test_least();
    test_back();
    test_none();
    test_stale();

    return tap_done();
}


static void
find(const predictor_series_t *series, predictor_shifts_t *shifts)
{
    size_t   size;
    void    *work;

    size = predictor_shifts_work(series);
    work = case_alloc(size, 0xff);

    predictor_shifts_find(series, work, shifts);

    tap_ok(case_free(work, size), "no more memory than said");
}


static void
test_found(void)
{
    uint32_t            i, at;
    uint64_t            seed;
    predictor_series_t  series;
    predictor_shifts_t  shifts;

    static const step_t  cases[] = {
        { 11, 0.4, "x0.4, eleven hours ago" },
        { 14, 0.4, "x0.4, fourteen hours ago" },
        { 14, 2.2, "x2.2, fourteen hours ago" },
        { 30, 2.2, "x2.2, thirty hours ago" },
        { 100, 0.4, "x0.4, four days ago" },
        { 100, 3, "x3, four days ago" }
    };

    seed = tap_seed(71);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        at = FROM + DAY + 40 + 7 * i;

        shift_make(CASE_VALUES, seed + i);
        shift_times(at, CASE_VALUES, cases[i].factor);
        series = shift_now(at + (uint32_t) (4 * cases[i].after_h));
        find(&series, &shifts);

        tap_is_int(shifts.n, 1, "%s: one is found", cases[i].what);

        if (shifts.n) {
            tap_is_dbl(((double) shifts.shift[0].at - at) / 4, 0, 3,
                       "%s: within three hours", cases[i].what);
            tap_is_dbl(shifts.shift[0].factor / cases[i].factor, 1, 0.3,
                       "%s: about as large as it is", cases[i].what);
        }
    }

    shift_times(at, CASE_VALUES, 3);
    series.week = 0;
    find(&series, &shifts);
    tap_is_int(shifts.n, 1, "x9 without a week");
}


/* of days that are all alike: what is asked for in any case */

static void
test_least(void)
{
    uint32_t            i, k, at;
    predictor_series_t  series;
    predictor_shifts_t  shifts;

    static const struct {
        double          factor;
        uint32_t        found[2];           /* with a week, without */
    } cases[] = {
        { 1.3, { 0, 0 } }, { 1.75, { 1, 0 } }, { 2.2, { 1, 1 } }
    };

    at = FROM + DAY + 40;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (k = 0; k < CASE_VALUES; k++) {
            case_y[k] = 200 * case_day(k, DAY, 0.7);
        }

        shift_times(at, CASE_VALUES, cases[i].factor);

        for (k = 0; k < 2; k++) {
            series = shift_now(at + 30 * 4);
            series.week = k ? 0 : series.week;
            find(&series, &shifts);
            tap_is_int(shifts.n, cases[i].found[k], "x%.2f, %s a week: %s",
                       cases[i].factor, k ? "without" : "with",
                       cases[i].found[k] ? "found" : "too small");
        }
    }
}


/* the load was another one for a day and a half, and is what it was */

static void
test_back(void)
{
    uint32_t            at, hours;
    uint64_t            seed;
    predictor_series_t  series;
    predictor_shifts_t  shifts;

    seed = tap_seed(72);
    at = FROM + DAY + 30;

    shift_make(CASE_VALUES, seed);
    shift_times(at, at + 36 * 4, 3);

    series = shift_now(at + 36 * 4);
    find(&series, &shifts);
    tap_is_int(shifts.n, 1, "a day and a half at three times the load");

    for (hours = 2; hours < 40; hours *= 2) {
        series = shift_now(at + (36 + hours) * 4);
        find(&series, &shifts);
        tap_is_int(shifts.n, 0, "back for %u hours: none", hours);
    }

    /* scaled by a shift, only what was before it */

    shifts.n = 2;
    shifts.shift[0].at = 6;
    shifts.shift[0].factor = 2;
    shifts.shift[1].at = 4;
    shifts.shift[1].factor = 0.25;

    for (at = 0; at < 8; at++) {
        case_y[at] = 1;
    }

    predictor_shifts_scale(&shifts, 1, case_y, 8);
    tap_is_dbl(case_y[2], 0.5, 0, "before both");
    tap_is_dbl(case_y[3], 2, 0, "between them");
    tap_is_dbl(case_y[5], 1, 0, "after both");
}


static void
test_none(void)
{
    uint32_t            i, k, n, found;
    uint64_t            seed;
    predictor_series_t  series;
    predictor_shifts_t  shifts;

    seed = tap_seed(73);
    found = 0;

    for (i = 0; i < 10; i++) {
        shift_make(CASE_VALUES, seed + i);

        for (k = 0; k < 10; k++) {
            series = shift_now(FROM + k * 53);
            predictor_shifts_find(&series, case_out, &shifts);
            found += shifts.n;
        }
    }

    tap_is_int(found, 0, "none in a hundred histories, weekends and all");

    /* a rhythm that grows by half in a week is none */

    for (i = 0; i < FROM; i++) {
        case_y[i] *= exp(0.05 * i / DAY);
    }

    series = shift_now(FROM);
    find(&series, &shifts);
    tap_is_int(shifts.n, 0, "none in steady growth");

    case_y[FROM - 500] = -1;
    shift_times(FROM - 100, FROM, 9);
    find(&series, &shifts);
    tap_is_int(shifts.n, 0, "none where there are negative values");

    for (n = 0; n < 3 * DAY; n += 17) {
        series = shift_now(n);
        predictor_shifts_find(&series, case_out, &shifts);
        found += shifts.n;
    }

    memset(case_y, 0, sizeof(case_y));
    series = shift_now(FROM);
    find(&series, &shifts);
    tap_is_int(found + shifts.n, 0, "none in too little, or in zeros");

    series.day = 1;
    series.week = 7;
    find(&series, &shifts);
    tap_is_int(shifts.n, 0, "none in days without hours");
}


static void
test_stale(void)
{
    uint32_t            at;
    uint64_t            seed;
    predictor_series_t  series;
    predictor_shifts_t  shifts;

    seed = tap_seed(77);
    at = FROM + DAY + 40;
    shift_make(CASE_VALUES, seed);

    series = shift_now(at);
    find(&series, &shifts);
    tap_ok(!predictor_shifts_stale(&shifts, &series), "nothing new");

    shift_times(at, CASE_VALUES, 0.3);
    series = shift_now(at + 12);
    tap_ok(!predictor_shifts_stale(&shifts, &series),
           "three hours of a third may pass");
    series = shift_now(at + 34);
    tap_ok(predictor_shifts_stale(&shifts, &series),
           "eight and a half: to be looked at");

    find(&series, &shifts);
    tap_is_int(shifts.n, 1, "and found");
    predictor_shifts_scale(&shifts, series.start, case_y + series.start,
                           series.n);
    tap_ok(!predictor_shifts_stale(&shifts, &series), "then it is known");

    shift_times(at + 34, CASE_VALUES, 3.3);
    series = shift_now(at + 34 + 12);
    tap_ok(predictor_shifts_stale(&shifts, &series),
           "three hours without it: to be looked at");

    memset(&shifts, 0, sizeof(predictor_shifts_t));
    tap_ok(!predictor_shifts_stale(&shifts, &series),
           "nothing is known, nothing is stale");
}
