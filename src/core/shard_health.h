
/*
 * A node as a router sees it, from checks of its own and from requests.
 *
 *            rule.fails in a row                rule.passes in a row
 *     UP ───────────────────────▶ DEAD ───────────────────────────▶ UP
 *      ▲                            ▲              or, with slow_ms, │
 *      │                            └──── rule.fails in a row ─── SLOW
 *      └─────────────────────────────────── slow_ms later ───────────┘
 *
 * Checks that failed since the last that passed and requests that failed
 * since the last that was answered count together.  Without checks of its
 * own a dead node is only tried by a connection: one that accepts them and
 * then fails requests dies again and again, so it is tried later each time.
 *
 * Times are monotonic milliseconds of the caller's.  Lives in shared memory,
 * written by one process, read by many.
 */


#ifndef _SHARD_HEALTH_H_INCLUDED_
#define _SHARD_HEALTH_H_INCLUDED_


#include "shard_types.h"


#define SHARD_HEALTH_FLAP_MS   60000     /* dies again within: it flaps */
#define SHARD_HEALTH_PAUSE_MS  60000     /* the longest pause before a trial */


typedef enum {
    SHARD_HEALTH_UP = 0,
    SHARD_HEALTH_DEAD,
    SHARD_HEALTH_SLOW
} shard_health_state_e;

typedef struct {
    uint32_t  fails;                    /* in a row: dead; at least 1 */
    uint32_t  passes;                   /* in a row: back; at least 1 */
    uint32_t  interval_ms;
    uint32_t  slow_ms;                  /* 0: a node is back at once */
    int       active;                   /* it has checks of its own */
} shard_health_rule_t;

/* zeroed: a node that is up and of which nothing is known */

typedef struct {
    uint64_t  since_ms;                 /* dead, or back; 0: never was dead */
    uint64_t  try_ms;                   /* dead: not before */
    uint32_t  pause_ms;                 /* the last, before a trial */
    uint32_t  fails;                    /* checks in a row */
    uint32_t  passes;                   /* checks in a row, while dead */
    uint8_t   state;                    /* shard_health_state_e */
    uint8_t   checked;                  /* at least once */
} shard_health_t;


/* all return 1 when the state is another one now */

int shard_health_passed(shard_health_t *health,
    const shard_health_rule_t *rule, uint64_t now);

/* a check failed, and "requests" have in a row */

int shard_health_failed(shard_health_t *health,
    const shard_health_rule_t *rule, uint32_t requests, uint64_t now);

/* no check, only what requests say; 0: the last one was answered */

int shard_health_requests(shard_health_t *health,
    const shard_health_rule_t *rule, uint32_t requests, uint64_t now);

/* time went by */

int shard_health_tick(shard_health_t *health,
    const shard_health_rule_t *rule, uint64_t now);

/*
 * Whether a key should still go elsewhere: of a node in its slow start, a
 * share of keys that shrinks from all to none.  A key that has come stays.
 */

int shard_health_avoids(const shard_health_t *health, uint32_t slow_ms,
    uint64_t sticky, uint64_t now);

/* "up", "dead", "slow" */

const char *shard_health_name(shard_health_state_e state);


#endif /* _SHARD_HEALTH_H_INCLUDED_ */
