
/*
 * Of a list: which shard has the unit at a position, by the whole table, so
 * that the default shard has those that nobody names.
 *
 *   table ──▶ units, sorted by position ──owner──▶ parts of distributions
 *
 * Memory is from the heap; no clock, no I/O.
 */


#ifndef _PREDICTOR_SPREAD_UNITS_H_INCLUDED_
#define _PREDICTOR_SPREAD_UNITS_H_INCLUDED_


#include "../src/core/shard_spread.h"
#include "../src/daemon/shardd_store.h"


typedef struct {
    uint64_t           position;
    shard_id_t         id;
} predictor_unit_t;

typedef struct {
    uint32_t           n;
    predictor_unit_t  *units;
    shard_id_t         others;          /* the default shard */
    unsigned           list:1;          /* the table is one */
} predictor_units_t;


/* SHARD_ERROR without memory; of another kind there are none */

int predictor_units_init(predictor_units_t *u, const shardd_table_t *table);
void predictor_units_done(predictor_units_t *u);

shard_id_t predictor_units_owner(const predictor_units_t *u,
    uint64_t position);

/* of "s" what is the shard's is left */

void predictor_units_pick(const predictor_units_t *u, shard_id_t id,
    shard_spread_t *s);


#endif /* _PREDICTOR_SPREAD_UNITS_H_INCLUDED_ */
