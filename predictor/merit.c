
#include <math.h>
#include <string.h>

#include "merit.h"
#include "normal.h"


/* of the logarithm, for one observation; and how far it may go */

#define PREDICTOR_MERIT_RATE   0.03
#define PREDICTOR_MERIT_LEAST  (-0.7)
#define PREDICTOR_MERIT_MOST   1.4

/* of a surprise, what is taken for lasting and what for uncertain */

#define PREDICTOR_MERIT_LASTS  0.3
#define PREDICTOR_MERIT_DOUBT  0.5


static int predictor_merit_sound(const predictor_worth_t *worth);
static void predictor_merit_add(predictor_worth_t *worth, double fade,
    double error);
static void predictor_merit_side(float *stretch, double promised, int missed);
static void predictor_merit_surprised(float *surprise,
    const predictor_said_t *said, double value, double span_s);
static double predictor_merit_surprise(const predictor_merit_t *merit,
    const uint32_t lead[PREDICTOR_CLASSES], uint32_t h);


void
predictor_said_nothing(predictor_said_t *said)
{
    uint32_t  i;

    for (i = 0; i < PREDICTOR_MERIT_MEMBERS; i++) {
        said->member[i] = NAN;
    }

    said->point = NAN;
    said->low = NAN;
    said->high = NAN;
    said->low_q = 0;
    said->high_q = 0;
}


void
predictor_merit_init(predictor_merit_t *merit)
{
    memset(merit, 0, sizeof(predictor_merit_t));
    merit->version = PREDICTOR_MERIT_VERSION;
}


int
predictor_merit_check(const predictor_merit_t *merit)
{
    int                             sound;
    uint32_t                        c, i;
    const predictor_merit_class_t  *one;

    if (merit->version != PREDICTOR_MERIT_VERSION) {
        return SHARD_ERROR;
    }

    for (c = 0; c < PREDICTOR_CLASSES; c++) {
        one = &merit->horizon[c];
        sound = predictor_merit_sound(&one->combined);

        for (i = 0; i < PREDICTOR_MERIT_MEMBERS; i++) {
            sound &= predictor_merit_sound(&one->member[i]);
        }

        for (i = 0; i < 2; i++) {
            sound &= one->stretch[i] >= (float) PREDICTOR_MERIT_LEAST
                     && one->stretch[i] <= (float) PREDICTOR_MERIT_MOST;
        }

        sound &= isfinite(one->surprise) && one->surprise >= 0;

        if (!sound) {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


static int
predictor_merit_sound(const predictor_worth_t *worth)
{
    return isfinite(worth->error) && worth->error >= 0
           && isfinite(worth->weight) && worth->weight >= 0;
}


void
predictor_merit_leads(uint32_t interval_s, uint32_t horizon,
    uint32_t lead[PREDICTOR_CLASSES])
{
    uint32_t  c, h;

    static const uint32_t  end_s[PREDICTOR_CLASSES - 1] = {
        0, 3600, 6 * 3600, 86400
    };

    for (c = 0; c < PREDICTOR_CLASSES; c++) {

        if (c == 0) {
            h = 1;

        } else if (c < PREDICTOR_CLASSES - 1 && end_s[c] / interval_s < horizon)
        {
            h = end_s[c] / interval_s;

        } else {
            h = horizon;
        }

        /* of a short horizon or of long steps, some classes are empty */

        lead[c] = (h && predictor_horizon_class(interval_s, h) == c) ? h : 0;
    }
}


void
predictor_merit_observe(predictor_merit_t *merit, uint32_t horizon_class,
    const predictor_said_t *said, double value, double span_s)
{
    double                    fade;
    uint32_t                  i;
    predictor_merit_class_t  *one;

    if (horizon_class >= PREDICTOR_CLASSES || !isfinite(value)
        || fabs(value) > 1e30)
    {
        return;
    }

    one = &merit->horizon[horizon_class];
    fade = exp2(-fmax(span_s, 0) / PREDICTOR_MERIT_HALF_S);

    for (i = 0; i < PREDICTOR_MERIT_MEMBERS; i++) {
        predictor_merit_add(&one->member[i], fade, value - said->member[i]);
    }

    predictor_merit_add(&one->combined, fade, value - said->point);

    /* equal to the bound is within it: counts of an idle shard are */

    if (said->low_q > 0 && said->low_q < 0.5 && isfinite(said->low)) {
        predictor_merit_side(&one->stretch[0], said->low_q,
                             (float) value < said->low);
    }

    if (said->high_q > 0.5 && said->high_q < 1 && isfinite(said->high)) {
        predictor_merit_side(&one->stretch[1], 1 - said->high_q,
                             (float) value > said->high);
    }

    predictor_merit_surprised(&one->surprise, said, value, span_s);

    if (merit->observed < UINT32_MAX) {
        merit->observed++;
    }
}


/* a member that was silent fades like the others */

static void
predictor_merit_add(predictor_worth_t *worth, double fade, double error)
{
    worth->error = (float) (worth->error * fade);
    worth->weight = (float) (worth->weight * fade);

    if (isfinite(error) && fabs(error) < 1e30) {
        worth->error = fminf(worth->error + (float) fabs(error), 1e36f);
        worth->weight += 1;
    }
}


static void
predictor_merit_side(float *stretch, double promised, int missed)
{
    double  log_stretch;

    log_stretch = *stretch + PREDICTOR_MERIT_RATE * (missed - promised);
    log_stretch = fmin(log_stretch, PREDICTOR_MERIT_MOST);

    *stretch = (float) fmax(log_stretch, PREDICTOR_MERIT_LEAST);
}


static void
predictor_merit_surprised(float *surprise, const predictor_said_t *said,
    double value, double span_s)
{
    double  error, sigma;

    *surprise *= (float) exp2(-fmax(span_s, 0) / PREDICTOR_MERIT_HEED_S);

    if (!(said->high_q > 0.5 && said->high_q < 1) || !isfinite(said->high)
        || !isfinite(said->point))
    {
        return;
    }

    error = value - said->point;
    sigma = (said->high - said->point)
            / predictor_normal_quantile(said->high_q);

    if (error > PREDICTOR_MERIT_SIGMAS * sigma && error > *surprise) {
        *surprise = (float) error;
    }
}


double
predictor_merit_error(const predictor_worth_t *worth)
{
    return worth->weight > 1e-6f ? worth->error / worth->weight : NAN;
}


double
predictor_merit_stretch(const predictor_merit_t *merit,
    uint32_t horizon_class, int above)
{
    return exp(merit->horizon[horizon_class].stretch[above != 0]);
}


/* at step h; what is beyond the last lead is as surprising as that */

static double
predictor_merit_surprise(const predictor_merit_t *merit,
    const uint32_t lead[PREDICTOR_CLASSES], uint32_t h)
{
    double    surprise, next;
    uint32_t  c, before;

    surprise = 0;
    before = 0;

    for (c = 0; c < PREDICTOR_CLASSES; c++) {

        if (lead[c] == 0) {
            continue;
        }

        next = merit->horizon[c].surprise;

        if (h <= lead[c]) {
            return before ? surprise + (next - surprise) * (h - before)
                                       / (lead[c] - before)
                          : next;
        }

        surprise = next;
        before = lead[c];
    }

    return surprise;
}


void
predictor_merit_heed(const predictor_merit_t *merit,
    const uint32_t lead[PREDICTOR_CLASSES], const predictor_ask_t *ask,
    double *rows)
{
    double    surprise, point, doubt, *row;
    uint32_t  h, k;

    for (h = 1; h <= ask->horizon; h++) {
        surprise = predictor_merit_surprise(merit, lead, h);

        if (surprise == 0) {
            continue;
        }

        row = rows + (size_t) (h - 1) * (1 + ask->nq);
        point = row[0];
        row[0] += PREDICTOR_MERIT_LASTS * surprise;

        for (k = 0; k < ask->nq; k++) {
            doubt = PREDICTOR_MERIT_DOUBT * surprise
                    * predictor_normal_quantile(ask->q[k])
                    / predictor_normal_quantile(0.9);
            row[1 + k] = row[0] + (ask->q[k] > 0.5
                                   ? fmax(row[1 + k] - point, doubt)
                                   : row[1 + k] - point);
        }
    }
}
