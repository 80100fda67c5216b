
/*
 * Where shards come from, and what they borrow from whom: by bounds of every
 * kind, over several changes, in a store that keeps it.
 */


#include <stdlib.h>

#include "../lib/tap.h"
#include "../../predictor/cold.h"
#include "../../src/daemon/shardd_log.h"


#define SLOTS   (20 * 24)
#define SHARDS  16
#define FIELDS  64


/* a store of one hash */

static struct {
    shardd_field_t  field[FIELDS];
    size_t          n;
    size_t          puts;
    int             down;
} st;


static int
st_load(void *data, const char *key, shardd_entry_t *out)
{
    size_t  i;

    (void) data;
    memset(out, 0, sizeof(*out));

    if (strcmp(key, "lineage") != 0 || st.n == 0) {
        return SHARDD_NONE;
    }

    out->nfields = st.n;
    out->fields = calloc(st.n, sizeof(shardd_field_t));

    for (i = 0; i < st.n; i++) {
        out->fields[i].name = strdup(st.field[i].name);
        out->fields[i].value = strdup(st.field[i].value);
    }

    return SHARDD_OK;
}


static int
st_put(void *data, const char *key, const shardd_field_t *f, size_t n)
{
    size_t  i, j;

    (void) data;
    (void) key;

    if (st.down) {
        return SHARDD_DOWN;
    }

    for (i = 0; i < n; i++, st.puts++) {

        for (j = 0; j < st.n && strcmp(st.field[j].name, f[i].name); j++) {
            /* void */
        }

        if (j < st.n) {
            free(st.field[j].name);
            free(st.field[j].value);
            st.field[j] = st.field[--st.n];
        }

        if (f[i].value) {
            st.field[st.n].name = strdup(f[i].name);
            st.field[st.n++].value = strdup(f[i].value);
        }
    }

    return SHARDD_OK;
}


static predictor_io_t  io = { .hash_load = st_load, .hash_put = st_put };


static void
st_clear(void)
{
    for ( /* void */ ; st.n; st.n--) {
        free(st.field[st.n - 1].name);
        free(st.field[st.n - 1].value);
    }

    memset(&st, 0, sizeof(st));
}


static shard_record_t
ranged(shard_id_t id, uint64_t lo, uint64_t hi)
{
    shard_record_t  rec;

    memset(&rec, 0, sizeof(rec));
    rec.id = id;
    rec.lo = lo << 56;
    rec.hi = hi << 56;

    return rec;
}


static shard_record_t
named(shard_id_t id, const char *lo, const char *hi)
{
    shard_record_t  rec;

    memset(&rec, 0, sizeof(rec));
    rec.id = id;
    rec.kind = SHARD_KIND_RANGE_BYTES;
    rec.lo_text.len = (uint8_t) strlen(lo);
    memcpy(rec.lo_text.data, lo, strlen(lo));
    rec.hi_text.len = (uint8_t) strlen(hi);
    memcpy(rec.hi_text.data, hi, strlen(hi));

    return rec;
}


static shard_record_t
listed(shard_id_t id, const char *units, uint8_t n)
{
    shard_record_t  rec;

    memset(&rec, 0, sizeof(rec));
    rec.id = id;
    rec.kind = SHARD_KIND_LIST;
    rec.nunits = n;
    rec.units.data = units;
    rec.units.len = strlen(units);

    return rec;
}


/* the share of the first one that the second one has; -1: no overlap */

static double
share(shard_record_t a, shard_record_t b)
{
    char                 text[PREDICTOR_BOUNDS_TEXT];
    predictor_bounds_t   before, now, again;
    predictor_overlap_t  o[2];

    if (predictor_bounds_of(&a, &before) != SHARD_OK
        || predictor_bounds_of(&b, &now) != SHARD_OK)
    {
        return -9;
    }

    predictor_bounds_text(&before, text);

    if (predictor_bounds_parse(a.kind, a.id, text, &again) != SHARD_OK
        || memcmp(&again, &before, sizeof(again)) != 0)
    {
        return -8;
    }

    return predictor_overlaps(&again, 1, &now, 1, o, 2) ? o[0].share : -1;
}


static void
test_bounds(void)
{
    char                text[PREDICTOR_BOUNDS_TEXT];
    shard_record_t      rec;
    predictor_bounds_t  b;

    tap_is_dbl(share(ranged(1, 0, 0), ranged(2, 64, 128)), 0.25, 1e-9,
               "a quarter of all positions");
    tap_is_dbl(share(ranged(1, 64, 128), ranged(2, 0, 0)), 1, 1e-9,
               "all of it in a larger one");
    tap_is_dbl(share(ranged(1, 64, 128), ranged(2, 96, 0)), 0.5, 1e-9,
               "its upper half, up to the end");
    tap_is_dbl(share(ranged(1, 64, 128), ranged(2, 128, 0)), -1, 0,
               "neighbours share nothing");

    tap_is_dbl(share(named(1, "", ""), named(2, "", "\x80")), 0.5, 1e-9,
               "names: below the middle");
    tap_is_dbl(share(named(1, "2026-01", "2026-03"),
                     named(2, "2026-02", "2026-03")), 0.5, 0.01,
               "names: the second month of two");
    tap_is_dbl(share(named(1, "b", "c"), named(2, "a", "")), 1, 0,
               "names: all of it");
    tap_is_dbl(share(named(1, "b", "c"), named(2, "c", "")), -1, 0,
               "names: neighbours share nothing");
    tap_ok(share(named(1, "b", "c"), named(2, "bzzzzzzzzzzz", "")) > 0,
           "names: a sliver is something");

    tap_is_dbl(share(listed(1, "\"a\",\"b\"", 2), listed(2, "\"b\"", 1)), 0.5,
               1e-9, "a list: one unit of two");
    tap_is_dbl(share(listed(1, "\"a\"", 1), listed(2, "\"b\"", 1)), -1, 0,
               "a list: other units");

    rec = ranged(1, 1, 2);
    (void) predictor_bounds_of(&rec, &b);
    predictor_bounds_text(&b, text);
    tap_is_int(predictor_bounds_parse(SHARD_KIND_LIST, 1, text, &b),
               SHARD_ERROR, "bounds of another kind are refused");
    tap_is_int(predictor_bounds_parse(SHARD_KIND_HASH, 1, "1\t2", &b),
               SHARD_ERROR, "so are such that are none");
    tap_is_int(predictor_bounds_parse(SHARD_KIND_HASH, 1, "", &b),
               SHARD_ERROR, "and empty ones");
}


/* the load of shard 0 at a slot of an hour, before any split */

static double
whole(long slot)
{
    return 100 * (1 - 0.6 * cos(2 * M_PI * (double) (slot % 24) / 24));
}


static void
history(predictor_history_t *h)
{
    long      slot;
    float     row[SHARDS];
    uint32_t  i;

    (void) predictor_history_init(h, SLOTS, SHARDS);

    for (slot = 1000; slot < 1000 + SLOTS; slot++) {

        for (i = 0; i < SHARDS; i++) {
            row[i] = 0;
        }

        row[0] = (float) whole(slot);
        row[1] = 30;
        predictor_history_push(h, slot, row);
    }
}


static void
hours(predictor_history_t *h, long n, double a, double b, int ida, int idb)
{
    long      slot, end;
    float     row[SHARDS];
    uint32_t  i;

    end = h->last + n;

    for (slot = h->last + 1; slot <= end; slot++) {

        for (i = 0; i < SHARDS; i++) {
            row[i] = 0;
        }

        row[ida] = (float) (a * whole(slot));
        row[idb] = (float) (b * whole(slot));
        row[1] = 30;
        predictor_history_push(h, slot, row);
    }
}


/* mean |column - factor x whole| of what is borrowed, as part of the load */

static double
wrong(predictor_cold_t *c, const predictor_history_t *h, shard_id_t id,
    double factor, uint32_t *own)
{
    static double  y[SLOTS];

    long    slot;
    double  sum, all;
    size_t  i, n;

    n = predictor_cold_column(c, h, id, y, own);
    sum = all = 0;

    for (i = 0; i + *own < n; i++) {
        slot = h->last + 1 - (long) n + (long) i;

        if (isfinite(y[i])) {
            sum += fabs(y[i] - factor * whole(slot));
            all += factor * whole(slot);
        }
    }

    return all > 0 ? sum / all : INFINITY;
}


/* goes on where test_split() is: its table, its load, its turns */

static void
split_again(predictor_cold_t *c, predictor_history_t *h, shardd_table_t *t,
    predictor_turn_t *turns, const shard_id_t *ids)
{
    char            json[PREDICTOR_COLD_JSON];
    uint32_t        i, own;
    shard_record_t  again[] = { ranged(0, 0, 64), ranged(3, 64, 96),
                                ranged(4, 96, 128), ranged(1, 128, 0) };
    shard_record_t  merged[] = { ranged(5, 0, 128), ranged(1, 128, 0) };

    /* another predictor takes over, and the child is split */

    predictor_cold_done(c);
    tap_is_int(predictor_cold_load(c, &io, 3600), SHARDD_OK, "read again");
    tap_is_int(predictor_cold_columns(c), 1, "column 0 is needed");
    (void) predictor_cold_room(c, SLOTS, SHARDS);
    t->version = 3;
    t->shards = again;
    t->nshards = 4;
    (void) predictor_cold_change(c, &io, t, h, h->last + 2);
    tap_is_int((long) st.n, 4, "the child left, its children came");
    hours(h, 30, 0.15, 0.15, 3, 4);
    predictor_cold_prepare(c, h, turns, ids, 6);
    tap_ok(wrong(c, h, 3, 0.15, &own) < 0.05, "a grandchild: %.4f",
           wrong(c, h, 3, 0.15, &own));

    /* all three are one again */

    t->version = 4;
    t->shards = merged;
    t->nshards = 2;
    (void) predictor_cold_change(c, &io, t, h, h->last + 2);
    hours(h, 3, 1, 0, 5, 0);
    predictor_cold_prepare(c, h, turns, ids, 6);
    i = (uint32_t) predictor_cold_report(c, h, 5, json);
    tap_ok(i && strstr(json, "\"merged\"") && strstr(json, "{\"shard\":0,")
           && strstr(json, "{\"shard\":3,") && strstr(json, "{\"shard\":4,"),
           "merged: its parents are named: %s", json);

    /* what came since the first split but 0's share lies in 0, 3 and 4 */

    tap_ok(wrong(c, h, 5, 1, &own) < 0.25, "merged: the sum of them: %.4f",
           wrong(c, h, 5, 1, &own));
}


static void
test_split(void)
{
    char                 json[PREDICTOR_COLD_JSON];
    uint32_t             own;
    shard_id_t           ids[] = { 0, 1, 2, 3, 4, 5 };
    shard_record_t       first[] = { ranged(0, 0, 128), ranged(1, 128, 0) };
    shard_record_t       split[] = { ranged(0, 0, 64), ranged(2, 64, 128),
                                     ranged(1, 128, 0) };
    shardd_table_t       t;
    predictor_cold_t     c;
    predictor_turn_t     turns[SHARDS];
    predictor_history_t  h;

    st_clear();
    memset(&c, 0, sizeof(c));
    memset(&t, 0, sizeof(t));
    memset(turns, 0, sizeof(turns));
    history(&h);

    (void) predictor_cold_load(&c, &io, 3600);
    (void) predictor_cold_room(&c, SLOTS, SHARDS);

    t.version = 1;
    t.shards = first;
    t.nshards = 2;
    tap_is_int(predictor_cold_change(&c, &io, &t, &h, h.last + 2), SHARDD_OK,
               "a first table");
    tap_is_int((long) st.n, 2, "is kept");
    predictor_cold_prepare(&c, &h, turns, ids, 6);
    tap_is_int((long) predictor_cold_report(&c, &h, 0, json), 0,
               "nobody borrows");

    /* 0 is cut in halves, and has 0.7 of the load */

    t.version = 2;
    t.shards = split;
    t.nshards = 3;
    st.down = 1;
    tap_is_int(predictor_cold_change(&c, &io, &t, &h, h.last + 2), SHARDD_DOWN,
               "a store that is away");
    st.down = 0;
    turns[2].full = turns[0].full = 1;
    tap_is_int(predictor_cold_change(&c, &io, &t, &h, h.last + 2), SHARDD_OK,
               "and is not any more");
    tap_is_int((long) st.n, 3, "three shards are kept");
    predictor_cold_prepare(&c, &h, turns, ids, 6);
    tap_ok(wrong(&c, &h, 2, 0.5, &own) < 1e-3 && own == 0,
           "the child has half of its parent's past");
    tap_ok(wrong(&c, &h, 0, 0.5, &own) < 1e-3,
           "so has the parent, whose column was larger");
    tap_is_int(turns[2].full + turns[0].full, 0, "both are to learn anew");
    tap_is_int((long) predictor_cold_length(&c, &h, 2), 1,
               "it has something to learn from");
    (void) predictor_cold_report(&c, &h, 2, json);
    tap_ok(strncmp(json, ",\"borrowed\":{\"how\":\"split\",\"own_s\":0,"
                   "\"from\":[{\"shard\":0,\"share\":0.5000}],\"shape\":[20,",
                   71) == 0, "and says from whom: %s", json);

    hours(&h, 30, 0.7, 0.3, 0, 2);
    predictor_cold_prepare(&c, &h, turns, ids, 6);
    tap_diag("wrong %.4f, %.4f", wrong(&c, &h, 0, 0.7, &own),
             wrong(&c, &h, 2, 0.3, &own));
    tap_ok(wrong(&c, &h, 0, 0.7, &own) < 0.05
           && wrong(&c, &h, 2, 0.3, &own) < 0.05,
           "shares follow the load after a day");
    tap_is_int(own, 29, "own values begin after what was mixed up");

    split_again(&c, &h, &t, turns, ids);

    predictor_cold_done(&c);
    predictor_history_done(&h);
    st_clear();
}


/* four equal shapes, two others; a new shard of 12 hours */

static void
test_similar(void)
{
    char                 json[PREDICTOR_COLD_JSON];
    long                 slot;
    float                row[SHARDS];
    double               y[SLOTS], sum;
    size_t               n;
    uint32_t             i, own;
    uint64_t             seed;
    shard_id_t           ids[SHARDS];
    shard_record_t       recs[SHARDS];
    shardd_table_t       t;
    predictor_cold_t     c;
    predictor_turn_t     turns[SHARDS];
    predictor_history_t  h;

    st_clear();
    seed = 5;
    memset(&c, 0, sizeof(c));
    memset(&t, 0, sizeof(t));
    memset(turns, 0, sizeof(turns));
    (void) predictor_history_init(&h, SLOTS, SHARDS);
    (void) predictor_cold_load(&c, &io, 3600);
    (void) predictor_cold_room(&c, SLOTS, SHARDS);

    for (slot = 1000; slot < 1000 + SLOTS; slot++) {

        for (i = 0; i < SHARDS; i++) {
            row[i] = (float) ((1 + i) * (i % 4 == 0 ? whole(slot)
                                     : i % 4 == 1 ? whole(slot + 8) : 50)
                              * (0.95 + 0.1 * (double)
                                 (tap_random(&seed) % 1000) / 1000));
        }

        /* 8 runs like 0, 4 and 12, but since twelve hours only */

        row[8] = slot < 1000 + SLOTS - 12 ? 0 : row[8];
        predictor_history_push(&h, slot, row);
    }

    for (i = 0; i < SHARDS; i++) {
        ids[i] = i;
        recs[i] = ranged(i, 16 * i, 16 * (i + 1));
        recs[i].hi = i + 1 < SHARDS ? recs[i].hi : 0;
    }

    t.version = 1;
    t.shards = recs;
    t.nshards = SHARDS;
    (void) predictor_cold_change(&c, &io, &t, &h, h.last + 2);
    predictor_cold_prepare(&c, &h, turns, ids, SHARDS);

    for (i = 0, n = 0; i < SHARDS; i++) {
        n += predictor_cold_report(&c, &h, i, json) > 0;
    }

    tap_is_int((long) n, 1, "the new shard borrows, no other does");
    (void) predictor_cold_report(&c, &h, 8, json);
    tap_ok(strstr(json, "\"similar\"") && strstr(json, "\"own_s\":43200"),
           "from similar ones: %s", json);

    n = predictor_cold_column(&c, &h, 8, y, &own);
    tap_is_int((long) n, SLOTS, "for all of the window");
    tap_is_int(own, 12, "before its own hours");

    for (i = 0, sum = 0; i + own < n; i++) {
        sum += fabs(y[i] / (9 * whole(1000 + (long) i)) - 1) / (double) n;
    }

    tap_ok(sum < 0.1, "in their shape and its own size: %.3f off", sum);

    predictor_cold_done(&c);
    predictor_history_done(&h);
    st_clear();
}


static void
test_hostile(void)
{
    char               bounds[PREDICTOR_BOUNDS_TEXT] = "kept";
    char               text[1024];
    size_t             i, len;
    uint64_t           seed;
    predictor_line_t   line;

    static const char *const  bad[] = {
        "", "[]", "{", "{}", "{\"bounds\":1}",
        "{\"bounds\":\"x\",\"pieces\":[]}",
        "{\"bounds\":\"x\",\"res_s\":60,\"since\":-1,\"parents\":[[1,1]],"
        "\"siblings\":[],\"pieces\":[[1,0,5,1]]}",
        "{\"bounds\":\"x\",\"res_s\":60,\"since\":1,\"parents\":[[1,2]],"
        "\"siblings\":[],\"pieces\":[[1,0,5,1]]}",
        "{\"bounds\":\"x\",\"res_s\":60,\"since\":1,\"parents\":[[1,0.5]],"
        "\"siblings\":[-4],\"pieces\":[[1,0,5,1]]}",
        "{\"bounds\":\"x\",\"res_s\":60,\"since\":1,\"parents\":[[1,0.5]],"
        "\"siblings\":[],\"pieces\":[[1,0,5]]}",
        "{\"bounds\":\"x\",\"res_s\":60,\"since\":1,\"parents\":[[1,0.5]],"
        "\"siblings\":[],\"pieces\":[[1,0,99999999999999,1]]}"
    };

    static const char  good[] =
        "{\"bounds\":\"x\",\"res_s\":60,\"since\":9,\"parents\":[[1,0.5]],"
        "\"siblings\":[1,2],\"pieces\":[[1,0,5,0.5]]}";

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        tap_is_int(predictor_line_decode(bad[i], 60, bounds, &line),
                   SHARD_ERROR, "refused: %s", bad[i]);
    }

    tap_is_str(bounds, "kept", "nothing was touched");
    tap_is_int(predictor_line_decode(good, 60, bounds, &line), SHARD_OK,
               "a good one");
    tap_ok(line.since == 9 && line.nparents == 1 && line.nsiblings == 2
           && line.npieces == 1 && line.how == PREDICTOR_BORROW_SPLIT,
           "is read");
    tap_is_int(predictor_line_decode(good, 300, bounds, &line), SHARD_OK,
               "of slots of another length");
    tap_is_int(line.npieces, 0, "the bounds are taken only");

    seed = tap_seed(3);
    len = strlen(good);

    for (i = 0; i < 20000; i++) {
        memcpy(text, good, len + 1);
        text[tap_random(&seed) % len] = (char) (tap_random(&seed) % 128);
        text[tap_random(&seed) % len] = good[tap_random(&seed) % len];

        if (predictor_line_decode(text, 60, bounds, &line) == SHARD_OK
            && (line.npieces > PREDICTOR_LINEAGE_PIECES
                || line.nparents > PREDICTOR_LINEAGE_PARENTS
                || line.since < 0))
        {
            break;
        }
    }

    tap_is_int((long) i, 20000, "damaged texts");
}


int
main(void)
{
    shardd_log_init("test", "t", SHARDD_LOG_ERROR);

    test_bounds();
    test_split();
    test_similar();
    test_hostile();

    return tap_done();
}
