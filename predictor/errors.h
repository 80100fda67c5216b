
/*
 * A shard's own past forecasts: kept until what they were for has come, then
 * counted into its merit (merit.h).
 *
 *   forecast after slot t ─▶ record ─▶ past[class][ ... ]  for slot t + lead
 *                                           │
 *   slot t + lead closes ──────────────▶ observe ─▶ merit ─▶ next forecast
 *
 * A class whose lead is long keeps every so manyth of its forecasts only
 * (stride), so that no ring is longer than PREDICTOR_ERRORS_RING.  Pure; no
 * pointers, all zero is empty.
 *
 * errors_code.c turns the errors of a block of shards into one string and
 * back, so that a restart loses nothing; or what was said after one slot
 * alone, which is a log that a process killed at any moment is restored by:
 *
 *     whole, an hour ago ──▶ said ─▶ said ─▶ ... ──▶ as it was
 *                             └───────┴── and what came meanwhile, of history
 */


#ifndef _PREDICTOR_ERRORS_H_INCLUDED_
#define _PREDICTOR_ERRORS_H_INCLUDED_


#include <stddef.h>

#include "merit.h"


#define PREDICTOR_ERRORS_RING   16

/* shards of one string in the store */

#define PREDICTOR_ERRORS_BLOCK  256


/* what is watched, the same for all shards */

typedef struct {
    uint32_t           interval_s;
    uint32_t           lead[PREDICTOR_CLASSES];     /* steps, 0: unused */
    uint32_t           stride[PREDICTOR_CLASSES];   /* slots */
    uint32_t           longest;
} predictor_errors_plan_t;

typedef struct {
    predictor_merit_t  merit;           /* version 0: nothing yet */
    int64_t            slot;            /* observed up to and with it */
    uint32_t           kept;            /* 1: whole, in the store */
    int64_t            seen[PREDICTOR_CLASSES];     /* last one, 0: none */

    /* what was said, and for which slot, 0: nothing */
    int64_t            target[PREDICTOR_CLASSES][PREDICTOR_ERRORS_RING];
    predictor_said_t   said[PREDICTOR_CLASSES][PREDICTOR_ERRORS_RING];
} predictor_errors_t;


void predictor_errors_plan(predictor_errors_plan_t *plan,
    uint32_t interval_s, uint32_t horizon);

/* counts what came: y[n] ends with slot "last", NaN is unknown */

void predictor_errors_observe(const predictor_errors_plan_t *plan,
    predictor_errors_t *e, const double *y, uint32_t n, int64_t last);

/* goes on from what is in the log of one slot, if it is later: "log" has that
 * slot and what was said after it; y[n] ends with slot "last" as above */

void predictor_errors_again(const predictor_errors_plan_t *plan,
    predictor_errors_t *e, const predictor_errors_t *log, const double *y,
    uint32_t n, int64_t last);

/* keeps what was said after slot "last", by class; saying it again replaces
 * it */

void predictor_errors_record(const predictor_errors_plan_t *plan,
    predictor_errors_t *e, const predictor_said_t *said, int64_t last);


/* bytes that the code of n shards takes at most */

size_t predictor_errors_room(uint32_t n);

/* e[i] is shard first + i; those that nothing is known of are left out;
 * returns the length */

size_t predictor_errors_encode(const predictor_errors_plan_t *plan,
    const predictor_errors_t *e, uint32_t first, uint32_t n, uint8_t *out);

/* of what was said after "slot" alone; 0: nothing was */

size_t predictor_errors_encode_log(const predictor_errors_plan_t *plan,
    const predictor_errors_t *e, uint32_t first, uint32_t n, int64_t slot,
    uint8_t *out);

/*
 * Back into e[n], the shards from "first" on, of either kind.  SHARD_OK;
 * SHARD_AGAIN: made for another interval or horizon, or by another version;
 * SHARD_ERROR and "err" (SHARD_ERR_SIZE): not such a code.  Nothing is changed
 * then, nor of shards that are not in it.
 */

int predictor_errors_decode(const predictor_errors_plan_t *plan,
    const uint8_t *code, size_t len, uint32_t first, uint32_t n,
    predictor_errors_t *e, char *err);
int predictor_errors_decode_log(const predictor_errors_plan_t *plan,
    const uint8_t *code, size_t len, uint32_t first, uint32_t n,
    predictor_errors_t *e, char *err);


#endif /* _PREDICTOR_ERRORS_H_INCLUDED_ */
