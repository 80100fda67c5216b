
/*
 * The daemon's step function in a world of its own: a virtual clock, a store
 * in memory that may be away before a call or lose its answer, routers that
 * repeat, restart and fall silent, and a daemon killed at any step.
 */

#include "predictor_world.h"


/* rows of [from, to) against what was offered; those that must be unknown */

static int
wrong_rows(long from, long to)
{
    int       wrong;
    long      slot;
    double    sum, s;
    uint32_t  c;

    wrong = 0;

    for (slot = from; slot < to; slot++) {

        for (c = 0; c < SHARDS; c++) {
            sum = 0;

            for (s = TICK_MS / 1000; s <= RES; s += TICK_MS / 1000) {
                sum += offered(c, (double) (slot * RES) + s);
            }

            wrong += !(fabs(w.rows[slot - SLOT0][c] - sum / RES) < 1e-3);
        }
    }

    return wrong;
}


/*
 * Six hours of ticks: both routers speak, now and then twice; b restarts;
 * the store is away for half an hour; the daemon is killed at any step.
 */

static void
test_faults(uint64_t seed)
{
    int                  tick, kills;
    uint64_t             sequence[2], instance;
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    world(seed);
    configure(&conf, PREDICTOR_ACT);
    w.faults = 30;
    w.freeze = 1;
    kills = 0;
    sequence[0] = sequence[1] = 0;
    instance = 7;

    d = malloc(sizeof(*d));
    predictor_daemon_init(d, &conf, &io);

    for (tick = 0; tick < 6 * 360; tick++) {
        w.now_ms += TICK_MS;
        w.away = tick >= 700 && tick < 880;

        if (tick == 1000) {
            instance = 8;
            sequence[1] = 0;
        }

        send("a", 7, ++sequence[0]);
        send("b", instance, ++sequence[1]);

        if (tap_random(&w.seed) % 10 == 0) {
            send("b", instance, sequence[1]);
        }

        steps(d, (int) (tap_random(&w.seed) % 12));

        if (tap_random(&w.seed) % 40 == 0) {
            predictor_daemon_done(d);
            predictor_daemon_init(d, &conf, &io);
            kills++;
        }
    }

    w.faults = 0;
    settle(d);

    tap_ok(kills > 20, "the daemon was killed %d times", kills);
    tap_is_int(wrong_rows(T0 / RES, T0 / RES + 71), 0,
               "every row is right after faults, repeats and kills");
    tap_ok(w.nforecasts >= 8 * 60, "%zu forecasts", w.nforecasts);
    tap_is_int((long) w.ndecisions, 0, "frozen shards were left alone");
    tap_is_str(state("state"), "ready", "state");
    predictor_daemon_done(d);
    free(d);
}


static void
test_gap(void)
{
    int                  tick;
    uint64_t             sequence;
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    world(1);
    configure(&conf, PREDICTOR_OBSERVE);
    d = malloc(sizeof(*d));
    predictor_daemon_init(d, &conf, &io);
    sequence = 0;

    for (tick = 0; tick < 360; tick++) {
        w.now_ms += TICK_MS;

        if (tick < 120 || tick >= 240) {
            sequence++;
            send("a", 7, sequence);
            send("b", 7, sequence);
        }

        steps(d, 50);

        if (tick == 239) {
            tap_is_str(state("state"), "no metrics since 2026-06-01T00:20Z",
                       "silence is said");
            tap_ok(isnan(w.rows[T0 / RES - SLOT0 + 5][0]),
                   "and is unknown, not zero");
        }
    }

    tap_is_str(state("state"), "ready", "metrics again");
    tap_is_int(wrong_rows(T0 / RES, T0 / RES + 4), 0, "rows before");
    tap_is_int(wrong_rows(T0 / RES + 8, T0 / RES + 11), 0, "rows after");
    tap_is_int((long) w.ndecisions, 0, "observe decides nothing");
    tap_ok(w.nzones > 0, "but scores zones");
    predictor_daemon_done(d);
    free(d);
}


static void
test_lease(void)
{
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    world(2);
    configure(&conf, PREDICTOR_ACT);
    d = malloc(sizeof(*d));
    predictor_daemon_init(d, &conf, &io);

    w.claimed_by = "another";
    steps(d, 10);
    tap_is_int(d->state, PREDICTOR_WAITING, "another's claim: waits");
    tap_is_int((long) w.nforecasts, 0, "and does nothing");
    w.claimed_by = NULL;
    steps(d, 10);
    tap_is_int(d->state, PREDICTOR_RUNNING, "gone: takes over");
    w.claimed_by = "another";
    w.now_ms += 30000;
    steps(d, 1);
    tap_is_int(d->state, PREDICTOR_WAITING, "fenced: lets go at once");
    tap_ok(d->history.values == NULL, "and forgets what may be old");
    predictor_daemon_done(d);
    free(d);
}


/* n1 crosses 90 % of 130 in the morning: the move ends before */

static void
test_decides(void)
{
    int                  tick;
    double               at_s;
    uint64_t             sequence;
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    world(3);
    configure(&conf, PREDICTOR_ACT);
    d = malloc(sizeof(*d));
    predictor_daemon_init(d, &conf, &io);
    sequence = 0;

    for (tick = 0; tick < 6 * 360 && w.ndecisions == 0; tick++) {
        w.now_ms += TICK_MS;
        sequence++;
        send("a", 7, sequence);
        send("b", 7, sequence);
        steps(d, 50);
    }

    at_s = (double) w.now_ms / 1000 - T0;
    tap_is_int((long) w.ndecisions, 1, "one decision, %.0f min after midnight",
               at_s / 60);
    tap_is_int(atoi(w.shard[0]) % 2, 0, "a shard of n1");

    /* the chance of it counts, and two days of history leave it open when:
     * not as soon as the horizon of 7200 s shows it, all the same */

    tap_ok(w.breach_in[0] > 1800 && w.breach_in[0] <= 6300,
           "%d s ahead: after the move, not when it first is seen",
           w.breach_in[0]);

    /* the world says nothing of it to the planner: the id does not repeat */

    for (tick = 0; tick < 60; tick++) {
        w.now_ms += TICK_MS;
        sequence++;
        send("a", 7, sequence);
        send("b", 7, sequence);
        steps(d, 50);
    }

    tap_is_int((long) w.ndecisions, 1, "still one");
    tap_ok(w.repeated > 0, "the same wish was refused %d times", w.repeated);
    predictor_daemon_done(d);
    free(d);
}


/* a shard that comes while it runs, beyond the room there was */

static void
test_growth(void)
{
    int                  tick;
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    world(4);
    configure(&conf, PREDICTOR_OBSERVE);
    d = malloc(sizeof(*d));
    predictor_daemon_init(d, &conf, &io);

    for (tick = 0; tick < 180; tick++) {
        w.now_ms += TICK_MS;
        send("a", 7, (uint64_t) tick);
        send("b", 7, (uint64_t) tick);

        if (tick == 100) {
            w.table.shards[7].id = 50;
            w.table.version++;
        }

        steps(d, 50);
    }

    tap_ok(d->slots->ncols > 50, "room for it");
    tap_ok(!isnan(w.rows[T0 / RES - SLOT0 + 4][50]), "it is known");
    tap_ok(isnan(w.rows[T0 / RES - SLOT0 + 4][7]), "the one that left is not");
    predictor_daemon_done(d);
    free(d);
}


/* runs so many ticks of both routers */

static void
ticks(predictor_daemon_t *d, int n)
{
    static uint64_t  sequence;

    while (n--) {
        w.now_ms += TICK_MS;
        sequence++;
        send("a", 9, sequence);
        send("b", 9, sequence);
        steps(d, 50);
    }
}


/* what past forecasts were worth is kept when it ends, and hourly */

static void
test_errors_kept(void)
{
    int                   first;
    uint32_t              observed, before;
    predictor_conf_t      conf;
    predictor_daemon_t   *d;
    predictor_errors_t    kept;

    world(5);
    configure(&conf, PREDICTOR_OBSERVE);
    d = malloc(sizeof(*d));
    predictor_daemon_init(d, &conf, &io);

    ticks(d, 100);
    before = d->outlook.errors[3].merit.observed;
    tap_ok(before > 0, "%u past forecasts were compared", before);
    first = w.kept;
    tap_ok(first > 0 && first <= 2, "kept at once, and at midnight: %d",
           first);
    ticks(d, 400);
    tap_is_int(w.kept - first, 1, "then once in an hour");

    observed = d->outlook.errors[3].merit.observed;
    tap_ok(observed > before, "then %u", observed);
    kept = d->outlook.errors[3];
    tap_is_int(predictor_remember_all(d), SHARDD_OK, "kept at the end");
    predictor_daemon_done(d);

    predictor_daemon_init(d, &conf, &io);
    steps(d, 50);
    tap_is_int((long) d->outlook.errors[3].merit.observed, (long) observed,
               "there again after a restart");
    tap_ok(memcmp(&d->outlook.errors[3].merit, &kept.merit,
                  sizeof(predictor_merit_t)) == 0, "to the bit");
    tap_is_int((long) d->forgotten, 0, "all of it was understood");

    /* nothing is counted twice, what was said before is still compared */

    ticks(d, 60);
    tap_ok(d->outlook.errors[3].merit.observed >= observed + 2
           && d->outlook.errors[3].merit.observed <= observed + 8,
           "and goes on: %u", d->outlook.errors[3].merit.observed);
    predictor_daemon_done(d);

    w.bytes[50] ^= 0x40;
    w.bytes[4000] = (char) 0xff;
    w.nbytes -= 7;
    predictor_daemon_init(d, &conf, &io);
    steps(d, 50);
    tap_is_int((long) d->forgotten, 1, "a broken one is refused, and counted");
    tap_is_int((long) d->outlook.errors[3].merit.observed, 0,
               "none of it is taken");
    tap_is_int(d->state, PREDICTOR_RUNNING, "and the predictor runs");
    predictor_daemon_done(d);
    free(d);
}


/* killed at some moment: what is lost is a slot's, not an hour's */

static void
test_errors_killed(void)
{
    int                   killed;
    uint32_t              observed;
    predictor_conf_t      conf;
    predictor_daemon_t   *d;
    predictor_merit_t     merit;

    static const int  when[] = { 200, 45, 30, 31, 77 };

    world(8);
    configure(&conf, PREDICTOR_OBSERVE);
    d = malloc(sizeof(*d));
    predictor_daemon_init(d, &conf, &io);

    for (killed = 0; killed < 5; killed++) {
        ticks(d, when[killed]);
        observed = d->outlook.errors[3].merit.observed;
        merit = d->outlook.errors[3].merit;

        predictor_daemon_done(d);
        predictor_daemon_init(d, &conf, &io);
        steps(d, 50);
        tap_is_int((long) d->outlook.errors[3].merit.observed,
                   (long) observed, "killed after %d ticks: all %u past "
                   "forecasts are there", when[killed], observed);
        tap_ok(memcmp(&d->outlook.errors[3].merit, &merit, sizeof(merit))
               == 0, "to the bit");
    }

    tap_is_int((long) d->forgotten, 0, "all of it was understood");

    /* one that nothing can be read of is passed over */

    ticks(d, 150);
    memset(logs, 0, sizeof(logs));
    observed = d->outlook.errors[3].merit.observed;
    predictor_daemon_done(d);
    predictor_daemon_init(d, &conf, &io);
    steps(d, 50);
    tap_ok(d->outlook.errors[3].merit.observed > 0
           && d->outlook.errors[3].merit.observed < observed,
           "without logs as the whole has it: %u of %u",
           d->outlook.errors[3].merit.observed, observed);

    predictor_daemon_done(d);
    free(d);
}


/* the last shard is cut in two: both borrow what it was */

static void
test_split(void)
{
    int                  tick;
    uint32_t             i;
    shard_record_t      *last;
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    world(6);
    configure(&conf, PREDICTOR_OBSERVE);
    d = malloc(sizeof(*d));
    predictor_daemon_init(d, &conf, &io);

    for (i = 0; i < SHARDS; i++) {
        w.table.shards[i].lo = (uint64_t) i << 61;
        w.table.shards[i].hi = (uint64_t) (i + 1) << 61;
    }

    for (tick = 0; tick < 180; tick++) {
        w.now_ms += TICK_MS;
        send("a", 7, (uint64_t) tick);
        send("b", 7, (uint64_t) tick);

        if (tick == 100) {
            tap_is_int((long) w.nlineage, SHARDS, "bounds are kept");
            tap_is_int((long) w.nsplit, 0, "nothing is borrowed");

            w.table.shards = realloc(w.table.shards,
                                     (SHARDS + 1) * sizeof(shard_record_t));
            last = &w.table.shards[SHARDS];
            *last = last[-1];
            last->id = SHARDS;
            last->lo += (uint64_t) 1 << 60;
            last[-1].hi = last->lo;
            w.table.nshards++;
            w.table.version++;
        }

        steps(d, 50);
    }

    tap_is_int((long) w.nlineage, SHARDS + 2, "two changed");
    tap_ok(w.nsplit >= 4 && w.nsplit % 2 == 0, "both say so: %zu", w.nsplit);
    tap_ok(d->outlook.mean[SHARDS * d->outlook.ask.horizon] > 1,
           "the child, which was asked nothing yet, has a forecast");
    predictor_daemon_done(d);
    free(d);
}


int
main(void)
{
    uint64_t  seed;

    shardd_log_init("test", "orders", -1);
    seed = tap_seed(7);

    test_lease();
    test_gap();
    test_decides();
    test_growth();
    test_split();
    test_errors_kept();
    test_errors_killed();
    test_faults(seed);

    world(0);
    free(w.table.shards);
    free(w.table.nodes);

    return tap_done();
}
