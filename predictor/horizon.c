
#include "model.h"


uint32_t
predictor_horizon_class(uint32_t interval_s, uint32_t h)
{
    uint32_t  i;
    uint64_t  ahead;

    static const uint32_t  bounds[] = { 3600, 6 * 3600, 24 * 3600 };

    if (h <= 1) {
        return 0;
    }

    ahead = (uint64_t) interval_s * h;

    for (i = 0; i < PREDICTOR_CLASSES - 2 && ahead > bounds[i]; i++) {
        /* void */
    }

    return i + 1;
}
