
/*
 * Threads that work a list off.
 *
 *     start(work, data, items) ─▶ │ 7 │ 3 │ 9 │ ... │ ─▶ thread 0 ─▶ work(7)
 *                                   next ──┘          ─▶ thread 1 ─▶ work(3)
 *     wait(ms) ◀── 1 when all are done, 0 when the time is over
 *
 * Which thread takes an item is chance, so work() may use nothing but the
 * item and what belongs to its thread: then what comes out is the same for
 * any number of threads.  One list at a time; start(), wait() and cancel()
 * belong to one thread, and between a wait() that said 1 and the next
 * start() no other thread runs.
 *
 * Linear algebra is told to use one thread for each call, where it can be
 * told so: the lists are what is done in parallel.
 */


#ifndef _PREDICTOR_POOL_H_INCLUDED_
#define _PREDICTOR_POOL_H_INCLUDED_


#include <stdint.h>


#define PREDICTOR_THREADS_MAX  64


typedef void (*predictor_pool_pt)(void *data, uint32_t item,
    uint32_t thread);

typedef struct predictor_pool_s  predictor_pool_t;


/* cores this process may run on, at most PREDICTOR_THREADS_MAX */

uint32_t predictor_pool_cores(void);

/* threads 0: as many as cores; NULL without memory or threads */

predictor_pool_t *predictor_pool_create(uint32_t threads);

/* what is not begun is left out, what runs is waited for */

void predictor_pool_destroy(predictor_pool_t *pool);

uint32_t predictor_pool_threads(const predictor_pool_t *pool);

/* items[n] stay in place until they are done; no list may be under way */

void predictor_pool_start(predictor_pool_t *pool, predictor_pool_pt work,
    void *data, const uint32_t *items, uint32_t n);

/* ms < 0: however long it takes; 1 also when there was nothing to do */

int predictor_pool_wait(predictor_pool_t *pool, long ms);

/* leaves out what is not begun and waits for what runs */

void predictor_pool_cancel(predictor_pool_t *pool);


#endif /* _PREDICTOR_POOL_H_INCLUDED_ */
