
/*
 * Do the shards of a table hold every key once?
 *
 *     hash, range uint64   bounds are numbers  ┐ sorted: each one begins
 *     range bytes          bounds are names    ┘ where the last one ends
 *     list                 units sorted: none twice; one shard is the default
 *
 * The same order finds the shard of a key.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_bytes.h"
#include "../core/shard_key.h"
#include "shardd_store_redis.h"


/* a unit's text, as JSON has it, and whose it is */

typedef struct {
    shard_str_t            text;
    const shard_record_t  *shard;
} shardd_unit_t;


static int shardd_table_list(shardd_store_t *s, shardd_table_t *table);
static int shardd_units_once(shardd_store_t *s, shardd_unit_t *units,
    size_t n);
static void shardd_bound_text(const shard_record_t *rec, int upper,
    char buf[SHARD_BYTES_TEXT + 2]);


static int
shardd_shard_compare(const void *one, const void *two)
{
    int                    order;
    const shard_record_t  *a = one, *b = two;

    if (a->lo != b->lo) {
        return a->lo < b->lo ? -1 : 1;
    }

    order = shard_bytes_compare(a->lo_text.data, a->lo_text.len,
                                b->lo_text.data, b->lo_text.len);
    if (order) {
        return order;
    }

    return a->id < b->id ? -1 : a->id > b->id;
}


static int
shardd_shard_to_end(const shard_record_t *rec)
{
    return rec->hi == 0 && rec->hi_text.len == 0;
}


/* where a shard ends against where another begins: -1 a gap, 1 overlap */

static int
shardd_shard_meets(const shard_record_t *rec, const shard_record_t *next)
{
    if (shardd_shard_to_end(rec) || rec->hi > next->lo) {
        return 1;
    }

    if (rec->hi < next->lo) {
        return -1;
    }

    return shard_bytes_compare(rec->hi_text.data, rec->hi_text.len,
                               next->lo_text.data, next->lo_text.len);
}


static int
shardd_shard_by_id(const void *one, const void *two, void *data)
{
    const uint32_t        *a = one, *b = two;
    const shard_record_t  *shards = data;

    return (shards[*a].id > shards[*b].id) - (shards[*a].id < shards[*b].id);
}


static int
shardd_table_sort(shardd_store_t *s, shardd_table_t *table)
{
    size_t  i;

    qsort(table->shards, table->nshards, sizeof(shard_record_t),
          shardd_shard_compare);

    table->by_id = malloc(table->nshards * sizeof(uint32_t));
    if (table->by_id == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    for (i = 0; i < table->nshards; i++) {
        table->by_id[i] = (uint32_t) i;
    }

    qsort_r(table->by_id, table->nshards, sizeof(uint32_t),
            shardd_shard_by_id, table->shards);

    return SHARDD_OK;
}


int
shardd_table_covers(shardd_store_t *s, shardd_table_t *table)
{
    int              order;
    char             at[SHARD_BYTES_TEXT + 2];
    size_t           i;
    shard_record_t  *rec, *next;

    if (shardd_table_sort(s, table) != SHARDD_OK) {
        return SHARDD_BAD;
    }

    if (table->kind == SHARD_KIND_LIST) {
        return shardd_table_list(s, table);
    }

    rec = &table->shards[0];

    if (rec->lo != 0 || rec->lo_text.len != 0) {
        shardd_bound_text(rec, 0, at);
        return shardd_store_fail(s, SHARDD_BAD, "nothing covers positions "
                                 "before %s, the start of shard %u", at,
                                 (unsigned) rec->id);
    }

    for (i = 0; i + 1 < table->nshards; i++) {
        rec = &table->shards[i];
        next = &table->shards[i + 1];
        order = shardd_shard_meets(rec, next);

        if (order > 0) {
            shardd_bound_text(next, 0, at);
            return shardd_store_fail(s, SHARDD_BAD, "shards %u and %u "
                                     "overlap at %s", (unsigned) rec->id,
                                     (unsigned) next->id, at);
        }

        if (order < 0) {
            shardd_bound_text(rec, 1, at);
            return shardd_store_fail(s, SHARDD_BAD, "nothing covers "
                                     "positions from %s, between shards %u "
                                     "and %u", at, (unsigned) rec->id,
                                     (unsigned) next->id);
        }
    }

    rec = &table->shards[table->nshards - 1];

    if (!shardd_shard_to_end(rec)) {
        shardd_bound_text(rec, 1, at);
        return shardd_store_fail(s, SHARDD_BAD, "nothing covers positions "
                                 "from %s, the end of shard %u", at,
                                 (unsigned) rec->id);
    }

    return SHARDD_OK;
}


static void
shardd_bound_text(const shard_record_t *rec, int upper,
    char buf[SHARD_BYTES_TEXT + 2])
{
    if (rec->kind != SHARD_KIND_RANGE_BYTES) {
        shard_hex_encode(upper ? rec->hi : rec->lo, buf);
        return;
    }

    buf[0] = '"';
    strcpy(buf + 1 + shard_bytes_encode(upper ? &rec->hi_text : &rec->lo_text,
                                        buf + 1),
           "\"");
}


static int
shardd_table_list(shardd_store_t *s, shardd_table_t *table)
{
    int                    rc;
    size_t                 i, n;
    shard_str_t            left;
    shard_bytes_t          unit;
    shardd_unit_t         *units;
    const shard_record_t  *fallback;

    n = 0;
    fallback = NULL;

    for (i = 0; i < table->nshards; i++) {
        n += table->shards[i].nunits;

        if (!table->shards[i].is_default) {
            continue;
        }

        if (fallback) {
            return shardd_store_fail(s, SHARDD_BAD, "shards %u and %u are "
                                     "both the default",
                                     (unsigned) fallback->id,
                                     (unsigned) table->shards[i].id);
        }

        fallback = &table->shards[i];
    }

    if (fallback == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no shard is the default");
    }

    units = calloc(n + 1, sizeof(shardd_unit_t));
    if (units == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory for %zu units", n);
    }

    n = 0;

    for (i = 0; i < table->nshards; i++) {
        left = table->shards[i].units;

        for ( ;; ) {
            units[n].text = left;

            if (shard_units_next(&left, &unit) != SHARD_OK) {
                break;
            }

            units[n].text.data = memchr(units[n].text.data, '"',
                                        units[n].text.len);
            units[n].text.len = (size_t) (left.data - units[n].text.data);
            units[n++].shard = &table->shards[i];
        }
    }

    rc = shardd_units_once(s, units, n);

    free(units);

    return rc;
}


static int
shardd_unit_compare(const void *one, const void *two)
{
    const shardd_unit_t  *a = one, *b = two;

    return shard_bytes_compare(a->text.data, a->text.len, b->text.data,
                               b->text.len);
}


static int
shardd_units_once(shardd_store_t *s, shardd_unit_t *units, size_t n)
{
    size_t  i;

    qsort(units, n, sizeof(shardd_unit_t), shardd_unit_compare);

    for (i = 1; i < n; i++) {
        if (shardd_unit_compare(&units[i - 1], &units[i]) == 0) {
            return shardd_store_fail(s, SHARDD_BAD, "unit %.*s is of shards "
                                     "%u and %u", (int) units[i].text.len,
                                     units[i].text.data,
                                     (unsigned) units[i - 1].shard->id,
                                     (unsigned) units[i].shard->id);
        }
    }

    return SHARDD_OK;
}


static shard_record_t *
shardd_table_unit(shardd_table_t *table, const void *key, size_t len)
{
    size_t           i;
    shard_record_t  *rec, *fallback;

    fallback = NULL;

    for (i = 0; i < table->nshards; i++) {
        rec = &table->shards[i];

        if (shard_record_holds(rec, NULL, key, len)) {
            return rec;
        }

        if (rec->is_default) {
            fallback = rec;
        }
    }

    return fallback;
}


shard_record_t *
shardd_table_locate(shardd_table_t *table, const void *key, size_t len)
{
    int              above;
    size_t           lo, hi, mid;
    shard_key_t      located;
    shard_record_t  *rec;

    if (table->nshards == 0
        || shard_key_locate(table->kind, key, len, &located) != SHARD_OK)
    {
        return NULL;
    }

    if (table->kind == SHARD_KIND_LIST) {
        return shardd_table_unit(table, key, len);
    }

    /* the last shard that does not begin above the key */

    for (lo = 0, hi = table->nshards - 1; lo < hi; /* void */ ) {
        mid = lo + (hi - lo + 1) / 2;
        rec = &table->shards[mid];

        above = table->kind == SHARD_KIND_RANGE_BYTES
                ? shard_bytes_compare(rec->lo_text.data, rec->lo_text.len,
                                      key, len) > 0
                : rec->lo > located.position;

        if (above) {
            hi = mid - 1;
        } else {
            lo = mid;
        }
    }

    return &table->shards[lo];
}


shard_record_t *
shardd_table_shard(shardd_table_t *table, shard_id_t id)
{
    size_t           lo, hi, mid;
    shard_record_t  *rec;

    /* a table that was put together by hand has no order of ids */

    for (mid = 0; table->by_id == NULL && mid < table->nshards; mid++) {
        if (table->shards[mid].id == id) {
            return &table->shards[mid];
        }
    }

    for (lo = 0, hi = table->by_id ? table->nshards : 0; lo < hi; ) {
        mid = lo + (hi - lo) / 2;
        rec = &table->shards[table->by_id[mid]];

        if (rec->id == id) {
            return rec;
        }

        if (id < rec->id) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }

    return NULL;
}


shard_node_t *
shardd_table_node(shardd_table_t *table, const char *name)
{
    int     order;
    size_t  lo, hi, mid;

    for (lo = 0, hi = table->nnodes; lo < hi; /* void */ ) {
        mid = lo + (hi - lo) / 2;
        order = strcmp(name, table->nodes[mid].name);

        if (order == 0) {
            return &table->nodes[mid];
        }

        if (order < 0) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }

    return NULL;
}


int
shardd_table_nodes_known(shardd_store_t *s, shardd_table_t *table)
{
    size_t           i, k;
    const char      *name;
    shard_record_t  *rec;

    for (i = 0; i < table->nshards; i++) {
        rec = &table->shards[i];
        name = rec->primary;

        for (k = 0; name; k++) {

            if (shardd_table_node(table, name) == NULL) {
                return shardd_store_fail(s, SHARDD_BAD, "shard %u names "
                                         "node %s, which does not exist",
                                         (unsigned) rec->id, name);
            }

            name = k < rec->nstandbys ? rec->standbys[k]
                   : k == rec->nstandbys && rec->target[0] ? rec->target
                   : NULL;
        }
    }

    return SHARDD_OK;
}
