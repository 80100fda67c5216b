
/*
 * The network: its gradient against finite differences, the same weights for
 * the same seed, and what it learns of a rhythm, from one series and from
 * many.
 */


#include "../lib/forecast_case.h"
#include "../../predictor/model_lstm.h"


static const predictor_lstm_shape_t  small = { 3, 5, 4, 2, 3, 2 };


static float *
floats(size_t n)
{
    return case_alloc(n * sizeof(float), 0xff);
}


static void
noise(float *v, size_t n, uint64_t *seed)
{
    while (n--) {
        *v++ = (float) case_normal(seed);
    }
}


/* |by differences - by the way back|, the largest one, to the largest one */

static void
test_gradient(void)
{
    float                   *w, *work, *memory, *gradient, kept;
    double                   up, down, g, wrong, most;
    size_t                   i, n;
    uint64_t                 seed;
    predictor_lstm_batch_t   batch;

    seed = tap_seed(21);
    n = predictor_lstm_weights(&small);
    w = floats(n);
    gradient = floats(n);
    work = floats(predictor_lstm_work(&small));
    memory = floats(predictor_lstm_batch_size(&small));

    predictor_lstm_batch_place(&small, memory, &batch);
    batch.n = 7;
    noise(memory, predictor_lstm_batch_size(&small), &seed);
    predictor_lstm_init(&small, w, 1);

    for (i = 0; i < n; i++) {
        w[i] += 0.3f * (float) case_normal(&seed);
    }

    (void) predictor_lstm_gradient(&small, w, &batch, work, gradient);
    wrong = most = 0;

    for (i = 0; i < n; i++) {
        kept = w[i];
        w[i] = kept + 5e-3f;
        up = predictor_lstm_lost(&small, w, &batch, work);
        w[i] = kept - 5e-3f;
        down = predictor_lstm_lost(&small, w, &batch, work);
        w[i] = kept;

        g = (up - down) / 1e-2;
        wrong = fmax(wrong, fabs(g - (double) gradient[i]));
        most = fmax(most, fabs(g));
    }

    tap_diag("%zu weights, largest slope %.4f, worst difference %.6f", n, most,
             wrong);
    tap_ok(most > 0.01, "the loss has a slope");
    tap_ok(wrong < 2e-3 * fmax(most, 1), "the gradient is that slope");

    tap_ok(case_free(w, n * sizeof(float))
           && case_free(gradient, n * sizeof(float))
           && case_free(work, predictor_lstm_work(&small) * sizeof(float))
           && case_free(memory, predictor_lstm_batch_size(&small)
                                * sizeof(float)),
           "nothing was written beyond the memory");
}


/* a day whose height wanders slowly: the last offsets tell the next ones */

static void
wander(uint32_t n, uint32_t day, uint64_t seed)
{
    double    level;
    uint32_t  i;

    level = 0;

    for (i = 0; i < n; i++) {
        level = 0.995 * level + 0.03 * case_normal(&seed);
        case_y[i] = 100 * exp(level) * case_day(i, day, 0.6)
                    * exp(0.03 * case_normal(&seed));
    }
}


static void
test_learns(void)
{
    double              error, naive;
    uint32_t            i, k;
    predictor_ask_t     ask;
    predictor_series_t  series;

    ask = case_ask(24);
    error = naive = 0;

    for (k = 0; k < 4; k++) {
        wander(30 * 96, 96, 50 + k);
        series = case_series(27 * 96 + 17 * k, 900, 0);

        if (case_model(&predictor_model_lstm, &series, &ask, 0xff, case_out)
            != SHARD_OK)
        {
            break;
        }

        error += case_error(&series, &ask, case_out);

        for (i = 0; i < 24; i++) {
            naive += fabs(case_y[series.n + i] - case_y[series.n + i - 96])
                     / 24;
        }
    }

    tap_is_int(k, 4, "four series are learnt");
    tap_diag("error %.2f, of the day before %.2f", error, naive);
    tap_ok(error < 0.8 * naive, "better than the day before");
}


static void
test_same(void)
{
    static double       kept[24 * 6];

    int                 same;
    predictor_ask_t     ask;
    predictor_series_t  series;

    ask = case_ask(24);
    wander(20 * 96, 96, 7);
    series = case_series(18 * 96, 900, 1);

    (void) case_model(&predictor_model_lstm, &series, &ask, 0, case_out);
    memcpy(kept, case_out, sizeof(kept));
    same = case_model(&predictor_model_lstm, &series, &ask, 0xff, case_out)
           == SHARD_OK;
    tap_ok(same && memcmp(kept, case_out, sizeof(kept)) == 0,
           "the same series, the same bits");
}


static void
test_refusals(void)
{
    uint32_t            i;
    predictor_ask_t     ask;
    predictor_series_t  series;

    wander(10 * 96, 96, 3);
    ask = case_ask(96);

    series = case_series(3 * 96, 900, 0);
    tap_is_int(case_model(&predictor_model_lstm, &series, &ask, 0xff,
                          case_out), SHARD_AGAIN, "three days are too few");
    series = case_series(4 * 96, 900, 0);
    tap_is_int(case_model(&predictor_model_lstm, &series, &ask, 0xff,
                          case_out), SHARD_AGAIN, "so are four");
    series = case_series(900, 86400 / 12, 0);
    tap_is_int(case_model(&predictor_model_lstm, &series, &ask, 0xff,
                          case_out), SHARD_AGAIN, "a day of 12 steps");

    ask = case_ask(1);
    series = case_series(9 * 96, 900, 0);
    tap_is_int(case_model(&predictor_model_lstm, &series, &ask, 0xff,
                          case_out), SHARD_OK, "one step ahead");

    ask = case_ask(300);
    series = case_series(10 * 96, 900, 0);
    tap_is_int(case_model(&predictor_model_lstm, &series, &ask, 0xff,
                          case_out), SHARD_OK, "three days ahead");

    for (i = 0; i < 300 * 6 && isfinite(case_out[i]); i++) {
        /* void */
    }

    tap_is_int(i, 300 * 6, "all of them numbers");

    memset(case_y, 0, sizeof(case_y));
    tap_is_int(case_model(&predictor_model_lstm, &series, &ask, 0xff,
                          case_out), SHARD_OK, "zeros only");
    tap_is_dbl(case_out[0], 0, 1e-6, "are forecast as such");
}


/* weights from three series, taken by a fourth one */

static void
test_shared(void)
{
    void                    *state, *work;
    float                   *w, *memory;
    double                  *y[3], *view[3], before, after, loss;
    uint32_t                 k, i;
    predictor_ask_t          ask;
    predictor_size_t         size;
    predictor_series_t       series;
    predictor_lstm_view_t    views[3];
    predictor_lstm_learn_t   learn;
    predictor_lstm_shape_t   shape;

    ask = case_ask(24);

    for (k = 0; k < 3; k++) {
        wander(27 * 96, 96, 80 + k);
        series = case_series(27 * 96, 900, 0);
        y[k] = case_alloc(series.n * sizeof(double), 0);
        memcpy(y[k], case_y, series.n * sizeof(double));
        view[k] = case_alloc(predictor_lstm_view_size(series.n)
                             * sizeof(double), 0xff);
        series.y = y[k];

        if (predictor_lstm_shared_view(&series, &ask, view[k], &views[k])
            != SHARD_OK)
        {
            break;
        }
    }

    tap_is_int(k, 3, "three series to learn from");
    shape = predictor_lstm_view_shape(&views[0]);
    w = floats(predictor_lstm_weights(&shape));
    memory = floats(predictor_lstm_learn_size(&shape));
    predictor_lstm_learn_begin(&learn, &shape, 200, w, memory);
    before = after = 0;

    for (i = 0; i < 200; i++) {
        loss = predictor_lstm_learn(&learn, views, 3);
        before += i < 20 ? loss / 20 : 0;
        after += i >= 180 ? loss / 20 : 0;
    }

    tap_diag("loss %.4f at first, %.4f at last", before, after);
    tap_ok(after < 0.9 * before, "the loss falls");

    wander(30 * 96, 96, 99);
    series = case_series(27 * 96, 900, 0);
    predictor_model_lstm.size(&series, &ask, &size);
    state = case_alloc(size.state, 0xff);
    work = case_alloc(size.work, 0xff);

    tap_is_int(predictor_lstm_adopt(&series, &ask, w, state, work), SHARD_OK,
               "a fourth one takes the weights");
    tap_is_int(predictor_model_lstm.forecast(&series, &ask, state, work,
                                             case_out), SHARD_OK,
               "and is forecast");
    tap_ok(case_error(&series, &ask, case_out) < 60, "sanely");
    tap_ok(case_free(state, size.state) && case_free(work, size.work)
           && case_free(w, predictor_lstm_weights(&shape) * sizeof(float))
           && case_free(memory, predictor_lstm_learn_size(&shape)
                                * sizeof(float)),
           "nothing was written beyond the memory");

    for (k = 0; k < 3; k++) {
        tap_ok(case_free(view[k], predictor_lstm_view_size(27 * 96)
                                  * sizeof(double)), "view %u", k);
        free(y[k]);
    }
}


int
main(void)
{
    test_gradient();
    test_learns();
    test_same();
    test_refusals();
    test_shared();

    return tap_done();
}
