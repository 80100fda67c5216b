
#include <math.h>
#include <string.h>

#include "quantile.h"
#include "spread.h"


uint32_t
predictor_spread_leads(uint32_t horizon)
{
    uint32_t  i;

    for (i = 0; (uint32_t) 1 << i < horizon; i++) { /* void */ }

    return i + 1;
}


void
predictor_spread_add(predictor_spread_t *spread, const predictor_ask_t *ask,
    double *errors, uint32_t n)
{
    double  *offset;

    offset = spread->offset[spread->leads];

    if (n) {
        predictor_quantiles(errors, n, ask->q, ask->nq, offset);

    } else if (spread->leads) {
        memcpy(offset, spread->offset[spread->leads - 1],
               sizeof(spread->offset[0]));

    } else {
        memset(offset, 0, sizeof(spread->offset[0]));
    }

    spread->leads++;
    spread->nq = ask->nq;
}


void
predictor_spread_at(const predictor_spread_t *spread, uint32_t h,
    double *offset)
{
    double    share;
    uint32_t  i, k;

    for (k = 0; k + 1 < spread->leads && (uint32_t) 2 << k <= h; k++) {
        /* void */
    }

    if (k + 1 == spread->leads) {
        memcpy(offset, spread->offset[k], spread->nq * sizeof(double));
        return;
    }

    share = log2((double) h) - k;

    for (i = 0; i < spread->nq; i++) {
        offset[i] = spread->offset[k][i]
                    + share * (spread->offset[k + 1][i]
                               - spread->offset[k][i]);
    }
}
