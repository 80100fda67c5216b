
#include <math.h>
#include <string.h>

#include "lapack.h"
#include "regress.h"


#define PREDICTOR_REGRESS_ROUNDS  (10 * PREDICTOR_REGRESS_MAX)
#define PREDICTOR_REGRESS_TINY    1e-10


/* the normal equations, scaled to a diagonal of 1 + ridge and |y| = 1 */

typedef struct {
    uint32_t  nx;
    unsigned  passive;              /* bits: w may be above 0 */
    double    scale[PREDICTOR_REGRESS_MAX];
    double    a[PREDICTOR_REGRESS_MAX][PREDICTOR_REGRESS_MAX];
    double    b[PREDICTOR_REGRESS_MAX];
    double    w[PREDICTOR_REGRESS_MAX];
} predictor_nnls_t;


void
predictor_regress_init(predictor_regress_t *r, uint32_t nx)
{
    memset(r, 0, sizeof(predictor_regress_t));
    r->nx = nx < PREDICTOR_REGRESS_MAX ? nx : PREDICTOR_REGRESS_MAX;
}


void
predictor_regress_fade(predictor_regress_t *r, double keep)
{
    uint32_t  i;

    r->n *= keep;
    r->y *= keep;
    r->yy *= keep;

    for (i = 0; i < PREDICTOR_REGRESS_MAX; i++) {
        r->xy[i] *= keep;
    }

    for (i = 0; i < PREDICTOR_REGRESS_MAX * PREDICTOR_REGRESS_MAX; i++) {
        r->xx[i] *= keep;
    }
}


int
predictor_regress_add(predictor_regress_t *r, const double *x, double y)
{
    uint32_t  i, k;

    for (i = 0; i < r->nx; i++) {

        if (!isfinite(x[i])) {
            return SHARD_ERROR;
        }
    }

    if (!isfinite(y)) {
        return SHARD_ERROR;
    }

    for (i = 0; i < r->nx; i++) {
        r->xy[i] += x[i] * y;

        for (k = 0; k < r->nx; k++) {
            r->xx[i * PREDICTOR_REGRESS_MAX + k] += x[i] * x[k];
        }
    }

    r->y += y;
    r->yy += y * y;
    r->n += 1;
    r->seen++;

    return SHARD_OK;
}


static void
predictor_nnls_scale(predictor_nnls_t *p, const predictor_regress_t *r,
    double ridge)
{
    double    length;
    uint32_t  i, k;

    memset(p, 0, sizeof(predictor_nnls_t));
    p->nx = r->nx;
    length = sqrt(r->yy);

    for (i = 0; i < r->nx; i++) {
        p->scale[i] = sqrt(r->xx[i * PREDICTOR_REGRESS_MAX + i]);
    }

    for (i = 0; i < r->nx; i++) {

        if (p->scale[i] <= 0) {
            p->a[i][i] = 1;
            continue;
        }

        p->b[i] = r->xy[i] / p->scale[i] / length;

        for (k = 0; k < r->nx; k++) {
            p->a[i][k] = p->scale[k] > 0
                         ? r->xx[i * PREDICTOR_REGRESS_MAX + k]
                           / p->scale[i] / p->scale[k]
                         : 0;
        }

        p->a[i][i] += ridge;
    }
}


/* the unconstrained answer of the passive ones; SHARD_ERROR: none */

static int
predictor_nnls_passive(const predictor_nnls_t *p, double *z)
{
    int       n, one, info;
    double    a[PREDICTOR_REGRESS_MAX * PREDICTOR_REGRESS_MAX];
    double    b[PREDICTOR_REGRESS_MAX];
    uint32_t  i, k, place[PREDICTOR_REGRESS_MAX];

    n = 0;
    one = 1;

    for (i = 0; i < p->nx; i++) {
        z[i] = 0;

        if (p->passive >> i & 1) {
            place[n++] = i;
        }
    }

    for (i = 0; i < (uint32_t) n; i++) {
        b[i] = p->b[place[i]];

        for (k = 0; k < (uint32_t) n; k++) {
            a[i * (uint32_t) n + k] = p->a[place[i]][place[k]];
        }
    }

    dposv_("U", &n, &one, a, &n, b, &n, &info, 1);

    if (info != 0) {
        return SHARD_ERROR;
    }

    for (i = 0; i < (uint32_t) n; i++) {
        z[place[i]] = b[i];
    }

    return SHARD_OK;
}


/* the variable that wants most to rise from 0, nx: none */

static uint32_t
predictor_nnls_rising(const predictor_nnls_t *p)
{
    double    gradient, most;
    uint32_t  i, k, best;

    best = p->nx;
    most = PREDICTOR_REGRESS_TINY;

    for (i = 0; i < p->nx; i++) {

        if (p->passive >> i & 1 || p->scale[i] <= 0) {
            continue;
        }

        gradient = p->b[i];

        for (k = 0; k < p->nx; k++) {
            gradient -= p->a[i][k] * p->w[k];
        }

        if (gradient > most) {
            most = gradient;
            best = i;
        }
    }

    return best;
}


/* from w towards z as far as nothing becomes negative; 1: all the way */

static int
predictor_nnls_step(predictor_nnls_t *p, const double *z)
{
    double    step, part;
    uint32_t  i, least;

    step = 1;
    least = p->nx;

    for (i = 0; i < p->nx; i++) {

        if (p->passive >> i & 1 && z[i] <= 0) {
            part = p->w[i] - z[i] > 0 ? p->w[i] / (p->w[i] - z[i]) : 0;

            if (part < step) {
                step = part;
                least = i;
            }
        }
    }

    for (i = 0; i < p->nx; i++) {
        p->w[i] += step * (z[i] - p->w[i]);

        if (i == least || (p->passive >> i & 1 && z[i] <= 0
                           && p->w[i] <= PREDICTOR_REGRESS_TINY))
        {
            p->passive &= ~(1u << i);
            p->w[i] = 0;
        }
    }

    return step >= 1;
}


static int
predictor_nnls(predictor_nnls_t *p)
{
    int       whole;
    double    z[PREDICTOR_REGRESS_MAX];
    uint32_t  i, rising;

    for (i = 0; i < PREDICTOR_REGRESS_ROUNDS; i++) {
        rising = predictor_nnls_rising(p);

        if (rising == p->nx) {
            return SHARD_OK;
        }

        p->passive |= 1u << rising;

        do {
            if (predictor_nnls_passive(p, z) != SHARD_OK) {
                return SHARD_ERROR;
            }

            whole = predictor_nnls_step(p, z);

        } while (!whole && p->passive);
    }

    /* it goes in circles on rounding errors alone: where it is, is good */

    return SHARD_OK;
}


int
predictor_regress_solve(const predictor_regress_t *r, double ridge, double *w,
    double *r2)
{
    double            sse, sst;
    uint32_t          i, k;
    predictor_nnls_t  p;

    sst = r->yy - (r->n > 0 ? r->y * r->y / r->n : 0);

    if (r->n < 2.0 * r->nx || !(sst > 1e-12 * r->yy)) {
        return SHARD_AGAIN;
    }

    predictor_nnls_scale(&p, r, ridge);

    if (predictor_nnls(&p) != SHARD_OK) {
        return SHARD_ERROR;
    }

    sse = r->yy;

    for (i = 0; i < r->nx; i++) {
        w[i] = p.scale[i] > 0 ? p.w[i] * sqrt(r->yy) / p.scale[i] : 0;
    }

    for (i = 0; i < r->nx; i++) {
        sse -= 2 * w[i] * r->xy[i];

        for (k = 0; k < r->nx; k++) {
            sse += w[i] * w[k] * r->xx[i * PREDICTOR_REGRESS_MAX + k];
        }
    }

    *r2 = 1 - (sse > 0 ? sse : 0) / sst;

    return isfinite(*r2) ? SHARD_OK : SHARD_ERROR;
}
