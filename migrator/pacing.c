
#include "pacing.h"


#define EASY   0.5
#define HARD   0.8
#define WORSE  0.2


uint32_t
migrator_pace(migrator_pace_t *pace, const migrator_paces_t *bounds,
    double strain)
{
    uint32_t  step;

    step = pace->step_bp;

    if (step == 0) {
        step = bounds->first_bp;

    } else if (strain <= EASY && strain - pace->strain <= WORSE) {
        step += (step + 1) / 2;
    }

    if (strain > HARD) {
        step /= 2;
    }

    if (step < bounds->min_bp) {
        step = bounds->min_bp;
    }

    if (step > bounds->max_bp) {
        step = bounds->max_bp;
    }

    pace->step_bp = step;
    pace->strain = strain;

    return step;
}
