
/*
 * What plans heed beside the load: field "plan" of meta.policy,
 * docs/redis-keys.md "Policy":
 *
 *     {"plan":{"weights":{"latency":2,"move_gb":5},
 *              "labels":{"n1":["ssd"],"db-*":["ssd","big"]},
 *              "require":{"*":["ssd"],"42":["big"],"100-199":["zone:z1"]},
 *              "replicas":"zones","strong_within":20,
 *              "node_cost":{"*":1,"n1":2.5}}}
 *
 * Nodes are named, or by what their names begin with; shards by id, as a
 * range of ids, or all.  All that fits counts for labels and needs; for a
 * node's cost its own name, else the longest beginning.  A node has the label
 * "zone:" with its zone's name of itself.
 *
 * Decoding is strict, also of unknown fields inside "plan".  Names stay where
 * they are in the text, and its tokens in the work: what was decoded is good
 * as long as both are.
 */


#ifndef _SHARD_TERMS_H_INCLUDED_
#define _SHARD_TERMS_H_INCLUDED_


#include "shard_policy.h"


#define SHARD_LABELS_MAX     64
#define SHARD_WEIGHT_MAX     1e9
#define SHARD_TERMS_ANYWHERE 0xffffffff     /* strong_within */


/* violation-seconds ... */

typedef enum {
    SHARD_TERM_LATENCY = 0,     /* per million requests and unit of distance */
    SHARD_TERM_BANDWIDTH,       /* per GB between zones */
    SHARD_TERM_NODE,            /* per unit of node cost */
    SHARD_TERM_SPREAD,          /* a second, per standard deviation of 1 */
    SHARD_TERM_MOVE,            /* per move */
    SHARD_TERM_MOVE_GB,         /* per GB copied */
    SHARD_TERM_MOVE_HOUR,       /* per hour that it lasts */
    SHARD_TERM_HOLD,            /* per thousand requests held */
    SHARD_TERMS
} shard_term_e;

typedef struct {
    double        weight[SHARD_TERMS];
    uint32_t      strong_within;
    unsigned      replicas;             /* 0: distinct nodes, 1: zones too */
    uint8_t       given;                /* the policy has the field */
    uint16_t      nlabels;
    shard_str_t   label[SHARD_LABELS_MAX];

    /* tokens of objects, 0: none */
    int           labels;
    int           require;
    int           node_cost;
} shard_terms_t;

/* shards [first, last] must be on nodes with these labels */

typedef void (*shard_terms_require_pt)(void *data, shard_id_t first,
    shard_id_t last, uint64_t labels);


/* no terms at all */

void shard_terms_init(shard_terms_t *terms);

/* of a whole policy; empty text is shard_terms_init()'s */

int shard_terms_decode(shard_str_t policy, shard_policy_work_t *work,
    shard_terms_t *out, char *err);

/* their names, in this order, NULL at the end */

const char *const *shard_terms_words(void);

/* bits of the labels that a node has; what its use costs an hour, 1 when
 * nothing says so */

uint64_t shard_terms_labels(const shard_terms_t *terms,
    const shard_policy_work_t *work, const char *node, const char *zone);
double shard_terms_node_cost(const shard_terms_t *terms,
    const shard_policy_work_t *work, const char *node);

/* each() for each line of "require" */

void shard_terms_required(const shard_terms_t *terms,
    const shard_policy_work_t *work, shard_terms_require_pt each, void *data);


#endif /* _SHARD_TERMS_H_INCLUDED_ */
