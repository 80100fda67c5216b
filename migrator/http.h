
/*
 * HTTP as the contract of docs/backend-contract.md needs it: short calls
 * with bounded answers, and a pipe from one node to another.
 *
 *    GET source ──▶ write callback ──▶ buffer ──▶ read callback ──▶ PUT, POST
 *                   pauses when full   (bounded)  pauses when empty   target
 *
 * A source that breaks off breaks the target's request off too, so that no
 * half of a snapshot is ever taken for a whole one.  A throttle pauses the
 * source, too.  One thread.
 */


#ifndef _MIGRATOR_HTTP_H_INCLUDED_
#define _MIGRATOR_HTTP_H_INCLUDED_


#include <curl/curl.h>

#include "io.h"


#define MIGRATOR_ANSWER_MAX  (256 * 1024)

/* the source goes on while the target writes to its disk */

#define MIGRATOR_PIPE_SIZE   (4 * 1024 * 1024)


/* one request; answers longer than the bound end it */

typedef struct {
    CURL                    *easy;
    const char              *host;          /* for messages */
    struct curl_slist       *headers;
    long                     status;        /* 0 = none yet */
    int                      done;
    CURLcode                 result;
    int                      has_position;
    uint64_t                 position;      /* X-Shard-Position */
    size_t                   length;
    char                    *answer;        /* zero terminated */
    char                     error[CURL_ERROR_SIZE];
} migrator_exchange_t;

typedef struct {
    CURLM                   *multi;
    migrator_exchange_t      in;
    migrator_exchange_t      out;

    char                    *pipe;
    size_t                   pipe_start;    /* of a ring */
    size_t                   pipe_len;
    uint64_t                 piped;         /* bytes */
    unsigned                 piping:1;      /* in's body goes to out */
    unsigned                 in_paused:1;
    unsigned                 out_paused:1;
    unsigned                 out_started:1;

    uint64_t                 moved_ms;      /* last byte of any kind */
    migrator_throttle_t     *throttle;      /* of this pipe, or NULL */
    struct migrator_watch_s *watch;         /* that feeds it, or NULL */
    char                     epoch[40];     /* one more header, or "" */
    char                     token[48];     /* and another */
    char                     err[MIGRATOR_ERR_SIZE];
} migrator_http_t;


/* 0, or -1 without memory; curl_global_init() is main's */

int migrator_http_init(migrator_http_t *h);
void migrator_http_close(migrator_http_t *h);

/* the answer is in h->in; migrator_rc_e by status, h->err when it is not OK */

int migrator_http_call(migrator_http_t *h, const shard_node_t *node,
    const char *method, const char *path, const char *body,
    const migrator_limit_t *limit);

/*
 * The same method and body (or NULL) to two nodes at once; answers are in h->in and
 * h->out.  What came of the second tells when the first is OK.
 */

int migrator_http_both(migrator_http_t *h, const shard_node_t *const node[2],
    const char *method, const char *const path[2], const char *body,
    const migrator_limit_t *limit);

/*
 * GET "from_path" into "method" "to_path".  The source's X-Shard-Position
 * must be there and is sent on; when it is *skip nothing is sent at all.
 * The target's answer is in h->out.
 */

int migrator_http_pipe(migrator_http_t *h, const shard_node_t *from,
    const char *from_path, const shard_node_t *to, const char *method,
    const char *to_path, const uint64_t *skip, const migrator_limit_t *limit);


/*
 * What calls and pipes share, both files' own.  clear: before each of them,
 * and what is under way is broken off.  begin: -1 without memory.  turn: all
 * that can be done without waiting.  wait: until there is more to do; the
 * limit's and the tick's outcome.  outcome: of an exchange that is done.
 */

void migrator_http_clear(migrator_http_t *h);
int migrator_http_begin(migrator_http_t *h, migrator_exchange_t *x,
    const shard_node_t *node, const char *method, const char *path);
int migrator_http_turn(migrator_http_t *h);
int migrator_http_wait(migrator_http_t *h, const migrator_limit_t *limit,
    uint64_t start_ms, uint64_t *tick_ms);
int migrator_http_outcome(migrator_http_t *h, migrator_exchange_t *x);

/* curl's, into x->answer */

size_t migrator_http_answer(char *data, size_t size, size_t n, void *ctx);

/* http_pipe.c: pauses end where there is room or data */

void migrator_http_pipe_resume(migrator_http_t *h);

/* ms until they may, at most most_ms; 0: they can now */

long migrator_http_pipe_wait(migrator_http_t *h, long most_ms);


#endif /* _MIGRATOR_HTTP_H_INCLUDED_ */
