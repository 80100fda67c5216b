
/*
 * The loop: requests go when the schedule says so, answers are booked, late
 * ones given up.  The same loop runs the closed modes, --calibrate and
 * --verify, where an answer brings the next request.
 */


#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "shardload.h"


#define SHARDLOAD_SCAN_US     100000      /* between looks for late answers */
#define SHARDLOAD_IN_CHECK    16          /* reads of --verify at once */
#define SHARDLOAD_ROUNDS      20          /* of --verify, 0.5 s apart */


static shardload_request_t *shardload_request(shardload_t *load,
    shardload_key_t *key, shardload_op_e op);
static void shardload_start(shardload_t *load, uint32_t shard, uint64_t due_us,
    uint32_t step);
static void shardload_go_on(shardload_t *load, shardload_request_t *request);
static void shardload_due(shardload_t *load, uint64_t now);
static void shardload_timer(int timer, uint64_t at_us);
static void shardload_progress(shardload_t *load, uint64_t now);
static void shardload_wait_start(shardload_t *load);


static volatile sig_atomic_t  shardload_stop;


/* no more requests; what is under way is waited for, and verified */

void
shardload_on_signal(int signo)
{
    (void) signo;
    shardload_stop = 1;
}


uint64_t
shardload_now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


static uint64_t
shardload_epoch_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_REALTIME, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


void
shardload_note(shardload_t *load, const char *fmt, ...)
{
    int      n;
    char    *p;
    va_list  args;

    if (load->nnotes == SHARDLOAD_NOTES) {
        return;
    }

    p = load->note[load->nnotes++];
    n = snprintf(p, SHARDLOAD_NOTE, "%.3f s: ",
                 (double) (shardload_now_us() - load->begin_us) / 1e6);

    va_start(args, fmt);
    vsnprintf(p + n, (size_t) (SHARDLOAD_NOTE - n), fmt, args);
    va_end(args);
}


static shardload_request_t *
shardload_request(shardload_t *load, shardload_key_t *key, shardload_op_e op)
{
    shardload_request_t  *request;

    request = load->free;

    if (request) {
        load->free = request->next;

    } else {
        request = malloc(sizeof(*request));
        if (request == NULL) {
            fputs("shardload: out of memory\n", stderr);
            exit(1);
        }
    }

    memset(request, 0, sizeof(*request));
    request->key = key;
    request->op = op;
    load->outstanding++;

    return request;
}


static void
shardload_start(shardload_t *load, uint32_t shard, uint64_t due_us,
    uint32_t step)
{
    uint32_t              dice;
    shardload_op_e        op;
    shardload_key_t      *key;
    shardload_request_t  *request;

    dice = (uint32_t) (shardload_random(load) % 100);
    op = dice < load->conf.mix[SHARDLOAD_READ] ? SHARDLOAD_READ
         : dice < load->conf.mix[SHARDLOAD_READ] + load->conf.mix[SHARDLOAD_WRITE]
         ? SHARDLOAD_WRITE : SHARDLOAD_APPEND;

    key = shardload_ledger_key(load, shard, op);
    request = shardload_request(load, key, op);
    request->due_us = due_us;
    request->step = step;

    load->offered++;
    load->ops[op]++;
    load->steps[step].offered[shard]++;

    if (shardload_ledger_begin(load, request)) {
        shardload_pool_send(load, request);
    }
}


static void
shardload_book(shardload_t *load, shardload_request_t *request,
    const shardload_answer_t *answer, int good)
{
    uint64_t                us;
    shardload_step_t       *step;
    static const char      *method[] = { "GET", "PUT", "POST" };

    step = &load->steps[request->step];

    if (answer->status) {
        load->status[answer->status]++;

    } else if (strncmp(answer->why, "timeout", 7) == 0) {
        load->timeouts++;

    } else {
        load->closed++;
    }

    if (answer->node >= 0) {
        step->node[answer->node]++;
    }

    if (!good) {
        load->failed++;
        step->failed++;
        shardload_note(load, "%s %s shard %u: %d %s (node %s)",
                       method[request->op], request->key->name,
                       request->key->shard, answer->status,
                       answer->why ? answer->why : "",
                       answer->node >= 0 ? load->node[answer->node] : "-");
        return;
    }

    us = shardload_now_us() - request->due_us;
    load->completed++;
    step->completed++;
    shardload_hist_add(&load->all, us);
    shardload_hist_add(step->hist, us);
    shardload_hist_add(&load->second, us);

    if (answer->held_ms > 0) {
        shardload_hist_add(&load->held, (uint64_t) answer->held_ms * 1000);
    }
}


void
shardload_done(shardload_t *load, shardload_request_t *request,
    const shardload_answer_t *answer)
{
    int                   good;
    shardload_request_t  *next;

    next = NULL;

    if (request->op == SHARDLOAD_CHECK_KEY) {
        shardload_check_key(load, request->key, answer);

    } else if (request->op == SHARDLOAD_CHECK_QUEUE) {
        shardload_check_queue(load, request->key, answer);

    } else {
        good = shardload_ledger_end(load, request, answer, &next);
        shardload_book(load, request, answer, good);
    }

    request->next = load->free;
    load->free = request;
    load->outstanding--;

    if (next && shardload_ledger_begin(load, next)) {
        shardload_go_on(load, next);
    }
}


/* a request whose key is free now: not when all should have ended long ago */

static void
shardload_go_on(shardload_t *load, shardload_request_t *request)
{
    shardload_answer_t  answer;

    if (shardload_now_us() < load->end_us + 2 * load->conf.timeout_us) {
        shardload_pool_send(load, request);
        return;
    }

    memset(&answer, 0, sizeof(answer));
    answer.node = -1;
    answer.held_ms = -1;
    answer.why = "timeout: its key was never free";
    shardload_done(load, request, &answer);
}


/* what has become due, in order */

static void
shardload_due(shardload_t *load, uint64_t now)
{
    uint64_t             at;
    shardload_arrival_t *arrival;

    while (load->step < load->nsteps) {

        while (load->next_arrival < load->narrivals) {
            arrival = &load->arrivals[load->next_arrival];
            at = load->begin_us + arrival->at_us;

            if (at > now) {
                return;
            }

            load->next_arrival++;
            shardload_start(load, arrival->shard, at, load->step);
        }

        if (load->begin_us + load->steps[load->step].end_us > now) {
            return;
        }

        if (++load->step < load->nsteps) {
            shardload_schedule_step(load);
        }
    }
}


static void
shardload_timer(int timer, uint64_t at_us)
{
    struct itimerspec  spec;

    memset(&spec, 0, sizeof(spec));
    spec.it_value.tv_sec = (time_t) (at_us / 1000000);
    spec.it_value.tv_nsec = (long) (at_us % 1000000) * 1000;
    (void) timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}


static void
shardload_progress(shardload_t *load, uint64_t now)
{
    if (!load->conf.quiet) {
        fprintf(stderr, "%5.0f s  %6llu/s  p99 %8.1f ms  failed %llu  "
                "in flight %u  %5.0f s left\n",
                (double) (now - load->begin_us) / 1e6,
                (unsigned long long) (load->completed
                                      - load->second_completed),
                shardload_hist_ms(&load->second, 0.99),
                (unsigned long long) load->failed, load->outstanding,
                now > load->end_us ? 0. : (double) (load->end_us - now) / 1e6);
    }

    load->second_completed = load->completed;
    memset(&load->second, 0, sizeof(load->second));
}


static void
shardload_wait_start(shardload_t *load)
{
    uint64_t         now;
    struct timespec  ts;

    now = shardload_epoch_ms();

    if (load->conf.start_at_ms > now) {
        now = load->conf.start_at_ms - now;
        ts.tv_sec = (time_t) (now / 1000);
        ts.tv_nsec = (long) (now % 1000) * 1000000;
        nanosleep(&ts, NULL);
    }

    load->begin_us = shardload_now_us();
    load->begin_ms = shardload_epoch_ms();
}


int
shardload_run(shardload_t *load)
{
    int                 timer;
    uint64_t            now, at, scan, second;
    struct epoll_event  ee;

    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK|TFD_CLOEXEC);
    ee.events = EPOLLIN;
    ee.data.ptr = NULL;

    if (timer == -1
        || epoll_ctl(load->pool.epoll, EPOLL_CTL_ADD, timer, &ee) != 0)
    {
        perror("shardload: timer");
        return -1;
    }

    shardload_pool_warm(load);
    shardload_wait_start(load);
    load->end_us = load->begin_us + load->steps[load->nsteps - 1].end_us;
    shardload_schedule_step(load);
    scan = load->begin_us + SHARDLOAD_SCAN_US;
    second = load->begin_us + 1000000;

    for ( ;; ) {
        now = shardload_now_us();

        if (shardload_stop && load->step < load->nsteps) {
            load->step = load->nsteps;
            load->narrivals = 0;
            load->end_us = now;
        }

        shardload_due(load, now);

        if (load->step == load->nsteps && load->outstanding == 0) {
            break;
        }

        if (now >= scan) {
            shardload_pool_expire(load, now);
            scan = now + SHARDLOAD_SCAN_US;
        }

        if (now >= second) {
            shardload_progress(load, now);
            second += 1000000;
        }

        at = scan;

        if (load->next_arrival < load->narrivals
            && load->begin_us + load->arrivals[load->next_arrival].at_us < at)
        {
            at = load->begin_us + load->arrivals[load->next_arrival].at_us;
        }

        shardload_timer(timer, at);
        shardload_pool_events(load, timer, 200);
    }

    close(timer);

    return 0;
}


/* a request in flight for each connection, for conf.seconds */

int
shardload_calibrate(shardload_t *load)
{
    uint32_t  want;
    uint64_t  now, scan, second;

    want = load->conf.connections;
    shardload_wait_start(load);
    load->end_us = load->begin_us + (uint64_t) (load->conf.seconds * 1e6);
    scan = load->begin_us;
    second = load->begin_us + 1000000;

    for ( ;; ) {
        now = shardload_now_us();

        if (now >= load->end_us && load->outstanding == 0) {
            break;
        }

        while (now < load->end_us && load->outstanding < want) {
            shardload_start(load, (uint32_t) (shardload_random(load)
                                              % load->conf.shards), now, 0);
        }

        if (now >= scan) {
            shardload_pool_expire(load, now);
            scan = now + SHARDLOAD_SCAN_US;
        }

        if (now >= second) {
            shardload_progress(load, now);
            second += 1000000;
        }

        shardload_pool_events(load, -1, 100);
    }

    return 0;
}


/* keys that cannot be read yet are tried again in the next round */

int
shardload_verify(shardload_t *load)
{
    size_t                i, left;
    uint32_t              round;
    shardload_key_t      *key;
    shardload_request_t  *request;

    for (i = 0, left = 0; i < load->nledger; i++) {
        load->ledger[i]->busy = load->ledger[i]->sent > 0;
        left += load->ledger[i]->busy;
    }

    for (round = 0; left && round < SHARDLOAD_ROUNDS; round++) {

        if (round) {
            usleep(500000);
        }

        for (i = 0; i < load->nledger || load->outstanding; /* void */) {

            while (i < load->nledger
                   && load->outstanding < SHARDLOAD_IN_CHECK)
            {
                key = load->ledger[i++];
                if (!key->busy) {
                    continue;
                }

                request = shardload_request(load, key, key->queue
                              ? SHARDLOAD_CHECK_QUEUE : SHARDLOAD_CHECK_KEY);
                request->due_us = shardload_now_us();
                shardload_pool_send(load, request);
            }

            if (load->outstanding) {
                shardload_pool_events(load, -1, 100);
                shardload_pool_expire(load, shardload_now_us());
            }
        }

        for (i = 0, left = 0; i < load->nledger; i++) {
            left += load->ledger[i]->busy;
        }
    }

    load->unverified = left;

    for (i = 0; i < load->nledger; i++) {
        if (load->ledger[i]->busy) {
            shardload_note(load, "%s shard %u: cannot be read back",
                           load->ledger[i]->name, load->ledger[i]->shard);
        }
    }

    return 0;
}
