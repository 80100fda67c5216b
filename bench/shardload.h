
/*
 * shardload: an open-loop load generator that keeps its own account of
 * every write and checks it afterwards.
 *
 *   schedule ──▶ arrivals ──▶ request ──▶ pool of connections ──▶ router
 *   rate of each shard         key of its    keep-alive, one         │
 *   in each step               shard         request at a time       ▼
 *                                ▲                                answer
 *                                └──── ledger: sent, acknowledged ◀──┤
 *                                              counts, latencies ◀───┘
 *
 * Latency counts from the moment the schedule wanted the request, not from
 * the moment it was sent: a stalled server cannot hide behind a waiting
 * client.  One thread, one epoll; times are us of the monotonic clock.
 */


#ifndef _SHARDLOAD_H_INCLUDED_
#define _SHARDLOAD_H_INCLUDED_


#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>

#include "shard_key.h"


#define SHARDLOAD_NODES      64           /* names seen in X-Shard-Node */
#define SHARDLOAD_HIST       1024         /* buckets of a latency histogram */
#define SHARDLOAD_NOTES      20           /* failures described in full */
#define SHARDLOAD_NOTE       200
#define SHARDLOAD_NAME       32           /* a key with its zero */
#define SHARDLOAD_BODY_MAX   (64 * 1024 * 1024)


typedef enum {
    SHARDLOAD_READ = 0,
    SHARDLOAD_WRITE,
    SHARDLOAD_APPEND,
    SHARDLOAD_CHECK_KEY,                  /* reads of --verify */
    SHARDLOAD_CHECK_QUEUE
} shardload_op_e;


/* log-linear: 32 buckets in each doubling, so within 3 % */

typedef struct {
    uint64_t  count;
    uint64_t  max_us;
    uint32_t  bucket[SHARDLOAD_HIST];
} shardload_hist_t;


typedef struct shardload_key_s      shardload_key_t;
typedef struct shardload_request_s  shardload_request_t;
typedef struct shardload_conn_s     shardload_conn_t;
typedef struct shardload_s          shardload_t;


/*
 * The ledger's line of one key.  Writes to a key go one after the other; its
 * n-th value is "KEY:n", the n-th entry of its queue likewise.  A write that
 * was not answered well may be done or not, now or later: the key is retired
 * and another takes its place, so that sent <= acked + 1 always holds.
 */

struct shardload_key_s {
    char                  name[SHARDLOAD_NAME];
    uint32_t              shard;
    uint32_t              sent;           /* number of the last write */
    uint32_t              acked;          /* of the last one acknowledged */
    shardload_request_t  *first;          /* wait for the one in flight */
    shardload_request_t  *last;
    unsigned              busy:1;
    unsigned              queue:1;
    unsigned              retired:1;
};


struct shardload_request_s {
    shardload_request_t  *next;
    shardload_key_t      *key;
    shardload_op_e        op;
    uint32_t              n;              /* of the write */
    uint32_t              acked;          /* key's, when a read was sent */
    uint32_t              seen;           /* key's sent, likewise */
    uint32_t              step;
    uint32_t              tries;
    uint64_t              due_us;
    uint64_t              sent_us;
};


typedef struct {
    int          status;                  /* 0: none came */
    const char  *why;                     /* when none came */
    const char  *body;
    size_t       len;
    int          node;                    /* in load->node, -1 unknown */
    long         held_ms;                 /* -1 unknown */
} shardload_answer_t;


typedef struct {
    uint64_t           start_us;          /* from the run's beginning */
    uint64_t           end_us;
    double            *rate;              /* requests/s of each shard */
    uint32_t          *offered;           /* counts of each shard */
    uint32_t           completed;
    uint32_t           failed;
    uint32_t           node[SHARDLOAD_NODES];
    shardload_hist_t  *hist;
} shardload_step_t;


typedef struct {
    uint64_t  at_us;
    uint32_t  shard;
} shardload_arrival_t;


typedef struct {
    struct sockaddr_in   addr;
    char                 host[64];
    int                  epoll;
    uint32_t             max;             /* connections at most */
    uint32_t             open;
    shardload_conn_t    *conns;           /* max of them */
    shardload_conn_t    *idle;            /* oldest first */
    shardload_conn_t    *idle_last;
    shardload_conn_t    *unused;
    shardload_request_t *first;           /* wait for a connection */
    shardload_request_t *last;
} shardload_pool_t;


typedef struct {
    const char  *url;
    const char  *key_header;
    const char  *schedule;
    const char  *report;
    const char  *series;
    const char  *prefix;                  /* of all keys */
    double       rate;
    double       seconds;
    uint32_t     shards;
    uint32_t     mix[3];                  /* per cent of each operation */
    uint32_t     connections;
    uint32_t     keys;                    /* of each shard */
    uint32_t     queues;
    uint64_t     seed;
    uint64_t     timeout_us;
    uint64_t     start_at_ms;             /* since 1970, 0: at once */
    int          poisson;
    int          verify;
    int          calibrate;
    int          resend;
    int          quiet;
    int          json;
} shardload_conf_t;


struct shardload_s {
    shardload_conf_t      conf;
    shardload_pool_t      pool;
    uint64_t              random;

    uint32_t              nsteps;
    shardload_step_t     *steps;
    double               *need;           /* of each shard: load until the
                                             next arrival */
    shardload_arrival_t  *arrivals;       /* of the current step */
    size_t                narrivals;
    size_t                arrivals_room;
    size_t                next_arrival;
    uint32_t              step;

    uint64_t              begin_us;       /* monotonic */
    uint64_t              begin_ms;       /* since 1970 */
    uint64_t              end_us;
    uint32_t              outstanding;

    /* keys[shard * per_shard + i]: first conf.keys, then conf.queues */
    shardload_key_t     **keys;
    uint32_t              per_shard;
    shardload_key_t     **ledger;         /* all keys ever, retired too */
    size_t                nledger;
    size_t                ledger_room;
    uint64_t              key_number;

    shardload_request_t  *free;

    uint64_t              offered;
    uint64_t              completed;
    uint64_t              failed;
    uint64_t              timeouts;
    uint64_t              closed;         /* no answer, connection ended */
    uint64_t              status[600];
    uint64_t              ops[3];
    uint64_t              resent;
    uint64_t              stale_reads;
    uint64_t              acked_writes;
    uint64_t              acked_appends;
    uint64_t              lost;
    uint64_t              reordered;
    uint64_t              unverified;     /* could not be read back */
    shardload_hist_t      all;
    shardload_hist_t      held;
    shardload_hist_t      second;         /* of the progress line */
    uint64_t              second_completed;

    char                  node[SHARDLOAD_NODES][64];
    uint32_t              nnodes;
    char                  note[SHARDLOAD_NOTES][SHARDLOAD_NOTE];
    uint32_t              nnotes;
};


/* shardload_options.c: 0, or -1 after telling why, or 1 to end well */

int shardload_options(shardload_conf_t *conf, int argc, char **argv);


/* shardload_schedule.c */

int shardload_schedule_load(shardload_t *load);
int shardload_schedule_constant(shardload_t *load);

/* arrivals of load->step, sorted by time */

void shardload_schedule_step(shardload_t *load);

uint64_t shardload_random(shardload_t *load);

/* 0 <= x < 1 */

double shardload_uniform(shardload_t *load);


/* shardload_ledger.c */

int shardload_ledger_init(shardload_t *load);
shardload_key_t *shardload_ledger_key(shardload_t *load, uint32_t shard,
    shardload_op_e op);

/* takes the request's number; 0 when it has to wait for its key */

int shardload_ledger_begin(shardload_t *load, shardload_request_t *request);

/* notes the answer; 1 when it was good; *next is a request now free to go */

int shardload_ledger_end(shardload_t *load, shardload_request_t *request,
    const shardload_answer_t *answer, shardload_request_t **next);


/* shardload_pool.c */

int shardload_pool_init(shardload_t *load);
void shardload_pool_warm(shardload_t *load);
void shardload_pool_send(shardload_t *load, shardload_request_t *request);
void shardload_pool_events(shardload_t *load, int timer, int wait_ms);
void shardload_pool_expire(shardload_t *load, uint64_t now_us);


/* shardload_answer.c: 1 whole, 0 more to come, -1 not HTTP as we know it */

typedef struct {
    char        *data;                    /* headers and body as they came */
    size_t       len;
    size_t       room;
    size_t       body;                    /* where it starts, 0: not yet */
    size_t       length;                  /* of the body */
    size_t       scanned;                 /* chunks: parsed up to here */
    int          status;
    int          node;
    long         held_ms;
    unsigned     chunked:1;
    unsigned     close:1;
    unsigned     sized:1;
} shardload_reply_t;

void shardload_reply_reset(shardload_reply_t *reply);
int shardload_reply_parse(shardload_t *load, shardload_reply_t *reply);


/* shardload_run.c */

int shardload_run(shardload_t *load);
void shardload_on_signal(int signo);
int shardload_calibrate(shardload_t *load);
int shardload_verify(shardload_t *load);
void shardload_done(shardload_t *load, shardload_request_t *request,
    const shardload_answer_t *answer);
uint64_t shardload_now_us(void);
void shardload_note(shardload_t *load, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));


/* shardload_check.c: the answers of --verify */

void shardload_check_key(shardload_t *load, shardload_key_t *key,
    const shardload_answer_t *answer);
void shardload_check_queue(shardload_t *load, shardload_key_t *key,
    const shardload_answer_t *answer);


/* shardload_report.c */

void shardload_hist_add(shardload_hist_t *hist, uint64_t us);
double shardload_hist_ms(const shardload_hist_t *hist, double quantile);
int shardload_report(shardload_t *load);
int shardload_series(shardload_t *load);


#endif /* _SHARDLOAD_H_INCLUDED_ */
