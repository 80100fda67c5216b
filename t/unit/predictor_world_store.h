
/*
 * The store of predictor_world.h, in memory behind predictor/io.h, with a
 * virtual clock and faults.
 *
 *   now_ms, away, faults ──▶ every call of the store: not carried out, or
 *                            carried out and the answer lost
 */


#ifndef _PREDICTOR_WORLD_STORE_H_INCLUDED_
#define _PREDICTOR_WORLD_STORE_H_INCLUDED_


#include <stdlib.h>

#include "../lib/tap.h"
#include "../../predictor/daemon.h"
#include "../../src/core/shard_metrics.h"
#include "../../src/daemon/shardd_log.h"


/* a test of short slots sets the first three */

#ifndef RES
#define RES      300
#define TICK_MS  10000
#define LOGS     64
#endif

#define T0       1780272000          /* s: midnight */
#define SLOTS    (4 * 288)           /* kept by the world */
#define SLOT0    (T0 / RES - 2 * 288)
#define COLS     128
#define SHARDS   8
#define SPREADS  16
#define ENTRIES  8192


typedef struct {
    size_t  len;
    char    bytes[1600];
} entry_t;

static struct {
    uint64_t         now_ms;
    uint64_t         seed;
    int              faults;         /* of 1000 calls */
    int              away;
    const char      *claimed_by;     /* NULL: nobody */
    const char      *asks;
    int              freeze;
    shardd_table_t   table;
    float            rows[SLOTS][COLS];
    int              puts[SLOTS];
    entry_t          entries[ENTRIES];
    size_t           nentries;
    shardd_field_t   state[16];
    size_t           nstate;
    size_t           nforecasts;
    size_t           nsplit;         /* forecasts that say "split" */
    size_t           nlineage;       /* fields of it written */
    size_t           nzones;
    char             decision[64][24];
    char             shard[64][16];
    int              breach_in[64];
    size_t           ndecisions;
    int              repeated;
    char             bytes[65536];
    size_t           nbytes;
    int              kept;
    struct {
        char        *text;
        size_t       len;
    } spread[SPREADS];
} w;


/* 0: the call is not carried out; 1: it is, and answered; 2: not answered */

static int
weather(void)
{
    if (w.away || (int) (tap_random(&w.seed) % 1000) < w.faults) {
        return w.away || tap_random(&w.seed) % 2 ? 0 : 2;
    }

    return 1;
}

#define LUCK(write)                                                           \
    int  luck = weather();                                                    \
    (void) data;                                                              \
    if (luck == 0 || (luck == 2 && !(write))) {                               \
        return SHARDD_DOWN;                                                   \
    }

#define ANSWER  (luck == 1 ? SHARDD_OK : SHARDD_DOWN)


static uint64_t
w_now_ms(void *data)
{
    (void) data;
    return w.now_ms;
}


static const char *
w_err(void *data)
{
    (void) data;
    return "the world is away";
}


static int
w_claim(void *data, long ttl_ms)
{
    LUCK(1)
    (void) ttl_ms;

    if (w.claimed_by && strcmp(w.claimed_by, w.asks) != 0) {
        return SHARDD_FENCED;
    }

    w.claimed_by = w.asks;
    return ANSWER;
}


static int
w_release(void *data)
{
    LUCK(1)
    w.claimed_by = NULL;
    return ANSWER;
}


static int
w_table(void *data, shardd_table_t *t)
{
    LUCK(0)
    *t = w.table;
    t->policy = w.table.policy ? strdup(w.table.policy) : NULL;
    t->shards = malloc(t->nshards * sizeof(shard_record_t));
    t->nodes = malloc(t->nnodes * sizeof(shard_node_t));
    memcpy(t->shards, w.table.shards, t->nshards * sizeof(shard_record_t));
    memcpy(t->nodes, w.table.nodes, t->nnodes * sizeof(shard_node_t));
    return SHARDD_OK;
}


static int
w_none(void *data, size_t limit, shardd_entries_t *out)
{
    LUCK(0)
    (void) limit;
    memset(out, 0, sizeof(*out));
    return SHARDD_OK;
}


static int
w_decision_add(void *data, const char *id, const shardd_field_t *f, size_t n)
{
    size_t       i;
    const char  *p;
    LUCK(1)

    for (i = 0; i < w.ndecisions; i++) {

        if (strcmp(w.decision[i], id) == 0) {
            w.repeated++;
            return SHARDD_CONFLICT;
        }
    }

    for (i = 0; i < n && w.ndecisions < 64; i++) {

        if (strcmp(f[i].name, "shard") == 0) {
            snprintf(w.shard[w.ndecisions], 16, "%.15s", f[i].value);
        }

        if (strcmp(f[i].name, "reason") == 0) {
            p = strstr(f[i].value, "\"breach_in_s\":");
            w.breach_in[w.ndecisions] = p ? atoi(p + 14) : -1;
        }
    }

    if (w.ndecisions < 64) {
        snprintf(w.decision[w.ndecisions++], 24, "%.23s", id);
    }

    return ANSWER;
}


static void
w_fields(shardd_entry_t *out, const shardd_field_t *f, size_t n)
{
    size_t  i;

    out->nfields = n;
    out->fields = calloc(n + 1, sizeof(shardd_field_t));

    for (i = 0; i < n; i++) {
        out->fields[i].name = strdup(f[i].name);
        out->fields[i].value = strdup(f[i].value);
    }
}


static int
w_hash_load(void *data, const char *key, shardd_entry_t *out)
{
    size_t          i;
    shardd_field_t  frozen[SHARDS];
    char            ids[SHARDS][8];
    LUCK(0)

    memset(out, 0, sizeof(*out));

    if (strcmp(key, "predictor") == 0) {
        w_fields(out, w.state, w.nstate);
    }

    if (strcmp(key, "override") == 0 && w.freeze) {

        for (i = 0; i < SHARDS; i++) {
            snprintf(ids[i], sizeof(ids[i]), "%zu", i);
            frozen[i].name = ids[i];
            frozen[i].value = "freeze";
        }

        w_fields(out, frozen, SHARDS);
    }

    return SHARDD_OK;
}


static int
w_hash_put(void *data, const char *key, const shardd_field_t *f, size_t n)
{
    size_t  i, j;
    LUCK(1)

    w.nforecasts += strcmp(key, "forecast") == 0 ? n : 0;
    w.nzones += strcmp(key, "zones") == 0 ? n : 0;
    w.nlineage += strcmp(key, "lineage") == 0 ? n : 0;

    for (i = 0; strcmp(key, "forecast") == 0 && i < n; i++) {
        w.nsplit += f[i].value
                    && strstr(f[i].value, "\"how\":\"split\"") != NULL;
    }

    for (i = 0; strcmp(key, "predictor") == 0 && i < n; i++) {

        for (j = 0; j < w.nstate; j++) {

            if (strcmp(w.state[j].name, f[i].name) == 0) {
                break;
            }
        }

        if (j == w.nstate) {
            w.state[w.nstate++].name = strdup(f[i].name);

        } else {
            free(w.state[j].value);
        }

        w.state[j].value = strdup(f[i].value);
    }

    return ANSWER;
}


TAP_UNUSED static const char *
state(const char *name)
{
    size_t  i;

    for (i = 0; i < w.nstate; i++) {

        if (strcmp(w.state[i].name, name) == 0) {
            return w.state[i].value;
        }
    }

    return "";
}


/* the cursor of entry i is "i-0", from 1 */

static int
w_metrics(void *data, char *cursor, size_t limit, shardd_metrics_pt each,
    void *ctx)
{
    size_t       i, n;
    shard_str_t  text;
    LUCK(0)

    i = strtoul(cursor, NULL, 10);

    for (n = 0; n < limit && i < w.nentries; n++, i++) {
        text.data = w.entries[i].bytes;
        text.len = w.entries[i].len;
        each(ctx, text);
    }

    snprintf(cursor, 48, "%zu-0", i);
    return SHARDD_OK;
}


static int
w_rows_put(void *data, long res_s, long slot, const float *v, size_t n)
{
    LUCK(1)

    if (res_s == RES && slot >= SLOT0 && slot < SLOT0 + SLOTS && n <= COLS) {
        memcpy(w.rows[slot - SLOT0], v, n * sizeof(float));
        w.puts[slot - SLOT0]++;
    }

    return ANSWER;
}


static int
w_rows_range(void *data, long res_s, long first, size_t nslots, float *v,
    size_t n)
{
    size_t  i, c;
    long    slot;
    LUCK(0)

    for (i = 0; i < nslots; i++) {
        slot = first + (long) i - SLOT0;

        for (c = 0; c < n; c++) {
            v[i * n + c] = res_s == RES && slot >= 0 && slot < SLOTS
                           && c < COLS ? w.rows[slot][c] : NAN;
        }
    }

    return SHARDD_OK;
}


/* rows of other names: kept, so that what was put is what is read */

#define NAMED  4096

static struct {
    char   name[32];
    long   slot;
    float  values[COLS];
} named[NAMED];

static size_t  nnamed;


static float *
w_named(const char *name, long slot)
{
    size_t  i;

    for (i = 0; i < nnamed; i++) {

        if (named[i].slot == slot && strcmp(named[i].name, name) == 0) {
            return named[i].values;
        }
    }

    return NULL;
}


static int
w_named_put(void *data, const char *name, long live_s, long res_s, long slot,
    const float *v, size_t n)
{
    float   *row;
    size_t   c;
    LUCK(1)

    (void) live_s;
    row = w_named(name, slot);

    if (row == NULL && nnamed < NAMED && res_s == RES) {
        snprintf(named[nnamed].name, sizeof(named[0].name), "%s", name);
        named[nnamed].slot = slot;
        row = named[nnamed++].values;
    }

    for (c = 0; row && c < COLS; c++) {
        row[c] = c < n ? v[c] : NAN;
    }

    return ANSWER;
}


static int
w_named_range(void *data, const char *name, long res_s, long first,
    size_t nslots, float *v, size_t n)
{
    size_t  i, c;
    float  *row;
    LUCK(0)

    for (i = 0; i < nslots; i++) {
        row = res_s == RES ? w_named(name, first + (long) i) : NULL;

        for (c = 0; c < n; c++) {
            v[i * n + c] = row && c < COLS ? row[c] : NAN;
        }
    }

    return SHARDD_OK;
}


/* what was said after slots, by name */

static struct {
    char    key[40];
    size_t  len;
    char    bytes[4096];
} logs[LOGS];

static size_t  nlogs;


static int
w_log_put(const char *key, const void *bytes, size_t len)
{
    size_t  i;

    if (len > sizeof(logs[0].bytes)) {
        tap_diag("a log of %zu bytes", len);
        exit(1);
    }

    for (i = 0; i < LOGS && strcmp(logs[i].key, key) != 0; i++) {
        /* void */
    }

    i = i < LOGS ? i : nlogs++ % LOGS;
    snprintf(logs[i].key, sizeof(logs[0].key), "%s", key);
    memcpy(logs[i].bytes, bytes, len);
    logs[i].len = len;

    return SHARDD_OK;
}


static int
w_log_get(const char *key, void **bytes, size_t *len)
{
    size_t  i;

    for (i = 0; i < LOGS; i++) {

        if (strcmp(logs[i].key, key) == 0) {
            *bytes = malloc(logs[i].len);
            memcpy(*bytes, logs[i].bytes, logs[i].len);
            *len = logs[i].len;
            return SHARDD_OK;
        }
    }

    return SHARDD_NONE;
}


/* one string of bytes, whatever its name: there are fewer shards than one
 * block has */

static int
w_bytes_put(void *data, const char *key, const void *bytes, size_t len,
    long live_s)
{
    LUCK(1)

    if (strncmp(key, "said:", 5) == 0 && live_s > 3600) {
        (void) w_log_put(key, bytes, len);
    }

    if (strncmp(key, "errors:", 7) == 0 && live_s > 3600
        && len <= sizeof(w.bytes))
    {
        memcpy(w.bytes, bytes, len);
        w.nbytes = len;
        w.kept++;
    }

    return ANSWER;
}


static int
w_bytes_get(void *data, const char *key, size_t most, void **bytes,
    size_t *len)
{
    LUCK(0)

    if (strncmp(key, "said:", 5) == 0) {
        return w_log_get(key, bytes, len);
    }

    if (strncmp(key, "errors:", 7) != 0 || w.nbytes == 0) {
        return SHARDD_NONE;
    }

    if (w.nbytes > most) {
        return SHARDD_BAD;
    }

    *bytes = malloc(w.nbytes);
    memcpy(*bytes, w.bytes, w.nbytes);
    *len = w.nbytes;

    return SHARDD_OK;
}


static int
w_spread_put(void *data, const shard_id_t *ids, const shard_str_t *texts,
    size_t n)
{
    size_t  i;
    LUCK(1)

    for (i = 0; i < n && ids[i] < SPREADS; i++) {
        free(w.spread[ids[i]].text);
        w.spread[ids[i]].text = malloc(texts[i].len);
        w.spread[ids[i]].len = texts[i].len;
        memcpy(w.spread[ids[i]].text, texts[i].data, texts[i].len);
    }

    return ANSWER;
}


static int
w_spread_load(void *data, shardd_spread_pt each, void *ctx)
{
    uint32_t     i;
    shard_str_t  text;
    LUCK(0)

    for (i = 0; i < SPREADS; i++) {
        text.data = w.spread[i].text;
        text.len = w.spread[i].len;

        if (text.data) {
            each(ctx, i, text);
        }
    }

    return SHARDD_OK;
}


#endif /* _PREDICTOR_WORLD_STORE_H_INCLUDED_ */
