
#include <string.h>

#include "../src/core/shard_override.h"
#include "orders.h"


int
predictor_orders_load(predictor_orders_t *o, const predictor_io_t *io,
    size_t recent)
{
    int  rc;

    memset(o, 0, sizeof(predictor_orders_t));

    /* decisions first: one picked up in between is then a migration too */

    rc = io->decisions(io->data, recent, &o->decisions);

    if (rc == SHARDD_OK || rc == SHARDD_NONE) {
        rc = io->migrations(io->data, recent, &o->migrations);
    }

    if (rc == SHARDD_OK || rc == SHARDD_NONE) {
        rc = io->hash_load(io->data, "override", &o->overrides);
    }

    return rc == SHARDD_NONE ? SHARDD_OK : rc;
}


void
predictor_orders_free(predictor_orders_t *o)
{
    shardd_entry_free(&o->overrides);
    shardd_entries_free(&o->decisions);
    shardd_entries_free(&o->migrations);
}


int
predictor_orders_holds(const shardd_field_t *override, uint64_t now_ms)
{
    char              err[SHARD_ERR_SIZE];
    shard_str_t       text;
    shard_override_t  verb;

    text.data = override->value;
    text.len = strlen(text.data);

    return shard_override_decode(text, &verb, err) == SHARD_OK
           && (verb.until_ms == 0 || verb.until_ms > now_ms);
}


int
predictor_orders_taken(const predictor_orders_t *o, const char *id)
{
    size_t       i;
    const char  *other;

    for (i = 0; i < o->migrations.n; i++) {
        other = shardd_entry_field(&o->migrations.entries[i], "id");

        if (other && strcmp(other, id) == 0) {
            return 1;
        }
    }

    return 0;
}
