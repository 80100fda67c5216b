
#include "../lib/forecast_case.h"

#include "../../predictor/calibrate.h"


#define DAY    96
#define N      (20 * DAY)
#define STEPS  (PREDICTOR_TRIAL_STEPS * PREDICTOR_TRIAL_ORIGINS)


static void test_grid(void);
static void test_origins(void);
static void test_naive(void);
static void test_weights(void);
static void test_merit(void);
static void test_said(void);
static void test_margins(void);
static void test_silence(void);
static void tell(double spread, predictor_trial_t *trial, uint64_t *seed);
static predictor_series_t three(uint64_t *seed);


static float               said[PREDICTOR_VOTERS][STEPS];
static predictor_trial_t   trials[PREDICTOR_VOTERS];
static predictor_trial_t  *tried[PREDICTOR_VOTERS];
static predictor_voices_t  voices;


int
main(void)
{
    test_grid();
    test_origins();
    test_naive();
    test_weights();
    test_merit();
    test_said();
    test_margins();
    test_silence();

    return tap_done();
}


/* truth with noise of a size: what a member of this worth would have said */

static void
tell(double spread, predictor_trial_t *trial, uint64_t *seed)
{
    float     *row;
    uint32_t   i, j, slot;

    for (i = 0; i < trial->nsteps; i++) {
        row = predictor_trial_said(trial, i);

        for (j = 0; j < trial->norigins; j++) {
            slot = trial->origin[j] + trial->step[i];

            if (slot < N) {
                row[j] = (float) (case_y[slot] + spread * case_normal(seed));
            }
        }
    }
}


/* members 0, 1, 2 of worth 1, 2, 4 around a level of 100; others are silent */

static predictor_series_t
three(uint64_t *seed)
{
    uint32_t            i;
    predictor_series_t  series;

    for (i = 0; i < N; i++) {
        case_y[i] = 100;
    }

    series = case_series(N, 900, 1);
    memset(tried, 0, sizeof(tried));

    for (i = 0; i < 3; i++) {
        predictor_trial_init(&trials[i], &series, DAY, said[i]);
        tell(1u << i, &trials[i], seed);
        tried[i] = &trials[i];
    }

    return series;
}


static void
test_grid(void)
{
    int       good;
    uint32_t  i, n, grid[PREDICTOR_TRIAL_STEPS];
    uint32_t  h, day;

    good = 1;

    for (day = 1; day < 3000; day = day * 3 + 1) {
        for (h = 1; h <= PREDICTOR_HORIZON_MAX; h += 1 + h / 3) {
            n = predictor_trial_grid(h, day, grid);
            good &= n > 0 && n <= PREDICTOR_TRIAL_STEPS && grid[0] == 1;
            good &= grid[n - 1] <= h;

            for (i = 1; i < n; i++) {
                good &= grid[i] > grid[i - 1];
            }
        }
    }

    tap_ok(good, "grids ascend from 1 and stay within the horizon");
    tap_is_int(predictor_trial_grid(1, 288, grid), 1, "one step, one column");
    n = predictor_trial_grid(288, 288, grid);
    tap_is_int(grid[n - 1], 288, "a day's grid ends with the day");
}


static void
test_origins(void)
{
    int                 good;
    uint32_t            i, n, stride;
    predictor_trial_t   trial;
    predictor_series_t  series;

    good = 1;

    for (n = 0; n < CASE_VALUES; n += 1 + n / 4) {
        series = case_series(n, 300, 0);
        stride = predictor_trial_stride(&series);
        predictor_trial_init(&trial, &series, 288, said[0]);
        good &= trial.norigins <= PREDICTOR_TRIAL_ORIGINS;

        for (i = 0; i < trial.norigins; i++) {
            good &= trial.origin[i] < n - 1
                    && (n - 1 - trial.origin[i]) % stride == 0
                    && (i == 0 || trial.origin[i] < trial.origin[i - 1]);
        }
    }

    tap_ok(good, "origins go back on the stride, within any history");
    tap_is_int(trial.norigins, PREDICTOR_TRIAL_ORIGINS,
               "a long history has all of them");
}


static void
test_naive(void)
{
    int                 good;
    float              *row;
    uint32_t            i, j, slot;
    predictor_trial_t   trial;
    predictor_series_t  series;

    for (i = 0; i < N; i++) {
        case_y[i] = i;
    }

    series = case_series(N, 900, 1);
    predictor_trial_init(&trial, &series, 2 * DAY, said[0]);
    predictor_trial_naive(&trial, &series, DAY);
    good = 1;

    for (i = 0; i < trial.nsteps; i++) {
        row = predictor_trial_said(&trial, i);

        for (j = 0; j < trial.norigins; j++) {
            slot = trial.origin[j] + trial.step[i];
            slot -= trial.step[i] > DAY ? 2 * DAY : DAY;
            good &= row[j] == (float) slot && slot <= trial.origin[j];
        }
    }

    tap_ok(good, "the naive trial is the latest known value of the slot");
}


static void
test_weights(void)
{
    double              w[PREDICTOR_VOTERS];
    uint64_t            seed;
    predictor_series_t  series;

    seed = tap_seed(3);
    series = three(&seed);
    predictor_weigh(&series, tried, &voices);

    predictor_voices_at(&voices, NULL, 900, 1, 0x1f, w);
    tap_is_dbl(w[0] + w[1] + w[2], 1, 1e-6, "weights add up to 1");
    tap_is_dbl(w[1] / w[0], 0.2, 0.17, "twice the error, about an eighth");
    tap_is_dbl(w[3] + w[4], 0, 0, "the silent have no weight");

    predictor_voices_at(&voices, NULL, 900, 50, 0x6, w);
    tap_is_dbl(w[0], 0, 0, "who does not vote has no weight");
    tap_is_dbl(w[1] + w[2], 1, 1e-6, "and the others have it all");

    predictor_voices_at(&voices, NULL, 900, PREDICTOR_HORIZON_MAX, 0x7, w);
    tap_ok(isfinite(w[0]) && w[0] > w[1], "beyond the grid its last step");
}


/* what was worst in the trials did best since */

static void
test_merit(void)
{
    double              w[PREDICTOR_VOTERS];
    uint32_t            i;
    uint64_t            seed;
    predictor_said_t    one;
    predictor_merit_t   merit;
    predictor_series_t  series;

    seed = tap_seed(4);
    series = three(&seed);
    predictor_weigh(&series, tried, &voices);
    predictor_merit_init(&merit);
    predictor_said_nothing(&one);

    predictor_voices_at(&voices, &merit, 900, 1, 0x7, w);
    tap_ok(w[0] > w[1] && w[1] > w[2], "a new merit leaves it at the trials");

    one.member[0] = 104;
    one.member[1] = 104;
    one.member[2] = 100;

    for (i = 0; i < 400; i++) {
        predictor_merit_observe(&merit, 0, &one, 100, 900);
    }

    predictor_voices_at(&voices, &merit, 900, 1, 0x7, w);
    tap_ok(w[2] > 0.5, "own forecasts outweigh the trials in time");
    predictor_voices_at(&voices, &merit, 900, DAY, 0x7, w);
    tap_ok(w[0] > 0.5, "in their class of horizon");
}


static void
test_said(void)
{
    predictor_series_t  series;

    static const double  none[3] = { 0, 0, 0 };
    static const double  equal[3] = { 1, 1, 1 };
    static const double  vote[3] = { 9, 1, 2 };

    tap_is_dbl(predictor_said(vote, none, 3, 0), 2, 0,
               "no weights: the median");
    tap_is_dbl(predictor_said(vote, equal, 3, 0), 3, 1e-12,
               "half the median, half the mean");
    tap_is_dbl(predictor_said(vote, equal, 1, 0), 9, 0, "one voter");

    tap_is_dbl(predictor_said(vote, equal, 3, 0.4), 0.6 * 3 + 0.4 * 2, 1e-12,
               "the naive one, the last, has a share of its own");

    series = case_series(N, 900, 1);
    predictor_weigh(&series, tried, &voices);
    tap_is_dbl(predictor_voices_hold(&voices, DAY), 0, 0,
               "none where there is a week to go by");

    /* of a week, where no trial tells how near the best is */

    series.n = 7 * DAY;
    predictor_weigh(&series, tried, &voices);
    tap_is_dbl(predictor_voices_hold(&voices, 1), 0.026, 0.001,
               "little of near");
    tap_is_dbl(predictor_voices_hold(&voices, DAY), 0.581, 0.001,
               "most of far");

    voices.near[voices.nsteps - 1] = 0.2f;
    tap_is_dbl(predictor_voices_hold(&voices, DAY), 0.581 * 0.276, 0.001,
               "less where the best is far better");
}


static void
test_margins(void)
{
    double              *row = case_out, *far = case_out + 1 + CASE_QS;
    void                *work;
    uint64_t             seed;
    predictor_ask_t      ask;
    predictor_series_t   series;
    predictor_margins_t  margins;

    seed = tap_seed(5);
    series = three(&seed);
    ask = case_ask(DAY);
    tried[1] = NULL;
    tried[2] = NULL;

    work = case_alloc(predictor_calibrate_work(PREDICTOR_TRIAL_STEPS), 0x55);
    predictor_weigh(&series, tried, &voices);
    predictor_calibrate(&series, &ask, tried, &voices, &margins, work);
    tap_ok(case_free(work, predictor_calibrate_work(PREDICTOR_TRIAL_STEPS)),
           "stays in its scratch");

    row[0] = 100;
    predictor_margins_at(&margins, 1, row);
    tap_is_dbl(row[4] - 100, 1.28, 0.3, "nine tenths of a normal deviate");
    tap_is_dbl(row[1] - 100, -1.64 * 1.05, 0.4, "a twentieth below");

    far[0] = 100;
    predictor_margins_at(&margins, DAY, far);
    tap_ok(far[5] - 100 > 0.9 * (row[5] - 100),
           "the outer ones widen with the step");

    far[0] = 400;
    predictor_margins_at(&margins, 1, far);
    tap_is_dbl((far[4] - 400) / (row[4] - 100), 2, 0.1,
               "four times the load, twice the spread");
}


static void
test_silence(void)
{
    void                *work;
    uint64_t             seed;
    predictor_ask_t      ask;
    predictor_series_t   series;
    predictor_margins_t  margins;

    seed = tap_seed(6);
    series = three(&seed);
    ask = case_ask(DAY);
    memset(tried, 0, sizeof(tried));

    work = case_alloc(predictor_calibrate_work(PREDICTOR_TRIAL_STEPS), 0);
    predictor_calibrate(&series, &ask, tried, &voices, &margins, work);
    tap_is_int(margins.nsteps, 0, "without trials no margins");

    tried[0] = &trials[0];
    predictor_trial_init(&trials[0], &series, DAY, said[0]);
    predictor_weigh(&series, tried, &voices);
    predictor_calibrate(&series, &ask, tried, &voices, &margins, work);
    tap_is_int(margins.nsteps, 0, "nor of one that said nothing");
    (void) case_free(work, predictor_calibrate_work(PREDICTOR_TRIAL_STEPS));
}
