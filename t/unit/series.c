
/*
 * Metrics entries to slots: exactly once, in any order, by overlap; unknown
 * stays unknown.  And the window of history behind it.
 */

#include "../lib/tap.h"
#include "../../predictor/history.h"
#include "../../predictor/series.h"


#define NCOLS  8
#define T0     1780272000000.0        /* ms: a slot's beginning at speed 1 */
#define SLOT   5934240                /* T0 / 300 s */


static predictor_slots_t  *s;
static float               row[NCOLS];
static char                err[SHARD_ERR_SIZE];


static void
begin(double speed)
{
    predictor_slots_destroy(s);
    s = predictor_slots_create();

    s->clock.speed = speed;
    s->clock.real_ms = speed == 1 ? 0 : T0;
    s->clock.epoch_s = speed == 1 ? 0 : T0 / 1000;
    s->res_s = 300;
    s->grace_ms = 3000;
    predictor_slots_columns(s, NCOLS);
}


/* from and to in seconds after T0; "count" requests of shard 1 */

static int
add(const char *router, uint64_t instance, uint64_t sequence, double from,
    double to, uint32_t count)
{
    char                    buf[1024], cursor[32];
    shard_str_t             text;
    shard_metrics_head_t    head;
    shard_metrics_entry_t   entry;
    shard_metrics_shard_t   shard;
    shard_metrics_writer_t  w;

    memset(&shard, 0, sizeof(shard));
    shard.id = 1;
    shard.offered = count;

    head.router.data = router;
    head.router.len = strlen(router);
    head.instance = instance;
    head.sequence = sequence;
    head.end_ms = (uint64_t) (T0 + to * 1000);
    head.interval_ms = (uint32_t) ((to - from) * 1000);

    shard_metrics_begin(&w, buf, sizeof(buf), &head);
    shard_metrics_add_shard(&w, &shard);
    shard.id = 77;
    shard_metrics_add_shard(&w, &shard);

    text.data = buf;
    text.len = (size_t) shard_metrics_end(&w);

    if (shard_metrics_decode(text, &entry, err) != SHARD_OK) {
        tap_diag("entry: %s", err);
        exit(1);
    }

    snprintf(cursor, sizeof(cursor), "%.0f-0", T0 + from * 1000);

    return predictor_slots_add(s, &entry, cursor, T0 + to * 1000 + 100, err);
}


/* the value of shard 1 in the oldest slot, which is then closed */

static double
value(void)
{
    int  known;

    known = predictor_slots_row(s, SHARD_METRIC_REQUESTS, row);
    predictor_slots_close(s);

    return known ? row[1] : NAN;
}


static void
test_straddling(void)
{
    begin(1);
    add("a", 1, 1, 0, 290, 2900);
    add("a", 1, 2, 290, 310, 200);
    add("a", 1, 3, 310, 600, 2900);
    tap_is_int(s->base, SLOT, "the first slot");
    tap_is_dbl(value(), 10, 1e-4, "an entry over two slots: its part here");
    tap_is_dbl(value(), 10, 1e-4, "and there");
    tap_is_dbl(row[2], 0, 0, "a shard nobody asked for was idle");

    begin(1200);                        /* a slot lasts 250 ms */
    add("a", 1, 1, 0, 1, 40);
    tap_is_dbl(value(), 40, 1e-4, "one entry over four slots of a fast clock:"
               " real requests per real second");
    value();
    value();
    tap_is_dbl(value(), 40, 1e-4, "in the last one too");
    tap_ok(isnan(value()), "and nothing after it");
}


static void
test_once(void)
{
    begin(1);
    add("a", 1, 1, 0, 100, 1000);
    add("a", 1, 1, 0, 100, 1000);
    add("a", 1, 3, 200, 300, 1000);
    add("a", 1, 2, 100, 200, 1000);
    add("a", 1, 2, 100, 200, 1000);
    add("a", 1, 3, 200, 300, 1000);
    tap_is_int((long) s->duplicates, 3, "duplicates are seen");
    tap_is_dbl(value(), 10, 1e-4, "and count once, in any order");

    begin(1);
    add("a", 1, 7, 0, 150, 1500);
    add("a", 2, 1, 150, 200, 500);      /* restarted; the old one's last */
    add("a", 1, 7, 0, 150, 1500);       /* entry comes again */
    add("a", 2, 2, 200, 300, 1000);
    add("a", 1, 8, 140, 150, 0);
    tap_is_dbl(value(), 10, 1e-4, "a restarted router: both runs count once");

    begin(1);
    add("a", 1, 1, 0, 200, 1000);
    add("b", 1, 1, 0, 150, 1000);
    add("b", 1, 2, 150, 300, 500);
    add("a", 1, 2, 200, 300, 500);
    tap_is_dbl(value(), 10, 1e-4, "two routers add up");
}


static void
test_unknown(void)
{
    begin(1);
    add("a", 1, 1, 0, 300, 3000);
    add("a", 1, 3, 600, 900, 3000);
    tap_is_dbl(value(), 10, 1e-4, "before the gap");
    tap_ok(isnan(value()), "a slot without entries is unknown, not zero");
    tap_is_dbl(value(), 10, 1e-4, "after it");

    begin(1);
    add("a", 1, 1, 0, 100, 1000);
    add("b", 1, 1, 0, 300, 3000);
    add("a", 1, 3, 200, 300, 1000);
    tap_ok(isnan(value()), "a third of a router's slot is lost: unknown");

    begin(1);
    add("a", 1, 1, 0, 100, 1000);
    add("b", 1, 1, 0, 300, 3000);
    add("a", 1, 3, 200, 300, 1000);
    add("a", 1, 2, 100, 200, 1000);
    tap_is_dbl(value(), 20, 1e-4, "it comes late: known again");

    begin(1);
    add("a", 1, 1, 60, 300, 2400);
    tap_is_dbl(value(), 10, 1e-4, "a slot covered by four fifths: its rate");

    begin(1);
    add("a", 1, 1, 200, 300, 1000);
    tap_ok(isnan(value()), "covered by a third: unknown");

    begin(1);
    s->first = SLOT + 1;
    add("a", 1, 1, 0, 300, 3000);
    add("a", 1, 2, 300, 600, 6000);
    tap_is_int(s->base, SLOT + 1, "slots before the clock's start are not "
               "ours");
    tap_is_dbl(value(), 20, 1e-4, "the first one is");
}


static void
test_closing(void)
{
    int  rc;

    begin(1);
    tap_ok(!predictor_slots_ready(s, T0), "nothing yet");
    add("a", 1, 1, 0, 299, 3000);
    add("b", 1, 1, 0, 298, 3000);
    tap_ok(!predictor_slots_ready(s, T0 + 300500), "routers are not past it");
    add("a", 1, 2, 299, 301, 20);
    tap_ok(!predictor_slots_ready(s, T0 + 301500), "one is");
    add("b", 1, 2, 298, 302, 20);
    tap_ok(predictor_slots_ready(s, T0 + 302500), "both are");

    begin(1);
    add("a", 1, 1, 0, 1, 10);
    tap_ok(!predictor_slots_ready(s, T0 + 302999), "in the grace");
    tap_ok(predictor_slots_ready(s, T0 + 303000), "after it");

    begin(1);
    add("a", 1, 1, 0, 300, 10);
    rc = add("a", 1, 2, 300.0 * 64, 300.0 * 65, 3000);
    tap_is_int(rc, SHARD_AGAIN, "far ahead: the oldest must be closed");
    predictor_slots_close(s);
    rc = add("a", 1, 2, 300.0 * 64, 300.0 * 65, 3000);
    tap_is_int(rc, SHARD_AGAIN, "and the next: it touches the slot after");
    predictor_slots_close(s);
    rc = add("a", 1, 2, 300.0 * 64, 300.0 * 65, 3000);
    tap_is_int(rc, SHARD_OK, "then it counts");
    tap_is_int((long) s->duplicates, 0, "and was not taken for a duplicate");

    begin(1);
    add("a", 1, 1, 300, 400, 10);
    add("b", 1, 1, 0, 300, 10);
    tap_is_int((long) s->late, 1, "what comes for a closed slot is late");
}


static void
test_cursor(void)
{
    char  want[32];

    begin(1);
    tap_is_str(predictor_slots_cursor(s, "9-9"), "9-9", "nothing is open");
    add("a", 1, 1, 0, 299, 10);
    add("a", 1, 2, 299, 301, 10);
    add("a", 1, 3, 301, 599, 10);
    snprintf(want, sizeof(want), "%.0f-0", T0);
    tap_is_str(predictor_slots_cursor(s, "9999999999999-0"), want,
               "an open slot is read again from its first entry");
    predictor_slots_close(s);
    snprintf(want, sizeof(want), "%.0f-0", T0 + 299000);
    tap_is_str(predictor_slots_cursor(s, "9999999999999-0"), want,
               "the next one from the entry that straddles");
}


static void
test_hostile(void)
{
    char                   name[16];
    int                    i, rc, refused;
    shard_metrics_entry_t  entry;

    begin(1);
    tap_is_int(add("a", 1, 1, -90000, 100, 1), SHARD_ERROR,
               "an interval of a day is refused");
    tap_ok(strstr(err, "router a") && strstr(err, "slots"),
           "and named: %s", err);

    memset(&entry, 0, sizeof(entry));
    entry.head.router.data = "r";
    entry.head.router.len = 1;
    entry.head.interval_ms = 1000;
    entry.head.end_ms = UINT64_MAX;
    tap_is_int(predictor_slots_add(s, &entry, "0-0", T0, err), SHARD_ERROR,
               "a router of the far future is refused");
    entry.head.end_ms = 500;
    tap_is_int(predictor_slots_add(s, &entry, "0-0", T0, err), SHARD_ERROR,
               "and one that began before time did");
    tap_is_int(s->base, -1, "neither opened a slot");

    refused = 0;

    for (i = 0; i < PREDICTOR_ROUTERS_MAX + 10; i++) {
        snprintf(name, sizeof(name), "r%d", i);
        rc = add(name, 1, 1, 0, 100, 1);
        refused += rc == SHARD_ERROR;
    }

    tap_is_int(refused, 10, "routers beyond the limit are refused");
    rc = add("new", 1, 1, 200, 300, 1);
    tap_is_int(rc, SHARD_OK, "one that is gone makes room");
}


/*
 * Two routers, entries of random length, any order within a router's window,
 * duplicates, and a restart from the cursor in the middle: what comes out is
 * what was offered.
 */

typedef struct {
    int       router;
    uint64_t  sequence;
    double    from, to;
    uint32_t  count;
} event_t;

static void
test_random(uint64_t seed)
{
    int       round, n, i, j, k, wrong, slots;
    double    at[2], total[8], got, part;
    event_t   events[400], swap;
    uint64_t  sequence[2];

    wrong = slots = 0;

    for (round = 0; round < 100; round++) {
        memset(total, 0, sizeof(total));
        at[0] = at[1] = 0;
        sequence[0] = sequence[1] = 0;

        for (n = 0; n < 400 && (at[0] < 1800 || at[1] < 1800); n++) {
            k = at[0] <= at[1] ? 0 : 1;
            events[n].router = k;
            events[n].sequence = ++sequence[k];
            events[n].from = at[k];
            events[n].to = at[k] + 1 + (double) (tap_random(&seed) % 40);
            events[n].count = (uint32_t) (tap_random(&seed) % 1000);
            at[k] = events[n].to;

            for (i = 0; i < 8; i++) {
                part = fmin(events[n].to, 300 * (i + 1))
                       - fmax(events[n].from, 300 * i);
                total[i] += part > 0 ? events[n].count * part
                            / (events[n].to - events[n].from) : 0;
            }
        }

        for (i = 0; i + 8 < n; i++) {
            j = i + (int) (tap_random(&seed) % 8);
            swap = events[i];
            events[i] = events[j];
            events[j] = swap;
        }

        begin(1);
        s->base = SLOT;

        for (i = 0; i < n; i++) {
            j = i;

            do {
                add(events[j].router ? "b" : "a", 5, events[j].sequence,
                    events[j].from, events[j].to, events[j].count);
                j = (int) (tap_random(&seed) % (uint64_t) (i + 1));

            } while (tap_random(&seed) % 3 == 0);
        }

        for (i = 0; i < 6; i++) {
            got = value() * 300;
            slots++;
            wrong += !(fabs(got - total[i]) <= 1e-4 * (1 + total[i]));
        }
    }

    tap_is_int(wrong, 0, "%d slots of shuffled and repeated entries of two "
               "routers", slots);
}


static void
test_history(void)
{
    int                  i, good;
    float                v[2];
    double               y[16];
    predictor_history_t  h;

    predictor_history_init(&h, 10, 2);
    v[1] = NAN;
    good = 1;

    for (i = 0; i < 100; i++) {
        v[0] = (float) i;
        predictor_history_push(&h, 1000 + i, v);
        good &= predictor_history_column(&h, 0, y)
                == (size_t) (i < 10 ? i + 1 : 10)
                && y[h.n - 1] == i && y[0] == (i < 10 ? 0 : i - 9);
    }

    tap_ok(good, "the window slides");
    tap_is_int((long) predictor_history_column(&h, 1, y), 0,
               "a column without values is empty");
    tap_ok(isnan(predictor_history_now(&h, 1, 5)), "and unknown now");
    tap_is_dbl(predictor_history_now(&h, 0, 2), 98.5, 1e-6, "mean of two");

    predictor_history_push(&h, 1103, v);
    tap_is_int((long) predictor_history_column(&h, 0, y), 10, "a gap");
    tap_ok(isnan(y[8]) && y[9] == 99, "is unknown");

    v[0] = 7;
    predictor_history_push(&h, 1102, v);
    predictor_history_column(&h, 0, y);
    tap_ok(y[8] == 7 && y[9] == 99, "an older row is replaced");

    predictor_history_push(&h, 50000, v);
    tap_is_int((long) predictor_history_column(&h, 0, y), 1,
               "a jump beyond the window begins anew");
    predictor_history_done(&h);
}


/* rows at once and rows one by one are the same, whatever the window holds */

static void
test_history_rows(uint64_t seed)
{
    int                  i, n, round, same, shorter;
    float                rows[7 * 37], *r;
    double               one[16], other[16];
    uint32_t             col;
    predictor_history_t  a, b;

    same = 1;
    shorter = 0;

    for (round = 0; round < 200; round++) {
        predictor_history_init(&a, 12, 37);
        predictor_history_init(&b, 12, 37);
        predictor_history_begin(&b, 99);

        for (n = 0; n < 25; n += i) {

            for (i = 0; i < 7 && n + i < 25; i++) {
                r = rows + i * 37;

                for (col = 0; col < 37; col++) {
                    r[col] = tap_random(&seed) % 3 || col % 5 == 0
                             ? (float) (n + i) : NAN;
                    r[col] = n + i < (int) col / 2 ? NAN : r[col];
                }

                predictor_history_push(&a, 100 + n + i, r);
            }

            predictor_history_rows(&b, rows, (size_t) i);

            for (col = 0; col < 37; col++) {
                memset(one, 0, sizeof(one));
                memset(other, 0, sizeof(other));
                same &= predictor_history_column(&a, col, one)
                        == predictor_history_column(&b, col, other);
                same &= memcmp(one, other, sizeof(one)) == 0;
                shorter += predictor_history_length(&a, col)
                           < predictor_history_column(&a, col, one);
            }
        }

        predictor_history_done(&a);
        predictor_history_done(&b);
    }

    tap_ok(same, "rows at once are rows one by one");
    tap_is_int(shorter, 0, "the length that is guessed is never too small");
}


int
main(void)
{
    test_straddling();
    test_once();
    test_unknown();
    test_closing();
    test_cursor();
    test_hostile();
    test_history();
    test_history_rows(tap_seed(11));
    test_random(tap_seed(42));

    predictor_slots_destroy(s);

    return tap_done();
}
