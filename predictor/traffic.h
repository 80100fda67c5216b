
/*
 * Who asks for which shard: requests, writes and bytes of each shard by the
 * zone of the router that took them, for policies to which distance matters.
 *
 *   "routers" ──zone──▶ router ──┐
 *   metrics entry ───────────────┴▶ sums, fading ──▶ rates
 *                                     │     ▲
 *                                     ▼ hourly
 *                                   "traffic"
 *
 * What was asked half a day ago counts half: a day's round is in it.  Routers
 * in more than PREDICTOR_TERMS_CLIENTS zones: those of the last ones are left
 * out.  Nothing is kept while no policy needs it.
 */


#ifndef _PREDICTOR_TRAFFIC_H_INCLUDED_
#define _PREDICTOR_TRAFFIC_H_INCLUDED_


#include "../src/core/shard_metrics.h"
#include "io.h"
#include "terms.h"


#define PREDICTOR_TRAFFIC_ROUTERS  1024


typedef struct {
    char                 name[SHARD_NAME_SIZE];
    uint32_t             zone;
} predictor_traffic_router_t;

typedef struct {
    uint32_t             nzones;
    char                 zone[PREDICTOR_TERMS_CLIENTS][SHARD_NAME_SIZE];
    uint32_t             nrouters;
    predictor_traffic_router_t  *routers;       /* sorted by name */

    uint32_t             ncols;         /* shard ids below it */
    predictor_asked_t   *sums;          /* ncols x PREDICTOR_TERMS_CLIENTS */
    double               seconds;       /* that they are of, fading too */
    long                 hour;          /* saved in */
} predictor_traffic_t;


void predictor_traffic_done(predictor_traffic_t *t);

/* keeps track of shards below ncols from now on, or (0) of none; SHARDD_BAD
 * without memory */

int predictor_traffic_room(predictor_traffic_t *t, uint32_t ncols);

/* the "routers" hash: who is where */

int predictor_traffic_routers(predictor_traffic_t *t,
    const shardd_entry_t *routers);

/* an entry that was not counted before */

void predictor_traffic_count(predictor_traffic_t *t,
    const shard_metrics_entry_t *e);

/* a slot has passed */

void predictor_traffic_slot(predictor_traffic_t *t, double slot_s);

/* per second, of a shard by zone; zeroes of one that is not known */

void predictor_traffic_rates(const predictor_traffic_t *t, shard_id_t id,
    predictor_asked_t out[PREDICTOR_TERMS_CLIENTS]);

/* what is known, hourly, and back; SHARDD_OK also when there is nothing */

int predictor_traffic_save(predictor_traffic_t *t, const predictor_io_t *io,
    double now_s);
int predictor_traffic_load(predictor_traffic_t *t, const predictor_io_t *io);


#endif /* _PREDICTOR_TRAFFIC_H_INCLUDED_ */
