
/* The preconditions that are about routers and other migrations. */


#include <string.h>

#include "preconditions.h"


/* most of those that live decide, as with the predictor's promotions */

void
migrator_check_health(const migrator_facts_t *f, migrator_checks_t *out)
{
    uint32_t  i, live, dead;

    live = dead = 0;

    for (i = 0; i < f->views.n; i++) {
        if (f->views.view[i].age_ms < (uint64_t) f->policy->router_live_ms) {
            live++;
            dead += f->views.view[i].dead != 0;
        }
    }

    if (live == 0) {
        migrator_check_say(out, "health", MIGRATOR_CHECK_UNKNOWN,
                           "no router is live that could see %s",
                           f->state->to);
        return;
    }

    migrator_check_say(out, "health", dead * 2 > live
                       ? MIGRATOR_CHECK_REFUSED : MIGRATOR_CHECK_OK,
                       "%u of %u live routers see %s dead", dead, live,
                       f->state->to);
}


/*
 * Those that run are within the budgets but for two that were taken at the
 * same moment: then the older one goes on.
 */

void
migrator_check_budget(const migrator_facts_t *f, migrator_checks_t *out)
{
    char                      why[MIGRATOR_CHECK_SIZE];
    uint32_t                  i, n;
    migrator_running_t        one, older[MIGRATOR_RUNNING_MAX];
    const migrator_running_t *r;

    memset(&one, 0, sizeof(one));
    one.shard = f->state->shard;
    memcpy(one.from, f->state->from, sizeof(one.from));
    memcpy(one.to, f->state->to, sizeof(one.to));
    memcpy(one.zones[0], f->source.zone, sizeof(one.zones[0]));
    memcpy(one.zones[1], f->target.zone, sizeof(one.zones[1]));

    n = 0;

    for (i = 0; i < f->others.nrunning; i++) {
        r = &f->others.running[i];

        if (f->dry || r->created_ms < f->state->created_ms
            || (r->created_ms == f->state->created_ms
                && r->id < f->state->id))
        {
            older[n++] = *r;
        }
    }

    if (migrator_budget_full(f->policy, older, n, &one, why, sizeof(why))) {
        migrator_check_say(out, "budget", MIGRATOR_CHECK_WAITS, "%s", why);

    } else {
        migrator_check_say(out, "budget", MIGRATOR_CHECK_OK,
                           "%u other migrations run", f->others.nrunning);
    }
}


void
migrator_check_routers(const migrator_facts_t *f, migrator_checks_t *out)
{
    long      live;
    uint32_t  i;

    live = 0;

    for (i = 0; i < f->views.n; i++) {
        live += f->views.view[i].age_ms
                < (uint64_t) f->policy->router_live_ms;
    }

    migrator_check_say(out, "routers", live < f->policy->require_routers
                       ? MIGRATOR_CHECK_REFUSED : MIGRATOR_CHECK_OK,
                       "%ld of %u routers live, %ld are required", live,
                       f->views.n, f->policy->require_routers);
}


void
migrator_check_hold(const migrator_facts_t *f, migrator_checks_t *out)
{
    uint32_t                i, untold;
    uint64_t                bound;
    const migrator_view_t  *v, *least;

    bound = (uint64_t) f->policy->hold_timeout_ms;
    least = NULL;
    untold = 0;

    for (i = 0; i < f->views.n; i++) {
        v = &f->views.view[i];

        if (v->age_ms >= (uint64_t) f->policy->router_live_ms) {
            continue;
        }

        if (v->hold_ms == 0) {
            untold++;

        } else if (least == NULL || v->hold_ms < least->hold_ms) {
            least = v;
        }
    }

    if (least && least->hold_ms <= bound) {
        migrator_check_say(out, "hold", MIGRATOR_CHECK_REFUSED, "router %s "
                           "lets requests wait for %llu ms (shard_hold), a "
                           "cutover may take %llu ms (hold.timeout)",
                           least->name, (unsigned long long) least->hold_ms,
                           (unsigned long long) bound);

    } else if (least == NULL || untold) {
        migrator_check_say(out, "hold", MIGRATOR_CHECK_UNKNOWN, "%u live "
                           "routers do not say how long requests may wait",
                           untold);

    } else {
        migrator_check_say(out, "hold", MIGRATOR_CHECK_OK, "a cutover may "
                           "take %llu ms, requests wait for %llu ms",
                           (unsigned long long) bound,
                           (unsigned long long) least->hold_ms);
    }
}
