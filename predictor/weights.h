
/*
 * What the load of a shard is: a weighted sum of its counters, as the policy
 * says (shard_load.h), or learned:
 *
 *   CPU of a node x its capacity = base x capacity + sum over its shards of
 *                                  w . (requests, writes, bytes, latency)
 *
 * by regress.h over all nodes and slots in which no shard of the node moved,
 * the last week counting most.  So a load that fills the capacity is a CPU
 * that is fully used.  Learned weights are used while they explain enough of
 * the CPU's variation; else the load is the requests, and "why" says so.
 *
 * Rows of load are in the unit in force when they were written: "loads" keeps
 * since when which weights were.
 */


#ifndef _PREDICTOR_WEIGHTS_H_INCLUDED_
#define _PREDICTOR_WEIGHTS_H_INCLUDED_


#include "../src/core/shard_load.h"
#include "../src/daemon/shardd_store.h"
#include "regress.h"


#define PREDICTOR_LOADS_MAX    16
#define PREDICTOR_LEARN_FROM   4            /* counters, then the capacity */


typedef struct {
    long                 since;             /* slot */
    double               weight[SHARD_METRICS];
} predictor_loads_t;

typedef struct {
    shard_load_t         policy;
    double               weight[SHARD_METRICS];     /* in force */
    char                 policy_err[SHARD_ERR_SIZE];
    char                 why[160];          /* learned ones are not used */

    uint32_t             nloads;
    predictor_loads_t    loads[PREDICTOR_LOADS_MAX];    /* oldest first */

    predictor_regress_t  regress;
    double               learned[SHARD_METRICS];
    double               base;              /* share of CPU without load */
    double               r2;                /* NaN: nothing was learned */
    long                 adopted;           /* slot, -1: not in use */
} predictor_weights_t;


extern const shard_metric_e predictor_learn_from[PREDICTOR_LEARN_FROM];


void predictor_weights_init(predictor_weights_t *w);

/* fields "loads" and "learned" of the "predictor" hash, of an entry that may
 * hold anything: what is odd in it is as if it were not there */

void predictor_weights_restore(predictor_weights_t *w,
    const shardd_entry_t *saved);

/* the policy's text, NULL: none; 1: other weights are in force from "slot"
 * on.  A policy that cannot be read leaves the last one in force. */

int predictor_weights_choose(predictor_weights_t *w, const char *policy,
    long slot, long day_slots);

/* one node's slot: sums of its shards' counters, its CPU's share */

void predictor_weights_see(predictor_weights_t *w,
    const double counters[PREDICTOR_LEARN_FROM], double capacity, double cpu);

/* a slot has passed: old ones fade, and the weights are solved anew */

void predictor_weights_slot(predictor_weights_t *w, double res_s);

/* bits of the metrics that are needed to make the load, and to learn it */

unsigned predictor_weights_metrics(const predictor_weights_t *w);

/* share of a node's capacity that is used without any load, by what was seen
 * and the weights in force; 0 unless these are learned */

double predictor_weights_base(const predictor_weights_t *w);

/* 1: the load is the requests and nothing else */

int predictor_weights_plain(const double weight[SHARD_METRICS]);

/* those in force at a slot */

const double *predictor_weights_at(const predictor_weights_t *w, long slot);

/* JSON texts to be freed, NULL without memory: for people, and to restore */

char *predictor_weights_json(const predictor_weights_t *w);
char *predictor_weights_loads_json(const predictor_weights_t *w);
char *predictor_weights_learned_json(const predictor_weights_t *w);


#endif /* _PREDICTOR_WEIGHTS_H_INCLUDED_ */
