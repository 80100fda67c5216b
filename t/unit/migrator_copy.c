
/*
 * Copies that would never end: a source whose log is always trimmed before
 * the copy is used, one whose log ends before what its digest is of.
 */


#include "../lib/tap.h"
#include "../lib/migrator_run.h"


static int
parts_stats(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, migrator_stats_t *stats)
{
    int  rc;

    rc = world_stats(data, node, shard, limit, stats);

    if (rc == MIGRATOR_OK) {
        stats->parts = MIGRATOR_PARTS;
    }

    return rc;
}


/* all of it is in the first one */

static int
parts_copy(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, unsigned part, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes)
{
    world_actor_t  *a = data;

    if (part == 0) {
        return world_copy(data, from, to, shard, limit, position, bytes);
    }

    *position = a->world->node[1].n;

    return MIGRATOR_OK;
}


/* what is there is gone when catch-up begins, and kept during the copy */

static void
trim_point(void *data, migrator_phase_e phase, int after)
{
    world_actor_t  *a = data;

    if (!after && phase == MIGRATOR_CATCH_UP) {
        a->world->node[0].trimmed = a->world->node[0].n + 1;

    } else if (!after) {
        a->world->node[0].trimmed = 0;
    }

    world_point(data, phase, after);
}


static void
test_trimmed(const char *name, const migrator_driver_t *driver)
{
    world_t        *w;
    world_actor_t  *a;

    w = world_new(1);
    w->policy.parts_from = 0;

    a = world_spawn(w);
    a->m.driver = driver;
    a->io.point = trim_point;
    world_run(w);

    tap_is_str(w->bad, "", "%s, trimmed each time: all rules hold", name);
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "%s: given up", name);
    tap_is_int(w->stored.copies, 5, "%s: after five copies", name);
    tap_ok(strstr(w->stored.error, "kept for too short a time") != NULL,
           "%s: %s", name, w->stored.error);
    world_free(w);
}


static int
stuck_ship(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, uint64_t entries, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes)
{
    world_actor_t  *a = data;

    if (a->world->stored.phase == MIGRATOR_WARM_UP) {
        world_yield(a);
        return MIGRATOR_OK;
    }

    return world_ship(data, from, to, shard, entries, limit, position,
                      bytes);
}


static void
test_stuck(void)
{
    world_t            *w;
    world_actor_t      *a;
    migrator_driver_t   driver;

    driver = world_driver;
    driver.ship = stuck_ship;

    w = world_new(2);
    a = world_spawn(w);
    a->m.driver = &driver;
    world_run(w);

    tap_is_str(w->bad, "", "a log that ends too early: all rules hold");
    tap_is_int(w->stored.phase, MIGRATOR_ROLLED_BACK, "it is given up");
    tap_ok(strstr(w->stored.error, "the log of n1 ends at") != NULL, "%s",
           w->stored.error);
    world_free(w);
}


int
main(void)
{
    migrator_driver_t  parts;

    parts = world_driver;
    parts.stats = parts_stats;
    parts.copy_part = parts_copy;

    test_trimmed("whole", &world_driver);
    test_trimmed("by parts", &parts);
    test_stuck();

    return tap_done();
}
