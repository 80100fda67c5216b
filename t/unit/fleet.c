
/*
 * What migrations, decisions and the table tell the planner: durations by
 * trails, bytes, the churn budget, standbys and zones.
 */

#include "predictor_world.h"


#define FIELDS  24
#define GB      1e9


typedef struct {
    const char  *text[FIELDS];      /* name, value, ..., NULL */
} hash_t;

static hash_t            hashes[16];
static size_t            nhashes;
static hash_t            wishes[8];
static size_t            nwishes;
static predictor_io_t    seam;
static predictor_conf_t  conf;


static void
entries(const hash_t *from, size_t n, shardd_entries_t *out)
{
    size_t           i, k;
    shardd_entry_t  *e;

    out->n = n;
    out->entries = calloc(n + 1, sizeof(shardd_entry_t));

    for (i = 0; i < n; i++) {
        e = &out->entries[i];
        e->fields = calloc(FIELDS, sizeof(shardd_field_t));

        for (k = 0; from[i].text[k]; k += 2) {
            e->fields[e->nfields].name = strdup(from[i].text[k]);
            e->fields[e->nfields++].value = strdup(from[i].text[k + 1]);
        }
    }
}


static int
migrations(void *data, size_t limit, shardd_entries_t *out)
{
    (void) data;
    (void) limit;
    entries(hashes, nhashes, out);

    return SHARDD_OK;
}


static int
decisions(void *data, size_t limit, shardd_entries_t *out)
{
    (void) data;
    (void) limit;
    entries(wishes, nwishes, out);

    return SHARDD_OK;
}


/* "at" seconds before now, in ms; the text lives until the test's end */

static const char *
ago(double at)
{
    static char    text[64][32];
    static size_t  n;

    n = (n + 1) % 64;
    snprintf(text[n], sizeof(text[n]), "%.0f", (double) w.now_ms - at * 1000);

    return text[n];
}


/* "claimed@... copy@... catch-up@... [release@...]", begun "at" s ago */

static const char *
trail(double at, double copy_s, double rest_s, int ended)
{
    int            len;
    double         now;
    static char    text[16][256];
    static size_t  n;

    n = (n + 1) % 16;
    now = (double) w.now_ms - at * 1000;

    len = snprintf(text[n], sizeof(text[n]), "planned@%.0f claimed@%.0f "
                   "copy@%.0f catch-up@%.0f", now - 50, now, now,
                   now + copy_s * 1000);

    if (ended) {
        snprintf(text[n] + len, sizeof(text[n]) - (size_t) len,
                 " release@%.0f standby@%.0f",
                 now + (copy_s + rest_s) * 1000,
                 now + (copy_s + rest_s + 500) * 1000);
    }

    return text[n];
}


static void
begin(void)
{
    world(1);
    configure(&conf, PREDICTOR_ACT);
    conf.budget_window_ms = 3600 * 1000;
    nhashes = nwishes = 0;
    seam = io;
    seam.migrations = migrations;
    seam.decisions = decisions;
}


static void
done(const char *shard, double at, double copy_s, const char *bytes)
{
    hashes[nhashes++] = (hash_t) { {
        "id", shard, "shard", shard, "from", "n1", "to", "n2", "epoch", "0",
        "phase", "done", "trail", trail(at, copy_s, 60, 1),
        "created_ms", ago(at + 50), "bytes", bytes, "copies", "1",
        "finished_ms", ago(at - copy_s - 560), NULL } };
}


static void
test_durations(void)
{
    predictor_fleet_t  f;

    begin();
    memset(&f, 0, sizeof(f));

    done("0", 9000, 100, "1000000000");
    done("1", 8000, 200, "2000000000");
    done("2", 7000, 400, "4000000000");
    done("3", 6000, 800, "8000000000");

    tap_is_int(predictor_fleet_load(&f, &seam, &conf), SHARDD_OK, "loaded");
    tap_is_dbl((double) f.plan.shards[3].bytes, 8e9, 1e3,
               "a shard's bytes are its migration's");
    tap_is_dbl((double) f.plan.shards[7].bytes, 3e9, 1e3,
               "one without: as most");
    tap_ok(fabs((double) f.plan.shards[3].move_s / 860 - 1) < 0.1,
           "8 GB take %.0f s", (double) f.plan.shards[3].move_s);
    tap_ok(fabs((double) f.plan.shards[0].move_s / 160 - 1) < 0.25,
           "1 GB takes %.0f s", (double) f.plan.shards[0].move_s);
    tap_ok(f.plan.shards[0].move_hi_s > f.plan.shards[0].move_s,
           "and perhaps %.0f s", (double) f.plan.shards[0].move_hi_s);
    tap_ok(f.plan.shards[0].promote_s < f.plan.shards[0].move_s,
           "a promotion takes %.0f s", (double) f.plan.shards[0].promote_s);
    tap_is_int(predictor_budget_left(&f.budget), UINT32_MAX, "no budget");

    predictor_fleet_done(&f);
}


static void
test_trails(void)
{
    predictor_fleet_t  f;

    begin();
    memset(&f, 0, sizeof(f));

    /* copied twice; promoted; the trail's beginning lost; odd numbers */

    done("0", 9000, 100, "1000000000");
    hashes[0].text[13] = "claimed@1000 copy@2000 catch-up@102000 "
                         "copy@112000 catch-up@212000 release@222000";
    done("1", 9000, 100, "5000000");
    hashes[1].text[13] = "claimed@1000 copy@1100 catch-up@1200 "
                         "release@31000";
    hashes[1].text[19] = "0";
    done("2", 9000, 100, "x");
    hashes[2].text[13] = "catch-up@2000 release@90000000";
    done("3", 9000, 100, "x");
    hashes[3].text[13] = "copy@ claimed@@ release@";

    tap_is_int(predictor_fleet_load(&f, &seam, &conf), SHARDD_OK, "loaded");
    tap_is_int(f.duration.all.n, 1, "one copied");
    tap_is_int(f.duration.promoted.n, 1, "one was promoted");
    tap_is_dbl(f.duration.all.byte_s * GB, 200, 1e-6, "copied twice");
    tap_is_dbl(f.duration.all.fixed_s, 21, 1e-6, "the rest");
    tap_is_dbl(f.duration.promoted.fixed_s, 30, 0.2, "a promotion");
    tap_is_dbl((double) f.plan.shards[1].bytes, 5e8, 5e8,
               "whose bytes are not the shard's");
    tap_ok(f.plan.shards[1].bytes > 4e8f, "but what most moves were of");

    predictor_fleet_done(&f);
}


static void
test_budget(void)
{
    predictor_fleet_t  f;

    begin();
    memset(&f, 0, sizeof(f));
    conf.budget_moves[PREDICTOR_BUDGET_FLEET] = 10;
    conf.budget_moves[PREDICTOR_BUDGET_NODE] = 3;

    done("0", 9000, 100, "1000000000");
    done("1", 3000, 100, "1000000000");
    done("2", 1000, 100, "1000000000");
    hashes[2].text[11] = "rolled-back";
    hashes[nhashes++] = (hash_t) { {
        "id", "3", "shard", "3", "from", "n1", "to", "gone", "epoch", "1",
        "phase", "copy", "trail", trail(20000, 10, 0, 0), "created_ms",
        ago(20050), "bytes", "0", NULL } };
    wishes[nwishes++] = (hash_t) { {
        "id", "4", "shard", "4", "from", "n1", "to", "n2", "epoch", "1",
        "mode", "act", "decided_ms", ago(10), NULL } };
    wishes[nwishes++] = (hash_t) { {
        "id", "5", "shard", "5", "from", "n2", "to", "n1", "epoch", "1",
        "mode", "recommend", "decided_ms", ago(10), NULL } };

    tap_is_int(predictor_fleet_load(&f, &seam, &conf), SHARDD_OK, "loaded");
    tap_is_int(predictor_budget_left(&f.budget), 6, "two of the last hour, "
               "one in flight, one that waits");
    tap_ok(!predictor_budget_may(&f.budget, 0, 1, 0), "n1 has had its three");
    tap_is_int(f.budget.nodes[0].moves, 4, "of n1");
    tap_is_int(f.budget.nodes[1].moves, 3, "of n2");
    tap_is_dbl(predictor_budget_next(&f.budget, 0, 1, 0) - f.budget.now_s,
               600, 1, "until a move of 50 minutes ago is passed");
    tap_is_int(f.waiting, 1, "waiting");

    predictor_fleet_done(&f);
}


static void
test_places(void)
{
    predictor_fleet_t  f;

    begin();
    memset(&f, 0, sizeof(f));
    w.table.shards[0].nstandbys = 2;
    memcpy(w.table.shards[0].standbys[0], "n2", 3);
    memcpy(w.table.shards[0].standbys[1], "n9", 3);

    tap_is_int(predictor_fleet_load(&f, &seam, &conf), SHARDD_OK, "loaded");
    tap_is_int(f.plan.shards[0].nstandbys, 1, "a standby that is there");
    tap_ok(predictor_plan_promotes(&f.plan, 0, 1), "it may be promoted");
    tap_ok(!predictor_plan_promotes(&f.plan, 1, 1), "others may not");
    tap_is_int(f.plan.nzones, 2, "zones");
    tap_is_int(f.plan.nodes[1].zone, 1, "of the second node");
    tap_is_str(f.zones[1], "z2", "its name");
    tap_is_dbl((double) f.plan.shards[0].move_s, 1800, 1e-3,
               "nothing moved yet: as configured");

    predictor_fleet_done(&f);
}


/* a split or merge of two shards, "at" seconds ago */

static void
cut(const char *verb, const char *shard, const char *into, const char *phase,
    const char *attempt, double at)
{
    hashes[nhashes++] = (hash_t) { {
        "id", shard, "verb", verb, "shard", shard, "into", into, "from", "n1",
        "to", "n1", "epoch", "1", "phase", phase, "attempt", attempt,
        "created_ms", ago(at + 60), "finished_ms", ago(at), NULL } };
}


static void
wish(const char *verb, const char *shard, const char *with, const char *mode,
    double at)
{
    wishes[nwishes++] = (hash_t) { {
        "id", "w", "verb", verb, "shard", shard, "from", "n1", "to", "n1",
        "epoch", "1", "mode", mode, "decided_ms", ago(at), "with", with,
        NULL } };
}


static void
is_cut(const predictor_fleet_t *f, uint32_t shard, int fixed, int uncut,
    const char *what)
{
    tap_ok(f->plan.shards[shard].fixed == fixed
           && f->plan.shards[shard].uncut == uncut, "%s", what);
}


static void
test_cuts(void)
{
    predictor_fleet_t  f;

    begin();
    memset(&f, 0, sizeof(f));

    cut("split", "0", "1", "copy", "1", 10);
    cut("merge", "99", "2", "done", "1", 600);
    cut("split", "3", "98", "rolled-back", "1", 600);
    cut("split", "4", "4", "done", "1", 8000);
    cut("split", "5", "97", "rolled-back", "1", 8000);
    wish("merge", "6", "7", "act", 10);
    wish("split", "5", "", "recommend", 10);

    tap_is_int(predictor_fleet_load(&f, &seam, &conf), SHARDD_OK, "loaded");
    is_cut(&f, 0, 1, 0, "in flight: the shard stays as it is");
    is_cut(&f, 1, 1, 0, "and its child");
    is_cut(&f, 2, 1, 0, "merged lately: it rests");
    is_cut(&f, 3, 0, 1, "rolled back lately: it may move");
    is_cut(&f, 4, 0, 0, "long done");
    is_cut(&f, 5, 0, 0, "rolled back before the cool-down; advice is none");
    is_cut(&f, 6, 1, 0, "decided");
    is_cut(&f, 7, 1, 0, "and the other one of the merge");
    tap_is_int(f.cuts, 2, "in flight");
    tap_is_int(f.waiting, 1, "waiting: the budget counts it");
    predictor_fleet_done(&f);
}


/* the pause grows from two hours on, with each one that came to nothing */

static void
test_failed(void)
{
    predictor_fleet_t  f;

    begin();
    memset(&f, 0, sizeof(f));

    cut("split", "0", "99", "rolled-back", "1", 8000);
    cut("split", "0", "98", "rolled-back", "1", 16000);
    cut("split", "1", "97", "rolled-back", "3", 28000);
    cut("split", "2", "96", "rolled-back", "1", 8000);
    cut("split", "2", "95", "done", "1", 16000);
    cut("split", "2", "94", "rolled-back", "1", 17000);
    cut("split", "3", "93", "rolled-back", "999", 7200 * 64 + 10);
    wish("split", "4", "", "act", 7300);
    wish("split", "4", "", "act", 14500);
    cut("split", "5", "92", "done", "1", 22000);
    wish("split", "5", "", "act", 7300);
    wish("split", "5", "", "act", 14500);
    wish("split", "5", "", "act", 28000);
    cut("split", "6", "91", "done", "1", 7300);
    wish("split", "6", "", "act", 7400);

    tap_is_int(predictor_fleet_load(&f, &seam, &conf), SHARDD_OK, "loaded");
    is_cut(&f, 0, 0, 1, "twice: four hours");
    is_cut(&f, 1, 0, 1, "in three attempts: eight hours");
    is_cut(&f, 2, 0, 0, "once since it was done: two hours");
    is_cut(&f, 3, 0, 0, "any number of times: 64 pauses");
    is_cut(&f, 4, 0, 1, "no migrator made a migration of two");
    is_cut(&f, 5, 0, 1, "nor of the two since it was done");
    is_cut(&f, 6, 0, 0, "what was before that does not matter");
    tap_is_int(f.cuts, 0, "none in flight");
    predictor_fleet_done(&f);
}


int
main(void)
{
    test_durations();
    test_trails();
    test_budget();
    test_places();
    test_cuts();
    test_failed();

    return tap_done();
}
