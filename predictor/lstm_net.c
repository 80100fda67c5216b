
#include <math.h>
#include <string.h>

#include "lapack.h"
#include "lstm_net.h"


#define PREDICTOR_LSTM_GATES   4        /* input, forget, candidate, output */

/* the loss is that of a median but for errors below about this */

#define PREDICTOR_LSTM_ROUND   0.2

#define PREDICTOR_LSTM_BETA1   0.9
#define PREDICTOR_LSTM_BETA2   0.999
#define PREDICTOR_LSTM_TINY    1e-8
#define PREDICTOR_LSTM_DECAY   1.0


/* where things lie in the weights, in floats */

typedef struct {
    size_t    in;                       /* gates x inputs */
    size_t    back;                     /* gates x cells */
    size_t    bias;                     /* gates */
    size_t    cells;                    /* outputs x cells */
    size_t    now;                      /* outputs x now, by columns */
    size_t    each;                     /* outputs x each */
    size_t    rest;                     /* outputs */
    size_t    all;
} predictor_lstm_place_t;

/* what a pass leaves behind for the way back; a column is a sample */

typedef struct {
    float    *gates;                    /* steps x n x gates, after squashing */
    float    *cell;                     /* (steps + 1) x n x cells */
    float    *tanh;                     /* steps x n x cells: of the cell */
    float    *hidden;                   /* (steps + 1) x n x cells */
    float    *out;                      /* n x outputs */
    float    *dgates;                   /* n x gates */
    float    *dhidden;                  /* n x cells */
    float    *dcell;                    /* n x cells */
} predictor_lstm_pass_t;


static predictor_lstm_place_t
predictor_lstm_place(const predictor_lstm_shape_t *s)
{
    size_t                  gates;
    predictor_lstm_place_t  p;

    gates = PREDICTOR_LSTM_GATES * (size_t) s->cells;

    p.in = 0;
    p.back = p.in + gates * s->inputs;
    p.bias = p.back + gates * s->cells;
    p.cells = p.bias + gates;
    p.now = p.cells + (size_t) s->outputs * s->cells;
    p.each = p.now + (size_t) s->outputs * s->now;
    p.rest = p.each + (size_t) s->outputs * s->each;
    p.all = p.rest + s->outputs;

    return p;
}


size_t
predictor_lstm_weights(const predictor_lstm_shape_t *shape)
{
    return predictor_lstm_place(shape).all;
}


size_t
predictor_lstm_batch_size(const predictor_lstm_shape_t *s)
{
    return PREDICTOR_LSTM_BATCH
           * ((size_t) s->steps * s->inputs + s->now
              + (size_t) s->outputs * (s->each + 1));
}


void
predictor_lstm_batch_place(const predictor_lstm_shape_t *s, float *memory,
    predictor_lstm_batch_t *batch)
{
    batch->n = 0;
    batch->x = memory;
    batch->now = batch->x
                 + PREDICTOR_LSTM_BATCH * (size_t) s->steps * s->inputs;
    batch->each = batch->now + PREDICTOR_LSTM_BATCH * (size_t) s->now;
    batch->y = batch->each
               + PREDICTOR_LSTM_BATCH * (size_t) s->outputs * s->each;
}


size_t
predictor_lstm_work(const predictor_lstm_shape_t *s)
{
    return PREDICTOR_LSTM_BATCH
           * ((size_t) s->cells * (PREDICTOR_LSTM_GATES * (s->steps + 1)
                                   + 3 * (size_t) s->steps + 4)
              + s->outputs);
}


double
predictor_lstm_cost(const predictor_lstm_shape_t *s, uint32_t n)
{
    double  one;

    one = 2.0 * s->steps * PREDICTOR_LSTM_GATES * s->cells
          * (s->inputs + s->cells)
          + 2.0 * s->outputs * (s->cells + s->now + s->each);

    return 3 * one * n;
}


static void
predictor_lstm_pass(const predictor_lstm_shape_t *s, float *work,
    predictor_lstm_pass_t *p)
{
    size_t  cells;

    cells = PREDICTOR_LSTM_BATCH * (size_t) s->cells;

    p->gates = work;
    p->cell = p->gates + PREDICTOR_LSTM_GATES * cells * s->steps;
    p->tanh = p->cell + cells * (s->steps + 1);
    p->hidden = p->tanh + cells * s->steps;
    p->dgates = p->hidden + cells * (s->steps + 1);
    p->dhidden = p->dgates + PREDICTOR_LSTM_GATES * cells;
    p->dcell = p->dhidden + cells;
    p->out = p->dcell + cells;
}


/* C (m x n) := op(A) B + beta C, or with B transposed */

static void
predictor_lstm_product(char ta, char tb, size_t m, size_t n, size_t k,
    const float *a, const float *b, float beta, float *c)
{
    int    im, in, ik, lda, ldb;
    float  one;

    im = (int) m;
    in = (int) n;
    ik = (int) k;
    lda = ta == 'N' ? im : ik;
    ldb = tb == 'N' ? ik : in;
    one = 1;

    sgemm_(&ta, &tb, &im, &in, &ik, &one, a, &lda, b, &ldb, &beta, c, &im, 1,
           1);
}


static uint64_t
predictor_lstm_random(uint64_t *seed)
{
    uint64_t  z;

    /* splitmix64 */

    z = *seed += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;

    return z ^ z >> 31;
}


static void
predictor_lstm_spread(float *w, size_t n, double width, uint64_t *seed)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        w[i] = (float) (width * ((double) (predictor_lstm_random(seed) >> 11)
                                 / 4503599627370496.0 - 1));
    }
}


/* the head starts as nothing, gates remember */

void
predictor_lstm_init(const predictor_lstm_shape_t *s, float *w, uint64_t seed)
{
    size_t                  i, gates;
    predictor_lstm_place_t  p;

    p = predictor_lstm_place(s);
    gates = PREDICTOR_LSTM_GATES * (size_t) s->cells;

    memset(w, 0, p.all * sizeof(float));
    predictor_lstm_spread(w + p.in, gates * s->inputs, sqrt(1.0 / s->inputs),
                          &seed);
    predictor_lstm_spread(w + p.back, gates * s->cells, sqrt(1.0 / s->cells),
                          &seed);
    predictor_lstm_spread(w + p.cells, (size_t) s->outputs * s->cells,
                          0.1 * sqrt(1.0 / s->cells), &seed);

    for (i = s->cells; i < 2 * (size_t) s->cells; i++) {
        w[p.bias + i] = 1;
    }
}


static float
predictor_lstm_sigmoid(float v)
{
    return 1 / (1 + expf(-v));
}


static void
predictor_lstm_step(const predictor_lstm_shape_t *s, uint32_t n,
    const float *bias, float *gates, const float *before, float *cell,
    float *squashed, float *hidden)
{
    float     *g;
    size_t     k;
    uint32_t   i, j;

    for (j = 0; j < n; j++) {
        g = gates + (size_t) j * PREDICTOR_LSTM_GATES * s->cells;

        for (i = 0; i < s->cells; i++) {
            k = (size_t) j * s->cells + i;

            g[i] = predictor_lstm_sigmoid(g[i] + bias[i]);
            g[s->cells + i] = predictor_lstm_sigmoid(g[s->cells + i]
                                                     + bias[s->cells + i]);
            g[2 * s->cells + i] = tanhf(g[2 * s->cells + i]
                                        + bias[2 * s->cells + i]);
            g[3 * s->cells + i] = predictor_lstm_sigmoid(g[3 * s->cells + i]
                                                    + bias[3 * s->cells + i]);

            cell[k] = g[s->cells + i] * before[k] + g[i] * g[2 * s->cells + i];
            squashed[k] = tanhf(cell[k]);
            hidden[k] = g[3 * s->cells + i] * squashed[k];
        }
    }
}


static void
predictor_lstm_head(const predictor_lstm_shape_t *s, const float *w,
    const predictor_lstm_batch_t *b, const float *hidden, int common,
    float *out)
{
    float                   sum;
    uint32_t                i, j, k;
    predictor_lstm_place_t  p;

    p = predictor_lstm_place(s);

    predictor_lstm_product('N', 'N', s->outputs, b->n, s->cells, w + p.cells,
                           hidden, 0, out);
    predictor_lstm_product('N', 'N', s->outputs, b->n, s->now, w + p.now,
                           b->now, 1, out);

    for (j = 0; j < b->n; j++) {

        for (k = 0; k < s->outputs; k++) {
            sum = w[p.rest + k];

            for (i = 0; i < s->each && !common; i++) {
                sum += w[p.each + (size_t) k * s->each + i]
                       * b->each[((size_t) j * s->outputs + k) * s->each + i];
            }

            out[(size_t) j * s->outputs + k] += sum;
        }
    }
}


void
predictor_lstm_forward(const predictor_lstm_shape_t *s, const float *w,
    const predictor_lstm_batch_t *b, float *work, int common, float *out)
{
    size_t                  gates, cells;
    uint32_t                t;
    predictor_lstm_pass_t   pass;
    predictor_lstm_place_t  p;

    p = predictor_lstm_place(s);
    predictor_lstm_pass(s, work, &pass);

    gates = PREDICTOR_LSTM_GATES * (size_t) s->cells;
    cells = (size_t) b->n * s->cells;

    memset(pass.cell, 0, cells * sizeof(float));
    memset(pass.hidden, 0, cells * sizeof(float));

    for (t = 0; t < s->steps; t++) {
        predictor_lstm_product('N', 'N', gates, b->n, s->inputs, w + p.in,
                               b->x + (size_t) t * b->n * s->inputs, 0,
                               pass.gates + t * gates * b->n);
        predictor_lstm_product('N', 'N', gates, b->n, s->cells, w + p.back,
                               pass.hidden + t * cells, 1,
                               pass.gates + t * gates * b->n);
        predictor_lstm_step(s, b->n, w + p.bias, pass.gates + t * gates * b->n,
                            pass.cell + t * cells,
                            pass.cell + (t + 1) * cells,
                            pass.tanh + t * cells,
                            pass.hidden + (t + 1) * cells);
    }

    predictor_lstm_head(s, w, b, pass.hidden + s->steps * cells, common, out);
}


const float *
predictor_lstm_each(const predictor_lstm_shape_t *s, const float *w,
    uint32_t output)
{
    return w + predictor_lstm_place(s).each + (size_t) output * s->each;
}


float *
predictor_lstm_now(const predictor_lstm_shape_t *s, float *w, uint32_t output,
    uint32_t input)
{
    return w + predictor_lstm_place(s).now + (size_t) input * s->outputs
           + output;
}


/* turns out[] into the loss's gradient by it; returns the loss */

static double
predictor_lstm_loss(const predictor_lstm_shape_t *s,
    const predictor_lstm_batch_t *b, float *out)
{
    double  e, root, sum;
    size_t  i, n;

    n = (size_t) b->n * s->outputs;
    sum = 0;

    for (i = 0; i < n; i++) {
        e = (double) out[i] - (double) b->y[i];
        root = sqrt(PREDICTOR_LSTM_ROUND * PREDICTOR_LSTM_ROUND + e * e);
        sum += root - PREDICTOR_LSTM_ROUND;
        out[i] = (float) (e / root / (double) n);
    }

    return sum / (double) n;
}


static void
predictor_lstm_head_back(const predictor_lstm_shape_t *s, const float *w,
    const predictor_lstm_batch_t *b, const predictor_lstm_pass_t *pass,
    float *gradient)
{
    float                   d;
    size_t                  cells;
    uint32_t                i, j, k;
    predictor_lstm_place_t  p;

    p = predictor_lstm_place(s);
    cells = (size_t) b->n * s->cells;

    predictor_lstm_product('N', 'T', s->outputs, s->cells, b->n, pass->out,
                           pass->hidden + s->steps * cells, 0,
                           gradient + p.cells);
    predictor_lstm_product('N', 'T', s->outputs, s->now, b->n, pass->out,
                           b->now, 0, gradient + p.now);
    predictor_lstm_product('T', 'N', s->cells, b->n, s->outputs, w + p.cells,
                           pass->out, 0, pass->dhidden);

    for (j = 0; j < b->n; j++) {

        for (k = 0; k < s->outputs; k++) {
            d = pass->out[(size_t) j * s->outputs + k];
            gradient[p.rest + k] += d;

            for (i = 0; i < s->each; i++) {
                gradient[p.each + (size_t) k * s->each + i] +=
                    d * b->each[((size_t) j * s->outputs + k) * s->each + i];
            }
        }
    }
}


/* dhidden and dcell of a step into dgates, and dcell of the step before */

static void
predictor_lstm_step_back(const predictor_lstm_shape_t *s, uint32_t n,
    const float *gates, const float *before, const float *squashed,
    predictor_lstm_pass_t *pass)
{
    float         dc, in, forget, candidate, output, *d;
    size_t        k;
    uint32_t      i, j;
    const float  *g;

    for (j = 0; j < n; j++) {
        g = gates + (size_t) j * PREDICTOR_LSTM_GATES * s->cells;
        d = pass->dgates + (size_t) j * PREDICTOR_LSTM_GATES * s->cells;

        for (i = 0; i < s->cells; i++) {
            k = (size_t) j * s->cells + i;
            in = g[i];
            forget = g[s->cells + i];
            candidate = g[2 * s->cells + i];
            output = g[3 * s->cells + i];

            dc = pass->dcell[k] + pass->dhidden[k] * output
                                  * (1 - squashed[k] * squashed[k]);

            d[i] = dc * candidate * in * (1 - in);
            d[s->cells + i] = dc * before[k] * forget * (1 - forget);
            d[2 * s->cells + i] = dc * in * (1 - candidate * candidate);
            d[3 * s->cells + i] = pass->dhidden[k] * squashed[k] * output
                                  * (1 - output);
            pass->dcell[k] = dc * forget;
        }
    }
}


double
predictor_lstm_lost(const predictor_lstm_shape_t *s, const float *w,
    const predictor_lstm_batch_t *b, float *work)
{
    predictor_lstm_pass_t  pass;

    predictor_lstm_pass(s, work, &pass);
    predictor_lstm_forward(s, w, b, work, 0, pass.out);

    return predictor_lstm_loss(s, b, pass.out);
}


double
predictor_lstm_gradient(const predictor_lstm_shape_t *s, const float *w,
    const predictor_lstm_batch_t *b, float *work, float *gradient)
{
    double                  loss;
    size_t                  gates, cells, i, j;
    uint32_t                t;
    predictor_lstm_pass_t   pass;
    predictor_lstm_place_t  p;

    p = predictor_lstm_place(s);
    predictor_lstm_pass(s, work, &pass);
    memset(gradient, 0, p.all * sizeof(float));

    predictor_lstm_forward(s, w, b, work, 0, pass.out);
    loss = predictor_lstm_loss(s, b, pass.out);
    predictor_lstm_head_back(s, w, b, &pass, gradient);

    gates = PREDICTOR_LSTM_GATES * (size_t) s->cells;
    cells = (size_t) b->n * s->cells;
    memset(pass.dcell, 0, cells * sizeof(float));

    for (t = s->steps; t-- > 0; /* void */ ) {
        predictor_lstm_step_back(s, b->n, pass.gates + t * gates * b->n,
                                 pass.cell + t * cells, pass.tanh + t * cells,
                                 &pass);

        predictor_lstm_product('N', 'T', gates, s->inputs, b->n, pass.dgates,
                               b->x + (size_t) t * b->n * s->inputs, 1,
                               gradient + p.in);
        predictor_lstm_product('N', 'T', gates, s->cells, b->n, pass.dgates,
                               pass.hidden + t * cells, 1, gradient + p.back);
        predictor_lstm_product('T', 'N', s->cells, b->n, gates, w + p.back,
                               pass.dgates, 0, pass.dhidden);

        for (j = 0; j < b->n; j++) {

            for (i = 0; i < gates; i++) {
                gradient[p.bias + i] += pass.dgates[j * gates + i];
            }
        }
    }

    return loss;
}


void
predictor_lstm_adam(float *w, float *gradient, float *m, float *v, size_t n,
    uint32_t step, double rate)
{
    double  length, scale, g, m1, v1;
    size_t  i;

    length = 0;

    for (i = 0; i < n; i++) {
        length += (double) gradient[i] * (double) gradient[i];
    }

    scale = length > 1 ? 1 / sqrt(length) : 1;
    m1 = 1 - pow(PREDICTOR_LSTM_BETA1, step);
    v1 = 1 - pow(PREDICTOR_LSTM_BETA2, step);

    for (i = 0; i < n; i++) {
        g = scale * (double) gradient[i];
        m[i] = (float) (PREDICTOR_LSTM_BETA1 * (double) m[i]
                        + (1 - PREDICTOR_LSTM_BETA1) * g);
        v[i] = (float) (PREDICTOR_LSTM_BETA2 * (double) v[i]
                        + (1 - PREDICTOR_LSTM_BETA2) * g * g);
        w[i] -= (float) (rate * PREDICTOR_LSTM_DECAY * (double) w[i]);
        w[i] -= (float) (rate * (double) m[i] / m1
                         / (sqrt((double) v[i] / v1) + PREDICTOR_LSTM_TINY));
    }
}
