
/*
 * Figures of the predictor in Prometheus' text format; off unless "metrics"
 * names an address.
 */


#ifndef _PREDICTOR_EXPOSE_H_INCLUDED_
#define _PREDICTOR_EXPOSE_H_INCLUDED_


#include "../src/daemon/shardd_expose.h"
#include "daemon.h"


/* a text of now, to be freed; NULL without memory */

char *predictor_expose_text(const predictor_daemon_t *d);


#endif /* _PREDICTOR_EXPOSE_H_INCLUDED_ */
