
/*
 * The barrier: every live router parks the shard's requests and has none of
 * it in flight.  What the source still answers meanwhile is shipped.
 */


#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "machine.h"


#define POLL_MS         1
#define SHIP_EVERY_MS   20
#define LOOK_MS         250             /* the phase's work is done anew */

/* who has lost the store tries again after 2.4 s at most, and then tells */

#define RETURN_MS       3500


static int migrator_required(migrator_t *m, const migrator_router_t *router);
static int migrator_may_return(migrator_t *m,
    const migrator_router_t *router);
static int migrator_left_out(const migrator_t *m,
    const migrator_router_t *router);


migrator_result_e
migrator_step_drain(migrator_t *m)
{
    int                rc;
    uint64_t           now;
    migrator_result_e  result;

    rc = m->io->routers(m->io->data, m->state.shard, &m->routers);

    if (rc) {
        return migrator_store_rc(m, rc, "routers");
    }

    result = migrator_drained(m);

    /* a merge holds both */

    if (result == MIGRATOR_NEXT && m->state.verb == MIGRATOR_MERGE) {
        rc = m->io->routers(m->io->data, m->state.into, &m->routers);

        if (rc) {
            return migrator_store_rc(m, rc, "routers");
        }

        result = migrator_drained(m);
    }

    if (result == MIGRATOR_NEXT) {
        return migrator_consume_rest(m);
    }

    if (result != MIGRATOR_WAIT) {
        return result;
    }

    /*
     * What the source still answers is shipped while the last ones end, if
     * they take their time: a shipment would only delay the next look.
     */

    now = m->io->now_ms(m->io->data);

    if (m->stepped_ms == 0) {
        m->stepped_ms = now;
    }

    if (!migrator_writes(&m->state)
        && !(m->driver->can & MIGRATOR_CAN_SHIP_ALONE)
        && now - m->stepped_ms >= SHIP_EVERY_MS)
    {
        m->stepped_ms = now;
        result = migrator_ship(m, (uint64_t) m->policy->batch);

        if (result != MIGRATOR_NEXT && result != MIGRATOR_RETRY) {
            return result;
        }
    }

    return migrator_wait(m, POLL_MS);
}


/* live routers must answer, even those that fall silent while we wait */

static int
migrator_required(migrator_t *m, const migrator_router_t *router)
{
    uint32_t  i;

    for (i = 0; i < m->nrequired; i++) {
        if (strcmp(m->required[i], router->name) == 0) {
            return 1;
        }
    }

    if (router->age_ms >= (uint64_t) m->policy->router_live_ms) {
        return 0;
    }

    if (m->nrequired < MIGRATOR_ROUTERS_MAX) {
        memcpy(m->required[m->nrequired++], router->name,
               sizeof(router->name));
    }

    return 1;
}


/*
 * While the store was away no router could tell that it lives: an old entry
 * means nothing before all of them have had the time to come back.
 */

static int
migrator_may_return(migrator_t *m, const migrator_router_t *router)
{
    uint64_t  live_ms;

    live_ms = (uint64_t) m->policy->router_live_ms;

    if (router->age_ms < live_ms
        || m->routers.there_ms >= (live_ms > RETURN_MS ? live_ms : RETURN_MS))
    {
        return 0;
    }

    (void) migrator_say(m, MIGRATOR_WAIT, "router %s may come back, as the "
                        "store did", router->name);

    return 1;
}


/* before requests wait: those that come back would not hear of it in time */

migrator_result_e
migrator_routers_back(migrator_t *m)
{
    int       rc;
    uint32_t  i;

    rc = m->io->routers(m->io->data, m->state.shard, &m->routers);

    if (rc) {
        return migrator_store_rc(m, rc, "routers");
    }

    for (i = 0; i < m->routers.n; i++) {

        if (!migrator_may_return(m, &m->routers.router[i])) {
            continue;
        }

        if (!m->returns) {
            m->io->note(m->io->data, SHARDD_LOG_INFO, &m->state, m->err);
            m->returns = 1;
        }

        return migrator_wait(m, LOOK_MS);
    }

    return MIGRATOR_NEXT;
}


/*
 * By policy one that does not hear of the hold is not waited for any longer:
 * what it sends goes to a source that is sealed by then, and to a target whose
 * epoch it does not know, and both refuse it.  One that has heard of it is
 * waited for as ever.
 */

static int
migrator_left_out(const migrator_t *m, const migrator_router_t *router)
{
    uint64_t  since;

    since = m->published_ms ? m->published_ms : m->state.hold_at_ms;

    return m->policy->silent_routers == MIGRATOR_SILENT_FENCE
           && router->version < m->state.hold_version
           && m->io->now_ms(m->io->data)
              >= since + (uint64_t) m->policy->silent_after_ms;
}


/*
 * Without any router nobody can have anything in flight: that is drained,
 * unless require_routers says that there must be some.
 */

migrator_result_e
migrator_drained(migrator_t *m)
{
    long                      live;
    uint32_t                  i, silent;
    const migrator_router_t  *router, *fenced;

    live = 0;
    silent = 0;
    fenced = NULL;

    for (i = 0; i < m->routers.n; i++) {
        router = &m->routers.router[i];

        if (!migrator_required(m, router)) {

            if (migrator_may_return(m, router)) {
                return MIGRATOR_WAIT;
            }

            continue;
        }

        if (migrator_left_out(m, router)) {
            fenced = router;
            silent++;
            continue;
        }

        live++;

        if (router->version < m->state.hold_version || !router->drained) {
            return migrator_say(m, MIGRATOR_WAIT, "router %s has %s",
                                router->name,
                                router->version < m->state.hold_version
                                ? "not heard of it" : "requests in flight");
        }
    }

    if (live < m->policy->require_routers) {
        return migrator_say(m, MIGRATOR_WAIT, "%ld routers live, %ld are "
                            "required", live, m->policy->require_routers);
    }

    if (fenced) {
        m->state.silent_routers = silent;
        (void) migrator_say(m, MIGRATOR_NEXT, "%u live routers have not heard "
                            "of the hold within %ld ms, %s is one: left to "
                            "the nodes' epochs (hold.silent_routers: fence)",
                            silent, m->policy->silent_after_ms,
                            fenced->name);
        m->io->note(m->io->data, SHARDD_LOG_WARN, &m->state, m->err);
    }

    return MIGRATOR_NEXT;
}
