
/*
 * Series that are no shard's, by name: figures of nodes, requests of client
 * groups.  Each has a column behind those of the shards, in the history and
 * in the outlook, and so the same models, refits and forecasts.
 *
 *   history, outlook   | shard 0 | shard 1 | ... spare | named 0 | named 1 |
 *                                                       ▲
 *   series  (Redis)     NUMBER → {"of":"node","owner":"n1","name":"cpu",...}
 *   rows:series:RES:SLOT:BLOCK       float32 at NUMBER, as the shards' rows
 *
 * A number that is given to another series has a new "since": what its rows
 * hold before that slot was the old one's, and counts as unknown.
 *
 * Values of slots that are open are sums here: of a client's requests, or of
 * a node's figure times the ms it held.  Memory is from the heap; no clock,
 * no I/O.
 */


#ifndef _PREDICTOR_NAMES_H_INCLUDED_
#define _PREDICTOR_NAMES_H_INCLUDED_


#include "../src/core/shard_types.h"
#include "series.h"


#define PREDICTOR_NAMED_NONE   0xffffffff
#define PREDICTOR_NAMED_SIZE   64          /* of its name, with the zero */
#define PREDICTOR_NAMED_ROWS   "series"


typedef enum {
    PREDICTOR_NAMED_FREE = 0,
    PREDICTOR_NAMED_NODE,
    PREDICTOR_NAMED_CLIENT
} predictor_named_e;

extern const char *const predictor_named_words[];   /* ends with NULL */

typedef struct {
    predictor_named_e  of;
    char               owner[SHARD_NAME_SIZE];  /* node, or shard's id */
    char               name[PREDICTOR_NAMED_SIZE];
    long               since;                   /* slot */
    uint32_t           next;                    /* of its hash */
    unsigned           unsaved:1;
} predictor_named_t;

typedef struct {
    long               slot;
    float             *sum;         /* NULL: nothing yet */
    float             *ms;
} predictor_named_slot_t;

typedef struct {
    uint32_t                max;
    uint32_t                used;
    uint32_t                free;       /* none below it is free */
    predictor_named_t      *series;
    uint32_t               *buckets;    /* max of them */
    predictor_named_slot_t  open[PREDICTOR_SLOTS_OPEN];
} predictor_names_t;


predictor_names_t *predictor_names_create(uint32_t max);
void predictor_names_destroy(predictor_names_t *n);

/* PREDICTOR_NAMED_NONE when it is not there */

uint32_t predictor_names_find(const predictor_names_t *n,
    predictor_named_e of, const char *owner, const char *name);

/* a number for it, NONE when all are in use; it must not be there */

uint32_t predictor_names_take(predictor_names_t *n, predictor_named_e of,
    const char *owner, const char *name, long since);

/* as read from the store: that number; SHARD_ERROR: it is in use, or no name */

int predictor_names_put(predictor_names_t *n, uint32_t number,
    predictor_named_e of, const char *owner, const char *name, long since);

void predictor_names_drop(predictor_names_t *n, uint32_t number);

/* to a slot that is open: a part of its requests, or a figure times "ms";
 * without memory nothing is added */

void predictor_names_add(predictor_names_t *n, long slot, uint32_t number,
    double sum, double ms);

/* the slot's values, max of them: a client's are per second when "seconds"
 * of it were covered by routers (0: unknown), a node's are known when half of
 * length_ms was */

void predictor_names_row(const predictor_names_t *n, long slot,
    double length_ms, double seconds, float *row);

/* the slot is done with */

void predictor_names_close(predictor_names_t *n, long slot);


#endif /* _PREDICTOR_NAMES_H_INCLUDED_ */
