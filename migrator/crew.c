
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "crew.h"


#define MIGRATOR_EXPOSE_MS  1000


static void *migrator_worker(void *data);
static void migrator_worker_run(migrator_worker_t *w);


/* two processes must never be the same holder, whatever they are named */

void
migrator_crew_init(migrator_crew_t *crew, const migrator_conf_t *conf)
{
    memset(crew, 0, sizeof(migrator_crew_t));

    crew->conf = conf;
    migrator_figures_init(&crew->figures);
    snprintf(crew->holder, sizeof(crew->holder), "%.40s.%d.%x", conf->name,
             (int) getpid(), (unsigned) (shardd_now_ms() & 0xffffff));
}


static migrator_worker_t *
migrator_worker_new(migrator_crew_t *crew, const migrator_state_t *state)
{
    migrator_worker_t  *w;

    if (crew->n == MIGRATOR_CREW_MAX) {
        return NULL;
    }

    w = calloc(1, sizeof(migrator_worker_t));
    if (w == NULL) {
        return NULL;
    }

    w->shard = state->shard;
    w->into = migrator_at_target(state);
    w->conf = crew->conf;
    w->io = migrator_store_io;
    w->io.data = &w->store;
    w->store.holder = crew->holder;
    w->store.figures = &crew->figures;
    w->store.phase = (unsigned) state->phase;

    w->m.io = &w->io;
    w->m.driver = migrator_driver_of(crew->conf, state->strategy);
    w->m.policy = &crew->conf->policy;
    w->m.state = *state;

    return w;
}


static int
migrator_worker_start(migrator_crew_t *crew, migrator_worker_t *w)
{
    int  rc;

    rc = pthread_create(&w->thread, NULL, migrator_worker, w);

    if (rc != 0) {
        shardd_log(SHARDD_LOG_ERROR, "pthread_create(): %s", strerror(rc));
        free(w);
        return -1;
    }

    crew->workers[crew->n++] = w;

    return 0;
}


migrator_keeper_t *
migrator_crew_keep(const migrator_crew_t *crew)
{
    migrator_keep_conf_t    keep;
    const migrator_conf_t  *conf;

    conf = crew->conf;
    keep = conf->keep;
    keep.batch = conf->policy.batch;
    keep.request_timeout_ms = conf->policy.request_timeout_ms;
    keep.copy_timeout_ms = conf->policy.timeout_ms[MIGRATOR_COPY];
    keep.claim_ttl_ms = conf->policy.claim_ttl_ms;

    return migrator_keeper_start(&keep, conf, crew->holder);
}


void
migrator_crew_expose(migrator_crew_t *crew)
{
    uint32_t  i, phase, running[MIGRATOR_PHASES];
    uint64_t  now_ms;

    now_ms = shardd_monotonic_ms();

    if (crew->expose == NULL
        || now_ms - crew->exposed_ms < MIGRATOR_EXPOSE_MS)
    {
        return;
    }

    crew->exposed_ms = now_ms;
    memset(running, 0, sizeof(running));

    for (i = 0; i < crew->n; i++) {
        phase = __atomic_load_n(&crew->workers[i]->store.phase,
                                __ATOMIC_RELAXED);

        if (crew->workers[i]->request[0] == '\0' && phase < MIGRATOR_PHASES) {
            running[phase]++;
        }
    }

    shardd_expose_put(crew->expose,
                      migrator_figures_text(&crew->figures,
                                            crew->conf->keyspace, running));
}


int
migrator_crew_start(migrator_crew_t *crew, const migrator_state_t *state,
    uint64_t token)
{
    migrator_worker_t  *w;

    w = migrator_worker_new(crew, state);
    if (w == NULL) {
        return -1;
    }

    w->m.token = token;

    return migrator_worker_start(crew, w);
}


int
migrator_crew_check(migrator_crew_t *crew, const migrator_state_t *state,
    const char *request)
{
    migrator_worker_t  *w;

    w = migrator_worker_new(crew, state);
    if (w == NULL) {
        return -1;
    }

    /* it is in nobody's way */

    w->shard = MIGRATOR_CREW_NONE;
    w->into = MIGRATOR_CREW_NONE;
    w->m.dry = 1;
    snprintf(w->request, sizeof(w->request), "%s", request);

    return migrator_worker_start(crew, w);
}


static void *
migrator_worker(void *data)
{
    migrator_worker_t  *w = data;

    migrator_worker_run(w);
    __atomic_store_n(&w->done, 1, __ATOMIC_RELEASE);

    return NULL;
}


/* a store that does not answer now may do so later: the machine retries */

static void
migrator_worker_run(migrator_worker_t *w)
{
    int   rc;
    char  err[MIGRATOR_ERR_SIZE];

    migrator_store_begin(&w->store);

    rc = shardd_store_open(&w->store.store, &w->conf->redis,
                           w->conf->keyspace);

    if (rc != SHARDD_OK && rc != SHARDD_DOWN) {
        shardd_log(SHARDD_LOG_ERROR, "shard=%u %s",
                   (unsigned) w->m.state.shard, w->store.store.err);

    } else if (w->m.driver->open(w->conf, &w->m.driver_data, err) != 0) {
        shardd_log(SHARDD_LOG_ERROR, "shard=%u driver %s: %s",
                   (unsigned) w->m.state.shard, w->m.driver->name, err);

    } else {

        if (w->m.driver->bind) {
            w->m.driver->bind(w->m.driver_data, w->m.state.id);
        }

        if (w->m.dry) {
            migrator_check_answer(w);
        } else {
            (void) migrator_run(&w->m);
        }

        w->m.driver->close(w->m.driver_data);
    }

    shardd_store_close(&w->store.store);
}


int
migrator_crew_has(const migrator_crew_t *crew, shard_id_t shard)
{
    uint32_t  i;

    for (i = 0; i < crew->n; i++) {
        if (crew->workers[i]->shard == shard
            || crew->workers[i]->into == shard)
        {
            return 1;
        }
    }

    return 0;
}


/* all of this process are one holder: claims do not tell them apart */

int
migrator_crew_busy(const migrator_crew_t *crew,
    const migrator_state_t *state)
{
    return migrator_crew_has(crew, state->shard)
           || migrator_crew_has(crew, migrator_at_target(state));
}


uint32_t
migrator_crew_reap(migrator_crew_t *crew)
{
    uint32_t            i;
    migrator_worker_t  *w;

    i = 0;

    while (i < crew->n) {
        w = crew->workers[i];

        if (!__atomic_load_n(&w->done, __ATOMIC_ACQUIRE)) {
            i++;
            continue;
        }

        pthread_join(w->thread, NULL);
        free(w);
        crew->workers[i] = crew->workers[--crew->n];
    }

    return crew->n;
}
