
/* Numbers as JSON: six digits, whatever their size. */

#include <math.h>
#include <stdlib.h>

#include "../lib/tap.h"
#include "../../predictor/number.h"


static const char *
text(float v)
{
    static char  buf[PREDICTOR_NUMBER_MAX + 1];

    *predictor_number_put(buf, v) = '\0';

    return buf;
}


/* the rest of a number in JSON's grammar: "" when it is one */

static const char *
grammar(const char *p)
{
    size_t  n;

    p += *p == '-';
    n = strspn(p, "0123456789");

    if (n == 0 || (n > 1 && *p == '0')) {
        return p;
    }

    p += n;

    if (*p == '.') {
        n = strspn(p + 1, "0123456789");
        p += n ? n + 1 : 0;
    }

    if (*p == 'e') {
        p += 1 + (p[1] == '-' || p[1] == '+');
        p += strspn(p, "0123456789");
    }

    return p;
}


int
main(void)
{
    int       i, wrong, far, longest;
    float     v;
    double    back;
    uint64_t  seed;

    tap_is_str(text(0), "0", "zero");
    tap_is_str(text(-0.0f), "0", "without a sign");
    tap_is_str(text(1), "1", "one");
    tap_is_str(text(-1.5f), "-1.5", "negative");
    tap_is_str(text(1234.5f), "1234.5", "without zeros behind");
    tap_is_str(text(100000), "100000", "but with those that count");
    tap_is_str(text(123456.7f), "123457", "rounded to six digits");
    tap_is_str(text(0.1f), "0.1", "a tenth");
    tap_is_str(text(0.0123456789f), "0.0123457", "small");
    tap_is_str(text(9.999999f), "10", "rounded over a power of ten");
    tap_is_str(text(1.5e-7f), "1.5e-07", "very small");
    tap_is_str(text(2.5e20f), "2.5e+20", "very large");

    seed = tap_seed(4);
    wrong = far = longest = 0;

    for (i = 0; i < 300000; i++) {
        v = (float) (exp2((double) (tap_random(&seed) % 100000) / 1000 - 50)
                     * (1 + (double) (tap_random(&seed) % 100000) / 100000)
                     * (tap_random(&seed) % 4 ? 1 : -1));
        wrong += *grammar(text(v)) != '\0';
        back = strtod(text(v), NULL);
        far += !(fabs(back - (double) v) <= 5.1e-6 * fabs((double) v));
        longest = (int) strlen(text(v)) > longest ? (int) strlen(text(v))
                                                  : longest;
    }

    tap_is_int(wrong, 0, "JSON, all of them");
    tap_is_int(far, 0, "six digits of them are right");
    tap_ok(longest < PREDICTOR_NUMBER_MAX, "at most %d bytes", longest);

    return tap_done();
}
