
/*
 * The drivers: "http" speaks docs/backend-contract.md, "none" moves no data
 * and only asks whether a node serves.
 */


#ifndef _MIGRATOR_DRIVER_HTTP_H_INCLUDED_
#define _MIGRATOR_DRIVER_HTTP_H_INCLUDED_


#include "http.h"


typedef struct {
    migrator_http_t   http;
    const char       *health_uri;       /* of stateless nodes */
} migrator_nodes_t;


extern const migrator_driver_t  migrator_driver_http;
extern const migrator_driver_t  migrator_driver_none;


#endif /* _MIGRATOR_DRIVER_HTTP_H_INCLUDED_ */
