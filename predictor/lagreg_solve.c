
#include <math.h>
#include <string.h>

#include "lagreg_solve.h"
#include "lapack.h"


/* the last pass is done by folds as well */

#define PREDICTOR_LAGREG_PASSES  4
#define PREDICTOR_LAGREG_FOLDS   4

/* residuals below this share of their median count as squares */

#define PREDICTOR_LAGREG_KINK    0.6

/* rows per call: stays in the cache, and below what BLAS gives to threads */

#define PREDICTOR_LAGREG_BLOCK   128

#define PREDICTOR_LAGREG_GRAM                                                 \
    (PREDICTOR_LAGREG_STRIDE * PREDICTOR_LAGREG_STRIDE)


typedef struct {
    double   ridge;                     /* times the mean weight */
    double   inverse[PREDICTOR_LAGREG_COLUMNS];     /* 1 / deviation */
} predictor_lagreg_scale_t;


static void predictor_lagreg_deviations(const predictor_lagreg_rows_t *rows,
    predictor_lagreg_scale_t *scale);
static void predictor_lagreg_gram(const predictor_lagreg_rows_t *rows,
    uint32_t from, uint32_t to, float *gram);
static void predictor_lagreg_weighted(const float *restrict row,
    const float *restrict weight, uint32_t n, float *restrict out);
static int predictor_lagreg_beta(const predictor_lagreg_rows_t *rows,
    const predictor_lagreg_scale_t *scale, const float *gram, double *beta);
static void predictor_lagreg_residuals(const predictor_lagreg_rows_t *rows,
    uint32_t from, uint32_t to, const double *beta);
static double predictor_lagreg_reweigh(predictor_lagreg_rows_t *rows);
static int predictor_lagreg_validate(predictor_lagreg_rows_t *rows,
    const predictor_lagreg_scale_t *scale, double *beta);


size_t
predictor_lagreg_rows_size(uint32_t m)
{
    return ((size_t) m * (PREDICTOR_LAGREG_STRIDE + 3) + 1) / 2 + m
           + m * (sizeof(predictor_weighted_t) / sizeof(double));
}


double *
predictor_lagreg_rows_place(predictor_lagreg_rows_t *rows, double *memory,
    uint32_t m)
{
    rows->sorted = (predictor_weighted_t *) memory;
    rows->scratch = (double *) (rows->sorted + m);

    rows->rows = (float *) (rows->scratch + m);
    rows->recency = rows->rows + (size_t) m * PREDICTOR_LAGREG_STRIDE;
    rows->weight = rows->recency + m;
    rows->residual = rows->weight + m;

    return memory + predictor_lagreg_rows_size(m);
}


int
predictor_lagreg_solve(predictor_lagreg_rows_t *rows, double ridge,
    const predictor_ask_t *ask, double *beta, double *offset)
{
    double                    mean;
    float                     gram[PREDICTOR_LAGREG_GRAM];
    uint32_t                  i, pass;
    predictor_lagreg_scale_t  scale;

    predictor_lagreg_deviations(rows, &scale);

    mean = 0;

    for (i = 0; i < rows->m; i++) {
        rows->weight[i] = rows->recency[i];
        mean += rows->recency[i] / rows->m;
    }

    for (pass = 1; pass < PREDICTOR_LAGREG_PASSES; pass++) {
        memset(gram, 0, sizeof(gram));
        predictor_lagreg_gram(rows, 0, rows->m, gram);
        scale.ridge = ridge * mean;

        if (predictor_lagreg_beta(rows, &scale, gram, beta) != SHARD_OK) {
            return SHARD_ERROR;
        }

        predictor_lagreg_residuals(rows, 0, rows->m, beta);
        mean = predictor_lagreg_reweigh(rows);
    }

    scale.ridge = ridge * mean;

    if (predictor_lagreg_validate(rows, &scale, beta) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (ask->nq == 0) {
        return SHARD_OK;
    }

    for (i = 0; i < rows->m; i++) {
        rows->sorted[i].value = rows->residual[i];
        rows->sorted[i].weight = rows->recency[i];
    }

    predictor_weighted_quantiles(rows->sorted, rows->m, ask->q, ask->nq,
                                 offset);

    return SHARD_OK;
}


/* a feature that does not vary is left out: its inverse is 0 */

static void
predictor_lagreg_deviations(const predictor_lagreg_rows_t *rows,
    predictor_lagreg_scale_t *scale)
{
    double         mean[PREDICTOR_LAGREG_STRIDE];
    double         square[PREDICTOR_LAGREG_STRIDE];
    double         d;
    uint32_t       i, j;
    const float   *row;

    memset(mean, 0, sizeof(mean));
    memset(square, 0, sizeof(square));

    /* whole rows: loops of a fixed length are done in vectors */

    row = rows->rows;

    for (i = 0; i < rows->m; i++, row += PREDICTOR_LAGREG_STRIDE) {
        for (j = 0; j < PREDICTOR_LAGREG_STRIDE; j++) {
            mean[j] += row[j];
        }
    }

    for (j = 0; j < PREDICTOR_LAGREG_STRIDE; j++) {
        mean[j] /= rows->m;
    }

    row = rows->rows;

    for (i = 0; i < rows->m; i++, row += PREDICTOR_LAGREG_STRIDE) {
        for (j = 0; j < PREDICTOR_LAGREG_STRIDE; j++) {
            d = row[j] - mean[j];
            square[j] += d * d;
        }
    }

    for (j = 0; j < rows->columns; j++) {
        d = sqrt(square[j] / rows->m);
        scale->inverse[j] = d > 1e-9 ? 1 / d : 0;
    }

    scale->inverse[0] = 1;
}


/* adds weighted products of rows [from, to), with the target, to "gram" */

static void
predictor_lagreg_gram(const predictor_lagreg_rows_t *rows, uint32_t from,
    uint32_t to, float *gram)
{
    int           n, k, stride;
    float         one;
    float         block[PREDICTOR_LAGREG_BLOCK * PREDICTOR_LAGREG_STRIDE];
    const float  *row;

    n = (int) rows->columns + 1;
    stride = PREDICTOR_LAGREG_STRIDE;
    one = 1;
    row = rows->rows + (size_t) from * PREDICTOR_LAGREG_STRIDE;

    while (from < to) {
        k = to - from < PREDICTOR_LAGREG_BLOCK ? (int) (to - from)
                                               : PREDICTOR_LAGREG_BLOCK;
        predictor_lagreg_weighted(row, rows->weight + from, (uint32_t) k,
                                  block);

        /* ssyrk would do half of the work, but in as many threads as cores */

        sgemm_("N", "T", &n, &n, &k, &one, block, &stride, row, &stride,
               &one, gram, &stride, 1, 1);

        row += k * PREDICTOR_LAGREG_STRIDE;
        from += (uint32_t) k;
    }
}


/* whole rows that do not overlap: in vectors */

static void
predictor_lagreg_weighted(const float *restrict row,
    const float *restrict weight, uint32_t n, float *restrict out)
{
    uint32_t  i, j;

    for (i = 0; i < n; i++) {
        for (j = 0; j < PREDICTOR_LAGREG_STRIDE; j++) {
            out[j] = weight[i] * row[j];
        }

        row += PREDICTOR_LAGREG_STRIDE;
        out += PREDICTOR_LAGREG_STRIDE;
    }
}


/* solves in standardised features, answers in the rows' own */

static int
predictor_lagreg_beta(const predictor_lagreg_rows_t *rows,
    const predictor_lagreg_scale_t *scale, const float *gram, double *beta)
{
    int           n, one, stride, info;
    double        a[PREDICTOR_LAGREG_GRAM];
    uint32_t      i, j;
    const float  *column;

    for (j = 0; j < rows->columns; j++) {
        column = gram + j * PREDICTOR_LAGREG_STRIDE;

        for (i = 0; i <= j; i++) {
            a[j * PREDICTOR_LAGREG_STRIDE + i] =
                            column[i] * scale->inverse[i] * scale->inverse[j];
        }

        a[j * PREDICTOR_LAGREG_STRIDE + j] += scale->ridge;
    }

    column = gram + rows->columns * PREDICTOR_LAGREG_STRIDE;

    for (i = 0; i < rows->columns; i++) {
        beta[i] = column[i] * scale->inverse[i];
    }

    n = (int) rows->columns;
    one = 1;
    stride = PREDICTOR_LAGREG_STRIDE;

    dposv_("U", &n, &one, a, &stride, beta, &n, &info, 1);

    if (info != 0) {
        return SHARD_ERROR;
    }

    for (i = 0; i < rows->columns; i++) {
        beta[i] *= scale->inverse[i];
    }

    return SHARD_OK;
}


static void
predictor_lagreg_residuals(const predictor_lagreg_rows_t *rows,
    uint32_t from, uint32_t to, const double *beta)
{
    int           n, k, one, stride;
    float         plus, minus;
    float         narrow[PREDICTOR_LAGREG_COLUMNS];
    uint32_t      i;
    const float  *row;

    for (i = 0; i < rows->columns; i++) {
        narrow[i] = (float) beta[i];
    }

    n = (int) rows->columns;
    one = 1;
    stride = PREDICTOR_LAGREG_STRIDE;
    plus = 1;
    minus = -1;

    while (from < to) {
        k = to - from < PREDICTOR_LAGREG_BLOCK ? (int) (to - from)
                                               : PREDICTOR_LAGREG_BLOCK;
        row = rows->rows + (size_t) from * PREDICTOR_LAGREG_STRIDE;

        for (i = 0; i < (uint32_t) k; i++) {
            rows->residual[from + i] = row[i * PREDICTOR_LAGREG_STRIDE
                                           + rows->columns];
        }

        sgemv_("T", &n, &k, &minus, row, &stride, narrow, &one, &plus,
               rows->residual + from, &one, 1);

        from += (uint32_t) k;
    }
}


/* weights of the next pass, from the residuals; returns their mean */

static double
predictor_lagreg_reweigh(predictor_lagreg_rows_t *rows)
{
    double    kink, size, sum;
    uint32_t  i;

    for (i = 0; i < rows->m; i++) {
        rows->scratch[i] = fabs(rows->residual[i]);
    }

    kink = PREDICTOR_LAGREG_KINK * predictor_median(rows->scratch, rows->m)
           + 1e-9;
    sum = 0;

    for (i = 0; i < rows->m; i++) {
        size = fabs(rows->residual[i]) / kink;
        rows->weight[i] = (float) (rows->recency[i] / (size > 1 ? size : 1));
        sum += rows->weight[i];
    }

    return sum / rows->m;
}


/* beta of all rows; each block's residuals, from what the others teach */

static int
predictor_lagreg_validate(predictor_lagreg_rows_t *rows,
    const predictor_lagreg_scale_t *scale, double *beta)
{
    float     fold[PREDICTOR_LAGREG_FOLDS][PREDICTOR_LAGREG_GRAM];
    float     gram[PREDICTOR_LAGREG_GRAM];
    double    other[PREDICTOR_LAGREG_COLUMNS];
    uint32_t  f, i, edge[PREDICTOR_LAGREG_FOLDS + 1];

    memset(fold, 0, sizeof(fold));

    for (f = 0; f <= PREDICTOR_LAGREG_FOLDS; f++) {
        edge[f] = (f * rows->m + PREDICTOR_LAGREG_FOLDS - 1)
                  / PREDICTOR_LAGREG_FOLDS;
    }

    for (f = 0; f < PREDICTOR_LAGREG_FOLDS; f++) {
        predictor_lagreg_gram(rows, edge[f], edge[f + 1], fold[f]);
    }

    for (i = 0; i < PREDICTOR_LAGREG_GRAM; i++) {
        gram[i] = fold[0][i] + fold[1][i] + fold[2][i] + fold[3][i];
    }

    if (predictor_lagreg_beta(rows, scale, gram, beta) != SHARD_OK) {
        return SHARD_ERROR;
    }

    for (f = 0; f < PREDICTOR_LAGREG_FOLDS; f++) {
        for (i = 0; i < PREDICTOR_LAGREG_GRAM; i++) {
            gram[i] = fold[0][i] + fold[1][i] + fold[2][i] + fold[3][i]
                      - fold[f][i];
        }

        if (predictor_lagreg_beta(rows, scale, gram, other) != SHARD_OK) {
            return SHARD_ERROR;
        }

        predictor_lagreg_residuals(rows, edge[f], edge[f + 1], other);
    }

    return SHARD_OK;
}
