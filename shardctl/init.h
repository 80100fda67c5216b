
/* The parts of "shardctl init": what shards hold, who the nodes are, who owns
 * what. */


#ifndef _SHARDCTL_INIT_H_INCLUDED_
#define _SHARDCTL_INIT_H_INCLUDED_


#include "shardctl.h"


#define INIT_NODES_MAX   4096
#define INIT_SHARDS_MAX  1000000


typedef struct {
    size_t         n;
    size_t         size;
    shard_node_t  *nodes;
} init_nodes_t;


/* what shard i holds; of numbers, names and units only the kind's are there */

typedef struct {
    shard_kind_e    kind;
    size_t          nshards;
    uint64_t       *numbers;      /* where shards 1, 2, ... begin */
    shard_bytes_t  *names;
    char          **units;        /* as JSON has them between [ and ] */
    uint8_t        *nunits;
} init_kind_t;


int init_kind_options(shardctl_t *ctl, init_kind_t *k);
void init_kind_fill(const init_kind_t *k, size_t i, shard_record_t *rec);
void init_kind_free(init_kind_t *k);

int init_list(shardctl_t *ctl, init_kind_t *k);

/* %xx is a byte, any other byte stands for itself; 1 to 64 bytes */

int init_name(shard_str_t text, shard_bytes_t *name);

/* one node of checked fields; "where" begins the message about a bad one */

int init_node_add(shardctl_t *ctl, init_nodes_t *nodes,
    const shard_node_t *node, const char *where);

int init_nodes_yaml(shardctl_t *ctl, const char *path, init_nodes_t *nodes);
int init_node_spec(shardctl_t *ctl, const char *spec, init_nodes_t *nodes);

/* owner[i] = index of shard i's node */

int init_placement_file(shardctl_t *ctl, const char *path,
    const init_nodes_t *nodes, size_t nshards, uint32_t *owner);

int init_placement_ring(shardctl_t *ctl, const init_nodes_t *nodes,
    size_t nshards, uint32_t *owner);

/* tells each node which shards it owns at "epoch", by the HTTP contract */

int init_roles(shardctl_t *ctl, const init_nodes_t *nodes, size_t nshards,
    const uint32_t *owner, uint32_t epoch);


#endif /* _SHARDCTL_INIT_H_INCLUDED_ */
