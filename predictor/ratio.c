
#include <math.h>
#include <string.h>

#include "ratio.h"


#define PREDICTOR_RATIO_DAYS     7          /* the profile's memory */
#define PREDICTOR_RATIO_FADE_S   3600.0     /* the level's */
#define PREDICTOR_RATIO_LEVEL    0.3        /* per slot of 300 s */
#define PREDICTOR_RATIO_STEP     0.05       /* of the spread, for quantiles */
#define PREDICTOR_RATIO_LOG_MAX  60.0


const double  predictor_ratio_quantiles[PREDICTOR_RATIO_QUANTILES] = {
    0.1, 0.5, 0.9
};


/* 1970 began on a Thursday: days 2 and 3 were a weekend */

static int
predictor_ratio_weekend(double epoch_s)
{
    long  day;

    day = (long) floor(epoch_s / 86400) % 7;

    return day == 2 || day == 3;
}


static int
predictor_ratio_hour(double epoch_s)
{
    return (int) (fmod(epoch_s, 86400) / 3600) % PREDICTOR_RATIO_HOURS;
}


/* the profile there: of such a day, else of the other, else as it was last */

static double
predictor_ratio_profile(const predictor_ratio_t *r, double epoch_s)
{
    int  kind, hour;

    kind = predictor_ratio_weekend(epoch_s);
    hour = predictor_ratio_hour(epoch_s);

    if (r->days[kind][hour]) {
        return r->profile[kind][hour];
    }

    return r->days[1 - kind][hour] ? r->profile[1 - kind][hour] : r->last;
}


static void
predictor_ratio_follow(float *quantiles, double residual, double step)
{
    int  i;

    for (i = 0; i < PREDICTOR_RATIO_QUANTILES; i++) {
        quantiles[i] += (float) (step * (predictor_ratio_quantiles[i]
                                         - (residual < quantiles[i])));
    }
}


void
predictor_ratio_see(predictor_ratio_t *r, double epoch_s, double res_s,
    double ratio)
{
    int        kind, hour;
    double     v, far, near, gain;
    uint16_t  *days;

    v = ratio > 0 ? log(ratio) : NAN;

    if (!isfinite(v) || fabs(v) > PREDICTOR_RATIO_LOG_MAX || epoch_s < 0) {
        return;
    }

    if (r->seen == 0) {
        r->last = (float) v;
    }

    far = v - predictor_ratio_profile(r, epoch_s);
    near = far - r->level;

    /* what is odd by far moves nothing by more than it is used to */

    gain = 1.0 / fmin(++r->seen, 100);
    r->spread += (float) (gain * (fabs(near) - r->spread));
    predictor_ratio_follow(r->fit, near, PREDICTOR_RATIO_STEP * r->spread
                                         + gain * fabs(near));
    predictor_ratio_follow(r->far, far, PREDICTOR_RATIO_STEP
                                        * (r->spread + fabs(r->level))
                                        + gain * fabs(far));

    gain = 1 - pow(1 - PREDICTOR_RATIO_LEVEL, fmin(res_s / 300, 12));
    r->level += (float) (gain * near);

    kind = predictor_ratio_weekend(epoch_s);
    hour = predictor_ratio_hour(epoch_s);
    days = &r->days[kind][hour];

    /* the first slot of an hour begins where the last one was */

    if (*days == 0) {
        r->profile[kind][hour] = (float) (v - far);
    }

    gain = fmax(1.0 / (*days + 2), fmin(res_s / 3600, 1)
                                   / PREDICTOR_RATIO_DAYS);
    *days += *days < UINT16_MAX;
    r->profile[kind][hour] += (float) (gain * far);
    r->last = r->profile[kind][hour];
}


int
predictor_ratio_ahead(const predictor_ratio_t *r, double epoch_s,
    double res_s, uint32_t steps, predictor_ratio_ahead_t *out)
{
    int     i;
    double  fade, middle, q;

    if (r->seen == 0) {
        return SHARD_AGAIN;
    }

    fade = exp(-res_s * (steps ? steps - 1 : 0) / PREDICTOR_RATIO_FADE_S);
    middle = predictor_ratio_profile(r, epoch_s + res_s * steps)
             + fade * r->level;

    out->mean = exp(middle);
    q = -INFINITY;

    for (i = 0; i < PREDICTOR_RATIO_QUANTILES; i++) {

        /* followed each by itself they might cross */

        q = fmax(q, fade * r->fit[i] + (1 - fade) * r->far[i]);
        out->q[i] = exp(middle + q);
    }

    return SHARD_OK;
}
