
#include "../lib/forecast_case.h"

#include "../../predictor/lagreg_view.h"


#define VALUES  300
#define MEMOS   64                      /* more than a series has blocks */


static void test_whole(void);
static void test_growth(void);
static void test_change(void);
static void test_print(void);
static void test_any(void);
static void test_model(void);
static uint64_t print(const double *y, uint32_t n);
static double apart(const predictor_series_t *series,
    const predictor_transform_t *scale, const predictor_lagreg_memo_t *memo,
    uint32_t nmemo);
static int same(const predictor_series_t *series,
    const predictor_transform_t *scale, const predictor_lagreg_memo_t *memo,
    uint32_t nmemo);
static void view(const predictor_series_t *series,
    const predictor_transform_t *scale, const predictor_lagreg_memo_t *memo,
    uint32_t nmemo, predictor_lagreg_view_t *v, double *memory);
static predictor_transform_t made(uint32_t n, int log);


static double                   one[4 * CASE_VALUES];
static double                   other[4 * CASE_VALUES];
static predictor_lagreg_memo_t  memos[MEMOS];


int
main(void)
{
    test_whole();
    test_growth();
    test_change();
    test_print();
    test_any();
    test_model();

    return tap_done();
}


/* random load, and the scale of its first VALUES */

static predictor_transform_t
made(uint32_t n, int log)
{
    uint32_t               i;
    uint64_t               seed;
    predictor_series_t     series;
    predictor_transform_t  scale;

    seed = 21;

    for (i = 0; i < n; i++) {
        case_y[i] = i % 50 < 5 ? 0 : 100 * case_uniform(&seed);
    }

    series = case_series(VALUES, 3600, 0);
    predictor_transform_fit(&series, log, &scale, one);

    return scale;
}


static void
view(const predictor_series_t *series, const predictor_transform_t *scale,
    const predictor_lagreg_memo_t *memo, uint32_t nmemo,
    predictor_lagreg_view_t *v, double *memory)
{
    uint32_t  i;

    memset(memory, 0xff, predictor_lagreg_view_size(series->n)
                         * sizeof(double));
    (void) predictor_lagreg_view_place(v, memory, series->n);
    predictor_lagreg_view_blocks(v, series, scale, memo, nmemo);

    /* backwards: what comes first must not matter */

    for (i = series->n + 1; i-- > 0; /* void */ ) {
        predictor_lagreg_view_need(v, i, i);
    }
}


/* sums by blocks and the running sum, at most; INFINITY: another z */

static double
apart(const predictor_series_t *series, const predictor_transform_t *scale,
    const predictor_lagreg_memo_t *memo, uint32_t nmemo)
{
    double                   off;
    uint32_t                 i;
    predictor_lagreg_view_t  whole, blocks;

    view(series, scale, memo, nmemo, &blocks, one);
    (void) predictor_lagreg_view_place(&whole, other, series->n);
    predictor_lagreg_view_whole(&whole, series, scale);

    if (memcmp(whole.z, blocks.z, series->n * sizeof(double)) != 0) {
        return INFINITY;
    }

    off = 0;

    for (i = 0; i <= series->n; i++) {
        off = fabs(whole.zsum[i] - blocks.zsum[i]) > off
              ? fabs(whole.zsum[i] - blocks.zsum[i]) : off;
        off = isnan(blocks.zsum[i]) ? INFINITY : off;
    }

    return off;
}


/* the same bits with what is remembered and without */

static int
same(const predictor_series_t *series, const predictor_transform_t *scale,
    const predictor_lagreg_memo_t *memo, uint32_t nmemo)
{
    predictor_lagreg_view_t  with, without;

    view(series, scale, memo, nmemo, &with, one);
    view(series, scale, NULL, 0, &without, other);

    return memcmp(one, other, (2 * (size_t) series->n + 2) * sizeof(double))
           == 0;
}


static void
test_whole(void)
{
    double                 off;
    uint32_t               start, n;
    predictor_series_t     series;
    predictor_transform_t  scale;

    off = 0;

    for (start = 0; start < 17; start++) {
        for (n = 1; n < 40; n++) {
            scale = made(VALUES, (start + n) % 3 > 0);
            series = case_series(n, 3600, 0);
            series.start = 1000 + start;
            off = fmax(off, apart(&series, &scale, NULL, 0));

            memset(memos, 0, sizeof(memos));
            predictor_lagreg_remember(memos, MEMOS, &series, &scale, 0);
            off = fmax(off, apart(&series, &scale, memos, MEMOS));
        }
    }

    tap_ok(off < 1e-11, "by blocks as at once (%g)", off);
}


/* value by value, in a window that moves; more blocks than memos as well */

static void
test_growth(void)
{
    int                    good;
    uint32_t               k, nmemo;
    predictor_series_t     series;
    predictor_transform_t  scale;

    scale = made(2 * VALUES, 1);

    for (nmemo = 7; nmemo <= MEMOS; nmemo += MEMOS - 7) {
        memset(memos, 0, sizeof(memos));
        series = case_series(VALUES, 3600, 0);
        series.start = 77;
        predictor_lagreg_remember(memos, nmemo, &series, &scale, 0);
        good = 1;

        for (k = 1; k < VALUES; k++) {
            series.y = case_y + k;
            series.start = 77 + k;
            good &= same(&series, &scale, memos, nmemo);

            predictor_lagreg_remember(memos, nmemo, &series, &scale,
                                      VALUES - 1);
            good &= same(&series, &scale, memos, nmemo);
        }

        tap_ok(good, "a moving window, %u memos: the same bits", nmemo);
    }
}


static void
test_change(void)
{
    uint32_t                 k, found;
    predictor_series_t       series;
    predictor_transform_t    scale;
    predictor_lagreg_memo_t  kept[MEMOS];

    scale = made(VALUES, 1);
    series = case_series(VALUES, 3600, 0);
    series.start = 5;

    memset(memos, 0, sizeof(memos));
    predictor_lagreg_remember(memos, MEMOS, &series, &scale, 0);

    for (k = 0; k < MEMOS; k++) {
        memos[k].sum += 1000;
    }

    tap_ok(!same(&series, &scale, memos, MEMOS), "what is remembered is used");

    predictor_lagreg_remember(memos, MEMOS, &series, &scale, 0);
    memcpy(kept, memos, sizeof(memos));
    found = 0;

    for (k = 0; k < VALUES; k++) {
        case_y[k] += 1e-9;
        found += same(&series, &scale, memos, MEMOS);
        predictor_lagreg_remember(memos, MEMOS, &series, &scale, 0);
    }

    tap_is_int(found, VALUES, "a value that changed is seen, however little");
    tap_ok(memcmp(kept, memos, sizeof(memos)) != 0, "and is learnt");
}


/* of a block that has n values so far */

static uint64_t
print(const double *y, uint32_t n)
{
    predictor_series_t       series;
    predictor_transform_t    scale;
    predictor_lagreg_memo_t  memo;

    memset(&scale, 0, sizeof(predictor_transform_t));
    scale.scale = 1;

    series = case_series(n, 3600, 0);
    series.y = y;

    memset(&memo, 0, sizeof(predictor_lagreg_memo_t));
    predictor_lagreg_remember(&memo, 1, &series, &scale, 0);

    return memo.print;
}


/* every bit of every value tells, and so do their places and their number */

static void
test_print(void)
{
    double    y[PREDICTOR_LAGREG_BLOCK_STEPS];
    double    changed[PREDICTOR_LAGREG_BLOCK_STEPS];
    uint32_t  i, k, n, alike;
    uint64_t  bits;

    static const double  kinds[] = { 0, 100, -1e-3, INFINITY, NAN };

    alike = 0;

    for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        for (n = 1; n <= PREDICTOR_LAGREG_BLOCK_STEPS; n++) {
            for (i = 0; i < n; i++) {
                y[i] = kinds[k];
            }

            for (i = 0; i < 64 * n; i++) {
                memcpy(changed, y, n * sizeof(double));
                memcpy(&bits, &changed[i / 64], sizeof(bits));
                bits ^= UINT64_C(1) << i % 64;
                memcpy(&changed[i / 64], &bits, sizeof(bits));

                alike += print(y, n) == print(changed, n);
            }

            alike += n > 1 && print(y, n) == print(y, n - 1);
            alike += print(y, n) == 0;
        }
    }

    tap_is_int(alike, 0, "every bit changes a print, and so does one value "
               "more, of zeros as well");

    for (i = 0; i < PREDICTOR_LAGREG_BLOCK_STEPS; i++) {
        y[i] = 100 + i;
    }

    for (i = 0; i < 64; i++) {
        memcpy(changed, y, sizeof(y));
        changed[i / 8] = y[i % 8];
        changed[i % 8] = y[i / 8];
        alike += i / 8 != i % 8 && print(y, 8) == print(changed, 8);
    }

    tap_is_int(alike, 0, "two that change places change it");
    tap_ok(print(y, 0) == 0, "of nothing nothing is remembered");
}


/* what models are spared does no harm: the same bits as without memos */

static void
test_any(void)
{
    int                    good;
    uint32_t               k;
    predictor_series_t     series;
    predictor_transform_t  scale;

    static const double  kinds[] = {
        -0.0, -50, 1e100, INFINITY, -INFINITY, NAN
    };

    good = 1;

    for (k = 0; k < 2 * sizeof(kinds) / sizeof(kinds[0]); k++) {
        scale = made(VALUES, k % 2);
        series = case_series(VALUES - 3, 3600, 0);
        series.start = 3;
        case_y[2] = kinds[k / 2];
        case_y[100] = kinds[k / 2];
        case_y[VALUES - 4] = kinds[k / 2];

        memset(memos, 0, sizeof(memos));
        predictor_lagreg_remember(memos, MEMOS, &series, &scale, 0);
        good &= same(&series, &scale, memos, MEMOS);
    }

    tap_ok(good, "negative, huge or no numbers at all: the same bits");
}


/* a state that follows, and one that is left as it was fitted */

static void
test_model(void)
{
    int                       good;
    char                     *state, *left, *work;
    uint32_t                  i, k;
    uint64_t                  seed;
    predictor_ask_t           ask;
    predictor_size_t          size;
    predictor_series_t        series;
    const predictor_model_t  *model;

    static double             out[sizeof(case_out) / sizeof(double)];

    seed = tap_seed(22);

    for (i = 0; i < 23 * 96; i++) {
        case_y[i] = 1000 * case_day(i, 96, 0.6) + 300 * case_uniform(&seed);
    }

    ask = case_ask(12);
    series = case_series(21 * 96, 900, 1);
    series.start = 12345;
    model = &predictor_model_lagreg_fresh;

    model->size(&series, &ask, &size);
    state = case_alloc(size.state, 0xff);
    left = case_alloc(size.state, 0xff);
    work = case_alloc(size.work, 0xff);

    good = model->fit(&series, &ask, state, work) == SHARD_OK;
    memcpy(left, state, size.state);

    for (k = 1; k <= 96 && good; k++) {
        series.y = case_y + k;
        series.start++;
        case_y[k + 5 * 96] += 1;

        good &= model->update(&series, &ask, state, work) == SHARD_OK
                && model->forecast(&series, &ask, state, work, case_out)
                   == SHARD_OK
                && model->forecast(&series, &ask, left, work, out) == SHARD_OK
                && memcmp(out, case_out, 12 * 6 * sizeof(double)) == 0;
    }

    tap_ok(good, "updates change no forecast, whatever else did");
    tap_ok(memcmp(state, left, size.state) != 0, "but what is remembered");

    good = case_free(state, size.state);
    good &= case_free(left, size.state);
    good &= case_free(work, size.work);
    tap_ok(good, "within its memory");
}
