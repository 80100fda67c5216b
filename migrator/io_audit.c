
/*
 * The seam's part of hooks, and of the audit: a line of the log with figures
 * as key=value, and an entry of the stream "audit", trimmed.  The hash
 * migration:ID has each phase and its time besides, in one write with the
 * phase itself; what the stream lacks after a crash is there.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_store_redis.h"
#include "shard_codec.h"
#include "io_store.h"


#define AUDIT_MAX     "20000"
#define AUDIT_FIELDS  24


typedef struct {
    int          argc;
    const char  *argv[6 + AUDIT_FIELDS * 2];
    char         text[AUDIT_FIELDS][24];
} migrator_entry_t;


int
migrator_store_hook(void *data, const migrator_hook_t *hook,
    const migrator_state_t *state, long timeout_ms, int (*tick)(void *data),
    void *tick_data, char *err, size_t size)
{
    migrator_store_t  *s = data;

    return migrator_hook_exec(hook, state, s->store.keyspace, timeout_ms,
                              tick, tick_data, err, size);
}


static void
migrator_entry_text(migrator_entry_t *e, const char *name, const char *value)
{
    e->argv[e->argc++] = name;
    e->argv[e->argc++] = value;
}


static void
migrator_entry_number(migrator_entry_t *e, const char *name, uint64_t value)
{
    char  *text;

    text = e->text[(e->argc - 6) / 2];
    snprintf(text, sizeof(e->text[0]), "%llu", (unsigned long long) value);
    migrator_entry_text(e, name, text);
}


static void
migrator_entry_figures(migrator_entry_t *e, const migrator_state_t *state)
{
    migrator_entry_number(e, "epoch", state->epoch);
    migrator_entry_number(e, "attempt", state->attempt);
    migrator_entry_number(e, "position", state->position);
    migrator_entry_number(e, "shipped", state->shipped);
    migrator_entry_number(e, "bytes", state->bytes);
    migrator_entry_number(e, "items", state->items);
    migrator_entry_number(e, "lag", state->lag);
    migrator_entry_number(e, "shift", state->shift_bp);
    migrator_entry_number(e, "mirrored", state->mirrored);
    migrator_entry_number(e, "mirror_bad", state->mirror_bad);
    migrator_entry_number(e, "hold_ms", state->hold_ms);
}


/* who wished it, as the operator's tool left it in the hash; to be freed */

static char *
migrator_wished_by(migrator_store_t *s, const migrator_state_t *state)
{
    char  key[48], *by;

    snprintf(key, sizeof(key), "migration:%016llx",
             (unsigned long long) state->id);

    return shardd_hash_get(&s->store, key, "wish_by", &by) == SHARDD_OK
           ? by : NULL;
}


void
migrator_store_audit(void *data, const migrator_state_t *state,
    const char *was, uint64_t took_ms, int wish)
{
    migrator_store_t  *s = data;

    char               key[SHARDD_KEY_SIZE], id[24], *wished;
    const char        *by;
    migrator_entry_t   e;

    snprintf(id, sizeof(id), "%016llx", (unsigned long long) state->id);
    wished = wish ? migrator_wished_by(s, state) : NULL;
    by = wished ? wished : wish ? "somebody" : state->by;

    __atomic_store_n(&s->phase, (unsigned) state->phase, __ATOMIC_RELAXED);

    if (s->figures && !wish) {
        migrator_figures_add(s->figures, state, was, took_ms);
    }

    shardd_log(SHARDD_LOG_INFO, "audit what=%s was=%s took_ms=%llu "
               "migration=%s shard=%u verb=%s from=%s to=%s phase=%s by=%s "
               "holder=%s epoch=%u attempt=%u position=%llu bytes=%llu "
               "items=%llu shipped=%llu lag=%llu shift_bp=%u mirrored=%llu "
               "mirror_bad=%llu hold_ms=%llu error=%s",
               wish ? "wish" : "phase", was,
               (unsigned long long) took_ms, id, (unsigned) state->shard,
               migrator_verb_name(state->verb), state->from, state->to,
               migrator_phase(state->phase)->name, by, s->holder,
               (unsigned) state->epoch, (unsigned) state->attempt,
               (unsigned long long) state->position,
               (unsigned long long) state->bytes,
               (unsigned long long) state->items,
               (unsigned long long) state->shipped,
               (unsigned long long) state->lag, (unsigned) state->shift_bp,
               (unsigned long long) state->mirrored,
               (unsigned long long) state->mirror_bad,
               (unsigned long long) state->hold_ms, state->error);

    e.argc = 0;
    e.argv[e.argc++] = "XADD";
    e.argv[e.argc++] = shardd_store_key(&s->store, key, "audit");
    e.argv[e.argc++] = "MAXLEN";
    e.argv[e.argc++] = "~";
    e.argv[e.argc++] = AUDIT_MAX;
    e.argv[e.argc++] = "*";

    migrator_entry_text(&e, "what", wish ? "wish" : "phase");
    migrator_entry_text(&e, "was", was);
    migrator_entry_number(&e, "took_ms", took_ms);
    migrator_entry_text(&e, "migration", id);
    migrator_entry_number(&e, "shard", state->shard);
    migrator_entry_text(&e, "verb", migrator_verb_name(state->verb));
    migrator_entry_text(&e, "from", state->from);
    migrator_entry_text(&e, "to", state->to);
    migrator_entry_text(&e, "phase", migrator_phase(state->phase)->name);
    migrator_entry_text(&e, "by", by);
    migrator_entry_text(&e, "holder", s->holder);
    migrator_entry_text(&e, "error", state->error);
    migrator_entry_figures(&e, state);

    /* a held request would wait for the answer, which changes nothing */

    shardd_redis_post(&s->store.redis, e.argc, e.argv);

    free(wished);
}
