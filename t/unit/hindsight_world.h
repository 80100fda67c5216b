
/*
 * The world of hindsight_store.c: a table, decisions, migrations and hashes
 * behind the seam of io.h, which may be away before a call or lose its answer.
 */


#ifndef _HINDSIGHT_WORLD_H_INCLUDED_
#define _HINDSIGHT_WORLD_H_INCLUDED_


#include "../lib/tap.h"
#include "../../predictor/hindsight_store.h"


#define RES      300
#define SLOT0    10000
#define SLOTS    400
#define SHARDS   4
#define FIELDS   2048
#define ENTRIES  256


typedef struct {
    char  key[32];
    char  name[32];
    char *value;
} field_t;

static struct {
    uint64_t         seed;
    int              faults;
    double           now_s;
    field_t          fields[FIELDS];
    size_t           nfields;
    shardd_entry_t   decisions[ENTRIES];
    size_t           ndecisions;
    shardd_entry_t   migrations[ENTRIES];
    size_t           nmigrations;
    char             primary[SHARDS][8];
} w;


/* 0: not carried out, 1: it is, 2: it is and the answer is lost */

static int
luck(void)
{
    if ((int) (tap_random(&w.seed) % 1000) >= w.faults) {
        return 1;
    }

    return tap_random(&w.seed) % 2 ? 0 : 2;
}


static void
copy(shardd_entry_t *out, const shardd_entry_t *e)
{
    size_t  i;

    *out = *e;
    out->fields = calloc(e->nfields + 1, sizeof(shardd_field_t));

    for (i = 0; i < e->nfields; i++) {
        out->fields[i].name = strdup(e->fields[i].name);
        out->fields[i].value = strdup(e->fields[i].value);
    }
}


static int
newest(const shardd_entry_t *all, size_t n, size_t limit,
    shardd_entries_t *out)
{
    if (luck() != 1) {
        return SHARDD_DOWN;
    }

    out->entries = calloc(n + 1, sizeof(shardd_entry_t));

    for (out->n = 0; out->n < n && out->n < limit; out->n++) {
        copy(&out->entries[out->n], &all[n - 1 - out->n]);
    }

    return SHARDD_OK;
}


static int
w_decisions(void *data, size_t limit, shardd_entries_t *out)
{
    (void) data;
    return newest(w.decisions, w.ndecisions, limit, out);
}


static int
w_migrations(void *data, size_t limit, shardd_entries_t *out)
{
    (void) data;
    return newest(w.migrations, w.nmigrations, limit, out);
}


static int
w_hash_load(void *data, const char *key, shardd_entry_t *out)
{
    size_t  i;
    (void) data;

    if (luck() != 1) {
        return SHARDD_DOWN;
    }

    memset(out, 0, sizeof(*out));
    out->fields = calloc(64, sizeof(shardd_field_t));

    for (i = 0; i < w.nfields && out->nfields < 64; i++) {

        if (strcmp(w.fields[i].key, key) == 0) {
            out->fields[out->nfields].name = strdup(w.fields[i].name);
            out->fields[out->nfields++].value = strdup(w.fields[i].value);
        }
    }

    return SHARDD_OK;
}


static void
put(const char *key, const char *name, const char *value)
{
    size_t  i;

    for (i = 0; i < w.nfields; i++) {

        if (strcmp(w.fields[i].key, key) == 0
            && strcmp(w.fields[i].name, name) == 0)
        {
            free(w.fields[i].value);
            w.fields[i].value = strdup(value);
            return;
        }
    }

    if (w.nfields == FIELDS) {
        tap_diag("the world's store is full");
        exit(1);
    }

    snprintf(w.fields[i].key, 32, "%s", key);
    snprintf(w.fields[i].name, 32, "%s", name);
    w.fields[i].value = strdup(value);
    w.nfields++;
}


static const char *
get(const char *key, const char *name)
{
    size_t  i;

    for (i = 0; i < w.nfields; i++) {

        if (strcmp(w.fields[i].key, key) == 0
            && strcmp(w.fields[i].name, name) == 0)
        {
            return w.fields[i].value;
        }
    }

    return "";
}


static int
w_hash_put(void *data, const char *key, const shardd_field_t *f, size_t n)
{
    int     rc;
    size_t  i;
    (void) data;

    rc = luck();

    for (i = 0; rc && i < n; i++) {
        put(key, f[i].name, f[i].value);
    }

    return rc == 1 ? SHARDD_OK : SHARDD_DOWN;
}


static int
w_table(void *data, shardd_table_t *t)
{
    uint32_t  i;
    (void) data;

    memset(t, 0, sizeof(*t));
    t->version = 1;
    t->nshards = SHARDS;
    t->nnodes = 3;
    t->shards = calloc(SHARDS, sizeof(shard_record_t));
    t->nodes = calloc(3, sizeof(shard_node_t));

    for (i = 0; i < 3; i++) {
        snprintf(t->nodes[i].name, SHARD_NAME_SIZE, "n%u", i + 1);
        t->nodes[i].capacity = 100;
    }

    for (i = 0; i < SHARDS; i++) {
        t->shards[i].id = i;
        t->shards[i].epoch = 1;
        strcpy(t->shards[i].primary, w.primary[i]);
    }

    return SHARDD_OK;
}


static uint64_t
w_now_ms(void *data)
{
    (void) data;
    return (uint64_t) (w.now_s * 1000);
}


static predictor_io_t  io = {
    .now_ms = w_now_ms, .table = w_table, .decisions = w_decisions,
    .migrations = w_migrations, .hash_load = w_hash_load,
    .hash_put = w_hash_put
};


#endif /* _HINDSIGHT_WORLD_H_INCLUDED_ */
