
/* What was fitted serves for a day, and its memory for shorter histories. */


#include "../lib/combine_case.h"


static void test_later(void);
static void test_shorter(void);


int
main(void)
{
    test_later();
    test_shorter();

    return tap_done();
}


/* one fit, then a day of forecasts from a window that moves along */

static void
test_later(void)
{
    int                  good;
    void                *state, *work;
    double               kept, fresh;
    uint32_t             k;
    uint64_t             seed;
    predictor_ask_t      ask;
    predictor_size_t     size;
    predictor_series_t   series;

    seed = 16;
    combine_make(30 * 96, 96, &seed);
    ask = case_ask(16);
    series = case_series(21 * 96, 900, 1);

    (void) predictor_size(&series, &ask, NULL, &size);
    state = case_alloc(size.state, 0xff);
    work = case_alloc(size.work, 0xff);

    (void) predictor_fit(&series, &ask, NULL, state, work);

    good = 1;
    kept = fresh = 0;

    for (k = 0; k <= 96; k += 8) {
        series.n = 21 * 96 + k;
        good &= predictor_predict(&series, &ask, state, work, case_out,
                                  &combine_used) == SHARD_OK;
        good &= combine_sane(&series, &ask)[0] == '\0';
        kept += case_error(&series, &ask, case_out);

        series.y = case_y + k;
        series.n = 21 * 96;
        good &= predictor_predict(&series, &ask, state, work, case_out,
                                  &combine_used) == SHARD_OK;
        series.y = case_y;
        series.n = 21 * 96 + k;

        (void) combine_run(&series, &ask, NULL, 0);
        fresh += case_error(&series, &ask, case_out);
    }

    tap_ok(good, "a fit serves a day of forecasts");
    tap_diag("error %.2f by the old fit, %.2f by fresh ones", kept / 13,
             fresh / 13);
    tap_is_dbl(kept / fresh, 1, 0.1, "about as good as fresh fits");

    series.n = 22 * 96 + 1;
    tap_is_int(predictor_predict(&series, &ask, state, work, case_out,
                                 &combine_used),
               SHARD_ERROR, "a series that grew by more than a day");
    series.n = 0;
    tap_is_int(predictor_predict(&series, &ask, state, work, case_out,
                                 &combine_used),
               SHARD_AGAIN, "a series that vanished");
    series.n = 22 * 96;
    ask.horizon = 17;
    tap_is_int(predictor_predict(&series, &ask, state, work, case_out,
                                 &combine_used),
               SHARD_ERROR, "another horizon than fitted for");
    tap_ok(case_free(state, size.state) && case_free(work, size.work),
           "within its memory, though the series grew by a day");
}


/*
 * Memory for a long series does for any shorter one: a shard's history grows
 * and shrinks.  Lengths around those where rows are thinned out.
 */

static void
test_shorter(void)
{
    int                  good;
    void                *state, *work;
    uint32_t             n;
    uint64_t             seed;
    predictor_ask_t      ask;
    predictor_size_t     size, one;
    predictor_series_t   series;

    static const uint32_t  lengths[] = {
        8064, 6049, 6048, 4033, 4032, 3169, 3168, 3001, 3000, 2880, 2016,
        1440, 864, 863, 576, 300, 288, 12, 1
    };

    seed = tap_seed(19);
    combine_make(8064, 288, &seed);
    ask = case_ask(24);
    series = case_series(8064, 300, 1);
    (void) predictor_size(&series, &ask, NULL, &size);
    good = 1;

    for (n = 8063; n > 0; n--) {
        series = case_series(n, 300, n >= 14 * 288);
        (void) predictor_size(&series, &ask, NULL, &one);
        good &= one.state <= size.state && one.work <= size.work;
    }

    tap_ok(good, "no shorter series takes more memory");

    for (n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++) {
        series = case_series(lengths[n], 300, lengths[n] >= 14 * 288);
        state = case_alloc(size.state, 0x55);
        work = case_alloc(size.work, 0x55);

        good &= predictor_fit(&series, &ask, NULL, state, work) == SHARD_OK;
        good &= case_free(state, size.state) & case_free(work, size.work);
    }

    tap_ok(good, "and none writes beyond it");
}
