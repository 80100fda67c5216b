
/*
 * "http" speaks docs/backend-contract.md, "none" moves no data and only asks
 * whether a node serves.
 */


#ifndef _MIGRATOR_DRIVER_HTTP_H_INCLUDED_
#define _MIGRATOR_DRIVER_HTTP_H_INCLUDED_


#include "conf.h"
#include "http.h"
#include "watch.h"


typedef struct {
    migrator_http_t   http;
    migrator_watch_t  watch;            /* of copies by parts */
    const char       *health_uri;       /* of stateless nodes */
} migrator_nodes_t;


int migrator_http_open(const migrator_conf_t *conf, void **data, char *err);
void migrator_http_shut(void *data);


/* driver_http_part.c */

int migrator_http_copy_part(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, unsigned part,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *bytes);


extern const migrator_driver_t  migrator_driver_http;
extern const migrator_driver_t  migrator_driver_none;


#endif /* _MIGRATOR_DRIVER_HTTP_H_INCLUDED_ */
