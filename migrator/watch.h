
/*
 * Probes of source and target while a copy runs, by a thread of their own:
 * the copy's is busy with its bytes, and would measure itself.
 *
 *   copy's thread                        watch's thread
 *     on() ──────────────────────────────▶ GET stats of source, target, ...
 *     take(): latencies ◀── ring ◀─────────┘   each INTERVAL
 *     off() ─────────────────────────────▶ sleeps
 */


#ifndef _MIGRATOR_WATCH_H_INCLUDED_
#define _MIGRATOR_WATCH_H_INCLUDED_


#include <pthread.h>

#include "http.h"


#define MIGRATOR_WATCH_RING  32


typedef struct {
    int       node;                     /* 0: source, 1: target */
    uint32_t  us;
} migrator_latency_t;

typedef struct migrator_watch_s {
    pthread_t           thread;
    pthread_mutex_t     mutex;
    pthread_cond_t      cond;
    unsigned            started;
    unsigned            active;
    unsigned            stop;
    shard_node_t        nodes[2];
    shard_id_t          shard;
    uint32_t            n;              /* latencies not taken yet */
    migrator_latency_t  ring[MIGRATOR_WATCH_RING];
    migrator_http_t     http;           /* the thread's own */
} migrator_watch_t;


/* 0, or -1: no thread or memory, and nothing is watched */

int migrator_watch_on(migrator_watch_t *w, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard);
void migrator_watch_off(migrator_watch_t *w);

/* of a call of stats that was answered: how long it took, and what the node
 * says that writes wait ("write_us"), which no read can tell */

uint32_t migrator_watch_us(migrator_http_t *h);

/* what was measured since; at most MIGRATOR_WATCH_RING */

uint32_t migrator_watch_take(migrator_watch_t *w, migrator_latency_t *out);
void migrator_watch_close(migrator_watch_t *w);


#endif /* _MIGRATOR_WATCH_H_INCLUDED_ */
