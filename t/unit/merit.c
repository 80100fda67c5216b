
#include "../lib/tap.h"

#include "../../predictor/merit.h"


static void test_leads(void);
static void test_errors(void);
static void test_fading(void);
static void test_stretch(void);
static void test_check(void);
static void test_surprise(void);
static void test_heed(void);
static void test_hostile(void);
static predictor_said_t silent(void);
static double uniform(uint64_t *seed);


static predictor_merit_t  merit;


int
main(void)
{
    test_leads();
    test_errors();
    test_fading();
    test_stretch();
    test_check();
    test_surprise();
    test_heed();
    test_hostile();

    return tap_done();
}


static double
uniform(uint64_t *seed)
{
    return (double) (tap_random(seed) >> 11) / 9007199254740992.0;
}


static predictor_said_t
silent(void)
{
    uint32_t          i;
    predictor_said_t  said;

    for (i = 0; i < PREDICTOR_MERIT_MEMBERS; i++) {
        said.member[i] = NAN;
    }

    said.point = NAN;
    said.low = NAN;
    said.high = NAN;
    said.low_q = 0;
    said.high_q = 0;

    return said;
}


static void
test_leads(void)
{
    uint32_t  i, c, lead[PREDICTOR_CLASSES];

    static const struct {
        uint32_t  interval_s;
        uint32_t  horizon;
        uint32_t  lead[PREDICTOR_CLASSES];
    } cases[] = {
        { 300, 288, { 1, 12, 72, 288, 0 } },
        { 300, 576, { 1, 12, 72, 288, 576 } },
        { 300, 100, { 1, 12, 72, 100, 0 } },
        { 300, 1, { 1, 0, 0, 0, 0 } },
        { 60, 60, { 1, 60, 0, 0, 0 } },
        { 3600, 24, { 1, 0, 6, 24, 0 } },
        { 86400, 7, { 1, 0, 0, 0, 7 } }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        predictor_merit_leads(cases[i].interval_s, cases[i].horizon, lead);

        for (c = 0; c < PREDICTOR_CLASSES; c++) {
            tap_is_int(lead[c], cases[i].lead[c], "%u s, %u steps, class %u",
                       cases[i].interval_s, cases[i].horizon, c);
        }
    }
}


static void
test_errors(void)
{
    predictor_said_t  said;

    predictor_merit_init(&merit);
    tap_ok(isnan(predictor_merit_error(&merit.horizon[1].combined)),
           "nothing observed, no error");

    said = silent();
    said.member[0] = 10;
    said.member[2] = 14;
    said.point = 13;

    predictor_merit_observe(&merit, 1, &said, 12, 300);
    predictor_merit_observe(&merit, 1, &said, 16, 0);

    tap_is_dbl(predictor_merit_error(&merit.horizon[1].member[0]), 4, 1e-3,
               "mean of 2 and 6");
    tap_is_dbl(predictor_merit_error(&merit.horizon[1].member[2]), 2, 1e-3,
               "mean of 2 and 2");
    tap_is_dbl(predictor_merit_error(&merit.horizon[1].combined), 2, 1e-3,
               "of the combination: mean of 1 and 3");
    tap_ok(isnan(predictor_merit_error(&merit.horizon[1].member[1])),
           "the silent member has none");
    tap_ok(isnan(predictor_merit_error(&merit.horizon[0].member[0])),
           "nor has another class");
    tap_is_int(merit.observed, 2, "two observations");
    tap_is_dbl(predictor_merit_stretch(&merit, 1, 0), 1, 0,
               "without a quantile there is no stretch");
}


static void
test_fading(void)
{
    predictor_said_t  said;

    predictor_merit_init(&merit);

    said = silent();
    said.member[0] = 0;
    predictor_merit_observe(&merit, 0, &said, 9, 0);
    predictor_merit_observe(&merit, 0, &said, 3, PREDICTOR_MERIT_HALF_S);

    tap_is_dbl(predictor_merit_error(&merit.horizon[0].member[0]), 5, 1e-3,
               "half of the weight after its time: (9/2 + 3) / (1/2 + 1)");
}


/* noise three times as wide as promised, then as promised; once settled */

static void
test_stretch(void)
{
    double            wide, u;
    uint32_t          i, missed;
    uint64_t          seed;
    predictor_said_t  said;

    seed = tap_seed(7);
    predictor_merit_init(&merit);
    missed = 0;
    said = silent();
    said.point = 0;
    said.high_q = 0.95f;
    said.low_q = 0.05f;

    for (i = 0; i < 4000; i++) {
        wide = i < 2000 ? 3 : 0.9;
        u = 2 * uniform(&seed) - 1;
        said.high = (float) (0.9 * predictor_merit_stretch(&merit, 3, 1));
        said.low = (float) (-0.9 * predictor_merit_stretch(&merit, 3, 0));
        missed += i % 2000 >= 1000
                  && (wide * u > said.high || wide * u < said.low);
        predictor_merit_observe(&merit, 3, &said, wide * u, 300);

        if (i == 1999) {
            tap_is_dbl(predictor_merit_stretch(&merit, 3, 1), 3, 0.5,
                       "stretched to the noise, above");
            tap_is_dbl(predictor_merit_stretch(&merit, 3, 0), 3, 0.5,
                       "stretched to the noise, below");
        }
    }

    tap_is_dbl(predictor_merit_stretch(&merit, 3, 1), 0.9, 0.2, "and back");
    tap_is_dbl(missed / 2000.0, 0.1, 0.02, "a tenth was missed");
    tap_is_dbl(predictor_merit_stretch(&merit, 2, 1), 1, 0,
               "other classes are left alone");
}


static void
test_check(void)
{
    predictor_merit_init(&merit);
    tap_is_int(predictor_merit_check(&merit), SHARD_OK, "a new one is sound");

    merit.version++;
    tap_is_int(predictor_merit_check(&merit), SHARD_ERROR, "another version");

    predictor_merit_init(&merit);
    merit.horizon[4].member[3].error = NAN;
    tap_is_int(predictor_merit_check(&merit), SHARD_ERROR, "NaN");

    predictor_merit_init(&merit);
    merit.horizon[0].combined.weight = -1;
    tap_is_int(predictor_merit_check(&merit), SHARD_ERROR, "below nothing");

    predictor_merit_init(&merit);
    merit.horizon[2].stretch[1] = 9;
    tap_is_int(predictor_merit_check(&merit), SHARD_ERROR,
               "stretched beyond the most");

    tap_ok(sizeof(predictor_merit_t) <= 1024, "%zu bytes for each shard",
           sizeof(predictor_merit_t));
}


/* sigma is 1: 12.5 and more is a surprise where 10 was said */

static predictor_said_t
said_ten(void)
{
    predictor_said_t  said;

    said = silent();
    said.point = 10;
    said.high = 11.2816f;
    said.high_q = 0.9f;

    return said;
}


static void
test_surprise(void)
{
    float             *surprise;
    predictor_said_t   said;

    said = said_ten();
    predictor_merit_init(&merit);
    surprise = &merit.horizon[1].surprise;

    predictor_merit_observe(&merit, 1, &said, 12.4, 300);
    tap_is_int(*surprise == 0, 1, "within 2.5 sigmas nothing is a surprise");

    predictor_merit_observe(&merit, 1, &said, 2, 300);
    tap_is_int(*surprise == 0, 1, "and less load is none");

    predictor_merit_observe(&merit, 1, &said, 20, 300);
    tap_is_int(*surprise == 10, 1, "what was not foreseen is one");

    predictor_merit_observe(&merit, 1, &said, 15, 0);
    tap_is_int(*surprise == 10, 1, "a smaller one does not hide it");

    predictor_merit_observe(&merit, 1, &said, 10, 3600);
    tap_is_int(fabsf(*surprise - 5) < 1e-5f, 1, "it fades by half an hour");

    said.high_q = 0;
    predictor_merit_observe(&merit, 1, &said, 1000, 0);
    tap_is_int(fabsf(*surprise - 5) < 1e-5f, 1,
               "without a bound nothing can be told");

    tap_is_int(merit.horizon[0].surprise == 0
               && merit.horizon[2].surprise == 0, 1, "classes are apart");

    *surprise = -1;
    tap_is_int(predictor_merit_check(&merit), SHARD_ERROR,
               "a negative one cannot be");
}


/* leads of 1 and 5 steps: 0 at the first, 8 at the fifth and beyond */

static void
test_heed(void)
{
    double           rows[6 * 3];
    uint32_t         h;
    predictor_ask_t  ask;

    static const double    q[] = { 0.5, 0.9 };
    static const uint32_t  lead[PREDICTOR_CLASSES] = { 1, 0, 5 };

    ask.horizon = 6;
    ask.nq = 2;
    ask.q = q;

    for (h = 0; h < 6; h++) {
        rows[h * 3] = 10;
        rows[h * 3 + 1] = 9;
        rows[h * 3 + 2] = 13;
    }

    predictor_merit_init(&merit);
    predictor_merit_heed(&merit, lead, &ask, rows);
    tap_is_int(rows[15] == 10 && rows[16] == 9 && rows[17] == 13, 1,
               "nothing surprised, nothing changes");

    merit.horizon[2].surprise = 8;
    predictor_merit_heed(&merit, lead, &ask, rows);

    tap_is_int(rows[0] == 10 && rows[1] == 9 && rows[2] == 13, 1,
               "the first step was foreseen");
    tap_is_int(fabs(rows[6] - 11.2) < 1e-9 && fabs(rows[8] - 14.2) < 1e-9, 1,
               "halfway half of it: raised, no wider than it was");
    tap_is_int(fabs(rows[12] - 12.4) < 1e-9 && fabs(rows[13] - 11.4) < 1e-9
               && fabs(rows[14] - 16.4) < 1e-9, 1,
               "at its lead all of it: three tenths up, half as doubt");
    tap_is_int(rows[15] == rows[12] && rows[17] == rows[14], 1,
               "and beyond it, too");
}


/* whatever is said and comes, what is left is sound */

static void
test_hostile(void)
{
    uint32_t          i, j;
    uint64_t          seed;
    predictor_said_t  said;

    static const double  odd[] = {
        0, -1, 1e300, -1e300, NAN, INFINITY, -INFINITY, 1e38, 3, 0.05, 0.95
    };

#define ODD  odd[tap_random(&seed) % (sizeof(odd) / sizeof(odd[0]))]

    seed = tap_seed(11);
    predictor_merit_init(&merit);

    for (i = 0; i < 5000; i++) {
        for (j = 0; j < PREDICTOR_MERIT_MEMBERS; j++) {
            said.member[j] = (float) ODD;
        }

        said.point = (float) ODD;
        said.low = (float) ODD;
        said.high = (float) ODD;
        said.low_q = (float) ODD;
        said.high_q = (float) ODD;

        predictor_merit_observe(&merit, (uint32_t) (tap_random(&seed) % 7),
                                &said, ODD, ODD);
    }

    tap_is_int(predictor_merit_check(&merit), SHARD_OK,
               "sound after hostile figures");
}
