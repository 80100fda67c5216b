
/*
 * The daemon's eye on dead nodes: every half second, beside everything else.
 *
 *   routers, nodes ──▶ dead ──▶ log, "dead" of the predictor's hash
 *                        │
 *   table, overrides, migrations, decisions, peaks of the last forecast
 *                        ▼
 *        predictor_failure_t ──▶ decisions "promote" and "replicate"
 *
 * What failed is tried again, ever more slowly while nothing comes of it.
 */


#ifndef _PREDICTOR_WATCH_H_INCLUDED_
#define _PREDICTOR_WATCH_H_INCLUDED_


#include "conf.h"
#include "failure.h"
#include "io.h"


typedef struct {
    char                 name[SHARD_NAME_SIZE];
    uint32_t             votes;
    uint64_t             since_ms;      /* the first router's word, or ours */
    unsigned             down:1;        /* says the table */
} predictor_dead_t;

typedef struct {
    uint64_t             looked_ms;
    uint64_t             again_ms;      /* plan anew for the dead there are */
    long                 pause_ms;
    uint32_t             live;          /* routers */
    uint32_t             ndead;
    predictor_dead_t    *dead;
    float               *peak;          /* predicted, by shard id */
    uint32_t             npeak;
    char                 said[256];     /* what cannot be done */
} predictor_watch_t;

/* the fleet as the choice needs it; arrays in the table's order */

typedef struct {
    shardd_table_t       table;
    predictor_failure_t  f;
    uint32_t             rebuilding;    /* replicas, already */
    uint64_t             now_ms;
} predictor_watch_fleet_t;


void predictor_watch_done(predictor_watch_t *w);

/* watch_dead.c: who is dead now; *changed: others than before */

int predictor_watch_look(predictor_watch_t *w, const predictor_io_t *io,
    const predictor_conf_t *conf, int *changed);
const predictor_dead_t *predictor_watch_find(const predictor_watch_t *w,
    const char *name);

/* watch_fleet.c */

int predictor_watch_load(predictor_watch_fleet_t *fleet,
    const predictor_watch_t *w, const predictor_io_t *io,
    const predictor_conf_t *conf);
void predictor_watch_free(predictor_watch_fleet_t *fleet);


#endif /* _PREDICTOR_WATCH_H_INCLUDED_ */
