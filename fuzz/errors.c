
/* errors of past forecasts as the store keeps them: refused and nothing
 * changed, or written again they read the same */

#include "../predictor/errors.h"

#include "fuzz.h"


#define SHARDS  8
#define FIRST   256


/* a log, and time from before it over it and on */

static void
logged(const predictor_errors_plan_t *plan, const uint8_t *data, size_t size,
    const double *y, uint32_t n)
{
    char                 err[SHARD_ERR_SIZE];
    size_t               i;
    predictor_errors_t   log[SHARDS], before[SHARDS], e;

    memset(err, 0, sizeof(err));
    memset(log, 0, sizeof(log));
    memset(before, 0, sizeof(before));

    if (predictor_errors_decode_log(plan, data, size, FIRST, SHARDS, log, err)
        != SHARD_OK)
    {
        fuzz_refused(err, log, before);
        fuzz_must(memcmp(log, before, sizeof(log)) == 0,
                  "refused, yet changed");
        return;
    }

    for (i = 0; i < SHARDS; i++) {
        memset(&e, 0, sizeof(e));
        e.slot = log[i].slot > 3 ? log[i].slot - 3 : 0;
        predictor_errors_again(plan, &e, &log[i], y, n - 290, log[i].slot);
        predictor_errors_observe(plan, &e, y, n, e.slot + 290);
        fuzz_must(e.merit.version == 0
                  || predictor_merit_check(&e.merit) == SHARD_OK,
                  "a merit that is not sound");
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                       rc;
    char                      err[SHARD_ERR_SIZE];
    double                    y[300];
    size_t                    i, len, again;
    uint8_t                  *code, *other;
    predictor_errors_t        e[SHARDS], back[SHARDS], before[SHARDS];
    predictor_errors_plan_t   plan;

    predictor_errors_plan(&plan, 300, 288);
    memset(err, 0, sizeof(err));
    memset(e, 0, sizeof(e));
    memset(back, 0, sizeof(back));
    memset(before, 0, sizeof(before));

    for (i = 0; i < sizeof(y) / sizeof(y[0]); i++) {
        y[i] = (double) i;
    }

    logged(&plan, data, size, y, 300);

    rc = predictor_errors_decode(&plan, data, size, FIRST, SHARDS, e, err);

    if (rc != SHARD_OK) {
        fuzz_refused(err, e, before);
        fuzz_must(memcmp(e, before, sizeof(e)) == 0, "refused, yet changed");
        return 0;
    }

    code = malloc(2 * predictor_errors_room(SHARDS));
    other = code + predictor_errors_room(SHARDS);

    len = predictor_errors_encode(&plan, e, FIRST, SHARDS, code);
    fuzz_must(predictor_errors_decode(&plan, code, len, FIRST, SHARDS, back,
                                      err) == SHARD_OK, err);
    again = predictor_errors_encode(&plan, back, FIRST, SHARDS, other);
    fuzz_must(again == len && memcmp(code, other, len) == 0, "written anew");

    /* whatever was taken, time goes on from there */

    for (i = 0; i < SHARDS; i++) {
        predictor_errors_observe(&plan, &e[i], y, 300, e[i].slot + 290);
        fuzz_must(e[i].merit.version == 0
                  || predictor_merit_check(&e[i].merit) == SHARD_OK,
                  "a merit that is not sound");
    }

    free(code);

    return 0;
}
