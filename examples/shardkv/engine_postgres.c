
/*
 * Connections of --store postgres://.  libpq is used without its blocking
 * calls, so that a server that is stopped holds nobody longer than
 * SHARDKV_ENGINE_MS.  An answer is as durable as the server makes it: with
 * fsync and synchronous_commit on, on disk.
 */


#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine_postgres.h"


/* less than SHARDKV_ENGINE_MS: the server's own word comes first */

#define SESSION                                                              \
    "SET statement_timeout = 4000; SET search_path = pg_catalog;"            \
    "SET default_transaction_isolation = 'read committed';"                  \
    "SET lc_messages = 'C'; SET client_min_messages = warning"


static int shardkv_pg_connect(shardkv_pg_t *c, const char *url,
    const char *password, char err[SHARD_ERR_SIZE]);
static int shardkv_pg_where(shardkv_pg_t *c, const char *url,
    char err[SHARD_ERR_SIZE]);
static int shardkv_pg_failed(shardkv_pg_t *c, shardkv_request_t *r,
    const PGresult *res);


uint64_t
shardkv_pg_ms(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


static int
shardkv_pg_poll(shardkv_pg_t *c, short events, uint64_t until_ms)
{
    uint64_t       now;
    struct pollfd  p;

    now = shardkv_pg_ms();

    p.fd = PQsocket(c->pg);
    p.events = events;
    p.revents = 0;

    return now < until_ms && poll(&p, 1, (int) (until_ms - now)) != 0
           ? SHARD_OK : SHARD_ERROR;
}


static int
shardkv_pg_open(void **conn, const char *url, const char *password_file,
    char err[SHARD_ERR_SIZE])
{
    int            rc;
    char           password[1024];
    shardkv_pg_t  *c;

    c = calloc(1, sizeof(shardkv_pg_t));

    if (c == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "no memory");
        return SHARD_ERROR;
    }

    rc = shardkv_pg_where(c, url, err);

    if (rc == SHARD_OK && password_file) {
        rc = shardkv_password_read(password_file, password, sizeof(password),
                                   err);
    }

    if (rc == SHARD_OK) {
        rc = shardkv_pg_connect(c, url, password_file ? password : NULL, err);
    }

    if (rc == SHARD_OK) {
        rc = shardkv_pg_schema(c, err);
    }

    if (rc != SHARD_OK) {
        shardkv_engine_postgres.close(c);
        return SHARD_ERROR;
    }

    *conn = c;

    return SHARD_OK;
}


static void
shardkv_pg_close(void *conn)
{
    shardkv_pg_t  *c = conn;

    PQfinish(c->pg);
    free(c);
}


static int
shardkv_pg_where(shardkv_pg_t *c, const char *url, char err[SHARD_ERR_SIZE])
{
    const char        *host, *database;
    PQconninfoOption  *options, *o;

    options = PQconninfoParse(url, NULL);

    if (options == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "this is no postgres://[USER@]HOST"
                 "[:PORT]/DATABASE");
        return SHARD_ERROR;
    }

    err[0] = '\0';
    host = "localhost";
    database = "its own";

    for (o = options; o->keyword; o++) {
        if (o->val == NULL) {
            continue;
        }

        if (strcmp(o->keyword, "password") == 0) {
            snprintf(err, SHARD_ERR_SIZE, "a password in the URL is seen by "
                     "all on this machine: use --store-password-file");

        } else if (strcmp(o->keyword, "host") == 0) {
            host = o->val;

        } else if (strcmp(o->keyword, "dbname") == 0) {
            database = o->val;
        }
    }

    snprintf(c->where, sizeof(c->where), "postgres %.60s, database %.40s",
             host, database);
    PQconninfoFree(options);

    return err[0] ? SHARD_ERROR : SHARD_OK;
}


static int
shardkv_pg_connect(shardkv_pg_t *c, const char *url, const char *password,
    char err[SHARD_ERR_SIZE])
{
    uint64_t                   until_ms;
    PGresult                  *res;
    const char                *keys[4], *values[4];
    PostgresPollingStatusType  state;

    until_ms = shardkv_pg_ms() + SHARDKV_ENGINE_MS;

    keys[0] = "dbname";
    values[0] = url;
    keys[1] = "application_name";
    values[1] = "shardkv";
    keys[2] = password ? "password" : NULL;
    values[2] = password;
    keys[3] = NULL;
    values[3] = NULL;

    c->pg = PQconnectStartParams(keys, values, 1);
    state = c->pg && PQstatus(c->pg) != CONNECTION_BAD
            ? PGRES_POLLING_WRITING : PGRES_POLLING_FAILED;

    while ((state == PGRES_POLLING_READING || state == PGRES_POLLING_WRITING)
           && shardkv_pg_poll(c, state == PGRES_POLLING_READING ? POLLIN
                                 : POLLOUT, until_ms) == SHARD_OK)
    {
        state = PQconnectPoll(c->pg);
    }

    res = NULL;

    if (state == PGRES_POLLING_OK && PQsetnonblocking(c->pg, 1) == 0
        && PQsendQuery(c->pg, SESSION))
    {
        res = shardkv_pg_answer(c, until_ms);
    }

    if (res == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "%s: %.100s", c->where,
                 state == PGRES_POLLING_FAILED ? PQerrorMessage(c->pg)
                                               : "no answer");
        err[strcspn(err, "\n")] = '\0';
        return SHARD_ERROR;
    }

    PQclear(res);

    return SHARD_OK;
}


PGresult *
shardkv_pg_answer(shardkv_pg_t *c, uint64_t until_ms)
{
    int        flush;
    PGresult  *res, *kept;

    kept = NULL;

    for ( ;; ) {
        flush = PQflush(c->pg);

        if (flush == 0 && !PQisBusy(c->pg)) {
            res = PQgetResult(c->pg);

            if (res == NULL) {
                return kept;
            }

            if (kept && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
                PQclear(res);
                continue;
            }

            PQclear(kept);
            kept = res;
            continue;
        }

        if (flush < 0
            || shardkv_pg_poll(c, flush ? POLLIN|POLLOUT : POLLIN, until_ms)
               != SHARD_OK
            || !PQconsumeInput(c->pg))
        {
            PQclear(kept);
            return NULL;
        }
    }
}


void
shardkv_pg_shard(shardkv_pg_params_t *p, const shardkv_request_t *r)
{
    memset(p, 0, sizeof(shardkv_pg_params_t));
    snprintf(p->id, sizeof(p->id), "%u", (unsigned) r->shard);
    p->value[p->n++] = p->id;
}


void
shardkv_pg_epoch(shardkv_pg_params_t *p, unsigned known, uint64_t epoch)
{
    if (known) {
        shardkv_pg_number(p, epoch);
    } else {
        shardkv_pg_word(p, NULL);
    }
}


void
shardkv_pg_word(shardkv_pg_params_t *p, const char *word)
{
    p->value[p->n++] = word;
}


void
shardkv_pg_number(shardkv_pg_params_t *p, uint64_t number)
{
    int  i;

    i = p->number[0][0] ? 1 : 0;

    snprintf(p->number[i], sizeof(p->number[i]), "%llu",
             (unsigned long long) number);
    p->value[p->n++] = p->number[i];
}


void
shardkv_pg_bytes(shardkv_pg_params_t *p, const char *data, size_t len)
{
    p->value[p->n] = data ? data : "";
    p->len[p->n] = (int) len;
    p->binary[p->n++] = 1;
}


int
shardkv_pg_exec(shardkv_pg_t *c, shardkv_request_t *r, const char *sql,
    const shardkv_pg_params_t *p, int binary, PGresult **res)
{
    int  rc;

    *res = NULL;

    if (PQsendQueryParams(c->pg, sql, p->n, NULL, p->value, p->len,
                          p->binary, binary))
    {
        *res = shardkv_pg_answer(c, shardkv_pg_ms() + SHARDKV_ENGINE_MS);
    }

    if (*res && PQresultStatus(*res) == PGRES_TUPLES_OK) {
        return SHARD_OK;
    }

    rc = shardkv_pg_failed(c, r, *res);
    PQclear(*res);

    return rc;
}


/* what the server refused was not done; without its answer it may have been */

static int
shardkv_pg_failed(shardkv_pg_t *c, shardkv_request_t *r, const PGresult *res)
{
    const char  *state, *text;

    state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;

    if (state == NULL || text == NULL) {
        shardkv_refuse(&r->answer, 500, "store", "%s: the connection broke",
                       c->where);
        return SHARD_ERROR;
    }

    if (strcmp(state, "SH421") == 0) {
        shardkv_refuse(&r->answer, 421, "misdirected", "%.200s", text);

    } else if (strcmp(state, "SH409") == 0) {
        shardkv_refuse(&r->answer, 409, "epoch", "%.200s", text);

    } else if (strncmp(state, "53", 2) == 0) {
        shardkv_refuse(&r->answer, 507, "full", "%s: %.120s", c->where, text);

    } else {
        shardkv_refuse(&r->answer, 503, "store", "%s: %.120s", c->where,
                       text);
    }

    return PQstatus(c->pg) == CONNECTION_OK ? SHARD_AGAIN : SHARD_ERROR;
}


static int
shardkv_pg_run(void *conn, shardkv_request_t *r)
{
    return shardkv_pg_call(conn, r) == SHARD_ERROR ? SHARD_ERROR : SHARD_OK;
}


/* rows of shards that were given up, by and by */

static int
shardkv_pg_idle(void *conn)
{
    int            more;
    PGresult      *res;
    shardkv_pg_t  *c = conn;

    res = PQsendQuery(c->pg, "SELECT coalesce(sum(shard.empty(shard, 500)), "
                      "0) FROM shard.owner WHERE role = 'none'")
          ? shardkv_pg_answer(c, shardkv_pg_ms() + SHARDKV_ENGINE_MS) : NULL;

    more = res && PQresultStatus(res) == PGRES_TUPLES_OK && PQntuples(res)
           && strcmp(PQgetvalue(res, 0, 0), "0") != 0;
    PQclear(res);

    return more;
}


const shardkv_engine_t  shardkv_engine_postgres = {
    .scheme = "postgres",
    .driver = "postgres",
    .calls = shardkv_bit(SHARDKV_HEALTH) | shardkv_bit(SHARDKV_KV_GET)
             | shardkv_bit(SHARDKV_KV_PUT) | shardkv_bit(SHARDKV_KV_DELETE)
             | shardkv_bit(SHARDKV_QUEUE_GET)
             | shardkv_bit(SHARDKV_QUEUE_APPEND) | shardkv_bit(SHARDKV_ROLE)
             | shardkv_bit(SHARDKV_HOLD) | shardkv_bit(SHARDKV_RESUME)
             | shardkv_bit(SHARDKV_STATS),
    .open = shardkv_pg_open,
    .run = shardkv_pg_run,
    .idle = shardkv_pg_idle,
    .close = shardkv_pg_close,
};
