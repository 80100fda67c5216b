
/*
 * The fleet as the planner sees it: table, overrides, migrations and
 * decisions of the store, and the forecasts, in the planner's arrays.
 *
 *   table ───────────▶ nodes, shards ──┐
 *   override ────────▶ fixed           │
 *   migrations ──┬───▶ in flight       ├──▶ predictor_plan_t
 *   decisions ───┘    resting          │
 *          ├─────────▶ splits and merges, where they failed
 *          └─────────▶ durations, budget
 *   outlook, history ▶ now, mean, q ───┘
 */


#ifndef _PREDICTOR_FLEET_H_INCLUDED_
#define _PREDICTOR_FLEET_H_INCLUDED_


#include "conf.h"
#include "duration.h"
#include "io.h"
#include "outlook.h"
#include "plan.h"
#include "series.h"


typedef struct {
    shardd_table_t      table;
    predictor_plan_t    plan;           /* arrays in the table's order */
    uint32_t            ncols;          /* highest forecast shard id + 1 */
    uint32_t           *by_id;          /* number in the table by id */
    shard_id_t         *ids;            /* in the table's order */
    uint32_t            waiting;        /* decisions nobody has picked up */
    uint32_t            cuts;           /* splits and merges in flight */
    predictor_duration_t  duration;     /* of moves */
    predictor_budget_t  budget;
    void               *budget_memory;
    uint32_t            nzones;
    char              (*zones)[SHARD_NAME_SIZE];    /* in order of nodes */

    float              *now;
    float              *mean;
    float              *quantile;
    float              *place;          /* policy.h; NULL: no matter */
} predictor_fleet_t;


/* reads the store; on SHARDD_OK the old contents are replaced, else kept */

int predictor_fleet_load(predictor_fleet_t *f, const predictor_io_t *io,
    const predictor_conf_t *conf);
void predictor_fleet_done(predictor_fleet_t *f);

/* takes the forecasts of all shards over, and "base", the share of a node's
 * capacity that is used without any shard; SHARDD_OK, SHARDD_BAD no memory */

int predictor_fleet_outlook(predictor_fleet_t *f,
    const predictor_outlook_t *o, const predictor_history_t *h,
    const predictor_conf_t *conf, double base, double now_s);

/* each shard's durations, by its bytes; one of unknown size is taken for what
 * most moves were of */

void predictor_fleet_durations(predictor_fleet_t *f);

/* of a move as it was planned */

double predictor_fleet_move_s(const predictor_fleet_t *f,
    const predictor_plan_move_t *move);

/* text of a field, which may be NULL */

shard_str_t predictor_fleet_text(const char *text);

/* the predictor's clock of a configuration */

void predictor_fleet_clock(const predictor_conf_t *conf,
    predictor_clock_t *clock);


#endif /* _PREDICTOR_FLEET_H_INCLUDED_ */
