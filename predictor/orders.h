
/*
 * What operators, predictors and migrators have in hand: overrides, decisions
 * and migrations of the store, read once for fleet.c and once for
 * watch_fleet.c.
 */


#ifndef _PREDICTOR_ORDERS_H_INCLUDED_
#define _PREDICTOR_ORDERS_H_INCLUDED_


#include "io.h"


typedef struct {
    shardd_entry_t    overrides;        /* verbs by shard */
    shardd_entries_t  decisions;        /* the newest first */
    shardd_entries_t  migrations;
} predictor_orders_t;


/* "recent" decisions and migrations; to be freed in any case; shardd_rc_e */

int predictor_orders_load(predictor_orders_t *o, const predictor_io_t *io,
    size_t recent);
void predictor_orders_free(predictor_orders_t *o);

/* 1: the override is one, and in force */

int predictor_orders_holds(const shardd_field_t *override, uint64_t now_ms);

/* 1: a migrator has made a migration of the decision */

int predictor_orders_taken(const predictor_orders_t *o, const char *id);


#endif /* _PREDICTOR_ORDERS_H_INCLUDED_ */
