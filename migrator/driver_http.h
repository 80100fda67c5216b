
/*
 * "http" speaks docs/backend-contract.md, "none" moves no data and only asks
 * whether a node serves.
 */


#ifndef _MIGRATOR_DRIVER_HTTP_H_INCLUDED_
#define _MIGRATOR_DRIVER_HTTP_H_INCLUDED_


#include "conf.h"
#include "http.h"


typedef struct {
    migrator_http_t   http;
    const char       *health_uri;       /* of stateless nodes */
} migrator_nodes_t;


int migrator_http_open(const migrator_conf_t *conf, void **data, char *err);
void migrator_http_shut(void *data);


extern const migrator_driver_t  migrator_driver_http;
extern const migrator_driver_t  migrator_driver_none;


#endif /* _MIGRATOR_DRIVER_HTTP_H_INCLUDED_ */
