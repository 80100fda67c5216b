
/*
 * Client groups of shards: the largest ones have a series of their own, the
 * others of such a shard share one, named "" here.
 *
 *   entry's clients ──▶ pairs (shard, group): decayed weight
 *                          │ the largest K of a shard, once an hour
 *                          ▼
 *                       names.h ──▶ models ──▶ forecasts ──sum──┐
 *                                                               ▼ better on
 *   shard's own forecast ─────────────────────────────────▶ errors of both,
 *                                                          by lead
 *
 * A shard of which all groups are followed still has the rest: what routers
 * could not tell apart.  Memory is from the heap; no clock, no I/O.
 */


#ifndef _PREDICTOR_CLIENTS_H_INCLUDED_
#define _PREDICTOR_CLIENTS_H_INCLUDED_


#include "names.h"
#include "outlook.h"


#define PREDICTOR_CLIENTS_MAX   16          /* of one shard */
#define PREDICTOR_CLIENTS_LEADS 3


typedef struct {
    shard_id_t  shard;
    uint32_t    next;
    double      count;                      /* since the last close */
    double      weight;                     /* per slot, decayed */
    char        name[PREDICTOR_NAMED_SIZE]; /* "" place is free */
} predictor_pair_t;

/* what forecasts of a shard as one and as a sum were worth */

typedef struct {
    shard_id_t  id;
    uint32_t    n;                          /* series, the rest's is last */
    uint32_t    number[PREDICTOR_CLIENTS_MAX + 1];
    double      own[PREDICTOR_CLIENTS_LEADS];   /* mean absolute errors */
    double      sum[PREDICTOR_CLIENTS_LEADS];
    uint32_t    seen[PREDICTOR_CLIENTS_LEADS];
    float      *said[PREDICTOR_CLIENTS_LEADS];  /* rings of own, sum */
    unsigned    used:1;                     /* the sum, at some lead */
} predictor_clients_shard_t;

typedef struct {
    predictor_names_t          *names;
    uint32_t                    limit;      /* of a shard */
    uint32_t                    max;        /* pairs */
    uint32_t                    used;
    predictor_pair_t           *pairs;
    uint32_t                   *buckets;
    long                        chosen;     /* slot, -1 */

    uint32_t                    lead[PREDICTOR_CLIENTS_LEADS];
    uint32_t                    nshards;
    predictor_clients_shard_t  *shards;     /* by id */
} predictor_clients_t;


/* "series" of names may be taken for clients, at most "limit" of a shard */

predictor_clients_t *predictor_clients_create(predictor_names_t *names,
    uint32_t limit, uint32_t horizon, long res_s);
void predictor_clients_destroy(predictor_clients_t *c);

/* an entry that counted, "share" of which lies in the slot */

void predictor_clients_count(predictor_clients_t *c,
    const shard_metrics_entry_t *e, long slot, double share);

/* requests per second of the rest of each shard that has series, into the
 * row of named series; "requests" by shard id */

void predictor_clients_rest(predictor_clients_t *c, const float *requests,
    uint32_t ncols, float *row);

/*
 * The slot is closed: what was said of it is held against "load" (by shard
 * id, NaN unknown), weights decay, and now and then the largest are chosen.
 * Numbers that changed hands are in changed[] (room for all names), their
 * number is returned.
 */

uint32_t predictor_clients_close(predictor_clients_t *c, long slot,
    const float *load, uint32_t ncols, uint32_t *changed);

/* the shards' series as names.h has them, after it was read from the store */

void predictor_clients_restore(predictor_clients_t *c);

/*
 * After a forecast: sums are noted, and put in place of the shard's own
 * where they were better.  The unit of load may be another one than
 * requests: per_request(data, id, step) is the load of one.
 */

typedef double (*predictor_clients_unit_pt)(void *data, shard_id_t id,
    uint32_t step);

void predictor_clients_sum(predictor_clients_t *c, predictor_outlook_t *o,
    uint32_t base, long last, predictor_clients_unit_pt per_request,
    void *data);

/* NULL: the shard has no series of clients */

const predictor_clients_shard_t *predictor_clients_of(
    const predictor_clients_t *c, shard_id_t id);


#endif /* _PREDICTOR_CLIENTS_H_INCLUDED_ */
