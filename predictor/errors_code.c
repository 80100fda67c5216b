
/*
 * The errors of a block of shards as one string, little endian:
 *
 *     "SPE1"  version of the merit  interval  lead[classes]  count
 *     count times:  shard  slot  seen[classes]  merit  n
 *                   n times:  class  steps ahead of slot  mask  floats
 *
 * The mask tells which figures of what was said are there; others are NaN.
 * A log, "SPL1", is the same without seen and merit, and only of what was said
 * after the shard's slot.
 */


#include <math.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"


#define PREDICTOR_CODE_WHOLE    "SPE1"
#define PREDICTOR_CODE_LOG      "SPL1"
#define PREDICTOR_CODE_HEAD     (4 + 4 + 4 + 4 * PREDICTOR_CLASSES + 4)
#define PREDICTOR_CODE_FIGURES  (sizeof(predictor_said_t) / sizeof(float))
#define PREDICTOR_CODE_WORDS    (sizeof(predictor_merit_t) / 4)
#define PREDICTOR_CODE_PAST     (1 + 4 + 4 + 4 * PREDICTOR_CODE_FIGURES)
#define PREDICTOR_CODE_PASTS    (PREDICTOR_CLASSES * PREDICTOR_ERRORS_RING)
#define PREDICTOR_CODE_SHARD                                                  \
    (4 + 8 + 8 * PREDICTOR_CLASSES + sizeof(predictor_merit_t) + 1            \
     + PREDICTOR_CODE_PASTS * PREDICTOR_CODE_PAST)

#define PREDICTOR_CODE_SLOT     (INT64_C(1) << 40)
#define PREDICTOR_CODE_VALUE    1e30f


_Static_assert(sizeof(predictor_said_t) % sizeof(float) == 0
               && PREDICTOR_CODE_FIGURES <= 32, "one mask for all figures");
_Static_assert(sizeof(predictor_merit_t) % 4 == 0, "words of four bytes");
_Static_assert(PREDICTOR_CODE_PASTS <= 255, "their number is a byte");


/* p NULL: the code ended before, or something in it was wrong */

typedef struct {
    const char     *magic;
    const uint8_t  *p;
    const uint8_t  *end;
} predictor_code_t;


static uint8_t *predictor_code_begin(const predictor_errors_plan_t *plan,
    const char *magic, uint8_t *out);
static uint8_t *predictor_code_past(const predictor_errors_plan_t *plan,
    const predictor_errors_t *e, int64_t said, uint8_t *n, uint8_t *p);
static int predictor_code_decode(const predictor_errors_plan_t *plan,
    predictor_code_t code, uint32_t first, uint32_t n, predictor_errors_t *e,
    char *err);
static int predictor_code_head(const predictor_errors_plan_t *plan,
    predictor_code_t *code, uint32_t *count, char *err);
static const char *predictor_code_shard(const predictor_errors_plan_t *plan,
    predictor_code_t *code, uint32_t *id, predictor_errors_t *e);
static const char *predictor_code_merit(predictor_code_t *code,
    predictor_errors_t *e);
static const char *predictor_code_said(const predictor_errors_plan_t *plan,
    predictor_code_t *code, predictor_errors_t *e);


static uint8_t *
predictor_code_put(uint8_t *p, uint64_t value, int bytes)
{
    int  i;

    for (i = 0; i < bytes; i++) {
        *p++ = (uint8_t) (value >> 8 * i);
    }

    return p;
}


static uint64_t
predictor_code_get(predictor_code_t *code, int bytes)
{
    int       i;
    uint64_t  value;

    if (code->p == NULL || code->end - code->p < bytes) {
        code->p = NULL;
        return 0;
    }

    value = 0;

    for (i = 0; i < bytes; i++) {
        value |= (uint64_t) *code->p++ << 8 * i;
    }

    return value;
}


size_t
predictor_errors_room(uint32_t n)
{
    return PREDICTOR_CODE_HEAD + n * PREDICTOR_CODE_SHARD;
}


/* up to the number of shards, which is put there later */

static uint8_t *
predictor_code_begin(const predictor_errors_plan_t *plan, const char *magic,
    uint8_t *out)
{
    uint8_t   *p;
    uint32_t   c;

    memcpy(out, magic, 4);
    p = predictor_code_put(out + 4, PREDICTOR_MERIT_VERSION, 4);
    p = predictor_code_put(p, plan->interval_s, 4);

    for (c = 0; c < PREDICTOR_CLASSES; c++) {
        p = predictor_code_put(p, plan->lead[c], 4);
    }

    return p;
}


size_t
predictor_errors_encode(const predictor_errors_plan_t *plan,
    const predictor_errors_t *e, uint32_t first, uint32_t n, uint8_t *out)
{
    uint8_t   *p, *count;
    uint32_t   i, c, known, words[PREDICTOR_CODE_WORDS];

    count = predictor_code_begin(plan, PREDICTOR_CODE_WHOLE, out);
    known = 0;
    p = count + 4;

    for (i = 0; i < n; i++) {

        if (e[i].slot == 0) {
            continue;
        }

        known++;
        p = predictor_code_put(p, first + i, 4);
        p = predictor_code_put(p, (uint64_t) e[i].slot, 8);

        for (c = 0; c < PREDICTOR_CLASSES; c++) {
            p = predictor_code_put(p, (uint64_t) e[i].seen[c], 8);
        }

        memcpy(words, &e[i].merit, sizeof(predictor_merit_t));

        for (c = 0; c < PREDICTOR_CODE_WORDS; c++) {
            p = predictor_code_put(p, words[c], 4);
        }

        p = predictor_code_past(plan, &e[i], 0, p, p + 1);
    }

    (void) predictor_code_put(count, known, 4);

    return (size_t) (p - out);
}


size_t
predictor_errors_encode_log(const predictor_errors_plan_t *plan,
    const predictor_errors_t *e, uint32_t first, uint32_t n, int64_t slot,
    uint8_t *out)
{
    uint8_t   *p, *end, *count, *said;
    uint32_t   i, known;

    count = predictor_code_begin(plan, PREDICTOR_CODE_LOG, out);
    known = 0;
    p = count + 4;

    for (i = 0; i < n; i++) {

        if (e[i].slot == 0 || e[i].slot != slot) {
            continue;
        }

        said = predictor_code_put(p, first + i, 4);
        said = predictor_code_put(said, (uint64_t) slot, 8);
        end = predictor_code_past(plan, &e[i], slot, said, said + 1);

        if (*said) {
            known++;
            p = end;
        }
    }

    (void) predictor_code_put(count, known, 4);

    return known ? (size_t) (p - out) : 0;
}


/* what waits to come true, "said" after that slot (0: any); their number goes
 * to n */

static uint8_t *
predictor_code_past(const predictor_errors_plan_t *plan,
    const predictor_errors_t *e, int64_t said, uint8_t *n, uint8_t *p)
{
    float      figures[PREDICTOR_CODE_FIGURES];
    uint8_t   *mask;
    uint32_t   c, i, k, bits, there;

    *n = 0;

    for (c = 0; c < PREDICTOR_CLASSES; c++) {

        for (i = 0; i < PREDICTOR_ERRORS_RING; i++) {

            if (e->target[c][i] <= e->slot
                || e->target[c][i] - e->slot > plan->lead[c]
                || (said && e->target[c][i] - plan->lead[c] != said))
            {
                continue;
            }

            *p++ = (uint8_t) c;
            p = predictor_code_put(p, (uint64_t) (e->target[c][i] - e->slot),
                                   4);
            mask = p;
            p += 4;
            there = 0;
            memcpy(figures, &e->said[c][i], sizeof(predictor_said_t));

            for (k = 0; k < PREDICTOR_CODE_FIGURES; k++) {

                if (fabsf(figures[k]) <= PREDICTOR_CODE_VALUE) {
                    memcpy(&bits, &figures[k], 4);
                    p = predictor_code_put(p, bits, 4);
                    there |= UINT32_C(1) << k;
                }
            }

            (void) predictor_code_put(mask, there, 4);
            ++*n;
        }
    }

    return p;
}


int
predictor_errors_decode(const predictor_errors_plan_t *plan,
    const uint8_t *bytes, size_t len, uint32_t first, uint32_t n,
    predictor_errors_t *e, char *err)
{
    predictor_code_t  code = { PREDICTOR_CODE_WHOLE, bytes, bytes + len };

    return predictor_code_decode(plan, code, first, n, e, err);
}


int
predictor_errors_decode_log(const predictor_errors_plan_t *plan,
    const uint8_t *bytes, size_t len, uint32_t first, uint32_t n,
    predictor_errors_t *e, char *err)
{
    predictor_code_t  code = { PREDICTOR_CODE_LOG, bytes, bytes + len };

    return predictor_code_decode(plan, code, first, n, e, err);
}


static int
predictor_code_decode(const predictor_errors_plan_t *plan,
    predictor_code_t whole, uint32_t first, uint32_t n, predictor_errors_t *e,
    char *err)
{
    int                  rc, pass;
    uint32_t             i, id, count;
    const char          *why;
    predictor_code_t     code;
    predictor_errors_t   one;

    /* once to look at it, once to take it over */

    for (pass = 0; pass < 2; pass++) {
        code = whole;
        rc = predictor_code_head(plan, &code, &count, err);

        if (rc != SHARD_OK) {
            return rc;
        }

        for (i = 0; i < count; i++) {
            why = predictor_code_shard(plan, &code, &id, &one);

            if (why == NULL && (id < first || id - first >= n)) {
                why = "is of another block";
            }

            if (why) {
                snprintf(err, SHARD_ERR_SIZE, "errors of past forecasts: "
                         "entry %u, shard %u, %s", i, id, why);
                return SHARD_ERROR;
            }

            if (pass) {
                e[id - first] = one;
            }
        }

        if (code.p != code.end) {
            snprintf(err, SHARD_ERR_SIZE, "errors of past forecasts: %zu "
                     "bytes behind the last shard",
                     (size_t) (code.end - code.p));
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


static int
predictor_code_head(const predictor_errors_plan_t *plan,
    predictor_code_t *code, uint32_t *count, char *err)
{
    int       same;
    uint32_t  c, version, interval;

    if (code->end - code->p < PREDICTOR_CODE_HEAD
        || memcmp(code->p, code->magic, 4) != 0)
    {
        snprintf(err, SHARD_ERR_SIZE, "errors of past forecasts: does not "
                 "begin with %s", code->magic);
        return SHARD_ERROR;
    }

    code->p += 4;
    version = (uint32_t) predictor_code_get(code, 4);
    interval = (uint32_t) predictor_code_get(code, 4);
    same = version == PREDICTOR_MERIT_VERSION && interval == plan->interval_s;

    for (c = 0; c < PREDICTOR_CLASSES; c++) {
        same &= predictor_code_get(code, 4) == plan->lead[c];
    }

    *count = (uint32_t) predictor_code_get(code, 4);

    if (!same) {
        snprintf(err, SHARD_ERR_SIZE, "errors of past forecasts: of version "
                 "%u and an interval of %u s, or of another horizon: they "
                 "are gathered anew", version, interval);
        return SHARD_AGAIN;
    }

    return SHARD_OK;
}


/* NULL, or what is wrong with it */

static const char *
predictor_code_shard(const predictor_errors_plan_t *plan,
    predictor_code_t *code, uint32_t *id, predictor_errors_t *e)
{
    uint32_t     n;
    const char  *why;

    memset(e, 0, sizeof(predictor_errors_t));
    *id = (uint32_t) predictor_code_get(code, 4);
    e->slot = (int64_t) predictor_code_get(code, 8);

    if (e->slot <= 0 || e->slot > PREDICTOR_CODE_SLOT) {
        return "has a slot that cannot be";
    }

    why = strcmp(code->magic, PREDICTOR_CODE_WHOLE) == 0
          ? predictor_code_merit(code, e) : NULL;

    if (why) {
        return why;
    }

    n = (uint32_t) predictor_code_get(code, 1);

    while (n--) {
        why = predictor_code_said(plan, code, e);

        if (why) {
            return why;
        }
    }

    return code->p ? NULL : "ends too early";
}


static const char *
predictor_code_merit(predictor_code_t *code, predictor_errors_t *e)
{
    uint32_t  c, words[PREDICTOR_CODE_WORDS];

    for (c = 0; c < PREDICTOR_CLASSES; c++) {
        e->seen[c] = (int64_t) predictor_code_get(code, 8);

        if (e->seen[c] < 0 || e->seen[c] > e->slot) {
            return "has seen what is to come";
        }
    }

    for (c = 0; c < PREDICTOR_CODE_WORDS; c++) {
        words[c] = (uint32_t) predictor_code_get(code, 4);
    }

    memcpy(&e->merit, words, sizeof(predictor_merit_t));

    if (e->merit.version && predictor_merit_check(&e->merit) != SHARD_OK) {
        return "has a merit that cannot be";
    }

    return NULL;
}


static const char *
predictor_code_said(const predictor_errors_plan_t *plan,
    predictor_code_t *code, predictor_errors_t *e)
{
    float     figures[PREDICTOR_CODE_FIGURES];
    int64_t   said;
    uint32_t  c, i, k, ahead, mask, bits;

    c = (uint32_t) predictor_code_get(code, 1);
    ahead = (uint32_t) predictor_code_get(code, 4);
    mask = (uint32_t) predictor_code_get(code, 4);

    if (code->p == NULL) {
        return "ends too early";
    }

    if (c >= PREDICTOR_CLASSES || ahead == 0 || ahead > plan->lead[c]) {
        return "has a forecast of a step that is not watched";
    }

    said = e->slot + ahead - plan->lead[c];

    if (said <= 0 || said % plan->stride[c]) {
        return "has a forecast of a slot that is not watched";
    }

    for (k = 0; k < PREDICTOR_CODE_FIGURES; k++) {
        figures[k] = NAN;

        if (mask & UINT32_C(1) << k) {
            bits = (uint32_t) predictor_code_get(code, 4);
            memcpy(&figures[k], &bits, 4);

            if (!(fabsf(figures[k]) <= PREDICTOR_CODE_VALUE)) {
                return "has a figure that is out of range";
            }
        }
    }

    i = (uint32_t) (said / plan->stride[c] % PREDICTOR_ERRORS_RING);
    e->target[c][i] = e->slot + ahead;
    memcpy(&e->said[c][i], figures, sizeof(predictor_said_t));

    return NULL;
}
