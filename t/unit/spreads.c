
/* distributions of all shards: samples by shard and frame, decay, splits and
 * joins of every kind of keyspace, the store */

#include "../lib/tap.h"
#include "../../predictor/spreads.h"
#include "../../src/core/shard_key.h"
#include "../../src/daemon/shardd_log.h"


#define SPREADS  16


static predictor_spreads_t  sp;
static predictor_fleet_t    fleet;

/* the store */

static struct {
    int     away;
    char   *text[SPREADS];
    size_t  len[SPREADS];
} w;


static int
w_put(void *data, const shard_id_t *ids, const shard_str_t *texts, size_t n)
{
    size_t  i;

    (void) data;

    for (i = 0; i < n && !w.away; i++) {
        free(w.text[ids[i]]);
        w.text[ids[i]] = malloc(texts[i].len);
        w.len[ids[i]] = texts[i].len;
        memcpy(w.text[ids[i]], texts[i].data, texts[i].len);
    }

    return w.away ? SHARDD_DOWN : SHARDD_OK;
}


static int
w_load(void *data, shardd_spread_pt each, void *ctx)
{
    uint32_t     i;
    shard_str_t  text;

    (void) data;

    for (i = 0; i < SPREADS; i++) {
        text.data = w.text[i];
        text.len = w.len[i];

        if (text.data) {
            each(ctx, i, text);
        }
    }

    return SHARDD_OK;
}


static const predictor_io_t  io = {
    .spread_put = w_put, .spread_load = w_load
};


static void
bound(shard_bytes_t *b, const char *text)
{
    b->len = (uint8_t) strlen(text);
    memcpy(b->data, text, b->len);
}


static shard_record_t
days(shard_id_t id, const char *lo, const char *hi)
{
    shard_record_t  rec;

    memset(&rec, 0, sizeof(rec));
    rec.id = id;
    rec.kind = SHARD_KIND_RANGE_BYTES;
    bound(&rec.lo_text, lo);
    bound(&rec.hi_text, hi);

    return rec;
}


static shard_record_t
range(shard_id_t id, uint64_t lo, uint64_t hi)
{
    shard_record_t  rec;

    memset(&rec, 0, sizeof(rec));
    rec.id = id;
    rec.lo = lo;
    rec.hi = hi;

    return rec;
}


static shard_record_t
listed(shard_id_t id, const char *units, uint8_t n, int is_default)
{
    shard_record_t  rec;

    memset(&rec, 0, sizeof(rec));
    rec.id = id;
    rec.kind = SHARD_KIND_LIST;
    rec.nunits = n;
    rec.units.data = units;
    rec.units.len = strlen(units);
    rec.is_default = (uint8_t) is_default;

    return rec;
}


/* sorted by id, as shardd_table_shard() wants them */

static void
table(shardd_table_t *t, shard_record_t *shards, size_t n)
{
    memset(t, 0, sizeof(*t));
    t->version = 1;
    t->nshards = n;
    t->shards = shards;

    fleet.table = *t;
    fleet.ncols = 16;
    fleet.by_id = realloc(fleet.by_id, 16 * sizeof(uint32_t));
    memset(fleet.by_id, 0xff, 16 * sizeof(uint32_t));

    while (n-- > 0) {
        fleet.by_id[shards[n].id] = (uint32_t) n;
    }
}


/* n samples of a shard, for 10 requests each */

static void
add_at(shard_id_t id, unsigned skip, shard_key_t key, uint64_t position,
    unsigned n, double at_s)
{
    char                     err[SHARD_ERR_SIZE], buf[4096];
    shard_str_t              text;
    shard_metrics_head_t     head = { shard_string("a"), 1, 1, 1000, 1000 };
    shard_metrics_entry_t    e;
    shard_metrics_writer_t   writer;
    shard_metrics_sample_t   sample;

    memset(&sample, 0, sizeof(sample));
    sample.id = id;
    sample.weight = 10;
    sample.skip = skip & 0x7f;
    sample.key = key.sticky;
    sample.position = position;

    (void) shard_metrics_begin(&writer, buf, sizeof(buf), &head);

    while (n-- > 0) {
        (void) shard_metrics_add_sample(&writer, &sample);
    }

    text.data = buf;
    text.len = (size_t) shard_metrics_end(&writer);

    if (shard_metrics_decode(text, &e, err) == SHARD_OK) {
        predictor_spreads_add(&sp, &fleet, &e, at_s);
    }
}


static void
add(shard_id_t id, unsigned skip, const char *name, unsigned n, double at_s)
{
    shard_key_t  key;

    (void) shard_key_locate(SHARD_KIND_RANGE_BYTES, name, strlen(name), &key);
    add_at(id, skip, key, shard_key_behind(name, strlen(name), skip), n, at_s);
}


/* n samples of a list's unit */

static void
add_unit(shard_id_t id, const char *name, unsigned n)
{
    unsigned     i;
    shard_key_t  key;

    (void) shard_key_locate(SHARD_KIND_LIST, name, strlen(name), &key);

    for (i = 0; i < n; i++) {
        add_at(id, 0, key, key.position, 1, 0);
    }
}


static void
forget(void)
{
    unsigned  i;

    for (i = 0; i < SPREADS; i++) {
        free(w.text[i]);
        w.text[i] = NULL;
    }
}


static double
mass(shard_id_t id)
{
    return id < sp.n && sp.by_id[id] ? sp.by_id[id]->spread.mass : 0;
}


static void
follow(shardd_table_t *old, shard_record_t *shards, size_t n)
{
    shardd_table_t  new;

    table(&new, shards, n);
    predictor_spreads_follow(&sp, old, &new);
    *old = new;
}


static void
test_bytes(void)
{
    shardd_table_t   t;
    shard_record_t   year[1], halves[2], parts[2], whole[1];

    year[0] = days(0, "2026-01", "2026-02");
    table(&t, year, 1);
    (void) predictor_spreads_room(&sp, 16, 3600);

    add(0, 6, "2026-01-05", 60, 0);
    add(0, 6, "2026-01-25", 30, 0);
    add(0, 5, "2026-01-05", 30, 0);
    add(3, 0, "2026-01-05", 30, 0);

    tap_is_dbl(mass(0), 900, 1e-6, "a month's samples");
    tap_is_int((long long) sp.left, 60, "another frame's, and of no shard");

    halves[0] = days(0, "2026-01", "2026-01-2");
    halves[1] = days(5, "2026-01-2", "2026-02");
    follow(&t, halves, 2);
    tap_is_dbl(mass(0), 600, 1e-6, "split: the first keeps its days");
    tap_is_dbl(mass(5), 300, 1e-6, "a new one has its own");
    tap_is_int(sp.by_id[0]->spread.skip, 7, "the first, behind more bytes");
    tap_is_int(sp.by_id[5]->spread.skip, 6, "the new one not");
    tap_ok(sp.by_id[5]->dirty, "which is to be stored");

    add(0, 7, "2026-01-05", 10, 0);
    tap_is_dbl(mass(0), 700, 1e-6, "samples in its frame go on");

    parts[0] = days(0, "2026-01", "2026-01-05");
    parts[1] = days(5, "2026-01-05", "2026-02");
    follow(&t, parts, 2);
    tap_ok(mass(0) < 1 && mass(5) > 999, "the bound moves: %.0f and %.0f",
           mass(0), mass(5));

    whole[0] = days(5, "2026-01", "2026-02");
    follow(&t, whole, 1);
    tap_is_dbl(mass(5), 1000, 1, "joined: the sum");
    tap_ok(sp.by_id[0] == NULL, "nothing of the one that is gone");

    predictor_spreads_done(&sp);
}


static void
test_range(void)
{
    shardd_table_t   t;
    shard_record_t   one[1], two[2], ring[2];

    one[0] = range(0, 0, 0);
    table(&t, one, 1);
    (void) predictor_spreads_room(&sp, 2, 3600);

    add(0, 0, "a", 40, 0);
    add(0, 0, "z", 20, 0);

    two[0] = range(0, 0, 0x6d00000000000000ULL);
    two[1] = range(9, 0x6d00000000000000ULL, 0);
    (void) predictor_spreads_room(&sp, 16, 3600);
    follow(&t, two, 2);
    tap_is_dbl(mass(0), 400, 1e-6, "below the cut");
    tap_is_dbl(mass(9), 200, 1e-6, "and above, to the end of the keyspace");

    ring[0] = range(9, 0, 0x6d00000000000000ULL);
    ring[1] = range(0, 0x6d00000000000000ULL, 0);
    follow(&t, ring, 2);
    tap_is_dbl(mass(9), 400, 1e-6, "two that change their places");
    tap_is_dbl(mass(0), 200, 1e-6, "both are there");

    predictor_spreads_done(&sp);
}


/* units move from shard to shard, out of the default one, and back into it */

static void
test_units(void)
{
    unsigned         i;
    char             name[16];
    shardd_table_t   t;
    shard_record_t   one[2], two[3], three[3], back[2];

    one[0] = listed(0, "", 0, 1);
    one[1] = listed(1, "\"mail\",\"search\",\"shop\"", 3, 0);
    table(&t, one, 2);
    (void) predictor_spreads_room(&sp, 16, 3600);

    add_unit(1, "search", 50);
    add_unit(1, "mail", 20);
    add_unit(1, "shop", 7);
    add_unit(0, "wiki", 30);

    /* so many others that none of them has a piece of its own */

    for (i = 0; i < 300; i++) {
        snprintf(name, sizeof(name), "u%u", i);
        add_unit(0, name, 1);
    }

    two[0] = one[0];
    two[1] = listed(1, "\"mail\",\"shop\"", 2, 0);
    two[2] = listed(5, "\"search\"", 1, 0);
    follow(&t, two, 3);
    tap_is_dbl(mass(5), 500, 1e-6, "split: a unit's load goes with it");
    tap_is_dbl(mass(1), 270, 1e-6, "the others stay");
    tap_is_dbl(mass(0), 3300, 1e-6, "the default shard has what it had");
    tap_ok(sp.by_id[5]->dirty && sp.by_id[1]->dirty, "to be stored");
    tap_is_int(sp.by_id[5]->spread.nkeys, 1, "with its key");

    three[0] = one[0];
    three[1] = listed(1, "\"mail\",\"search\",\"shop\"", 3, 0);
    three[2] = listed(7, "\"wiki\"", 1, 0);
    follow(&t, three, 3);
    tap_is_dbl(mass(1), 770, 1e-6, "joined: the sum");
    tap_is_dbl(mass(7), 300, 45, "a unit that left the default shard");
    tap_is_dbl(mass(0), 3000, 45, "which has the rest");
    tap_is_dbl(mass(0) + mass(7), 3300, 1e-6, "of all");
    tap_ok(sp.by_id[5] == NULL, "nothing of the one that is gone");

    back[0] = one[0];
    back[1] = listed(7, "\"mail\",\"shop\",\"wiki\"", 3, 0);
    follow(&t, back, 2);
    tap_is_dbl(mass(7), 570, 45, "units of two shards");
    tap_is_dbl(mass(0) + mass(7), 4070, 1e-6, "a unit that nobody names any "
               "more is the default's");

    /* stored before a change that no predictor saw */

    predictor_spreads_turn(&sp);
    (void) predictor_spreads_save(&sp, &io, &fleet);
    predictor_spreads_done(&sp);
    back[1] = listed(7, "\"wiki\"", 1, 0);
    table(&t, back, 2);
    (void) predictor_spreads_room(&sp, 16, 3600);
    tap_is_int(predictor_spreads_load(&sp, &io, &fleet), SHARDD_OK, "loaded");
    tap_is_dbl(mass(7), 300, 45, "only what it still names");

    forget();
    predictor_spreads_done(&sp);
}


static void
test_decay(void)
{
    shardd_table_t   t;
    shard_record_t   one[1];

    one[0] = range(0, 0, 0);
    table(&t, one, 1);
    (void) predictor_spreads_room(&sp, 1, 3600);

    add(0, 0, "a", 100, 1000);
    add(0, 0, "b", 1, 1000 + 3600);
    tap_is_dbl(mass(0), 510, 1, "half after a half-life");
    add(0, 0, "b", 1, 1000 + 3590);
    tap_is_dbl(mass(0), 520, 1, "an older entry ages nothing");
    add(0, 0, "b", 1, 0);
    tap_is_dbl(mass(0), 530, 1, "nor does a clock set back");
    add(0, 0, "b", 1, 3600);
    tap_is_dbl(mass(0), 275, 1, "from where it goes on");

    predictor_spreads_done(&sp);
}


static void
test_store(void)
{
    char                  json[PREDICTOR_SPREADS_JSON];
    double                before;
    shardd_table_t        t;
    shard_record_t        two[2];

    two[0] = range(0, 0, 0x6d00000000000000ULL);
    two[1] = range(9, 0x6d00000000000000ULL, 0);
    table(&t, two, 2);
    (void) predictor_spreads_room(&sp, 16, 3600);

    add(0, 0, "a", 40, 5);
    add(9, 0, "z", 20, 5);
    before = mass(0);

    tap_is_int((int) predictor_spreads_save(&sp, &io, &fleet), SHARDD_OK,
               "not its turn");
    tap_ok(w.text[0] == NULL, "nothing is stored");

    predictor_spreads_turn(&sp);
    w.away = 1;
    tap_is_int((int) predictor_spreads_save(&sp, &io, &fleet), SHARDD_DOWN,
               "the store is away");
    w.away = 0;
    tap_is_int((int) predictor_spreads_save(&sp, &io, &fleet), SHARDD_OK,
               "again");
    tap_ok(w.text[0] && w.text[9], "both are stored");
    tap_ok(predictor_spreads_json(&sp, 0, json) > 0
           && strstr(json, "\"cut\":"), "%s", json);
    tap_is_int((int) predictor_spreads_json(&sp, 3, json), 0,
               "nothing of one without samples");

    predictor_spreads_done(&sp);
    (void) predictor_spreads_room(&sp, 16, 3600);
    w.text[9][0] = 'X';
    tap_is_int(predictor_spreads_load(&sp, &io, &fleet), SHARDD_OK, "loaded");
    tap_is_dbl(mass(0), before, 0.01, "as it was");
    tap_is_dbl(mass(9), 0, 0, "a damaged one begins anew");

    forget();
    predictor_spreads_done(&sp);
    free(fleet.by_id);
}


int
main(void)
{
    shardd_log_init("test", "orders", SHARDD_LOG_ERROR);

    test_bytes();
    test_range();
    test_units();
    test_decay();
    test_store();

    return tap_done();
}
