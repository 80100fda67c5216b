
#include <math.h>
#include <string.h>

#include "merit.h"


/* of the logarithm, for one observation; and how far it may go */

#define PREDICTOR_MERIT_RATE   0.03
#define PREDICTOR_MERIT_LEAST  (-0.7)
#define PREDICTOR_MERIT_MOST   1.4


static int predictor_merit_sound(const predictor_worth_t *worth);
static void predictor_merit_add(predictor_worth_t *worth, double fade,
    double error);
static void predictor_merit_side(float *stretch, double promised, int missed);


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
