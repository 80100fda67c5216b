
#include <math.h>
#include <string.h>

#include "additive_solve.h"
#include "lapack.h"
#include "quantile.h"


#define PREDICTOR_ADDITIVE_ROUNDS  3

/*
 * Scales of the priors of bends and of waves, per square of the usual error.
 * Prophet's bends have 0.05 for independent errors; those of load are not.
 */

#define PREDICTOR_ADDITIVE_BEND    0.0005
#define PREDICTOR_ADDITIVE_WAVE    1.0
#define PREDICTOR_ADDITIVE_FREE    1e-6

/* rows in a call: below what OpenBLAS gives to threads */

#define PREDICTOR_ADDITIVE_CALL    64


static void predictor_additive_grams(const predictor_additive_solve_t *w);
static int predictor_additive_beta(const predictor_additive_plan_t *plan,
    const predictor_additive_solve_t *w, const double *gram,
    const double *last, double *beta);
static void predictor_additive_weigh(predictor_additive_solve_t *w,
    const double *beta);


/* a last block that is not full is left out */

void
predictor_additive_rows(const predictor_series_t *series,
    const predictor_additive_given_t *given,
    const predictor_additive_plan_t *plan, const double *z,
    predictor_additive_solve_t *w)
{
    double    *row;
    uint32_t   i, k;

    w->columns = predictor_additive_columns(plan);
    w->block = (series->n - 1) / PREDICTOR_ADDITIVE_ROWS + 1;
    w->m = series->n / w->block;
    w->weight = w->rows + (size_t) w->m * (w->columns + 1);

    row = w->rows;

    for (i = 0; i < w->m; i++) {
        predictor_additive_row(plan, given, series->start + i * w->block,
                               w->block, row);
        row += w->columns;
        *row = 0;

        for (k = 0; k < w->block; k++) {
            *row += z[i * w->block + k] / w->block;
        }

        row++;
        w->weight[i] = 1;
    }
}


int
predictor_additive_solve(const predictor_additive_plan_t *plan,
    predictor_additive_solve_t *w, double *beta)
{
    double    *all, *one;
    uint32_t   f, i, round;

    memset(beta, 0, PREDICTOR_ADDITIVE_COLUMNS * sizeof(double));
    all = w->gram + PREDICTOR_ADDITIVE_FOLDS * PREDICTOR_ADDITIVE_GRAM;

    /* bends are free to begin with */

    for (i = 0; i < plan->bends; i++) {
        beta[2 + i] = 1;
    }

    w->kink = 0.1;

    for (round = 0; round < PREDICTOR_ADDITIVE_ROUNDS; round++) {
        predictor_additive_grams(w);

        if (round + 1 == PREDICTOR_ADDITIVE_ROUNDS) {
            break;
        }

        if (predictor_additive_beta(plan, w, all, beta, beta) != SHARD_OK) {
            return SHARD_ERROR;
        }

        predictor_additive_weigh(w, beta);
    }

    for (f = 0; f < PREDICTOR_ADDITIVE_FOLDS; f++) {
        one = w->gram + f * PREDICTOR_ADDITIVE_GRAM;

        for (i = 0; i < PREDICTOR_ADDITIVE_GRAM; i++) {
            one[i] = all[i] - one[i];
        }

        if (predictor_additive_beta(plan, w, one, beta,
                                    w->held + f * PREDICTOR_ADDITIVE_COLUMNS)
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }
    }

    return predictor_additive_beta(plan, w, all, beta, beta);
}


/* weighted products of the rows of each quarter, and their sum */

static void
predictor_additive_grams(const predictor_additive_solve_t *w)
{
    int       k, stride;
    double    one, *gram, *all, *row, *b;
    uint32_t  f, i, j, from, to;

    one = 1;
    stride = (int) w->columns + 1;
    all = w->gram + PREDICTOR_ADDITIVE_FOLDS * PREDICTOR_ADDITIVE_GRAM;

    memset(w->gram, 0, (PREDICTOR_ADDITIVE_FOLDS + 1)
                       * PREDICTOR_ADDITIVE_GRAM * sizeof(double));

    for (f = 0; f < PREDICTOR_ADDITIVE_FOLDS; f++) {
        gram = w->gram + f * PREDICTOR_ADDITIVE_GRAM;
        to = (f + 1) * w->m / PREDICTOR_ADDITIVE_FOLDS;

        for (from = f * w->m / PREDICTOR_ADDITIVE_FOLDS;
             from < to;
             from += (uint32_t) k)
        {
            k = to - from < PREDICTOR_ADDITIVE_CALL
                ? (int) (to - from) : PREDICTOR_ADDITIVE_CALL;
            row = w->rows + (size_t) from * (w->columns + 1);
            b = w->scratch;

            for (i = 0; i < (uint32_t) k; i++) {
                for (j = 0; j <= w->columns; j++) {
                    *b++ = w->weight[from + i]
                           * row[i * (w->columns + 1) + j];
                }
            }

            dgemm_("N", "T", &stride, &stride, &k, &one, w->scratch, &stride,
                   row, &stride, &one, gram, &stride, 1, 1);
        }

        for (i = 0; i < PREDICTOR_ADDITIVE_GRAM; i++) {
            all[i] += gram[i];
        }
    }
}


/* "last", of the round before, tells how much each bend is shrunk */

static int
predictor_additive_beta(const predictor_additive_plan_t *plan,
    const predictor_additive_solve_t *w, const double *gram,
    const double *last, double *beta)
{
    int       n, one, stride, info;
    double    noise, shrink, solved[PREDICTOR_ADDITIVE_COLUMNS];
    uint32_t  i, waves;

    n = (int) w->columns;
    one = 1;
    stride = n + 1;
    waves = 2 + plan->bends
            + 2 * (plan->days + plan->weeks + plan->years);
    noise = w->kink * w->kink;

    memcpy(w->scratch, gram,
           (size_t) stride * (size_t) stride * sizeof(double));
    memcpy(solved, gram + n * stride, (size_t) n * sizeof(double));

    for (i = 0; i < w->columns; i++) {
        shrink = PREDICTOR_ADDITIVE_FREE;

        if (i >= 2 && i < 2 + plan->bends) {
            shrink = noise / (PREDICTOR_ADDITIVE_BEND
                              * (fabs(last[i]) + 0.001));

        } else if (i >= 2 && i < waves) {
            shrink = noise / PREDICTOR_ADDITIVE_WAVE;
        }

        w->scratch[i * (w->columns + 1) + i] += shrink
                                                + PREDICTOR_ADDITIVE_FREE;
    }

    dposv_("U", &n, &one, w->scratch, &stride, solved, &n, &info, 1);

    if (info != 0) {
        return SHARD_ERROR;
    }

    memcpy(beta, solved, (size_t) n * sizeof(double));

    return SHARD_OK;
}


static void
predictor_additive_weigh(predictor_additive_solve_t *w, const double *beta)
{
    double         e, *size;
    uint32_t       i, j;
    const double  *row;

    row = w->rows;
    size = w->scratch;

    for (i = 0; i < w->m; i++) {
        e = row[w->columns];

        for (j = 0; j < w->columns; j++) {
            e -= row[j] * beta[j];
        }

        size[i] = fabs(e);
        w->weight[i] = size[i];
        row += w->columns + 1;
    }

    w->kink = predictor_median(size, w->m) + 1e-6;

    for (i = 0; i < w->m; i++) {
        w->weight[i] = w->weight[i] > w->kink ? w->kink / w->weight[i] : 1;
    }
}
