
/*
 * Standbys kept level, on a virtual clock: thousands of them at rest, a node
 * that dies and comes back, trimmed logs, other histories, epochs.
 */


#include "../lib/tap.h"
#include "../../migrator/keep.h"


#define NODES   4
#define SHARDS  2000
#define RATE_S  20


typedef struct {
    migrator_role_e  role[SHARDS];
    uint32_t         epoch[SHARDS];
    uint64_t         position[SHARDS];
    uint64_t         first[SHARDS];         /* of its log */
    int              down;
    uint64_t         calls;
} fake_node_t;

static fake_node_t           nodes[NODES];
static uint64_t              ships, copies, most_copies;
static migrator_keep_list_t  list;
static shardd_table_t        table;
static shard_record_t        shards[SHARDS];
static shard_node_t          table_nodes[NODES];
static uint64_t              now;

static const migrator_keep_conf_t  conf = {
    .workers = 1, .interval_ms = 250, .idle_ms = 2000, .copies = 2,
    .batch = 100, .request_timeout_ms = 1000, .copy_timeout_ms = 1000
};


static fake_node_t *
fake_find(const shard_node_t *node)
{
    fake_node_t  *n;

    n = &nodes[node->name[1] - '1'];
    n->calls++;

    return n;
}


static int
fake_stats(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, migrator_stats_t *stats)
{
    fake_node_t  *n;

    (void) data;
    (void) limit;
    n = fake_find(node);

    if (n->down) {
        return MIGRATOR_DOWN;
    }

    memset(stats, 0, sizeof(migrator_stats_t));
    stats->role = n->role[shard];
    stats->epoch = n->epoch[shard];
    stats->position = n->position[shard];

    return MIGRATOR_OK;
}


static int
fake_role(void *data, const shard_node_t *node, shard_id_t shard,
    migrator_role_e role, uint32_t epoch, const migrator_limit_t *limit,
    uint64_t *position)
{
    fake_node_t  *n;

    (void) data;
    (void) limit;
    n = fake_find(node);

    if (n->down) {
        return MIGRATOR_DOWN;
    }

    if (epoch < n->epoch[shard]) {
        return MIGRATOR_REFUSED;
    }

    if (role == MIGRATOR_ROLE_NONE
        && n->role[shard] == MIGRATOR_ROLE_STANDBY)
    {
        n->position[shard] = 0;
    }

    n->role[shard] = role;
    n->epoch[shard] = epoch;
    *position = n->position[shard];

    return MIGRATOR_OK;
}


static int
fake_copy(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, const migrator_limit_t *limit, uint64_t *position,
    uint64_t *bytes)
{
    fake_node_t  *source, *target;

    (void) data;
    source = fake_find(from);
    target = fake_find(to);

    if (source->down || target->down) {
        return MIGRATOR_DOWN;
    }

    if (target->role[shard] == MIGRATOR_ROLE_PRIMARY
        || target->position[shard] > source->position[shard]
        || limit->epoch < target->epoch[shard])
    {
        return MIGRATOR_REFUSED;
    }

    copies++;
    *bytes += 1;
    *position = target->position[shard] = source->position[shard];

    return MIGRATOR_OK;
}


static int
fake_ship(void *data, const shard_node_t *from, const shard_node_t *to,
    shard_id_t shard, uint64_t entries, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes)
{
    uint64_t      n;
    fake_node_t  *source, *target;

    (void) data;
    (void) bytes;
    source = fake_find(from);
    ships++;

    if (source->down) {
        return MIGRATOR_DOWN;
    }

    if (*position + 1 < source->first[shard]) {
        return MIGRATOR_GONE;
    }

    if (*position >= source->position[shard]) {
        return *position > source->position[shard] ? MIGRATOR_REFUSED
                                                   : MIGRATOR_OK;
    }

    target = fake_find(to);

    if (target->down) {
        return MIGRATOR_DOWN;
    }

    if (target->role[shard] == MIGRATOR_ROLE_PRIMARY
        || limit->epoch < target->epoch[shard]
        || *position > target->position[shard])
    {
        return MIGRATOR_REFUSED;
    }

    n = source->position[shard] - *position;
    n = n < entries ? n : entries;
    *position += n;
    target->position[shard] = *position;

    return MIGRATOR_OK;
}


static const char *
fake_err(void *data)
{
    (void) data;
    return "caf\xe9\n";
}


static const migrator_driver_t  fake_driver = {
    .name = "fake", .stats = fake_stats, .role = fake_role,
    .copy = fake_copy, .ship = fake_ship, .err = fake_err
};


static void
update(void)
{
    if (migrator_keep_update(&list, &table, UINT32_MAX, now) != 0) {
        tap_ok(0, "no memory");
    }
}


/* as keep.c does: whatever is due, one worker, copies as they are granted */

static void
run(uint64_t ms)
{
    long                  wait_ms;
    uint32_t              i;
    uint64_t              until;
    migrator_kept_t      *kept;
    migrator_keep_job_t   job;

    until = now + ms;

    while (now < until) {
        kept = migrator_keep_take(&list, now, &job, &wait_ms);

        if (kept) {
            migrator_keep_round(&fake_driver, NULL, &conf, &job, now, NULL,
                                NULL);
            migrator_keep_done(&list, kept, &job, now);
            continue;
        }

        for (i = 0; i < list.n; i++) {
            migrator_keep_grant(&list, list.kept[i], now);
        }

        if ((uint64_t) list.copying > most_copies) {
            most_copies = (uint64_t) list.copying;
        }

        now += wait_ms > 0 ? (uint64_t) wait_ms : 1;
    }
}


static void
world(void)
{
    uint32_t  i, k;

    memset(nodes, 0, sizeof(nodes));
    memset(shards, 0, sizeof(shards));
    now = 1000000;

    for (i = 0; i < NODES; i++) {
        snprintf(table_nodes[i].name, sizeof(table_nodes[i].name), "n%u",
                 i + 1);
        strcpy(table_nodes[i].addr, "127.0.0.1:1");
    }

    for (i = 0; i < SHARDS; i++) {
        k = i % 3;
        shards[i].id = i;
        shards[i].epoch = 1;
        shards[i].strategy = SHARD_LOG_SHIPPING;
        strcpy(shards[i].primary, table_nodes[k].name);
        strcpy(shards[i].standbys[0], "n4");
        shards[i].nstandbys = 1;

        nodes[k].role[i] = MIGRATOR_ROLE_PRIMARY;
        nodes[k].epoch[i] = 1;
        nodes[k].position[i] = 250;
        nodes[3].role[i] = MIGRATOR_ROLE_STANDBY;
        nodes[3].epoch[i] = 1;
        nodes[3].position[i] = i % 250;
    }

    memset(&table, 0, sizeof(table));
    memset(&list, 0, sizeof(list));
    table.nshards = SHARDS;
    table.shards = shards;
    table.nnodes = NODES;
    table.nodes = table_nodes;
    list.conf = &conf;
    update();
}


static unsigned
in_state(migrator_keep_e state)
{
    unsigned  n;
    uint32_t  i;

    for (i = 0, n = 0; i < list.n; i++) {
        n += list.kept[i]->state == state;
    }

    return n;
}


static void
test_rest(void)
{
    uint32_t  i, late;
    uint64_t  before;

    world();
    run(3000);
    tap_is_int(in_state(MIGRATOR_KEEP_LEVEL), SHARDS, "all are level");

    run(10000);
    before = ships;
    run(RATE_S * 1000);
    tap_ok(ships - before <= SHARDS * (RATE_S / 2 + 1),
           "at rest: %.2f looks a second at each",
           (double) (ships - before) / SHARDS / RATE_S);

    for (i = 0, late = 0; i < SHARDS; i++) {
        late += list.kept[i]->level_ms + 2100 < now;
    }

    tap_is_int(late, 0, "none was forgotten");
    nodes[0].position[0] += 1000;
    run(2200);
    tap_is_int((long long) nodes[3].position[0], 1250,
               "a thousand entries arrive, in batches");
}


static void
test_down(void)
{
    uint32_t  i;
    uint64_t  before;

    nodes[3].down = 1;

    for (i = 0; i < SHARDS; i++) {
        nodes[i % 3].position[i]++;
    }

    run(5000);
    tap_is_int(in_state(MIGRATOR_KEEP_DOWN), SHARDS, "a dead node is known");
    run(30000);
    before = nodes[3].calls;
    run(60000);
    tap_ok(nodes[3].calls - before <= 20, "for 2000 standbys it is asked %llu "
           "times in a minute", (unsigned long long) (nodes[3].calls - before));

    nodes[3].down = 0;
    nodes[1].position[1] = 400;
    run(11000);
    tap_is_int(in_state(MIGRATOR_KEEP_LEVEL), SHARDS, "back: all are level");
    tap_is_int((long long) nodes[3].position[1], 400, "and have it all");
}


static void
test_copies(void)
{
    uint32_t  i;

    copies = most_copies = 0;

    for (i = 0; i < 30; i++) {
        nodes[i % 3].position[i] += 5000;
        nodes[i % 3].first[i] = nodes[i % 3].position[i] - 10;
    }

    run(10000);
    tap_is_int((long long) copies, 30, "trimmed logs: each is copied once");
    tap_ok(most_copies <= 2, "two at a time at most (%llu)",
           (unsigned long long) most_copies);
    tap_is_int(in_state(MIGRATOR_KEEP_LEVEL), SHARDS, "all are level");

    /* promoted elsewhere with less than this one has */

    strcpy(shards[7].primary, "n1");
    shards[7].epoch = 2;
    nodes[0].role[7] = MIGRATOR_ROLE_PRIMARY;
    nodes[0].epoch[7] = 2;
    nodes[0].position[7] = 5;
    copies = 0;
    update();
    run(10000);
    tap_is_int((long long) copies, 1, "another history: copied");
    tap_is_int((long long) nodes[3].position[7], 5, "and as the primary is");
    tap_is_int(nodes[3].epoch[7], 2, "at its epoch");
}


static void
test_epochs(void)
{
    long                  wait_ms;
    migrator_kept_t      *kept;
    migrator_keep_job_t   job;

    /* a round that slept while the standby was made the primary */

    do {
        run(1);
        kept = migrator_keep_take(&list, now, &job, &wait_ms);

        if (kept && kept->shard != 9) {
            migrator_keep_round(&fake_driver, NULL, &conf, &job, now, NULL,
                                NULL);
            migrator_keep_done(&list, kept, &job, now);
        }

    } while (kept == NULL || kept->shard != 9);

    nodes[0].position[9] += 10;
    nodes[3].role[9] = MIGRATOR_ROLE_PRIMARY;
    nodes[3].epoch[9] = 2;
    migrator_keep_round(&fake_driver, NULL, &conf, &job, now, NULL, NULL);
    tap_is_int(job.state, MIGRATOR_KEEP_REFUSED, "a primary takes nothing");
    tap_is_str(job.err, "ship: caf??", "why, as JSON can have it");
    tap_ok(nodes[3].position[9] < nodes[0].position[9], "nor got anything");
    migrator_keep_done(&list, kept, &job, now);

    run(1000);
    tap_is_int(nodes[3].role[9], MIGRATOR_ROLE_PRIMARY, "and stays one");
    tap_is_int(kept->state, MIGRATOR_KEEP_REFUSED, "which is known");

    /* the table hears of it: the other way round */

    strcpy(shards[9].primary, "n4");
    strcpy(shards[9].standbys[0], "n1");
    shards[9].epoch = 2;
    nodes[3].position[9] += 100;
    update();
    run(3000);
    tap_is_int((long long) nodes[0].position[9],
               (long long) nodes[3].position[9], "the new standby follows");
    tap_is_int(nodes[0].role[9], MIGRATOR_ROLE_STANDBY, "as a standby");

    shards[9].nstandbys = 0;
    update();
    tap_is_int(list.n, SHARDS - 1, "named no more, it is kept no more");
    tap_is_int(list.nheap, SHARDS - 1, "nor waited for");
}


int
main(void)
{
    test_rest();
    test_down();
    test_copies();
    test_epochs();
    migrator_keep_free(&list);

    return tap_done();
}
