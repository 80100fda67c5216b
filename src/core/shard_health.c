
#include "shard_health.h"
#include "shard_key.h"


static int shard_health_judge(shard_health_t *health,
    const shard_health_rule_t *rule, uint32_t requests, uint64_t now);
static void shard_health_die(shard_health_t *health,
    const shard_health_rule_t *rule, uint64_t now);
static int shard_health_return(shard_health_t *health,
    const shard_health_rule_t *rule, uint64_t now);
static uint64_t shard_health_elapsed(const shard_health_t *health,
    uint64_t now);


/* clocks of workers are read at different times: never negative */

static uint64_t
shard_health_elapsed(const shard_health_t *health, uint64_t now)
{
    return now > health->since_ms ? now - health->since_ms : 0;
}


static void
shard_health_die(shard_health_t *health, const shard_health_rule_t *rule,
    uint64_t now)
{
    uint64_t  pause, lived;

    pause = health->pause_ms;
    lived = shard_health_elapsed(health, now);

    if (health->since_ms && pause
        && (lived < SHARD_HEALTH_FLAP_MS || lived < 8 * pause))
    {
        pause *= 2;

    } else {
        pause = rule->interval_ms;
    }

    if (pause > SHARD_HEALTH_PAUSE_MS && pause > rule->interval_ms) {
        pause = rule->interval_ms > SHARD_HEALTH_PAUSE_MS
                ? rule->interval_ms : SHARD_HEALTH_PAUSE_MS;
    }

    health->pause_ms = (uint32_t) pause;
    health->try_ms = now + (rule->active ? 0 : pause);
    health->since_ms = now;
    health->passes = 0;
    health->state = SHARD_HEALTH_DEAD;
}


static int
shard_health_return(shard_health_t *health, const shard_health_rule_t *rule,
    uint64_t now)
{
    health->state = rule->slow_ms ? SHARD_HEALTH_SLOW : SHARD_HEALTH_UP;
    health->since_ms = now;
    health->passes = 0;
    health->fails = 0;

    return 1;
}


static int
shard_health_judge(shard_health_t *health, const shard_health_rule_t *rule,
    uint32_t requests, uint64_t now)
{
    if (health->state == SHARD_HEALTH_DEAD
        || (uint64_t) health->fails + requests < rule->fails)
    {
        return 0;
    }

    shard_health_die(health, rule, now);

    return 1;
}


int
shard_health_passed(shard_health_t *health, const shard_health_rule_t *rule,
    uint64_t now)
{
    health->checked = 1;
    health->fails = 0;

    if (health->state != SHARD_HEALTH_DEAD) {
        return 0;
    }

    if (++health->passes < rule->passes) {
        return 0;
    }

    return shard_health_return(health, rule, now);
}


int
shard_health_failed(shard_health_t *health, const shard_health_rule_t *rule,
    uint32_t requests, uint64_t now)
{
    health->checked = 1;
    health->passes = 0;

    if (health->fails < UINT32_MAX) {
        health->fails++;
    }

    return shard_health_judge(health, rule, requests, now);
}


int
shard_health_requests(shard_health_t *health, const shard_health_rule_t *rule,
    uint32_t requests, uint64_t now)
{
    /* an answer proves more than a connection, but less than a check */

    if (health->state == SHARD_HEALTH_DEAD && requests == 0 && !rule->active) {
        return shard_health_return(health, rule, now);
    }

    return requests ? shard_health_judge(health, rule, requests, now) : 0;
}


int
shard_health_tick(shard_health_t *health, const shard_health_rule_t *rule,
    uint64_t now)
{
    if (health->state != SHARD_HEALTH_SLOW
        || shard_health_elapsed(health, now) < rule->slow_ms)
    {
        return 0;
    }

    health->state = SHARD_HEALTH_UP;

    return 1;
}


int
shard_health_avoids(const shard_health_t *health, uint32_t slow_ms,
    uint64_t sticky, uint64_t now)
{
    uint64_t  elapsed;

    elapsed = shard_health_elapsed(health, now);

    if (elapsed >= slow_ms) {
        return 0;
    }

    /* the moment it came back stands for a migration: each another order */

    return shard_shift_point(sticky, health->since_ms)
           >= elapsed * SHARD_BP_ALL / slow_ms;
}


const char *
shard_health_name(shard_health_state_e state)
{
    static const char *const  names[] = { "up", "dead", "slow" };

    return names[state <= SHARD_HEALTH_SLOW ? state : SHARD_HEALTH_UP];
}
