
#include <string.h>

#include "throttle.h"


/*
 * What may have gathered in a pause: this much of a second.  Such a burst
 * keeps processors of both nodes busy, and other requests wait for it.
 */

#define BURST_S     0.003
#define SPEED_US    250000
#define DOWN        0.7
#define UP          1.1


static uint32_t migrator_throttle_quartile(const uint32_t *us, uint32_t n);
static void migrator_throttle_down(migrator_throttle_t *t);
static void migrator_throttle_up(migrator_throttle_t *t);


void
migrator_throttle_init(migrator_throttle_t *t, uint64_t now_us)
{
    if (t->most && t->least > t->most) {
        t->least = t->most;
    }

    t->rate = t->most;
    t->bucket = 0;
    t->filled_us = now_us;
    t->since_us = now_us;
}


uint64_t
migrator_throttle_wait(migrator_throttle_t *t, uint64_t now_us)
{
    double  most;

    if (t->rate == 0) {
        t->filled_us = now_us;
        t->bucket = 0;
        return 0;
    }

    most = (double) t->rate * BURST_S;

    t->bucket += (double) (now_us - t->filled_us) * (double) t->rate / 1e6;
    t->filled_us = now_us;

    if (t->bucket > most) {
        t->bucket = most;
    }

    return t->bucket >= 0
           ? 0 : (uint64_t) (-t->bucket * 1e6 / (double) t->rate) + 1;
}


void
migrator_throttle_moved(migrator_throttle_t *t, uint64_t bytes,
    uint64_t items, uint64_t now_us)
{
    double    span_us;
    uint64_t  counted;

    counted = bytes + items * t->item_bytes;

    if (t->rate) {
        t->bucket -= (double) counted;
    }

    t->bytes += bytes;
    t->counted += counted;

    if (now_us - t->since_us >= SPEED_US) {
        span_us = (double) (now_us - t->since_us);
        t->speed = (uint64_t) ((double) t->bytes * 1e6 / span_us);
        t->pace = (uint64_t) ((double) t->counted * 1e6 / span_us);
        t->since_us = now_us;
        t->bytes = 0;
        t->counted = 0;
    }
}


/* three of four are at most this */

static uint32_t
migrator_throttle_quartile(const uint32_t *us, uint32_t n)
{
    uint32_t  i, k, sorted[MIGRATOR_THROTTLE_BASE];

    for (i = 0; i < n; i++) {

        for (k = i; k && sorted[k - 1] > us[i]; k--) {
            sorted[k] = sorted[k - 1];
        }

        sorted[k] = us[i];
    }

    return sorted[(n * 3 - 1) / 4];
}


int
migrator_throttle_based(const migrator_throttle_t *t)
{
    return t->node[0].base_us && t->node[1].base_us;
}


void
migrator_throttle_probe(migrator_throttle_t *t, int which, uint32_t us)
{
    uint32_t                   allowed_us;
    migrator_throttle_node_t  *node;

    node = &t->node[which];
    node->us[node->n++] = us;

    if (node->base_us == 0) {

        if (node->n == MIGRATOR_THROTTLE_BASE) {
            node->base_us = migrator_throttle_quartile(node->us, node->n);
            node->base_us += (node->base_us == 0);
            node->n = 0;
        }

        return;
    }

    if (node->n < MIGRATOR_THROTTLE_WINDOW) {
        return;
    }

    node->last_us = migrator_throttle_quartile(node->us, node->n);
    node->n = 0;

    if (t->ratio == 0) {
        return;
    }

    allowed_us = node->base_us + t->slack_us;

    if (allowed_us < node->base_us * t->ratio) {
        allowed_us = (uint32_t) (node->base_us * t->ratio);
    }

    if (node->last_us > allowed_us) {
        migrator_throttle_down(t);

    } else {
        migrator_throttle_up(t);
    }
}


/* from what really moved: a rate nobody reaches slows nothing down */

static void
migrator_throttle_down(migrator_throttle_t *t)
{
    uint64_t  from;

    from = t->rate;

    if (t->pace && (from == 0 || t->pace < from)) {
        from = t->pace;
    }

    if (from == 0) {
        return;
    }

    t->rate = (uint64_t) ((double) from * DOWN);

    if (t->rate < t->least) {
        t->rate = t->least;
    }

    t->backoffs++;
}


static void
migrator_throttle_up(migrator_throttle_t *t)
{
    if (t->rate == 0 || t->rate == t->most) {
        return;
    }

    t->rate = (uint64_t) ((double) t->rate * UP) + 1;

    if (t->most) {
        t->rate = t->rate < t->most ? t->rate : t->most;

    } else if (t->pace && t->rate > 4 * t->pace) {
        t->rate = 0;
    }
}
