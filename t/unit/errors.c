
/*
 * Past forecasts against what came: each once, by the right class, over gaps
 * and late slots; the code they are kept in.
 */

#include <math.h>
#include <stdlib.h>

#include "../lib/tap.h"
#include "../../predictor/errors.h"


#define RES      300
#define HORIZON  288
#define SLOT0    5934240
#define N        600


static double                   y[N];
static predictor_errors_plan_t  plan;


static void
say(predictor_said_t *said, double point)
{
    uint32_t  c, i;

    for (c = 0; c < PREDICTOR_CLASSES; c++) {

        for (i = 0; i < PREDICTOR_MERIT_MEMBERS; i++) {
            said[c].member[i] = i < 3 ? (float) (point + i) : NAN;
        }

        said[c].point = (float) point;
        said[c].low = (float) (point - 5);
        said[c].high = (float) (point + 5);
        said[c].low_q = 0.1f;
        said[c].high_q = 0.9f;
    }
}


/* a slot closes, its value is compared, the next ones are forecast */

static void
slot(predictor_errors_t *e, uint32_t i, double value)
{
    predictor_said_t  said[PREDICTOR_CLASSES];

    y[i] = value;
    predictor_errors_observe(&plan, e, y, i + 1, SLOT0 + i);
    say(said, 100);
    predictor_errors_record(&plan, e, said, SLOT0 + i);
}


static void
test_plan(void)
{
    uint32_t                 c, long_ring;
    predictor_errors_plan_t  p;

    predictor_errors_plan(&plan, RES, HORIZON);
    tap_is_int(plan.lead[0], 1, "the first step");
    tap_is_int(plan.lead[1], 12, "an hour");
    tap_is_int(plan.lead[3], 288, "a day");
    tap_is_int(plan.stride[1], 1, "every forecast of an hour ahead");
    tap_is_int(plan.stride[3], 18, "one in 18 of a day ahead");
    tap_is_int(plan.longest, 288, "the longest");

    predictor_errors_plan(&p, RES, 24);
    long_ring = 0;

    for (c = 0; c < PREDICTOR_CLASSES; c++) {
        long_ring += p.lead[c] > PREDICTOR_ERRORS_RING * p.stride[c];
    }

    tap_is_int(long_ring, 0, "rings are long enough");
    tap_is_int(p.longest, 24, "within a short horizon");
}


static void
test_observed(void)
{
    uint32_t            i, want;
    predictor_errors_t  e, again;
    predictor_said_t    said[PREDICTOR_CLASSES];

    memset(&e, 0, sizeof(e));

    for (i = 0; i < 40; i++) {
        slot(&e, i, 110);
    }

    /* 39 of one step ahead; 28 of an hour ahead; none of six hours yet */

    tap_is_int(e.merit.observed, 39 + 28, "each forecast that came true");
    tap_ok(fabs(predictor_merit_error(&e.merit.horizon[0].combined) - 10)
           < 1e-3, "error of the whole");
    tap_ok(fabs(predictor_merit_error(&e.merit.horizon[1].member[2]) - 8)
           < 1e-3, "of a member");
    tap_ok(isnan(predictor_merit_error(&e.merit.horizon[1].member[5])),
           "none of a silent one");
    tap_ok(isnan(predictor_merit_error(&e.merit.horizon[3].combined)),
           "none of a day ahead yet");

    again = e;
    predictor_errors_observe(&plan, &e, y, 40, SLOT0 + 39);
    tap_ok(memcmp(&e, &again, sizeof(e)) == 0, "the same slot counts once");

    say(said, 100);
    predictor_errors_record(&plan, &e, said, SLOT0 + 39);
    tap_ok(memcmp(&e, &again, sizeof(e)) == 0, "said again, kept once");

    want = e.merit.observed;
    slot(&e, 40, NAN);
    tap_is_int(e.merit.observed, want, "an unknown value counts for nothing");

    /* three slots close at once: what was said for them is still compared */

    y[41] = y[42] = y[43] = 110;
    predictor_errors_observe(&plan, &e, y, 44, SLOT0 + 43);
    tap_is_int(e.merit.observed, want + 1 + 3, "slots that close at once");

    for (i = 44; i < N; i++) {
        slot(&e, i, 110);
    }

    tap_ok(!isnan(predictor_merit_error(&e.merit.horizon[3].combined)),
           "a day ahead, a day later");

    /* dark for weeks: what was said is past, and the time goes on */

    want = e.merit.observed;
    predictor_errors_observe(&plan, &e, y, 5, SLOT0 + 100000);
    tap_is_int(e.merit.observed, want, "nothing was said for these");
    tap_is_int((long) (e.slot - SLOT0), 100000, "time goes on");
}


static void
fleet(predictor_errors_t *e, uint32_t n, uint64_t *seed)
{
    uint32_t  s, i, slots;

    memset(e, 0, n * sizeof(predictor_errors_t));

    for (s = 0; s < n; s++) {
        slots = (uint32_t) (tap_random(seed) % 400);

        for (i = 0; s % 5 && i < slots; i++) {
            slot(&e[s], i, tap_random(seed) % 20
                           ? (double) (tap_random(seed) % 200) : NAN);
        }
    }
}


static void
test_code(uint64_t seed)
{
    int                      i, changed, refused;
    char                     err[SHARD_ERR_SIZE];
    size_t                   len, at, again;
    uint8_t                 *code, *other;
    predictor_errors_t      *e, *back, *zero;
    predictor_errors_plan_t  p;

    e = calloc(20, sizeof(*e));
    back = calloc(20, sizeof(*e));
    zero = calloc(20, sizeof(*e));
    code = malloc(predictor_errors_room(20));
    other = malloc(predictor_errors_room(20));

    fleet(e, 20, &seed);
    len = predictor_errors_encode(&plan, e, 512, 20, code);
    tap_ok(len < predictor_errors_room(20), "%zu bytes of 20 shards", len);
    tap_is_int(predictor_errors_decode(&plan, code, len, 512, 20, back, err),
               SHARD_OK, "are read");
    again = predictor_errors_encode(&plan, back, 512, 20, other);
    tap_ok(again == len && memcmp(code, other, len) == 0,
           "and written the same");
    tap_ok(memcmp(&e[3].merit, &back[3].merit, sizeof(e->merit)) == 0,
           "the same merit");
    tap_is_int((long) back[5].slot, 0, "nothing of shards without any");

    predictor_errors_plan(&p, RES, 24);
    memset(back, 0, 20 * sizeof(*e));
    tap_is_int(predictor_errors_decode(&p, code, len, 512, 20, back, err),
               SHARD_AGAIN, "another horizon: gathered anew");
    tap_is_int(predictor_errors_decode(&plan, code, len, 0, 20, back, err),
               SHARD_ERROR, "another block: refused");
    tap_ok(strstr(err, "another block") != NULL, "and said");

    refused = 0;

    for (at = 0; at < len; at += 1 + tap_random(&seed) % 97) {
        refused += predictor_errors_decode(&plan, code, at, 512, 20, back,
                                           err) == SHARD_OK;
    }

    tap_is_int(refused, 0, "no shortened one is taken");
    tap_ok(memcmp(back, zero, 20 * sizeof(*e)) == 0,
           "what is refused changes nothing");

    changed = 0;

    for (i = 0; i < 3000; i++) {
        memcpy(other, code, len);
        other[tap_random(&seed) % len] ^= (uint8_t) (1 << tap_random(&seed)
                                                           % 8);
        memset(back, 0, 20 * sizeof(*e));

        if (predictor_errors_decode(&plan, other, len, 512, 20, back, err)
            != SHARD_OK)
        {
            changed += memcmp(back, zero, 20 * sizeof(*e)) != 0;
        }
    }

    tap_is_int(changed, 0, "a bit turned: taken whole or not at all");

    free(e);
    free(back);
    free(zero);
    free(code);
    free(other);
}


int
main(void)
{
    test_plan();
    test_observed();
    test_code(tap_seed(9));

    return tap_done();
}
