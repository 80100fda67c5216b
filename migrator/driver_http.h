
/*
 * "http" speaks docs/backend-contract.md, "none" moves no data and only asks
 * whether a node serves.
 */


#ifndef _MIGRATOR_DRIVER_HTTP_H_INCLUDED_
#define _MIGRATOR_DRIVER_HTTP_H_INCLUDED_


#include <jansson.h>

#include "conf.h"
#include "http.h"
#include "watch.h"


typedef struct {
    migrator_http_t   http;
    migrator_watch_t  watch;            /* of copies by parts */
    const char       *health_uri;       /* of stateless nodes */
    unsigned          cuts:1;           /* "cut" says of what */
    migrator_cut_t    cut;
    char              range[SHARD_RANGE_TEXT];
} migrator_nodes_t;


int migrator_http_open(const migrator_conf_t *conf, void **data, char *err);
void migrator_http_shut(void *data);


/* the answer of "x" is not what it should be: MIGRATOR_DOWN, h->err */

int migrator_http_bad(migrator_http_t *h, const migrator_exchange_t *x,
    const char *what);


/* driver_http_digest.c */

int migrator_http_digest(void *data, const shard_node_t *node,
    shard_id_t shard, const uint64_t *at, const migrator_limit_t *limit,
    migrator_digest_t *digest);
int migrator_http_digests(void *data, const shard_node_t *const node[2],
    const shard_id_t shard[2], uint64_t at, const migrator_limit_t *limit,
    migrator_digest_t digest[2]);


/* driver_http_part.c */

int migrator_http_copy_part(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, unsigned part,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *bytes);


/* driver_http_cut.c: paths of a part, and what only splits and merges call */

#define MIGRATOR_PATH_SIZE  (256 + SHARD_RANGE_TEXT)

/* of copy and ship, source's and target's, "from" being a log's position or
 * NULL */

void migrator_http_paths(migrator_nodes_t *nodes, shard_id_t shard,
    const uint64_t *from, uint64_t limit, char *source, char *target);

/* the same limit, with the epoch that an import needs */

const migrator_limit_t *migrator_http_sender(const migrator_nodes_t *nodes,
    const migrator_limit_t *limit, migrator_limit_t *buf);

/* 1: of a split the new one, which has the range and nothing else */

int migrator_http_child(const migrator_nodes_t *nodes, shard_id_t shard);

/* "&RANGE" and "" where all of the shard is meant */

const char *migrator_http_range(const migrator_nodes_t *nodes, char *buf);

int migrator_json_uint(const json_t *object, const char *name,
    uint64_t *value);

extern const migrator_cuts_t    migrator_http_cuts;
extern const migrator_driver_t  migrator_driver_http;
extern const migrator_driver_t  migrator_driver_none;


#endif /* _MIGRATOR_DRIVER_HTTP_H_INCLUDED_ */
