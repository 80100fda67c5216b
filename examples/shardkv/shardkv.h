
/*
 * shardkv: a durable key-value and append-queue backend, the reference of
 * docs/backend-contract.md.  libmicrohttpd in front, LMDB below.
 *
 * A request's way:
 *
 *            MHD threads (epoll)                          other threads
 *
 *   bytes ─▶ http.c: access handler
 *              route.c: path, method, headers
 *              upload.c: NDJSON body ── full chunk ─────▶ writer
 *                 │ body complete
 *                 ▼
 *              /_shard/, /health ────────────┐
 *              ordinary: capacity.c slot     │
 *                 │ now      │ later         │
 *                 │          └─ suspended ───│─────────▶ pace.c ─┐
 *                 │        ┌─ resumed ◀──────│───────────────────┤
 *                 ▼        ▼                 ▼                   │ write
 *              read: kv.c, contract.c, stream.c                  │
 *              write, role, hold ─ suspended ──────────▶ writer.c ◀──┤
 *              digest ──────────── suspended ──────────▶ digest.c    │
 *              --store: all ────── suspended ──────────▶ engine.c ◀──┘
 *                                                           │
 *   bytes ◀─ http.c: answer ◀───── resumed ◀────────────────┘
 *
 * There is one writer.  It takes everything that waits, applies it in the
 * order of arrival in one LMDB transaction (apply.c), commits (one fsync),
 * and only then lets the answers go.  Role and epoch are checked inside that
 * transaction, and a change of role goes the same way, so a seal stands
 * after all writes acknowledged before it and before all refused after it.
 *
 * Ownership: a request belongs to the MHD thread of its connection except
 * between shardkv_hand() and shardkv_resume(), when it belongs to the thread
 * it was handed to.
 */


#ifndef _SHARDKV_H_INCLUDED_
#define _SHARDKV_H_INCLUDED_


#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <lmdb.h>
#include <microhttpd.h>

#include "shard_codec.h"
#include "shard_key.h"
#include "shard_range.h"
#include "shard_types.h"

#include "capacity.h"
#include "items.h"
#include "store.h"


#define SHARDKV_ROLE_MAX       4096              /* bytes of a role's JSON */
#define SHARDKV_CHUNK          (256 * 1024)      /* of a snapshot, per txn */
#define SHARDKV_CHUNK_ITEMS    1000              /* where others write, too */
#define SHARDKV_LOG_BODY_MAX   (32 * 1024 * 1024)
#define SHARDKV_LOG_SEND_MAX   (8 * 1024 * 1024)
#define SHARDKV_DISCARD_MAX    (64 * 1024 * 1024)
#define SHARDKV_UPLOADS_MAX    8                 /* at a time */
#define SHARDKV_STREAMS_MAX    16                /* snapshots and logs sent */
#define SHARDKV_PARTS_MAX      1024
#define SHARDKV_LOG_LIMIT      10000
#define SHARDKV_LOG_LIMIT_MAX  100000
#define SHARDKV_DROP_LIMIT     1000              /* items looked at */
#define SHARDKV_DROP_MAX       10000
#define SHARDKV_NEXT_MAX       (2 + 2 * SHARDKV_KEY_MAX)
#define SHARDKV_CONNECTIONS    1024
#define SHARDKV_TAKE_MAX       100               /* entries at a time */
#define SHARDKV_GROUP_MAX      64                /* bytes of its name */
#define SHARDKV_TTL_MAX_MS     (3650ull * 86400 * 1000)
#define SHARDKV_POOL_MAX       64                /* connections of --store */
#define SHARDKV_NUMBER_MAX     ((uint64_t) INT64_MAX)   /* what JSON carries */

/* how long ordinary requests may wait for their slot */

#define SHARDKV_QUEUE_NS       (10 * 1000000000ull)


typedef enum {
    SHARDKV_HEALTH = 0,
    SHARDKV_KV_GET,
    SHARDKV_KV_PUT,
    SHARDKV_KV_DELETE,
    SHARDKV_QUEUE_GET,
    SHARDKV_QUEUE_APPEND,
    SHARDKV_SNAPSHOT_GET,
    SHARDKV_SNAPSHOT_PUT,
    SHARDKV_LOG_GET,
    SHARDKV_LOG_POST,
    SHARDKV_DIGEST,
    SHARDKV_DIGEST_PUT,
    SHARDKV_DIGEST_DELETE,
    SHARDKV_DROP,
    SHARDKV_IMPORT_PUT,
    SHARDKV_IMPORT_POST,
    SHARDKV_IMPORT_GET,
    SHARDKV_IMPORT_DELETE,
    SHARDKV_ROLE,
    SHARDKV_HOLD,
    SHARDKV_RESUME,
    SHARDKV_STATS,
    SHARDKV_TAKE,
    SHARDKV_ACK
} shardkv_call_e;


/* what is answered: a body, or (code) an error object */

typedef struct {
    unsigned         status;
    unsigned         has_position;
    uint64_t         position;
    const char      *type;          /* of "body"; static */
    char            *body;          /* malloc()ed, or NULL */
    size_t           len;
    const char      *code;          /* static; NULL: no error */
    char             message[SHARD_ERR_SIZE];
} shardkv_answer_t;


/* whom the sender takes us for */

typedef struct {
    unsigned         has_shard;
    unsigned         has_epoch;
    unsigned         has_token;
    uint32_t         epoch;
    uint64_t         token;
    shardkv_role_e   role;          /* SHARDKV_NONE: it did not say */
} shardkv_sender_t;


typedef struct shardkv_upload_s   shardkv_upload_t;
typedef struct shardkv_request_s  shardkv_request_t;

struct shardkv_upload_s {
    shardkv_buf_t      items;       /* decoded, not yet with the writer */
    uint64_t           handed;      /* lines up to the last chunk's end */
    shardkv_buf_t      line;        /* the unfinished one */
    uint64_t           lines;
    uint32_t           generation;  /* staging one, given by the writer */
    unsigned           begun;       /* its garbage mark is committed */
    unsigned           last;        /* the writer is to switch to it */
    shardkv_part_t     parts[SHARDKV_PARTS];    /* committed into staging */
    shardkv_part_t     staged[SHARDKV_PARTS];   /* and with this chunk */
    shardkv_upload_t  *next;        /* of the writer's list */
};


/*
 *            ┌───────────▶ STORING        a snapshot's chunk is written
 *            ▼                │
 *        RECEIVING ◀──────────┘
 *            │ ├────▶ PACED ──────┐      waits for its slot
 *            │ │        │         ▼
 *            │ └────────│─────▶ WORKING   with the writer or the digest
 *            ▼          ▼         │
 *         RUNNING ◀─────┘         │      a read, in the MHD thread
 *            │                    │
 *            └──────▶ ANSWER ◀────┘
 */

typedef enum {
    SHARDKV_RECEIVING = 0,
    SHARDKV_STORING,
    SHARDKV_PACED,
    SHARDKV_WORKING,
    SHARDKV_RUNNING,
    SHARDKV_ANSWER
} shardkv_state_e;


typedef struct {
    const char        *path;        /* "/kv/", or the word after the shard */
    const char        *method;
    shardkv_call_e     call;
    unsigned           data;        /* under /_shard/ID/ */
    unsigned           write;       /* goes to the writer */
    size_t             body_max;    /* 0: a body is not read */
    unsigned           lines;       /* NDJSON, decoded as it arrives */
    unsigned           chunks;      /* and it goes to the writer in pieces */
    unsigned           range;       /* may be of a range of keys */
} shardkv_route_t;


typedef struct shardkv_server_s  shardkv_server_t;

struct shardkv_request_s {
    shardkv_server_t       *server;
    struct MHD_Connection  *connection;
    const shardkv_route_t  *route;      /* NULL: refused already */
    _Atomic int             state;      /* shardkv_state_e */

    shard_id_t              shard;
    shardkv_sender_t        sender;
    size_t                  klen;
    char                    key[SHARDKV_KEY_MAX + 1];
    uint64_t                position;   /* snapshot's, log's from=, at= */
    unsigned                has_at;
    unsigned                has_part;
    unsigned                scan;       /* digest: not from what is kept */
    uint64_t                part;       /* of a snapshot */
    uint64_t                limit;      /* log's limit=, digest's parts= */
    shardkv_role_e          role;       /* PUT role */
    shardkv_mode_e          mode;
    unsigned                fill;       /* PUT snapshot: what is missing */
    uint32_t                epoch;
    unsigned                keep_primary;
    uint64_t                ttl_ms;     /* of a value, 0: it stays */
    char                    group[SHARDKV_GROUP_MAX + 1];
    char                    consumer[SHARDKV_GROUP_MAX + 1];
    unsigned                has_range;
    shard_range_t           range;
    shard_id_t              of;         /* import: whose the data were */
    char                    after[SHARDKV_NEXT_MAX];    /* drop: go on */

    shardkv_buf_t           body;       /* kept.c: sums on their way */
    shardkv_upload_t       *upload;
    uint64_t                discarded;  /* bytes read after an error */

    uint64_t                start_ns;   /* its slot, monotonic */
    uint64_t                handed_ns;  /* to another thread */
    shardkv_request_t      *next;       /* of the queue it waits in */
    struct MHD_Response    *response;   /* of a stream */
    shardkv_answer_t        answer;
};


typedef struct {
    pthread_mutex_t         mutex;
    pthread_cond_t          cond;
    shardkv_request_t      *head;
    shardkv_request_t      *tail;
    atomic_uint             stop;
    unsigned                nudged;
    unsigned                started;
    pthread_t               thread;
} shardkv_queue_t;


typedef struct shardkv_engine_s  shardkv_engine_t;

/* connections to the database of --store, a thread each: engine.h */

typedef struct {
    const shardkv_engine_t *engine;     /* NULL: LMDB */
    const char             *url;
    const char             *password_file;      /* or NULL */
    unsigned                n;
    atomic_uint             down;       /* said already */
    atomic_uint             idle;       /* there may be work for idle() */
    _Atomic uint64_t        idle_ns;    /* looked for it last, monotonic */
    shardkv_queue_t         queue;
    pthread_t               threads[SHARDKV_POOL_MAX];
} shardkv_pool_t;


struct shardkv_server_s {
    const char             *name;
    double                  capacity;   /* requests per second, 0: any */
    shardkv_store_t         store;
    shardkv_pool_t          pool;
    struct MHD_Daemon      *daemon;

    shardkv_queue_t         writer;
    shardkv_queue_t         scanner;
    shardkv_queue_t         pacer;
    shardkv_capacity_t      bucket;     /* under pacer.mutex */

    pthread_mutex_t         uploads_mutex;
    shardkv_upload_t       *uploads;
    unsigned                nuploads;
    atomic_uint             garbage;    /* there may be some */
    atomic_ullong           written_ns; /* an ordinary write, monotonic */
    atomic_ullong           write_ns;   /* how long such take, decaying */

    atomic_uint             streams;
    atomic_ullong           streamed;   /* bytes of those, since the start */
    atomic_uint             requests;   /* begun, not completed */
    atomic_uint             suspended;
    atomic_uint             stopping;
};

/* http.c */

enum MHD_Result shardkv_access(void *cls, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version,
    const char *data, size_t *size, void **ctx);
void shardkv_completed(void *cls, struct MHD_Connection *connection,
    void **ctx, enum MHD_RequestTerminationCode code);

/* SHARD_AGAIN: suspended, and the thread's behind "q" from now on;
 * SHARD_OK: the server stops, the answer says so */

int shardkv_hand(shardkv_request_t *r, shardkv_state_e state,
    shardkv_queue_t *q);
void shardkv_resume(shardkv_request_t *r, shardkv_state_e state);
void shardkv_state(shardkv_request_t *r, shardkv_state_e state);

/* whose thread answers it; NULL: its connection's */

shardkv_queue_t *shardkv_worker(const shardkv_request_t *r);

/* answer.c */

#if (__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
void shardkv_refuse(shardkv_answer_t *a, unsigned status, const char *code,
    const char *fmt, ...);
void shardkv_refuse_at(shardkv_answer_t *a, unsigned status, const char *code,
    uint64_t position, const char *message);
void shardkv_done(shardkv_answer_t *a, unsigned status);
void shardkv_done_at(shardkv_answer_t *a, unsigned status, uint64_t position);
void shardkv_answer_reset(shardkv_answer_t *a);
void shardkv_broken(shardkv_answer_t *a, const char *where, int rc);

#if (__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void shardkv_json(shardkv_answer_t *a, const char *fmt, ...);
enum MHD_Result shardkv_send(shardkv_request_t *r);

/* route.c: sets r->route and what path and headers say, or r->answer */

int shardkv_route(shardkv_request_t *r, const char *url, const char *method);

/* 400; SHARD_ERROR */

int shardkv_bad(shardkv_request_t *r, const char *message);

/* arguments.c: for route.c, and a value of the query, NULL: it is not there */

int shardkv_sender(shardkv_request_t *r);
int shardkv_arguments(shardkv_request_t *r);
const char *shardkv_query(shardkv_request_t *r, const char *name,
    shard_str_t *value);

/* apply.c; 1: the sender knows an older epoch only, and is refused */

int shardkv_stale(shardkv_request_t *r, const shardkv_shard_t *s);

/* 1: nothing may be added, and it is refused */

int shardkv_full(shardkv_request_t *r);

/* kv.c */

int shardkv_owner_check(const shardkv_shard_t *s,
    const shardkv_sender_t *sender, unsigned write, shardkv_answer_t *a);
int shardkv_owner_precheck(shardkv_request_t *r);
void shardkv_kv_get(shardkv_request_t *r);
void shardkv_queue_get(shardkv_request_t *r);

/* contract.c */

int shardkv_role_decode(shardkv_request_t *r);
void shardkv_stats(shardkv_request_t *r);
void shardkv_snapshot_get(shardkv_request_t *r);
void shardkv_log_get(shardkv_request_t *r);

/* stream.c: owns txn from the call on, whatever it returns */

int shardkv_stream_snapshot(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s);
int shardkv_stream_log(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, uint64_t last);
int shardkv_stream_queue(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s);

/* digest.c */

int shardkv_scanner_start(shardkv_server_t *srv);

/* r->limit sums, of r's range, are added to "parts" */

int shardkv_digest_items(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s, shardkv_part_t *parts);

/* kept.c: within the writer's transaction */

int shardkv_apply_kept(shardkv_request_t *r, MDB_txn *txn);

/* 1: the writer has begun with it, the scanner is next */

int shardkv_kept_unread(const shardkv_request_t *r);
void shardkv_kept_scan(shardkv_request_t *r);

/* as digest_items(), but read; MDB_NOTFOUND: that range's is not kept */

int shardkv_kept_get(shardkv_request_t *r, MDB_txn *txn,
    shardkv_part_t *parts);

/* upload.c */

int shardkv_upload_begin(shardkv_request_t *r);
int shardkv_upload_read(shardkv_request_t *r, const char *data, size_t len);
int shardkv_upload_finish(shardkv_request_t *r);
void shardkv_upload_end(shardkv_request_t *r);

/* apply.c: within the writer's transaction.  0: r->answer is set, and if it
 * is an error no data were changed; else an LMDB error, and the transaction
 * must be aborted */

int shardkv_apply(shardkv_request_t *r, MDB_txn *txn);

/* range.c */

int shardkv_range_decode(shardkv_request_t *r);
int shardkv_range_holds(const shardkv_request_t *r, const char *key,
    size_t klen);
int shardkv_range_owner(const shardkv_request_t *r, const shardkv_shard_t *s,
    shardkv_answer_t *a);
int shardkv_apply_drop(shardkv_request_t *r, MDB_txn *txn);

/* token.c: r->answer is set when another one has a larger token */

int shardkv_token_check(shardkv_request_t *r, MDB_txn *txn,
    const shardkv_shard_t *s);

/* import.c: another shard's data become a part of a primary's */

int shardkv_apply_import(shardkv_request_t *r, MDB_txn *txn);
void shardkv_import_get(shardkv_request_t *r);

/* staging.c */

int shardkv_apply_chunk(shardkv_request_t *r, MDB_txn *txn);
void shardkv_chunk_committed(shardkv_request_t *r);

/* garbage.c: a shard as if it had never been here, but for role and epoch */

int shardkv_shard_give_up(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s);

/* deletes at most "n" entries of dead generations; *left: there is more */

int shardkv_garbage_collect(shardkv_server_t *srv, MDB_txn *txn, unsigned n,
    unsigned *left);

/* fill.c */

int shardkv_apply_fill(shardkv_request_t *r, MDB_txn *txn);
int shardkv_mode_begin(shardkv_request_t *r, MDB_txn *txn,
    shardkv_shard_t *s);

/* queue.c */

int shardkv_queue_start(shardkv_queue_t *q, void *(*main)(void *), void *data);
void shardkv_queue_push(shardkv_queue_t *q, shardkv_request_t *r);
void shardkv_queue_nudge(shardkv_queue_t *q);

/* all that waits, in order; NULL: nudged or stopped */

shardkv_request_t *shardkv_queue_take(shardkv_queue_t *q, unsigned block);

/* the first that waits; NULL: none came in that time, or stopped */

shardkv_request_t *shardkv_queue_take_one(shardkv_queue_t *q,
    unsigned wait_ms);
void shardkv_queue_stop(shardkv_queue_t *q);

/* writer.c, pace.c */

int shardkv_writer_start(shardkv_server_t *srv);

/* 1: an ordinary write was answered within the last second */

int shardkv_writer_busy(const shardkv_server_t *srv);
int shardkv_pacer_start(shardkv_server_t *srv);

/* SHARD_OK: start now; SHARD_AGAIN: suspended until its slot; SHARD_ERROR:
 * r->answer is set */

int shardkv_pace(shardkv_request_t *r);


#endif /* _SHARDKV_H_INCLUDED_ */
