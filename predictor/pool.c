
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "pool.h"


typedef struct {
    predictor_pool_t   *pool;
    uint32_t            number;
    pthread_t           id;
} predictor_pool_thread_t;

struct predictor_pool_s {
    pthread_mutex_t           lock;
    pthread_cond_t            work;     /* there are items, or the end */
    pthread_cond_t            done;     /* nothing is under way any more */

    /* of the list, under the lock */
    predictor_pool_pt         call;
    void                     *data;
    const uint32_t           *items;
    uint32_t                  n;
    uint32_t                  next;
    uint32_t                  running;
    unsigned                  ending:1;

    uint32_t                  nthreads;
    predictor_pool_thread_t   threads[PREDICTOR_THREADS_MAX];
};


static int predictor_pool_spawn(predictor_pool_t *pool, uint32_t threads);
static void *predictor_pool_run(void *arg);


uint32_t
predictor_pool_cores(void)
{
    int        n;
    cpu_set_t  set;

    if (sched_getaffinity(0, sizeof(set), &set) != 0) {
        return 1;
    }

    n = CPU_COUNT(&set);

    return n > PREDICTOR_THREADS_MAX ? PREDICTOR_THREADS_MAX
                                     : n > 0 ? (uint32_t) n : 1;
}


/* OpenBLAS would start threads of its own in each of ours; other libraries
 * of the same symbols have no such call, and no such threads */

static void
predictor_pool_blas(void)
{
    void  *symbol;
    void (*set)(int);

    symbol = dlsym(RTLD_DEFAULT, "openblas_set_num_threads");

    if (symbol) {
        *(void **) &set = symbol;
        set(1);
    }
}


predictor_pool_t *
predictor_pool_create(uint32_t threads)
{
    pthread_condattr_t   attr;
    predictor_pool_t    *pool;

    threads = threads ? threads : predictor_pool_cores();
    threads = threads > PREDICTOR_THREADS_MAX ? PREDICTOR_THREADS_MAX
                                              : threads;
    pool = calloc(1, sizeof(predictor_pool_t));

    if (pool == NULL) {
        return NULL;
    }

    predictor_pool_blas();

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, &attr);
    pthread_condattr_destroy(&attr);

    if (predictor_pool_spawn(pool, threads) != 0) {
        predictor_pool_destroy(pool);
        return NULL;
    }

    return pool;
}


/* signals are for the thread that pauses; fewer threads than asked for do as
 * well, none does not */

static int
predictor_pool_spawn(predictor_pool_t *pool, uint32_t threads)
{
    uint32_t                  i;
    sigset_t                  all, old;
    predictor_pool_thread_t  *t;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);

    for (i = 0; i < threads; i++) {
        t = &pool->threads[i];
        t->pool = pool;
        t->number = i;

        if (pthread_create(&t->id, NULL, predictor_pool_run, t) != 0) {
            break;
        }

        pool->nthreads++;
    }

    pthread_sigmask(SIG_SETMASK, &old, NULL);

    return pool->nthreads ? 0 : -1;
}


void
predictor_pool_destroy(predictor_pool_t *pool)
{
    uint32_t  i;

    if (pool == NULL) {
        return;
    }

    predictor_pool_cancel(pool);

    pthread_mutex_lock(&pool->lock);
    pool->ending = 1;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);

    for (i = 0; i < pool->nthreads; i++) {
        pthread_join(pool->threads[i].id, NULL);
    }

    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}


uint32_t
predictor_pool_threads(const predictor_pool_t *pool)
{
    return pool->nthreads;
}


static void *
predictor_pool_run(void *arg)
{
    uint32_t                  item;
    predictor_pool_t         *pool;
    predictor_pool_thread_t  *t = arg;

    pool = t->pool;
    pthread_mutex_lock(&pool->lock);

    for ( ;; ) {

        while (pool->next == pool->n && !pool->ending) {
            pthread_cond_wait(&pool->work, &pool->lock);
        }

        if (pool->ending) {
            break;
        }

        item = pool->items[pool->next++];
        pool->running++;
        pthread_mutex_unlock(&pool->lock);

        pool->call(pool->data, item, t->number);

        pthread_mutex_lock(&pool->lock);
        pool->running--;

        if (pool->running == 0 && pool->next == pool->n) {
            pthread_cond_signal(&pool->done);
        }
    }

    pthread_mutex_unlock(&pool->lock);

    return NULL;
}


void
predictor_pool_start(predictor_pool_t *pool, predictor_pool_pt work,
    void *data, const uint32_t *items, uint32_t n)
{
    pthread_mutex_lock(&pool->lock);

    pool->call = work;
    pool->data = data;
    pool->items = items;
    pool->n = n;
    pool->next = 0;
    pthread_cond_broadcast(&pool->work);

    pthread_mutex_unlock(&pool->lock);
}


int
predictor_pool_wait(predictor_pool_t *pool, long ms)
{
    int              rc, done;
    struct timespec  until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;

    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }

    rc = 0;
    pthread_mutex_lock(&pool->lock);

    while (rc == 0 && (pool->running || pool->next < pool->n)) {
        rc = ms < 0 ? pthread_cond_wait(&pool->done, &pool->lock)
                    : pthread_cond_timedwait(&pool->done, &pool->lock,
                                             &until);
    }

    done = pool->running == 0 && pool->next == pool->n;
    pthread_mutex_unlock(&pool->lock);

    return done;
}


void
predictor_pool_cancel(predictor_pool_t *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->next = pool->n;
    pthread_mutex_unlock(&pool->lock);

    (void) predictor_pool_wait(pool, -1);
}
