
/* explain of a shard: how its load is spread over its keys, what it borrows. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shard_bytes.h"
#include "shard_key.h"
#include "shard_spread.h"
#include "shardctl.h"
#include "../predictor/spread_cut.h"


#define EXPLAIN_HEIGHT    6         /* lines of the picture */
#define EXPLAIN_LABEL     5
#define EXPLAIN_POSITION  (SHARD_BYTES_TEXT + 40)


/* what the store's call back fills in */

typedef struct {
    int                    rc;
    char                   err[SHARD_ERR_SIZE];
    shard_spread_t         s;
} explain_spread_t;


static const shardctl_column_t  explain_key_columns[] = {
    { "key", "KEY'S HASH", SHARDCTL_TEXT },
    { "position", "POSITION", SHARDCTL_TEXT },
    { "share", "SHARE", SHARDCTL_PERCENT },
    { "error", "+-", SHARDCTL_PERCENT },
    { "writes", "WRITES", SHARDCTL_PERCENT },
    { NULL, NULL, SHARDCTL_TEXT }
};


static void
explain_taken(void *data, shard_id_t id, shard_str_t text)
{
    explain_spread_t  *e = data;

    (void) id;

    e->rc = shard_spread_decode(text, &e->s, e->err);
}


/* a position as the keyspace's users know it: a number, the beginning of a
 * name, 16 hex digits */

static const char *
explain_position(const shard_record_t *rec, unsigned skip, uint64_t position,
    char *buf)
{
    size_t         n;
    unsigned       i;
    shard_bytes_t  bytes;

    if (rec->kind == SHARD_KIND_RANGE_UINT64) {
        snprintf(buf, EXPLAIN_POSITION, "%llu",
                 (unsigned long long) position);
        return buf;
    }

    if (rec->kind != SHARD_KIND_RANGE_BYTES) {
        snprintf(buf, EXPLAIN_POSITION, "%016llx",
                 (unsigned long long) position);
        return buf;
    }

    /* the bytes that all keys begin with, and those of the position but for
     * zeros at its end */

    n = skip < SHARD_BOUND_MAX ? skip : SHARD_BOUND_MAX;
    memcpy(bytes.data, rec->lo_text.data, n);

    for (i = 0; i < 8 && n < SHARD_BOUND_MAX && position << 8 * i; i++) {
        bytes.data[n++] = (char) (position >> (56 - 8 * i));
    }

    bytes.len = (uint8_t) n;
    buf[0] = '"';
    n = shard_bytes_encode(&bytes, buf + 1);
    memcpy(buf + 1 + n, "\"", 2);

    return buf;
}


/* of a list the unit that a key is, else its position */

static json_t *
explain_name(const shard_record_t *rec, const shard_spread_t *s,
    const shard_spread_key_t *k)
{
    char           buf[EXPLAIN_POSITION];
    shard_str_t    left;
    shard_bytes_t  unit;

    left = rec->units;

    while (rec->kind == SHARD_KIND_LIST
           && shard_units_next(&left, &unit) == SHARD_OK)
    {
        if (shard_key_position(unit.data, unit.len) == k->position) {
            (void) shard_bytes_encode(&unit, buf);
            return shardctl_text(buf);
        }
    }

    return shardctl_text(explain_position(rec, s->skip, k->position, buf));
}


static json_t *
explain_keys(const shard_record_t *rec, const shard_spread_t *s)
{
    char                key[24];
    json_t             *rows;
    unsigned            i, n, order[SHARD_SPREAD_KEYS];
    predictor_share_t   share;

    rows = json_array();
    n = predictor_spread_heavy(s, order);

    for (i = 0; i < n; i++) {
        share = predictor_spread_share(s, order[i]);

        snprintf(key, sizeof(key), "%016llx",
                 (unsigned long long) s->keys[order[i]].key);

        json_array_append_new(rows,
            json_pack("{s:s, s:o, s:o, s:o, s:o}", "key", key, "position",
                      explain_name(rec, s, &s->keys[order[i]]), "share",
                      shardctl_number(share.share), "error",
                      shardctl_number(share.error), "writes",
                      shardctl_number(share.writes)));
    }

    return rows;
}


/* a list has no order that could be cut */

static json_t *
explain_cut(const shard_record_t *rec, const shard_spread_t *s,
    const predictor_range_t *range)
{
    char              buf[EXPLAIN_POSITION], key[24];
    predictor_cut_t   cut;

    if (rec->kind == SHARD_KIND_LIST
        || predictor_spread_cut(s, range, &cut) != SHARD_OK)
    {
        return json_null();
    }

    if (cut.hot >= 0) {
        snprintf(key, sizeof(key), "%016llx",
                 (unsigned long long) s->keys[cut.hot].key);
    }

    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "position",
                     explain_position(rec, s->skip, cut.position, buf),
                     "left", shardctl_number(cut.left),
                     "error", shardctl_number(cut.error),
                     "samples", shardctl_number(cut.samples),
                     "hot", cut.hot < 0 ? json_null() : json_string(key));
}


static json_t *
explain_spread(const shard_record_t *rec, const shard_spread_t *s)
{
    char               lo[EXPLAIN_POSITION], last[EXPLAIN_POSITION];
    double             bars[PREDICTOR_SPREAD_BARS];
    json_t            *list, *cut;
    unsigned           i, skip;
    predictor_range_t  range;

    range = predictor_spread_range(rec, &skip);
    cut = explain_cut(rec, s, &range);
    predictor_spread_bars(s, &range, bars, PREDICTOR_SPREAD_BARS);
    list = json_array();

    for (i = 0; i < PREDICTOR_SPREAD_BARS; i++) {
        json_array_append_new(list, shardctl_number(bars[i]));
    }

    return json_pack("{s:I, s:o, s:o, s:{s:s, s:s, s:o}, s:o}",
                     "at", (json_int_t) s->at_s,
                     "requests", shardctl_number(s->mass),
                     "cut", cut,
                     "bars",
                     "from", explain_position(rec, s->skip, range.lo, lo),
                     "to", explain_position(rec, s->skip, range.last, last),
                     "shares", list,
                     "keys", explain_keys(rec, s));
}


static void
explain_bars(shardctl_t *ctl, const json_t *bars)
{
    int            y, full;
    char           label[16];
    double         max, part;
    size_t         i, n;
    const json_t  *shares;

    static const char *const  blocks[] = {
        " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"
    };

    shares = json_object_get(bars, "shares");
    n = json_array_size(shares);
    max = 0;

    for (i = 0; i < n; i++) {
        max = fmax(max, json_number_value(json_array_get(shares, i)));
    }

    for (y = EXPLAIN_HEIGHT - 1; y >= 0; y--) {
        label[0] = '\0';

        if (y == EXPLAIN_HEIGHT - 1) {
            snprintf(label, sizeof(label), "%.0f%%", 100 * max);
        }

        printf("%*s ", EXPLAIN_LABEL, label);

        for (i = 0; max > 0 && i < n; i++) {
            part = json_number_value(json_array_get(shares, i)) / max
                   * EXPLAIN_HEIGHT - y;
            full = (int) lround(8 * fmin(fmax(part, 0), 1));

            shardctl_put(ctl, SHARDCTL_GREEN, ctl->utf8 ? blocks[full]
                                              : full >= 4 ? "#" : " ");
        }

        printf("\n");
    }

    printf("%*s from %s\n%*s to   %s\n\n", EXPLAIN_LABEL, "",
           shardctl_get_text(bars, "from"), EXPLAIN_LABEL, "",
           shardctl_get_text(bars, "to"));
}


static void
explain_show_cut(shardctl_t *ctl, const json_t *cut)
{
    char           text[512];
    double         left;
    const char    *hot;

    left = shardctl_get_number(cut, "left");

    snprintf(text, sizeof(text), "best cut: at %.300s, %.1f%% of the load "
             "below it (+- %.1f%%)\n", shardctl_get_text(cut, "position"),
             100 * left, 100 * shardctl_get_number(cut, "error"));
    shardctl_put(ctl, SHARDCTL_BOLD, text);

    hot = shardctl_get_text(cut, "hot");

    if (hot[0]) {
        snprintf(text, sizeof(text), "key %.16s alone has more than %.0f%% of "
                 "the load: a split does not help, one half keeps it whole\n",
                 hot, 100 * PREDICTOR_SPREAD_HOT);
        shardctl_put(ctl, SHARDCTL_YELLOW, text);
    }
}


static void
explain_show_spread(shardctl_t *ctl, const json_t *spread, int list)
{
    char           at[40];
    const json_t  *cut, *keys;

    shardctl_time(shardctl_get_number(spread, "at"), at, sizeof(at));
    cut = json_object_get(spread, "cut");
    keys = json_object_get(spread, "keys");

    printf("load by key, samples until %s:\n\n", at);
    explain_bars(ctl, json_object_get(spread, "bars"));

    if (json_is_object(cut)) {
        explain_show_cut(ctl, cut);

    } else {
        printf("%s\n", list ? "a list's shard is split by its units, not by a "
               "cut" : "there is no cut: all its keys are at one position");
    }

    if (json_array_size(keys)) {
        printf("\n");
        shardctl_table(ctl, keys, explain_key_columns);

    } else {
        printf("no key is heavy\n");
    }
}


/* of its record, or why not */

static int
explain_read(shardctl_t *ctl, shard_record_t *rec, json_t **out)
{
    int                rc;
    unsigned           skip;
    explain_spread_t  *e;
    predictor_range_t  range;

    *out = NULL;
    e = malloc(sizeof(explain_spread_t));

    if (e == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    rc = shardd_spread_get(&ctl->store, rec->id, explain_taken, e);

    if (rc == SHARDD_NONE) {
        rc = SHARDCTL_OK;
        *out = json_null();

    } else if (rc != SHARDD_OK) {
        rc = shardctl_store_fail(ctl, rc, "cannot read the distribution");

    } else if (e->rc != SHARD_OK) {
        rc = shardctl_fail(ctl, "the stored distribution of shard %u is "
                           "malformed: %s", rec->id, e->err);

    } else {
        rc = SHARDCTL_OK;
        range = predictor_spread_range(rec, &skip);

        /* it may be from before the shard was split */

        if (rec->kind != SHARD_KIND_LIST) {
            shard_spread_clip(&e->s, range.lo, range.last);
        }

        *out = e->s.skip == skip && e->s.mass > 0
               ? explain_spread(rec, &e->s) : json_null();
    }

    free(e);

    return rc;
}


static int
explain_show_shard(shardctl_t *ctl, const shard_record_t *rec, json_t *out)
{
    const json_t  *spread, *borrowed;

    if (ctl->json) {
        return shardctl_show(ctl, out);
    }

    spread = json_object_get(out, "spread");
    borrowed = json_object_get(out, "borrowed");

    printf("shard %u on %s\n", rec->id, rec->primary);
    shardctl_override_show(ctl, out);

    if (json_is_object(spread)) {
        explain_show_spread(ctl, spread, rec->kind == SHARD_KIND_LIST);

    } else {
        printf("nothing is known of its keys yet: routers send samples, "
               "shard-predictor keeps them\n");
    }

    if (json_is_object(json_object_get(out, "resize"))) {
        printf("\n");
        shardctl_resize_show(ctl, json_object_get(out, "resize"));
    }

    if (json_is_object(borrowed)) {
        printf("\n");
        shardctl_borrowed_show(ctl, borrowed);
    }

    shardctl_signals_show(ctl, json_object_get(out, "signals"));

    if (json_array_size(json_object_get(out, "shifts"))
        + json_array_size(json_object_get(out, "outages")))
    {
        printf("\n");
        shardctl_shifts_show(out);
    }

    if (json_array_size(json_object_get(out, "events"))) {
        printf("\n");
        shardctl_events_show(ctl, json_object_get(out, "events"));
    }

    shardctl_decisions_show(ctl, out);

    json_decref(out);

    return SHARDCTL_OK;
}


static int
explain_forecast(shardctl_t *ctl, shard_id_t id, json_t *out)
{
    int    rc;
    char  *text;

    rc = shardctl_forecast_text(ctl, id, &text);

    if (rc == SHARDCTL_OK) {
        shardctl_forecast_beside(text, out);
        free(text);
        rc = shardctl_resize_read(ctl, id, out);
    }

    return rc;
}


int
shardctl_explain_shard(shardctl_t *ctl, shard_id_t id)
{
    int              rc;
    json_t          *out, *spread;
    shardd_table_t   table;
    shard_record_t  *rec;

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    out = NULL;
    rec = shardd_table_shard(&table, id);
    rc = rec ? explain_read(ctl, rec, &spread)
             : shardctl_no_shard(ctl, &table, id);

    if (rc == SHARDCTL_OK) {
        out = json_pack("{s:I, s:s, s:o}", "shard", (json_int_t) id, "node",
                        rec->primary, "spread", spread);
        rc = shardctl_override_read(ctl, &table, id, out);
    }

    if (rc == SHARDCTL_OK) {
        rc = explain_forecast(ctl, id, out);
    }

    if (rc == SHARDCTL_OK) {
        rc = shardctl_decisions_read(ctl, id, out);
    }

    if (rc == SHARDCTL_OK) {
        rc = explain_show_shard(ctl, rec, out);

    } else {
        json_decref(out);
    }

    shardd_table_free(&table);

    return rc;
}
