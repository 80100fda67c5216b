
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


/* killed at slot "end", the whole kept at "whole", then a log a slot, of
 * which "lost" is not there (0: all are): what is put together again */

static uint32_t
restored(uint64_t *seed, uint32_t whole, uint32_t end, uint32_t lost,
    int *same)
{
    int                   rc;
    char                  err[SHARD_ERR_SIZE];
    size_t                len, loglen;
    uint8_t              *code, *other;
    uint32_t              i;
    predictor_errors_t   *e, *log, *back;

    e = calloc(3, sizeof(*e));
    log = e + 1;
    back = e + 2;
    code = malloc(2 * predictor_errors_room(1));
    other = code + predictor_errors_room(1);
    rc = SHARD_OK;

    for (i = 0; i <= whole; i++) {
        slot(e, i, tap_random(seed) % 9 ? (double) (tap_random(seed) % 200)
                                        : NAN);
    }

    len = predictor_errors_encode(&plan, e, 7, 1, code);
    rc |= predictor_errors_decode(&plan, code, len, 7, 1, back, err);

    for ( /* void */ ; i <= end; i++) {
        slot(e, i, tap_random(seed) % 9 ? (double) (tap_random(seed) % 200)
                                        : NAN);
        loglen = predictor_errors_encode_log(&plan, e, 7, 1, SLOT0 + i,
                                             other);
        rc |= loglen == 0 || loglen > len / 3;
        memset(log, 0, sizeof(*log));
        rc |= predictor_errors_decode_log(&plan, other, loglen, 7, 1, log,
                                          err);

        /* as read at the start, when all values up to the end are known; y
         * is filled up to here only, and more must not be looked at */

        if (i != lost) {
            predictor_errors_again(&plan, back, log, y, i + 1, SLOT0 + i);
        }
    }

    tap_ok(rc == SHARD_OK, "whole at %u, logs up to %u are written and read",
           whole, end);
    loglen = predictor_errors_encode(&plan, back, 7, 1, other);
    len = predictor_errors_encode(&plan, e, 7, 1, code);
    *same = loglen == len && memcmp(code, other, len) == 0;
    i = e->merit.observed - back->merit.observed;
    free(code);
    free(e);

    return i;
}


static void
test_log(uint64_t seed)
{
    int                  same;
    char                 err[SHARD_ERR_SIZE];
    uint8_t             *code;
    uint32_t             less;
    predictor_errors_t  *e, none;

    predictor_errors_plan(&plan, RES, HORIZON);

    tap_is_int(restored(&seed, 400, 412, 0, &same), 0, "nothing is lost");
    tap_ok(same, "to the bit");
    tap_is_int(restored(&seed, 5, 125, 0, &same), 0, "early, and for long");
    tap_ok(same, "to the bit");
    less = restored(&seed, 400, 412, 406, &same);
    tap_ok(less <= 1 && !same, "one log is lost: one forecast is");

    /* a shard without a whole, an old log, one of the future */

    e = calloc(2, sizeof(*e));
    code = malloc(predictor_errors_room(1));
    memset(&none, 0, sizeof(none));
    slot(e, 0, 1);
    slot(e, 1, 1);
    e[1] = none;
    predictor_errors_again(&plan, &e[1], &e[0], y, 2, SLOT0 + 1);
    tap_ok(memcmp(&e[1], &none, sizeof(none)) == 0, "nothing to go on from");
    e[1] = e[0];
    slot(&e[1], 2, 1);
    none = e[1];
    predictor_errors_again(&plan, &e[1], &e[0], y, 3, SLOT0 + 2);
    tap_ok(memcmp(&e[1], &none, sizeof(none)) == 0, "one that is older");
    none = e[0];
    predictor_errors_again(&plan, &e[0], &e[1], y, 2, SLOT0 + 1);
    tap_ok(memcmp(&e[0], &none, sizeof(none)) == 0, "or not known yet");

    tap_is_int((long) predictor_errors_encode_log(&plan, e, 0, 1, SLOT0, code),
               0, "nothing was said after that slot");
    less = (uint32_t) predictor_errors_encode(&plan, e, 0, 1, code);
    tap_is_int(predictor_errors_decode_log(&plan, code, less, 0, 1, &none,
                                           err), SHARD_ERROR,
               "a whole is no log");
    tap_ok(strstr(err, "SPL1") != NULL, "and said: %s", err);
    free(code);
    free(e);
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(9);

    test_plan();
    test_observed();
    test_code(seed);
    test_log(seed);

    return tap_done();
}
