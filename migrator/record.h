
/*
 * A migration's state to and from the hash migration:ID, docs/redis-keys.md.
 */


#ifndef _MIGRATOR_RECORD_H_INCLUDED_
#define _MIGRATOR_RECORD_H_INCLUDED_


#include "../src/daemon/shardd_store.h"
#include "phases.h"


#define MIGRATOR_ID_SIZE     17
#define MIGRATOR_FIELDS_MAX  64


/* texts of numbers live in "text", other values point into the state */

typedef struct {
    size_t          n;
    shardd_field_t  fields[MIGRATOR_FIELDS_MAX];
    char            text[MIGRATOR_FIELDS_MAX][24];
} migrator_fields_t;


void migrator_record_fields(const migrator_state_t *state,
    migrator_fields_t *out);
void migrator_record_add(migrator_fields_t *out, const char *name,
    const char *value);

/* SHARD_ERROR and "err" (SHARD_ERR_SIZE) when the hash is damaged */

int migrator_record_read(const shardd_entry_t *entry,
    migrator_state_t *state, char *err);

/* what is under state->seq is replaced; more: fields of the creation */

int migrator_record_put(shardd_store_t *s, const shardd_claim_t *claim,
    migrator_state_t *state, const shardd_field_t *more, size_t nmore);


#endif /* _MIGRATOR_RECORD_H_INCLUDED_ */
