
#include <math.h>
#include <string.h>

#include "lstm_learn.h"


#define PREDICTOR_LSTM_RATE   0.01
#define PREDICTOR_LSTM_KEPT   4         /* every so many days */

/* what is taught at first: the last offset stays, the less the farther on */

#define PREDICTOR_LSTM_STAYS  0.9

/* the kept days judge every so many batches, by so many of theirs */

#define PREDICTOR_LSTM_JUDGED 40
#define PREDICTOR_LSTM_JUDGES 8

/* draws of a time before it is given up: three of four are good */

#define PREDICTOR_LSTM_DRAWS  64


static int predictor_lstm_kept(const predictor_lstm_view_t *view, uint32_t t);
static uint32_t predictor_lstm_draw(uint64_t *seed,
    const predictor_lstm_view_t *view, int kept);


size_t
predictor_lstm_learn_size(const predictor_lstm_shape_t *shape)
{
    return 4 * predictor_lstm_weights(shape)
           + predictor_lstm_batch_size(shape) + predictor_lstm_work(shape)
           + PREDICTOR_LSTM_BATCH * (size_t) shape->outputs;
}


void
predictor_lstm_learn_begin(predictor_lstm_learn_t *l,
    const predictor_lstm_shape_t *shape, uint32_t steps, float *w,
    float *memory)
{
    uint32_t  k;

    predictor_lstm_init(shape, w, PREDICTOR_LSTM_SEED);

    for (k = 0; k < shape->outputs; k++) {
        *predictor_lstm_now(shape, w, k, 0) =
            (float) (PREDICTOR_LSTM_STAYS * (1 - (double) k / shape->outputs));
    }

    predictor_lstm_learn_on(l, shape, steps, w, memory);
}


void
predictor_lstm_learn_on(predictor_lstm_learn_t *l,
    const predictor_lstm_shape_t *shape, uint32_t steps, float *w,
    float *memory)
{
    size_t  i;

    l->shape = *shape;
    l->seed = PREDICTOR_LSTM_SEED;
    l->step = 0;
    l->turn = 0;
    l->steps = steps;
    l->n = predictor_lstm_weights(shape);

    l->w = w;
    l->m = memory;
    l->v = l->m + l->n;
    l->gradient = l->v + l->n;
    l->best = l->gradient + l->n;
    l->work = l->best + l->n + predictor_lstm_batch_size(shape);
    l->least = INFINITY;

    predictor_lstm_batch_place(shape, l->best + l->n, &l->batch);

    for (i = 0; i < l->n; i++) {
        l->m[i] = 0;
        l->v[i] = 0;
    }
}


uint32_t
predictor_lstm_learn_steps(const predictor_lstm_shape_t *shape,
    double operations)
{
    double  steps;

    steps = operations / predictor_lstm_cost(shape, PREDICTOR_LSTM_BATCH);

    return steps < 1 ? 1 : steps > UINT32_MAX ? UINT32_MAX : (uint32_t) steps;
}


static int
predictor_lstm_kept(const predictor_lstm_view_t *view, uint32_t t)
{
    return (view->start + t) / view->day % PREDICTOR_LSTM_KEPT
           == PREDICTOR_LSTM_KEPT - 1;
}


/* of a day that is kept or of one that is not; 0: there is none */

static uint32_t
predictor_lstm_draw(uint64_t *seed, const predictor_lstm_view_t *view,
    int kept)
{
    uint32_t  i, t, first, last;

    first = predictor_lstm_view_first(view);
    last = view->h[view->outputs - 1];

    if (view->n < first + last + 1) {
        return 0;
    }

    last = view->n - 1 - last;

    for (i = 0; i < PREDICTOR_LSTM_DRAWS; i++) {

        /* Knuth's multiplier, the high bits are the good ones */

        *seed = *seed * 6364136223846793005 + 1442695040888963407;
        t = first + (uint32_t) ((*seed >> 33) % (last - first + 1));

        if (predictor_lstm_kept(view, t) == kept) {
            return t;
        }
    }

    return 0;
}


/* how many samples there are */

static uint32_t
predictor_lstm_fill(predictor_lstm_learn_t *l, uint64_t *seed,
    const predictor_lstm_view_t *views, uint32_t nviews, int kept)
{
    uint32_t  i, n, t[PREDICTOR_LSTM_BATCH];

    const predictor_lstm_view_t  *of[PREDICTOR_LSTM_BATCH];

    n = 0;

    for (i = 0; i < PREDICTOR_LSTM_BATCH && nviews; i++) {

        /* of more series than samples each one has its turn */

        of[n] = &views[(l->turn + i) % nviews];
        t[n] = predictor_lstm_draw(seed, of[n], kept);
        n += t[n] != 0;
    }

    l->turn = nviews ? (l->turn + PREDICTOR_LSTM_BATCH) % nviews : 0;
    l->batch.n = n;

    for (i = 0; i < n; i++) {
        predictor_lstm_view_sample(of[i], t[i], 1, &l->batch, i);
    }

    return n;
}


/* by the same samples each time, where the series are the same */

static void
predictor_lstm_judge(predictor_lstm_learn_t *l,
    const predictor_lstm_view_t *views, uint32_t nviews)
{
    double    loss;
    uint32_t  i, n;
    uint64_t  seed;

    loss = 0;
    n = 0;
    seed = PREDICTOR_LSTM_SEED;
    l->turn = 0;

    for (i = 0; i < PREDICTOR_LSTM_JUDGES; i++) {

        if (predictor_lstm_fill(l, &seed, views, nviews, 1)) {
            loss += predictor_lstm_lost(&l->shape, l->w, &l->batch, l->work);
            n++;
        }
    }

    if (n && loss / n < l->least) {
        l->least = loss / n;
        memcpy(l->best, l->w, l->n * sizeof(float));
    }
}


double
predictor_lstm_learn(predictor_lstm_learn_t *l,
    const predictor_lstm_view_t *views, uint32_t nviews)
{
    double  loss, part;

    l->step++;

    if (predictor_lstm_fill(l, &l->seed, views, nviews, 0) == 0) {
        return -1;
    }

    loss = predictor_lstm_gradient(&l->shape, l->w, &l->batch, l->work,
                                   l->gradient);

    /* from the full rate down to nothing, along a cosine */

    part = fmin((double) l->step / (l->steps + 1.0), 1);
    predictor_lstm_adam(l->w, l->gradient, l->m, l->v, l->n, l->step,
                        PREDICTOR_LSTM_RATE * (1 + cos(M_PI * part)) / 2);

    if (l->step % PREDICTOR_LSTM_JUDGED == 0 || l->step == l->steps) {
        predictor_lstm_judge(l, views, nviews);
    }

    if (l->step == l->steps && isfinite(l->least)) {
        memcpy(l->w, l->best, l->n * sizeof(float));
    }

    return loss;
}


uint32_t
predictor_lstm_residuals(const predictor_lstm_view_t *view, const float *w,
    float *work, uint32_t room, double *residuals)
{
    float                   *out;
    uint32_t                 i, k, n, t, first, last, step;
    uint32_t                 at[PREDICTOR_LSTM_BATCH];
    predictor_lstm_batch_t   batch;
    predictor_lstm_shape_t   shape;

    shape = predictor_lstm_view_shape(view);
    predictor_lstm_batch_place(&shape, work, &batch);
    work += predictor_lstm_batch_size(&shape);
    out = work + predictor_lstm_work(&shape);

    first = predictor_lstm_view_first(view);
    last = view->h[view->outputs - 1];

    if (view->n < first + last + 1) {
        return 0;
    }

    last = view->n - 1 - last;
    step = (last - first) / (PREDICTOR_LSTM_KEPT * room) + 1;
    n = 0;
    batch.n = 0;

    for (t = last; t >= first && t <= last && n < room; t -= step) {

        if (predictor_lstm_kept(view, t)) {
            at[batch.n++] = t;
        }

        if (batch.n == 0
            || (batch.n < PREDICTOR_LSTM_BATCH && t >= first + step
                && n + batch.n < room))
        {
            continue;
        }

        for (i = 0; i < batch.n; i++) {
            predictor_lstm_view_sample(view, at[i], 1, &batch, i);
        }

        predictor_lstm_forward(&shape, w, &batch, work, 0, out);

        for (i = 0; i < batch.n; i++, n++) {

            for (k = 0; k < shape.outputs; k++) {
                residuals[(size_t) k * room + n] =
                    (double) (batch.y[(size_t) i * shape.outputs + k]
                              - out[(size_t) i * shape.outputs + k]);
            }
        }

        batch.n = 0;
    }

    return n;
}
