
/*
 * Decisions followed in a store of its own that may be away before a call or
 * lose its answer, by followers that are killed: each decision gets its
 * score, and the sums have it once.
 */

#include "hindsight_world.h"
#include "../../src/daemon/shardd_log.h"


static predictor_conf_t             conf;
static predictor_clock_t            ticks;
static predictor_fleet_t            fleet;
static predictor_history_t          history;
static predictor_following_t        following;
static predictor_hindsight_world_t  world;


/* shards 0 to 3 of 40, 40, 40 and 20: n1 has the first three, 120 of 100,
 * from slot 12 on; before, each of them has 20 */

static void
begin(uint64_t seed)
{
    int       faults;
    long      slot;
    float     row[SHARDS];
    uint32_t  i;

    for (i = 0; i < w.nfields; i++) {
        free(w.fields[i].value);
    }

    for (i = 0; i < w.ndecisions; i++) {
        shardd_entry_free(&w.decisions[i]);
    }

    for (i = 0; i < w.nmigrations; i++) {
        shardd_entry_free(&w.migrations[i]);
    }

    memset(&w, 0, sizeof(w));
    w.seed = seed;
    w.now_s = SLOT0 * (double) RES;

    for (i = 0; i < SHARDS; i++) {
        strcpy(w.primary[i], i < 3 ? "n1" : "n2");
    }

    memset(&conf, 0, sizeof(conf));
    conf.threshold = 0.9;
    conf.move_extra = 0.25;
    conf.interval_ms = RES * 1000;
    conf.horizon_ms = 3600 * 1000;
    conf.move_time_ms = 600 * 1000;
    conf.max_moves = 8;
    ticks.speed = 1;

    predictor_history_done(&history);
    (void) predictor_history_init(&history, SLOTS, SHARDS);
    predictor_history_begin(&history, SLOT0 - 1);

    for (slot = 0; slot < SLOTS; slot++) {

        for (i = 0; i < SHARDS; i++) {
            row[i] = i < 3 && slot >= 12 ? 40 : 20;
        }

        predictor_history_push(&history, SLOT0 + slot, row);
    }

    history.last = SLOT0 + 3;
    faults = w.faults;
    w.faults = 0;
    (void) predictor_fleet_load(&fleet, &io, &conf);
    w.faults = faults;

    world.io = &io;
    world.conf = &conf;
    world.clock = &ticks;
    world.fleet = &fleet;
    world.history = &history;
    world.res_s = RES;
    predictor_following_done(&following);
}


static void
at(long slot)
{
    w.now_s = (double) (SLOT0 + slot) * RES;
    world.now_s = w.now_s;
    history.last = SLOT0 + slot - 1;
}


static void
field(shardd_entry_t *e, const char *name, const char *value)
{
    if (e->fields == NULL) {
        e->fields = calloc(16, sizeof(shardd_field_t));
    }

    e->fields[e->nfields].name = strdup(name);
    e->fields[e->nfields++].value = strdup(value);
}


/* shard's move from n1 to n2 (or another), decided now; into both places */

static const char *
decide(uint32_t shard, const char *to, const char *mode, const char *why)
{
    char             key[32], text[160], id[17];
    size_t           i;
    shardd_entry_t  *e;

    static char  ids[ENTRIES][17];

    e = &w.decisions[w.ndecisions];
    snprintf(id, sizeof(id), "%016zx", w.ndecisions + 1);
    strcpy(ids[w.ndecisions], id);
    snprintf(e->id, sizeof(e->id), "%zu-%zu", (size_t) w.now_s * 1000,
             w.ndecisions);

    field(e, "id", id);
    field(e, "verb", "move");
    snprintf(text, sizeof(text), "%u", shard);
    field(e, "shard", text);
    field(e, "from", "n1");
    field(e, "to", to);
    field(e, "epoch", "1");
    field(e, "by", "predictor");
    field(e, "mode", mode);
    snprintf(text, sizeof(text), "%.0f", w.now_s * 1000);
    field(e, "decided_ms", text);
    snprintf(text, sizeof(text), "{\"why\":\"%s\",\"threshold\":0.9,"
             "\"move_extra\":0.25,\"move_s\":600,\"lead_s\":900,"
             "\"horizon_s\":3600}", why);
    field(e, "reason", text);

    snprintf(key, sizeof(key), "decision:%s", id);

    for (i = 0; i < e->nfields; i++) {
        put(key, e->fields[i].name, e->fields[i].value);
    }

    return ids[w.ndecisions++];
}


/* its migration: claimed and released at these slots */

static void
migrate(const char *id, uint32_t shard, const char *to, double claimed,
    double released)
{
    char             text[160];
    shardd_entry_t  *e;

    e = &w.migrations[w.nmigrations++];
    snprintf(e->id, sizeof(e->id), "%s", id);
    field(e, "id", id);
    snprintf(text, sizeof(text), "%u", shard);
    field(e, "shard", text);
    field(e, "from", "n1");
    field(e, "to", to);
    snprintf(text, sizeof(text), "claimed@%.0f release@%.0f",
             (SLOT0 + claimed) * RES * 1000, (SLOT0 + released) * RES * 1000);
    field(e, "trail", text);
    field(e, "phase", "done");

    strcpy(w.primary[shard], to);
    (void) predictor_fleet_load(&fleet, &io, &conf);
}


static double
figure(const char *text, const char *name)
{
    char         quoted[48];
    const char  *p;

    snprintf(quoted, sizeof(quoted), "\"%s\":", name);
    p = strstr(text, quoted);

    return p ? strtod(p + strlen(quoted), NULL) : NAN;
}


static const char *
score(const char *id)
{
    char  key[32];

    snprintf(key, sizeof(key), "decision:%s", id);

    return get(key, "score");
}


/* decided in slot 4, due at its end + 900 + 3600 s: slot 19, of which 12 to
 * 18 are at 120 */

static void
test_one(void)
{
    const char  *id, *text;

    begin(1);
    at(4);
    id = decide(0, "n2", "act", "overload");
    (void) predictor_following(&following, &world);
    tap_is_int((long) following.n, 1, "followed");

    migrate(id, 0, "n2", 4, 6);
    at(18);
    (void) predictor_following(&following, &world);
    tap_is_str(score(id), "", "no score before its time");

    at(19);
    (void) predictor_following(&following, &world);
    text = score(id);
    tap_diag("%s", text);
    tap_is_int((long) following.n, 0, "scored");
    tap_ok(strstr(text, "\"verdict\":\"helped\"") != NULL, "helped");
    tap_is_dbl(figure(text, "saved_vs_nothing_s"), 7 * RES, 0, "7 slots");

    /* one reacts after slot 12, copies for two, is rid of it from 15 on */

    tap_is_dbl(figure(text, "saved_vs_reacting_s"), 3 * RES, 0, "3 slots");
    tap_is_dbl(figure(text, "move_s"), 600, 0, "its own duration");
    tap_ok(strstr(text, "\"carried_out\":true") != NULL, "carried out");

    text = get("regret", "act");
    tap_is_dbl(figure(text, "helped"), 1, 0, "in the sums");
    tap_is_dbl(figure(text, "saved_vs_nothing_s"), 7 * RES, 0, "its seconds");

    predictor_following_done(&following);
    (void) predictor_following(&following, &world);
    (void) predictor_following(&following, &world);
    at(20);
    (void) predictor_following(&following, &world);
    tap_is_dbl(figure(get("regret", "act"), "helped"), 1, 0, "and not added");
}


/* n1 keeps two shards of 40 after both moves: each alone would have left it
 * at 80, which is enough; without one of two it is as good */

static void
test_two_and_others(void)
{
    const char  *one, *two, *advice, *drain, *nowhere;

    begin(2);
    at(4);
    one = decide(0, "n2", "act", "overload");
    two = decide(1, "n3", "act", "overload");
    advice = decide(2, "n3", "recommend", "overload");
    drain = decide(2, "n3", "act", "drain");
    nowhere = decide(2, "n9", "act", "overload");
    migrate(one, 0, "n2", 4, 6);
    migrate(two, 1, "n3", 4, 6);
    at(25);
    (void) predictor_following(&following, &world);

    tap_is_dbl(figure(score(one), "saved_vs_nothing_s"), 0, 0,
               "of two moves that would do alone neither is a gain");
    tap_is_dbl(figure(score(two), "saved_vs_nothing_s"), 0, 0, "nor the other");
    tap_ok(strstr(score(advice), "\"carried_out\":false") != NULL, "advice");
    tap_ok(strstr(score(drain), "\"verdict\":\"drained\"") != NULL, "a drain");
    tap_ok(strstr(score(nowhere), "nodes is gone") != NULL, "no such node");
    tap_is_dbl(figure(get("regret", "act"), "neither"), 2, 0, "sums: neither");
    tap_is_dbl(figure(get("regret", "act"), "drained"), 1, 0, "sums: drained");
    tap_is_dbl(figure(get("regret", "act"), "unknown"), 1, 0, "sums: unknown");
    tap_is_dbl(figure(get("regret", "recommend"), "scored"), 1, 0, "advice");
}


/* advice that nobody took; a shard that was moved by other means */

static void
test_advice(void)
{
    const char         *advice, *order;
    predictor_fleet_t   old;

    begin(3);
    at(4);
    advice = decide(0, "n2", "recommend", "overload");
    at(19);
    (void) predictor_following(&following, &world);
    tap_is_dbl(figure(score(advice), "saved_vs_nothing_s"), 7 * RES, 0,
               "advice: what it would have saved");
    tap_is_dbl(figure(strstr(score(advice), "violation_s"), "happened"),
               7 * RES, 0, "what happened");
    tap_is_dbl(figure(get("regret", "recommend"), "helped"), 1, 0, "summed");

    begin(3);
    at(4);
    order = decide(0, "n2", "act", "overload");
    (void) predictor_following(&following, &world);
    memset(&old, 0, sizeof(old));
    (void) predictor_fleet_load(&old, &io, &conf);
    predictor_following_watch(&following, &old, &fleet, world.now_s);
    at(8);
    strcpy(w.primary[0], "n2");
    (void) predictor_fleet_load(&fleet, &io, &conf);
    predictor_following_watch(&following, &old, &fleet, world.now_s);
    predictor_fleet_done(&old);
    tap_is_int((long) following.nseen, 1, "seen in the table");
    at(19);
    (void) predictor_following(&following, &world);
    tap_ok(strstr(score(order), "\"carried_out\":true") != NULL,
           "a move without a migration counts");
    tap_is_dbl(figure(score(order), "saved_vs_nothing_s"), 7 * RES, 0,
               "by what it saved");
}


/* decisions all day, faults, kills: each once */

static void
test_faults(uint64_t seed)
{
    int          kills, n, bad;
    long         slot;
    double       saved;
    size_t       i;
    const char  *text;

    begin(seed);
    w.faults = 150;
    kills = 0;

    for (slot = 4; slot < SLOTS - 20; slot++) {
        at(slot);

        if (tap_random(&w.seed) % 2 && w.ndecisions < 150) {
            (void) decide((uint32_t) tap_random(&w.seed) % 3, "n2",
                          "recommend", "overload");
        }

        for (i = 0; i < 2; i++) {
            (void) predictor_following(&following, &world);
        }

        if (tap_random(&w.seed) % 3 == 0) {
            predictor_following_done(&following);
            kills++;
        }
    }

    w.faults = 0;

    for (i = 0; i < 8; i++) {
        (void) predictor_following(&following, &world);
    }

    saved = 0;
    bad = 0;
    n = 0;

    for (i = 0; i < w.ndecisions; i++) {
        text = score(shardd_entry_field(&w.decisions[i], "id"));
        bad += text[0] == '\0';
        n += text[0] != '\0';
        saved += text[0] ? figure(text, "saved_vs_nothing_s") : 0;
    }

    tap_ok(kills > 50, "killed %d times", kills);
    tap_is_int(bad, 0, "each of %zu decisions has its score", w.ndecisions);
    text = get("regret", "recommend");
    tap_is_dbl(figure(text, "scored"), n, 0, "and is counted once");
    tap_is_dbl(figure(text, "saved_vs_nothing_s"), saved, 1e-6,
               "the sum of %.0f s is that of the scores", saved);
}


int
main(void)
{
    uint64_t  seed;

    shardd_log_init("unit", "orders", SHARDD_LOG_ERROR);
    seed = tap_seed(7);

    test_one();
    test_two_and_others();
    test_advice();
    test_faults(seed);

    begin(1);
    predictor_following_done(&following);
    predictor_history_done(&history);
    predictor_fleet_done(&fleet);

    return tap_done();
}
