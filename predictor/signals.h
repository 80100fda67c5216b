
/*
 * What is known of shards and nodes beside one series of load each.
 *
 *   open slots ──close──┬─▶ rows of metrics ─┬─▶ load = weights . metrics ──▶
 *   (series.h)          │   (Redis, 7 d)     ├─▶ ratios (ratio.h)      history
 *   clients.h, nodes.h ─┴─▶ named series ────┼──────────────────────────▶
 *   (names.h)               (Redis)          └─▶ weights learn from CPU
 *
 *   forecasts done ──▶ sums of clients, ratios ahead ──▶ report
 *
 * The daemon calls it at five places: when it loads, for each entry, when a
 * slot is closed, with each step for what nodes say, and after a forecast.
 * All calls but those that return void return shardd_rc_e.
 */


#ifndef _PREDICTOR_SIGNALS_H_INCLUDED_
#define _PREDICTOR_SIGNALS_H_INCLUDED_


#include "clients.h"
#include "fleet.h"
#include "nodes.h"
#include "ratio.h"
#include "weights.h"


#define PREDICTOR_SIGNAL_LEADS  4


typedef enum {
    PREDICTOR_RATIO_WRITES = 0,     /* of requests */
    PREDICTOR_RATIO_BYTES,          /* per request */
    PREDICTOR_RATIO_LATENCY,        /* s per answered request */
    PREDICTOR_RATIO_REQUESTS,       /* per unit of load */
    PREDICTOR_RATIOS
} predictor_ratio_e;

typedef struct {
    const predictor_conf_t  *conf;
    const predictor_io_t    *io;
    long                     res_s;
    uint32_t                 ncols;         /* of shards */
    uint32_t                 base;          /* columns before named ones */
    uint32_t                 horizon;
    unsigned                 stored;        /* metrics that have rows */
    unsigned                 counted;
    uint32_t                 nleads;
    uint32_t                 lead[PREDICTOR_SIGNAL_LEADS];

    float                   *rows[SHARD_METRICS];   /* of the slot closed */
    predictor_ratio_t       *ratios;        /* ncols x PREDICTOR_RATIOS */
    double                  *mean[SHARD_METRICS];   /* by shard, of what was
                                                       read at the start */
    predictor_weights_t      weights;
    predictor_names_t       *names;
    predictor_clients_t     *clients;
    uint32_t                *changed;       /* numbers, room for all names */
    shard_id_t              *ids;           /* shards', then named columns */
    uint32_t                 nids;
    long                     saved;         /* sums were, slot */
    unsigned                 unsaved:1;     /* weights */
    double                   epoch_s;       /* of the last slot learnt */
} predictor_signals_t;


/* "last": the slot before the first one to be closed; SHARDD_BAD: no memory */

int predictor_signals_load(predictor_signals_t **out,
    const predictor_conf_t *conf, const predictor_io_t *io, long res_s,
    uint32_t ncols, uint32_t base, uint32_t horizon, const char *policy,
    long last);
void predictor_signals_done(predictor_signals_t *s);

/* named series' numbers, as they are stored, before history is read */

int predictor_signals_names(predictor_signals_t *s);

/* rows of the load become those of the load as it is now, n slots of ncols
 * from "first" on; those of named series are put behind, from "base"
 * on: "out" has n rows of base + names->max */

int predictor_signals_rows(predictor_signals_t *s, long first, size_t n,
    float *load, float *out);

/* slots of the last days, oldest first: what ratios and means are learnt from
 * at the start, before any row is made; seen[ncols] is zeroed first; "load"
 * is written over */

int predictor_signals_recall(predictor_signals_t *s, long first, size_t n,
    float *load, uint32_t *seen);

/* s->rows of a slot, to ratios */

void predictor_signals_ratios(predictor_signals_t *s, long slot,
    const float *load);

/* what routers counted, and the nodes of the table; 1 from _policy(): load is
 * another one from the next slot on, all must be loaded anew */

void predictor_signals_count(predictor_signals_t *s,
    const predictor_slots_t *slots, const shard_metrics_entry_t *e);
int predictor_signals_policy(predictor_signals_t *s, const char *policy,
    long closed);

/*
 * The oldest open slot: its row of base + names->max is made and, with the
 * metrics', stored; "known" is whether routers covered it.  Only when that
 * is done may anything be learnt from it: predictor_signals_learn().
 */

int predictor_signals_close(predictor_signals_t *s,
    const predictor_slots_t *slots, const predictor_fleet_t *fleet,
    float *row, int *known);
void predictor_signals_learn(predictor_signals_t *s, long slot,
    const predictor_fleet_t *fleet, const float *row, int known,
    predictor_history_t *history, predictor_outlook_t *outlook);

/* columns to be forecast: the table's shards and all named series */

void predictor_signals_ids(predictor_signals_t *s,
    const predictor_fleet_t *fleet);

/* after all were forecast: clients' sums, and nodes' forecasts are stored */

int predictor_signals_forecast(predictor_signals_t *s,
    predictor_outlook_t *outlook, long last);
int predictor_signals_save(predictor_signals_t *s);
int predictor_signals_report(predictor_signals_t *s,
    predictor_nodes_t *nodes, const predictor_outlook_t *outlook, double at);

/* "," and fields of a shard's forecast, at most PREDICTOR_SIGNALS_JSON bytes;
 * returns the end */

#define PREDICTOR_SIGNALS_JSON  2048

char *predictor_signals_json(const predictor_signals_t *s,
    const predictor_outlook_t *outlook, shard_id_t id, char *p);


#endif /* _PREDICTOR_SIGNALS_H_INCLUDED_ */
