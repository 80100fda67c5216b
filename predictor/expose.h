
/*
 * Figures of the predictor in Prometheus' text format, by HTTP.
 *
 *   steps ──▶ text, once a second ──▶ kept ──▶ GET /metrics, a thread of its
 *                                              own: never waits for a step
 *
 * Off unless "metrics" names an address.  At most PREDICTOR_EXPOSE_CLIENTS at
 * once, idle ones are let go; nothing is read but the request's line.
 */


#ifndef _PREDICTOR_EXPOSE_H_INCLUDED_
#define _PREDICTOR_EXPOSE_H_INCLUDED_


#include "daemon.h"


#define PREDICTOR_EXPOSE_CLIENTS  16


typedef struct predictor_expose_s  predictor_expose_t;


/* 1: an address and a port, as 127.0.0.1:9105 or [::1]:9105 */

int predictor_expose_valid(const char *addr);

/* NULL and "err" (SHARDD_ERR_SIZE bytes): no such address, or it is taken */

predictor_expose_t *predictor_expose_start(const char *addr, char *err);
void predictor_expose_stop(predictor_expose_t *e);

/* what is answered from now on; takes "text", NULL changes nothing */

void predictor_expose_put(predictor_expose_t *e, char *text);

/* a text of now, to be freed; NULL without memory */

char *predictor_expose_text(const predictor_daemon_t *d);


#endif /* _PREDICTOR_EXPOSE_H_INCLUDED_ */
