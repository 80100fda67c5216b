
/*
 * Figures in Prometheus' text format, by HTTP, of a program that is at other
 * things.
 *
 *   main loop ──▶ text, once a second ──▶ kept ──▶ GET /metrics, a thread of
 *                                                  its own: never waits
 *
 * At most SHARDD_EXPOSE_CLIENTS at once, idle ones are let go; nothing is
 * read but the request's line.
 */


#ifndef _SHARDD_EXPOSE_H_INCLUDED_
#define _SHARDD_EXPOSE_H_INCLUDED_


#define SHARDD_EXPOSE_CLIENTS  16


typedef struct shardd_expose_s  shardd_expose_t;


/* 1: an address and a port, as 127.0.0.1:9105 or [::1]:9105 */

int shardd_expose_valid(const char *addr);

/* NULL and "err" (SHARDD_ERR_SIZE bytes): no such address, or it is taken */

shardd_expose_t *shardd_expose_start(const char *addr, char *err);
void shardd_expose_stop(shardd_expose_t *e);

/* what is answered from now on; takes "text", NULL changes nothing */

void shardd_expose_put(shardd_expose_t *e, char *text);


#endif /* _SHARDD_EXPOSE_H_INCLUDED_ */
