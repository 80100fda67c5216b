
#include <stdio.h>
#include <string.h>

#include "shard_codec.h"
#include "record.h"


typedef enum {
    MIGRATOR_U64 = 0,
    MIGRATOR_U32,
    MIGRATOR_TEXT
} migrator_type_e;

typedef struct {
    const char       *name;
    migrator_type_e   type;
    size_t            offset;
    size_t            size;             /* TEXT */
    int               required;
} migrator_column_t;


#define AT(m)    offsetof(migrator_state_t, m)
#define TEXT(m)  MIGRATOR_TEXT, AT(m), sizeof(((migrator_state_t *) 0)->m)


/* id, verb, strategy and phase are words and not in here; seq is the store's */

static const migrator_column_t  migrator_columns[] = {
    { "shard", MIGRATOR_U32, AT(shard), 0, 1 },
    { "epoch", MIGRATOR_U32, AT(epoch), 0, 1 },
    { "from", TEXT(from), 1 },
    { "to", TEXT(to), 1 },
    { "replaces", TEXT(replaces), 0 },
    { "created_ms", MIGRATOR_U64, AT(created_ms), 0, 1 },
    { "phase_ms", MIGRATOR_U64, AT(phase_ms), 0, 0 },
    { "finished_ms", MIGRATOR_U64, AT(finished_ms), 0, 0 },
    { "hold_at_ms", MIGRATOR_U64, AT(hold_at_ms), 0, 0 },
    { "hold_version", MIGRATOR_U64, AT(hold_version), 0, 0 },
    { "hold_ms", MIGRATOR_U64, AT(hold_ms), 0, 0 },
    { "position", MIGRATOR_U64, AT(position), 0, 0 },
    { "shipped", MIGRATOR_U64, AT(shipped), 0, 0 },
    { "bytes", MIGRATOR_U64, AT(bytes), 0, 0 },
    { "items", MIGRATOR_U64, AT(items), 0, 0 },
    { "size", MIGRATOR_U64, AT(size), 0, 0 },
    { "lag", MIGRATOR_U64, AT(lag), 0, 0 },
    { "silent_routers", MIGRATOR_U32, AT(silent_routers), 0, 0 },
    { "ship_rate", MIGRATOR_U32, AT(ship_rate), 0, 0 },
    { "change_rate", MIGRATOR_U32, AT(change_rate), 0, 0 },
    { "mirrored", MIGRATOR_U64, AT(mirrored), 0, 0 },
    { "mirror_bad", MIGRATOR_U64, AT(mirror_bad), 0, 0 },
    { "level_ms", MIGRATOR_U64, AT(level_ms), 0, 0 },
    { "queue_depth", MIGRATOR_U64, AT(depth), 0, 0 },
    { "source_held", MIGRATOR_U32, AT(source_held), 0, 0 },
    { "fenced", MIGRATOR_U32, AT(fenced), 0, 0 },
    { "standbys", MIGRATOR_U32, AT(standbys), 0, 0 },
    { "retired_ms", MIGRATOR_U64, AT(retired_ms), 0, 0 },
    { "left", MIGRATOR_U32, AT(left), 0, 0 },
    { "shift", MIGRATOR_U32, AT(shift_bp), 0, 0 },
    { "attempt", MIGRATOR_U32, AT(attempt), 0, 0 },
    { "copies", MIGRATOR_U32, AT(copies), 0, 0 },
    { "copy_parts", MIGRATOR_U64, AT(copy_parts), 0, 0 },
    { "copy_settled", MIGRATOR_U64, AT(copy_settled), 0, 0 },
    { "copy_speed", MIGRATOR_U64, AT(copy_speed), 0, 0 },
    { "copy_sent", MIGRATOR_U32, AT(copy_sent), 0, 0 },
    { "copy_resumed", MIGRATOR_U32, AT(copy_resumed), 0, 0 },
    { "copy_backoffs", MIGRATOR_U32, AT(copy_backoffs), 0, 0 },
    { "repaired", MIGRATOR_U32, AT(repaired), 0, 0 },
    { "steps", MIGRATOR_U32, AT(steps), 0, 0 },
    { "driver", TEXT(driver), 0 },
    { "into", MIGRATOR_U32, AT(into), 0, 0 },
    { "into_epoch", MIGRATOR_U32, AT(into_epoch), 0, 0 },
    { "order", TEXT(order), 0 },
    { "lo", TEXT(lo), 0 },
    { "hi", TEXT(hi), 0 },
    { "next", TEXT(next), 0 },
    { "next_cut", TEXT(next_cut), 0 },
    { "next_to", TEXT(next_to), 0 },
    { "others", TEXT(others), 0 },
    { "by", TEXT(by), 0 },
    { "decision", TEXT(decision), 0 },
    { "error", TEXT(error), 0 },
    { "trail", TEXT(trail), 0 },
    { NULL, 0, 0, 0, 0 }
};

/* with the words below, and two of the creation */

_Static_assert(sizeof(migrator_columns) / sizeof(migrator_columns[0]) - 1
               + 3 + 2 <= MIGRATOR_FIELDS_MAX,
               "a migration's fields do not fit");


static int migrator_record_word(const shardd_entry_t *entry,
    migrator_state_t *state, char *err);
static int migrator_record_value(const migrator_column_t *c,
    const char *value, migrator_state_t *state);


void
migrator_record_add(migrator_fields_t *out, const char *name,
    const char *value)
{
    if (out->n < MIGRATOR_FIELDS_MAX) {
        out->fields[out->n].name = (char *) name;
        out->fields[out->n].value = (char *) value;
        out->n++;
    }
}


void
migrator_record_fields(const migrator_state_t *state, migrator_fields_t *out)
{
    char                     *text;
    uint64_t                  number;
    const char               *base;
    const migrator_column_t  *c;

    base = (const char *) state;
    out->n = 0;

    for (c = migrator_columns; c->name; c++) {

        if (c->type == MIGRATOR_TEXT) {
            migrator_record_add(out, c->name, base + c->offset);
            continue;
        }

        number = c->type == MIGRATOR_U64
                 ? *(const uint64_t *) (const void *) (base + c->offset)
                 : *(const uint32_t *) (const void *) (base + c->offset);

        text = out->text[out->n];
        snprintf(text, sizeof(out->text[0]), "%llu",
                 (unsigned long long) number);
        migrator_record_add(out, c->name, text);
    }

    migrator_record_add(out, "verb", migrator_verb_name(state->verb));
    migrator_record_add(out, "phase", migrator_phase(state->phase)->name);
    migrator_record_add(out, "strategy",
                        shard_strategy_name(state->strategy));
}


int
migrator_record_read(const shardd_entry_t *entry, migrator_state_t *state,
    char *err)
{
    const char               *value;
    migrator_state_t          read;
    const migrator_column_t  *c;

    memset(&read, 0, sizeof(read));

    for (c = migrator_columns; c->name; c++) {
        value = shardd_entry_field(entry, c->name);

        if (value == NULL) {

            if (c->required) {
                snprintf(err, SHARD_ERR_SIZE, "field %s is missing",
                         c->name);
                return SHARD_ERROR;
            }

            continue;
        }

        if (migrator_record_value(c, value, &read) != SHARD_OK) {
            snprintf(err, SHARD_ERR_SIZE, "field %s is out of range: %.60s",
                     c->name, value);
            return SHARD_ERROR;
        }
    }

    if (migrator_record_word(entry, &read, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    *state = read;

    return SHARD_OK;
}


static int
migrator_record_value(const migrator_column_t *c, const char *value,
    migrator_state_t *state)
{
    char         *base;
    uint64_t      number;
    shard_str_t   text;

    base = (char *) state;
    text.data = value;
    text.len = strlen(value);

    if (c->type == MIGRATOR_TEXT) {

        if (text.len >= c->size || (c->required && text.len == 0)) {
            return SHARD_ERROR;
        }

        memcpy(base + c->offset, value, text.len + 1);
        return SHARD_OK;
    }

    if (shard_uint64_decode(text, &number) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (c->type == MIGRATOR_U64) {
        *(uint64_t *) (void *) (base + c->offset) = number;
        return SHARD_OK;
    }

    if (number > UINT32_MAX) {
        return SHARD_ERROR;
    }

    *(uint32_t *) (void *) (base + c->offset) = (uint32_t) number;

    return SHARD_OK;
}


static int
migrator_record_word(const shardd_entry_t *entry, migrator_state_t *state,
    char *err)
{
    int           i;
    const char   *value;
    shard_str_t   text;

    value = shardd_entry_field(entry, "id");
    text.data = value ? value : "";
    text.len = strlen(text.data);

    if (shard_hex_decode(text, &state->id) != SHARD_OK || state->id == 0) {
        snprintf(err, SHARD_ERR_SIZE, "id \"%.40s\" is no 16 hex digits",
                 text.data);
        return SHARD_ERROR;
    }

    value = shardd_entry_field(entry, "seq");
    text.data = value ? value : "";
    text.len = strlen(text.data);

    if (shard_uint64_decode(text, &state->seq) != SHARD_OK) {
        snprintf(err, SHARD_ERR_SIZE, "seq \"%.40s\" is no number",
                 text.data);
        return SHARD_ERROR;
    }

    /* records of before there were others are of moves */

    value = shardd_entry_field(entry, "verb");
    text.data = value ? value : migrator_verb_name(MIGRATOR_MOVE);
    text.len = strlen(text.data);
    state->verb = migrator_verb_by_name(text);

    if (state->verb == MIGRATOR_VERB_NONE) {
        snprintf(err, SHARD_ERR_SIZE, "verb \"%.40s\" is unknown",
                 text.data);
        return SHARD_ERROR;
    }

    value = shardd_entry_field(entry, "phase");
    text.data = value ? value : "";
    text.len = strlen(text.data);
    state->phase = migrator_phase_by_name(text);

    if (state->phase == MIGRATOR_PHASE_NONE) {
        snprintf(err, SHARD_ERR_SIZE, "phase \"%.40s\" is unknown",
                 text.data);
        return SHARD_ERROR;
    }

    value = shardd_entry_field(entry, "strategy");

    for (i = SHARD_STATELESS; value && i <= SHARD_QUEUE; i++) {
        if (strcmp(shard_strategy_name((shard_strategy_e) i), value) == 0) {
            state->strategy = (shard_strategy_e) i;
            return SHARD_OK;
        }
    }

    snprintf(err, SHARD_ERR_SIZE, "strategy \"%.40s\" is unknown",
             value ? value : "");

    return SHARD_ERROR;
}


int
migrator_record_put(shardd_store_t *s, const shardd_claim_t *claim,
    migrator_state_t *state, const shardd_field_t *more, size_t nmore)
{
    char               id[MIGRATOR_ID_SIZE];
    size_t             i;
    migrator_fields_t  out;

    migrator_record_fields(state, &out);

    for (i = 0; i < nmore; i++) {
        migrator_record_add(&out, more[i].name, more[i].value);
    }

    shard_hex_encode(state->id, id);

    return shardd_migration_put(s, claim, id, &state->seq, out.fields, out.n);
}
