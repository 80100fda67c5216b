
#include <math.h>

#include "normal.h"


double
predictor_normal_quantile(double q)
{
    double  p, t, z;

    p = q < 0.5 ? q : 1 - q;

    if (p > 0.4999) {
        return 0;
    }

    t = sqrt(-2 * log(p));
    z = t - (2.515517 + t * (0.802853 + t * 0.010328))
            / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));

    return q < 0.5 ? -z : z;
}
