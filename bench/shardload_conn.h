
/*
 * A connection of the pool, between shardload_pool.c and shardload_conn.c.
 */


#ifndef _SHARDLOAD_CONN_H_INCLUDED_
#define _SHARDLOAD_CONN_H_INCLUDED_


#include "shardload.h"


typedef enum {
    SHARDLOAD_CLOSED = 0,
    SHARDLOAD_CONNECTING,
    SHARDLOAD_IDLE,
    SHARDLOAD_BUSY
} shardload_conn_e;


struct shardload_conn_s {
    shardload_conn_t     *next;
    shardload_conn_t     *prev;
    shardload_request_t  *request;
    shardload_conn_e      state;
    int                   fd;
    uint32_t              answers;       /* it has given */
    uint32_t              out_len;
    uint32_t              out_sent;
    char                  out[768];
    shardload_reply_t     reply;
};


/* NULL when the system has no more sockets */

shardload_conn_t *shardload_conn_open(shardload_t *load);
void shardload_conn_close(shardload_t *load, shardload_conn_t *c);

/* out of the idle ones */

void shardload_conn_unidle(shardload_t *load, shardload_conn_t *c);
void shardload_conn_use(shardload_t *load, shardload_conn_t *c,
    shardload_request_t *request);
void shardload_conn_event(shardload_t *load, shardload_conn_t *c,
    uint32_t events);

/* those that wait for a connection, now that one may be free */

void shardload_pool_next(shardload_t *load);


#endif /* _SHARDLOAD_CONN_H_INCLUDED_ */
