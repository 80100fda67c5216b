#include "../lib/tap.h"

#include "../../predictor/protocol.h"


#define VALUES  4000


static double                y[VALUES];
static predictor_protocol_t  p;
static char                  err[SHARD_ERR_SIZE];


static int
plan(uint32_t interval_s, uint32_t n, uint32_t origins)
{
    predictor_protocol_wish_t  wish;

    memset(&wish, 0, sizeof(wish));
    wish.origins = origins;
    err[0] = '\0';

    return predictor_protocol_plan(&p, interval_s, n, &wish, err);
}


/* origins as the benchmark of the field's methods has them */

static void
origins(void)
{
    tap_is_int(plan(300, 8064, 0), SHARD_OK, "four weeks at five minutes");
    tap_is_int(p.ahead, 288, "a day ahead");
    tap_is_int(p.window, 8064, "28 days of history");
    tap_is_int(p.norigins, 12, "twelve origins");
    tap_is_int(p.origin[0], 6048, "the first at three quarters");
    tap_is_int(p.origin[11], 6048 + 11 * 157, "the last leaves a day");
    tap_is_int(p.steps[PREDICTOR_BAND_HOUR], 12, "an hour");
    tap_is_int(p.steps[PREDICTOR_BAND_DAY], 288, "a day");
    tap_is_int(p.steps[PREDICTOR_BAND_ALL], 0, "no other band");

    /* (2 * 1152 - 24) / 11 is 207; at 1152 / 4 = 288: (288 - 24) / 11 = 24 */

    tap_is_int(plan(3600, 1152, 0), SHARD_OK, "by the hour");
    tap_is_int(p.origin[1] - p.origin[0], 23, "nudged off a step of a day");

    tap_is_int(plan(3600, 4 * (24 + 12 * 11), 0), SHARD_OK, "half days");
    tap_is_int(p.origin[1] - p.origin[0], 11, "nudged off half a day");

    tap_is_int(plan(60, 20160, 0), SHARD_OK, "by the minute");
    tap_is_int(p.ahead, 60, "an hour ahead");
    tap_is_int(p.window, 7 * 1440, "a week of history");
    tap_is_int(p.steps[PREDICTOR_BAND_DAY], 0, "no band of a day");

    tap_is_int(plan(3600, 4 * 24 + 8, 0), SHARD_OK, "just long enough");
    tap_is_int(p.norigins, 3, "as many origins as there is room for");
    tap_is_int(p.origin[2] + p.ahead, p.n, "the last ends with the series");
}


static void
refused(void)
{
    tap_is_int(plan(3600, 4 * 24 - 1, 0), SHARD_ERROR, "no test span");
    tap_ok(strstr(err, "96 steps in all") != NULL, "says what it needs");

    tap_is_int(plan(3600, 30, 0), SHARD_ERROR, "no season");
    tap_ok(strstr(err, "a season of 24 steps is too long") != NULL,
           "says what is too long");

    tap_is_int(plan(7000, 3000, 0), SHARD_ERROR, "no whole steps in a day");
    tap_ok(strstr(err, "--season") != NULL, "says the way out");

    tap_is_int(plan(1, 800000, 0), SHARD_OK, "by the second");
    tap_is_int(p.ahead, 3600, "an hour of it");
}


/* against sums written down plainly */

static void
scores(uint64_t *seed)
{
    double              *out[PREDICTOR_ORIGINS_MAX], scale, error, came, v;
    uint32_t             i, k, h, covered, n;
    predictor_score_t    score;
    predictor_series_t   history;

    for (i = 0; i < 1152; i++) {
        y[i] = (double) (tap_random(seed) % 1000);
        y[i] = tap_random(seed) % 10 ? y[i] : NAN;
    }

    (void) plan(3600, 1152, 0);

    scale = predictor_protocol_scale(&p, y);
    error = 0;
    n = 0;

    for (i = 24; i < p.n - p.test; i++) {
        v = fabs(y[i] - y[i - 24]);
        error += isnan(v) ? 0 : v;
        n += !isnan(v);
    }

    tap_is_dbl(scale, error / n, 1e-9, "scale");

    for (k = 0; k < p.norigins; k++) {
        out[k] = calloc(p.ahead * PREDICTOR_PROTOCOL_ROW, sizeof(double));

        for (h = 0; h < p.ahead; h++) {
            for (i = 0; i < PREDICTOR_PROTOCOL_ROW; i++) {
                out[k][h * PREDICTOR_PROTOCOL_ROW + i] = i * 180;
            }
        }
    }

    predictor_protocol_score(&p, y, scale, out, PREDICTOR_BAND_DAY, &score);

    error = 0;
    came = 0;
    covered = 0;
    n = 0;

    for (k = 0; k < p.norigins; k++) {
        for (h = 0; h < 24; h++) {
            v = y[p.origin[k] + h];

            if (!isnan(v)) {
                error += fabs(v - 540);
                came += v;
                covered += v >= 180 && v <= 900;
                n++;
            }
        }

        free(out[k]);
    }

    tap_is_int(score.known, n, "gaps are not compared");
    tap_is_dbl(score.mase, error / n / scale, 1e-9, "MASE");
    tap_is_dbl(score.wape, 100 * error / came, 1e-9, "WAPE");
    tap_is_dbl(score.coverage, (double) covered / n, 1e-9, "coverage");
    tap_is_dbl(score.pinball[0], score.mase / 2, 1e-9,
               "pinball of the median is half the error");

    predictor_protocol_history(&p, y, 36000000, 3, &history);
    tap_is_int(history.n, p.origin[3] < p.window ? p.origin[3] : p.window,
               "what a forecast may see");
    tap_ok(history.y + history.n == y + p.origin[3], "ends at the origin");
    tap_is_int(history.start, 10000 + (history.y - y), "and knows the time");
}


/* what printf("%.9g") and strtod() make of it */

static void
rounding(uint64_t *seed)
{
    int     same;
    char    text[40];
    double  v, rounded;
    long    i;

    same = 1;

    for (i = 0; i < 20000; i++) {
        v = ((double) (tap_random(seed) >> 11) - 4e15)
            * pow(10, (int) (tap_random(seed) % 25) - 20);
        rounded = v;

        predictor_protocol_round(&rounded, 1);
        snprintf(text, sizeof(text), "%.9g", v);

        if (fabs(rounded - strtod(text, NULL)) > fabs(v) * 1e-15) {
            tap_diag("%.17g became %.17g", v, rounded);
            same = 0;
        }
    }

    tap_ok(same, "rounded as printed");

    v = 94.000000000000014;
    predictor_protocol_round(&v, 1);
    tap_ok(v == 94, "a whole number again");

    v = 0.3 + 1e-15;
    predictor_protocol_round(&v, 1);
    tap_ok(v == 0.3, "a decimal again");

    v = 0;
    predictor_protocol_round(&v, 1);
    tap_ok(v == 0, "zero stays");
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(45);

    origins();
    refused();
    scores(&seed);
    rounding(&seed);

    return tap_done();
}
