
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "number.h"


#define PREDICTOR_NUMBER_DIGITS  6


static const double    predictor_number_tens[] = {
    1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9
};


static char *
predictor_number_digits(char *p, uint64_t n, int least)
{
    int   i;
    char  digits[20];

    for (i = 0; n || i < least; i++) {
        digits[i] = (char) ('0' + n % 10);
        n /= 10;
    }

    while (i) {
        *p++ = digits[--i];
    }

    return p;
}


char *
predictor_number_put(char *p, float v)
{
    int       decimals;
    double    size;
    uint64_t  scaled, one;

    size = fabs((double) v);

    if (!(size < 1e6) || (size < 1e-3 && size > 0)) {
        return p + snprintf(p, PREDICTOR_NUMBER_MAX, "%.6g", v);
    }

    /* as many decimals as leave six digits from the first that is not 0 */

    decimals = PREDICTOR_NUMBER_DIGITS + 2;

    while (decimals && size >= 1e-2 * predictor_number_tens[
                                   PREDICTOR_NUMBER_DIGITS + 2 - decimals])
    {
        decimals--;
    }

    scaled = (uint64_t) (size * predictor_number_tens[decimals] + 0.5);
    one = (uint64_t) predictor_number_tens[decimals];

    while (decimals && scaled % 10 == 0) {
        scaled /= 10;
        one /= 10;
        decimals--;
    }

    if (v < 0 && scaled) {
        *p++ = '-';
    }

    p = predictor_number_digits(p, scaled / one, 1);

    if (decimals) {
        *p++ = '.';
        p = predictor_number_digits(p, scaled % one, decimals);
    }

    return p;
}


char *
predictor_number_text(json_t *json)
{
    char  *text;

    text = json_dumps(json, JSON_COMPACT
                            | JSON_REAL_PRECISION(PREDICTOR_NUMBER_DIGITS));
    json_decref(json);

    return text;
}
