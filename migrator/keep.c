
/*
 * The threads that keep standbys level: one that knows the store, and a few
 * that talk to nodes.  Without the store they go on with the last table:
 * a standby that follows is worth most when things fail.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "driver.h"
#include "keep.h"


#define LOOK_MS      200                /* for another table */
#define PUBLISH_MS   500
#define COPIES_SEEN  16
#define WORKERS_MAX  16


typedef struct {
    migrator_keeper_t      *keeper;
    pthread_t               thread;
    void                   *driver_data;
    migrator_kept_t        *kept;       /* in its hands */
} migrator_keep_worker_t;

struct migrator_keeper_s {
    migrator_keep_conf_t    conf;
    const migrator_conf_t  *all;        /* of the process */
    const char             *holder;
    const migrator_driver_t *driver;

    pthread_mutex_t         mutex;      /* of the list and the workers */
    pthread_cond_t          wake;
    migrator_keep_list_t    list;

    pthread_t               manager;
    shardd_store_t          store;      /* the manager's, as all below */
    migrator_keep_claims_t  claims;
    uint64_t                claimed_ms;
    uint64_t                published_ms;
    uint64_t                version;
    uint32_t                blocks;     /* that the list is of */
    uint32_t                copy_next;

    int                     stop;       /* atomic */
    long                    nworkers;
    migrator_keep_worker_t  workers[WORKERS_MAX];
};


static void *migrator_keep_manage(void *data);
static void *migrator_keep_work(void *data);


static int
migrator_keep_stopping(migrator_keeper_t *k)
{
    return __atomic_load_n(&k->stop, __ATOMIC_ACQUIRE);
}


/* as many as there are means for: one is enough */

static void
migrator_keep_hire(migrator_keeper_t *k)
{
    char                     err[MIGRATOR_ERR_SIZE];
    migrator_keep_worker_t  *w;

    while (k->nworkers < k->conf.workers && k->nworkers < WORKERS_MAX) {
        w = &k->workers[k->nworkers];
        w->keeper = k;

        if (k->driver->open(k->all, &w->driver_data, err) != 0) {
            shardd_log(SHARDD_LOG_ERROR, "standbys: driver %s: %s",
                       k->driver->name, err);
            return;
        }

        if (pthread_create(&w->thread, NULL, migrator_keep_work, w) != 0) {
            shardd_log(SHARDD_LOG_ERROR, "standbys: no more threads");
            k->driver->close(w->driver_data);
            return;
        }

        k->nworkers++;
    }
}


/* a driver with names of each migration's own has its stores do it */

migrator_keeper_t *
migrator_keeper_start(const migrator_keep_conf_t *keep,
    const migrator_conf_t *conf, const char *holder)
{
    pthread_condattr_t        attr;
    migrator_keeper_t        *k;
    const migrator_driver_t  *driver;

    driver = migrator_driver_of(conf, SHARD_LOG_SHIPPING);

    if (keep->workers == 0 || driver->bind) {
        return NULL;
    }

    k = calloc(1, sizeof(migrator_keeper_t));

    if (k == NULL) {
        return NULL;
    }

    k->conf = *keep;
    k->list.conf = &k->conf;
    k->all = conf;
    k->holder = holder;
    k->driver = driver;

    pthread_mutex_init(&k->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &attr);
    pthread_condattr_destroy(&attr);

    if (pthread_create(&k->manager, NULL, migrator_keep_manage, k) != 0) {
        shardd_log(SHARDD_LOG_ERROR, "standbys: no threads");
        free(k);
        return NULL;
    }

    migrator_keep_hire(k);

    return k;
}


void
migrator_keeper_stop(migrator_keeper_t *k)
{
    long  i;

    if (k == NULL) {
        return;
    }

    __atomic_store_n(&k->stop, 1, __ATOMIC_RELEASE);

    pthread_mutex_lock(&k->mutex);
    pthread_cond_broadcast(&k->wake);
    pthread_mutex_unlock(&k->mutex);

    for (i = 0; i < k->nworkers; i++) {
        pthread_join(k->workers[i].thread, NULL);
        k->driver->close(k->workers[i].driver_data);
    }

    pthread_join(k->manager, NULL);

    migrator_keep_free(&k->list);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->mutex);
    free(k);
}


/* under the mutex */

static void
migrator_keep_pause(migrator_keeper_t *k, long ms)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += (ms % 1000 + 1) * 1000000;
    ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;

    (void) pthread_cond_timedwait(&k->wake, &k->mutex, &ts);
}


/* a copy ends early with the process, and when the table is another one */

static int
migrator_keep_tick(void *data)
{
    int                      ends;
    migrator_keep_worker_t  *w = data;

    pthread_mutex_lock(&w->keeper->mutex);
    ends = w->kept->gone || !w->kept->granted;
    pthread_mutex_unlock(&w->keeper->mutex);

    return ends || migrator_keep_stopping(w->keeper);
}


static void
migrator_keep_say(const migrator_keep_job_t *job, migrator_keep_e before)
{
    int  level;

    if (job->copy && job->err[0] == '\0') {
        shardd_log(SHARDD_LOG_INFO, "shard=%u standby %s copied from %s, "
                   "bytes=%llu position=%llu", (unsigned) job->shard,
                   job->standby.name, job->primary.name,
                   (unsigned long long) job->bytes,
                   (unsigned long long) job->position);
    }

    if (job->state == before || before == MIGRATOR_KEEP_NEW) {
        return;
    }

    level = job->state == MIGRATOR_KEEP_COPY ? SHARDD_LOG_INFO
                                             : SHARDD_LOG_DEBUG;

    shardd_log(level, "shard=%u standby %s is %s%s%s",
               (unsigned) job->shard, job->standby.name,
               migrator_keep_name(job->state), job->err[0] ? ": " : "",
               job->err);
}


static void *
migrator_keep_work(void *data)
{
    long                     wait_ms;
    migrator_keep_e          before;
    migrator_keeper_t       *k;
    migrator_keep_job_t      job;
    migrator_keep_worker_t  *w = data;

    k = w->keeper;
    pthread_mutex_lock(&k->mutex);

    while (!migrator_keep_stopping(k)) {
        w->kept = migrator_keep_take(&k->list, shardd_monotonic_ms(), &job,
                                     &wait_ms);

        if (w->kept == NULL) {
            migrator_keep_pause(k, wait_ms);
            continue;
        }

        before = job.state;
        pthread_mutex_unlock(&k->mutex);

        migrator_keep_round(k->driver, w->driver_data, &k->conf, &job,
                            shardd_now_ms(), migrator_keep_tick, w);
        migrator_keep_say(&job, before);

        pthread_mutex_lock(&k->mutex);
        migrator_keep_done(&k->list, w->kept, &job, shardd_monotonic_ms());
    }

    pthread_mutex_unlock(&k->mutex);

    return NULL;
}


/* the manager */

/* another share of the blocks: what others knew of them is recalled */

static void
migrator_keep_table(migrator_keeper_t *k)
{
    int              rc, more;
    uint64_t         version;
    shardd_table_t   table;

    if (shardd_version(&k->store, &version) != SHARDD_OK
        || (version == k->version && k->claims.blocks == k->blocks))
    {
        return;
    }

    if (shardd_table_load(&k->store, &table) != SHARDD_OK) {
        return;
    }

    more = (k->claims.blocks & ~k->blocks) != 0;

    pthread_mutex_lock(&k->mutex);
    rc = migrator_keep_update(&k->list, &table, k->claims.blocks,
                              shardd_monotonic_ms());
    pthread_mutex_unlock(&k->mutex);

    if (rc == 0) {
        k->version = table.version;
        k->blocks = k->claims.blocks;

        if (more) {
            migrator_keep_recall(&k->list, &k->store, &k->mutex);
        }

        pthread_mutex_lock(&k->mutex);
        pthread_cond_broadcast(&k->wake);
        pthread_mutex_unlock(&k->mutex);
    }

    shardd_table_free(&table);
}


/* a shard that a migration has in hands gets no snapshot beside its own */

static void
migrator_keep_copies(migrator_keeper_t *k)
{
    uint32_t          i, n, at, first;
    migrator_kept_t  *seen[COPIES_SEEN];

    n = 0;
    pthread_mutex_lock(&k->mutex);
    first = k->copy_next;

    for (i = 0; k->list.copying < k->conf.copies && i < k->list.n
         && n < COPIES_SEEN; i++)
    {
        at = (first + i) % k->list.n;

        if (k->list.kept[at]->state == MIGRATOR_KEEP_COPY
            && !k->list.kept[at]->granted && !k->list.kept[at]->busy)
        {
            seen[n++] = k->list.kept[at];
            k->copy_next = at + 1;
        }
    }

    pthread_mutex_unlock(&k->mutex);

    /* the list is changed by this thread alone: they are all there */

    for (i = 0; i < n; i++) {
        if (migrator_keep_unclaimed(&k->store, seen[i]->shard)) {
            pthread_mutex_lock(&k->mutex);
            migrator_keep_grant(&k->list, seen[i], shardd_monotonic_ms());
            pthread_mutex_unlock(&k->mutex);
        }
    }
}


static void *
migrator_keep_manage(void *data)
{
    uint64_t            now;
    migrator_keeper_t  *k = data;

    (void) shardd_store_open(&k->store, &k->all->redis,
                             k->all->keyspace);

    while (!migrator_keep_stopping(k)) {
        now = shardd_monotonic_ms();

        if (k->claimed_ms == 0
            || now - k->claimed_ms >= (uint64_t) k->conf.claim_ttl_ms / 3)
        {
            k->claimed_ms = now;
            (void) migrator_keep_claim(&k->claims, &k->store, k->holder,
                                       k->conf.claim_ttl_ms);
        }

        migrator_keep_table(k);
        migrator_keep_copies(k);

        if (k->blocks && now - k->published_ms >= PUBLISH_MS) {
            k->published_ms = now;
            (void) migrator_keep_publish(&k->list, &k->store, k->blocks,
                                         shardd_now_ms(), &k->mutex);
        }

        pthread_mutex_lock(&k->mutex);

        if (!migrator_keep_stopping(k)) {
            migrator_keep_pause(k, LOOK_MS);
        }

        pthread_mutex_unlock(&k->mutex);
    }

    if (k->blocks) {
        (void) migrator_keep_publish(&k->list, &k->store, k->blocks,
                                     shardd_now_ms(), &k->mutex);
    }

    migrator_keep_leave(&k->claims, &k->store, k->holder);
    shardd_store_close(&k->store);

    return NULL;
}
