
/*
 * Connections and queries of driver_postgres.h, without a blocking call of
 * libpq: PQcancel() would be one, so a query that is given up takes its
 * connection with it.
 */


#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_loop.h"
#include "driver_postgres.h"


#define TICK_MS      100
#define CONNECT_MS   10000              /* then it is begun anew */
#define TIMEOUT_MIN  128                /* of statements, powers of two ms */

/* a client that is gone ends its statement; values look alike everywhere */

#define SESSION                                                              \
    "SET client_connection_check_interval = 500;"                            \
    "SET synchronous_commit = on; SET search_path = pg_catalog;"             \
    "SET default_transaction_isolation = 'read committed';"                  \
    "SET standard_conforming_strings = on;"                                  \
    "SET lc_messages = 'C'; SET client_min_messages = warning"


static int migrator_pg_connect(migrator_pg_t *pg, migrator_pg_node_t *c);
static int migrator_pg_connected(migrator_pg_t *pg, migrator_pg_node_t *c);
static int migrator_pg_session(migrator_pg_t *pg, migrator_pg_node_t *c);
static int migrator_pg_wait(migrator_pg_t *pg, const char *node, int fd,
    short events);
static int migrator_pg_open(migrator_pg_t *pg, const char *node,
    migrator_pg_node_t **conn);
static long migrator_pg_left(const migrator_pg_t *pg);
static int migrator_pg_result(migrator_pg_node_t *c, PGresult **res);
static int migrator_pg_answer(migrator_pg_t *pg, migrator_pg_node_t *c,
    PGresult **res);


int
migrator_pg_say(migrator_pg_t *pg, int rc, const char *fmt, ...)
{
    size_t   n;
    va_list  args;

    va_start(args, fmt);
    vsnprintf(pg->err, sizeof(pg->err), fmt, args);
    va_end(args);

    /* libpq ends its own with a newline */

    for (n = strlen(pg->err); n && pg->err[n - 1] == '\n'; n--) {
        pg->err[n - 1] = '\0';
    }

    return rc;
}


void
migrator_pg_begin(migrator_pg_t *pg, const migrator_limit_t *limit)
{
    pg->limit = limit;
    pg->until_ms = shardd_monotonic_ms() + (uint64_t) limit->timeout_ms;
    pg->err[0] = '\0';
}


void
migrator_pg_close(migrator_pg_node_t *node)
{
    if (node->pg) {
        PQfinish(node->pg);
        node->pg = NULL;
        node->syncs = 0;
        node->stage = MIGRATOR_PG_CLOSED;
    }
}


static int
migrator_pg_tick(migrator_pg_t *pg, const char *node)
{
    if (pg->limit->tick && pg->limit->tick(pg->limit->data)) {
        return migrator_pg_say(pg, MIGRATOR_INTERRUPTED, "%s: given up",
                               node);
    }

    if (shardd_monotonic_ms() >= pg->until_ms) {
        return migrator_pg_say(pg, MIGRATOR_DOWN, "%s: no answer of "
                               "PostgreSQL within %ld ms", node,
                               pg->limit->timeout_ms);
    }

    return MIGRATOR_OK;
}


static int
migrator_pg_wait(migrator_pg_t *pg, const char *node, int fd, short events)
{
    int            n, rc;
    uint64_t       now;
    struct pollfd  p;

    for ( ;; ) {
        now = shardd_monotonic_ms();
        p.fd = fd;
        p.events = events;
        p.revents = 0;

        n = poll(&p, 1, pg->until_ms <= now ? 0
                 : pg->until_ms - now < TICK_MS ? (int) (pg->until_ms - now)
                 : TICK_MS);

        if (n > 0) {
            return MIGRATOR_OK;
        }

        if (n < 0 && errno != EINTR) {
            return migrator_pg_say(pg, MIGRATOR_DOWN, "%s: poll(): %s", node,
                                   strerror(errno));
        }

        rc = migrator_pg_tick(pg, node);

        if (rc != MIGRATOR_OK) {
            return rc;
        }
    }
}


int
migrator_pg_sleep(migrator_pg_t *pg, long ms)
{
    int       rc;
    uint64_t  now, end;

    end = shardd_monotonic_ms() + (uint64_t) ms;

    for ( ;; ) {
        rc = migrator_pg_tick(pg, "waiting");
        now = shardd_monotonic_ms();

        if (rc != MIGRATOR_OK || now >= end) {
            return rc;
        }

        (void) poll(NULL, 0, end - now < TICK_MS ? (int) (end - now)
                                                 : TICK_MS);
    }
}


static int
migrator_pg_connect(migrator_pg_t *pg, migrator_pg_node_t *c)
{
    const char  *keys[4], *values[4];

    keys[0] = "dbname";
    values[0] = c->conninfo;
    keys[1] = "application_name";
    values[1] = "shard-migrator";
    keys[2] = pg->conf->postgres.password ? "password" : NULL;
    values[2] = pg->conf->postgres.password;
    keys[3] = NULL;
    values[3] = NULL;

    c->pg = PQconnectStartParams(keys, values, 1);
    c->timeout_ms = 0;

    if (c->pg == NULL) {
        return migrator_pg_say(pg, MIGRATOR_DOWN, "no memory");
    }

    c->stage = MIGRATOR_PG_CONNECTS;
    c->polls = PQstatus(c->pg) == CONNECTION_BAD ? PGRES_POLLING_FAILED
                                                 : PGRES_POLLING_WRITING;
    c->began_ms = shardd_monotonic_ms();

    return MIGRATOR_OK;
}


static int
migrator_pg_connected(migrator_pg_t *pg, migrator_pg_node_t *c)
{
    int  rc;

    while (c->polls == PGRES_POLLING_READING
           || c->polls == PGRES_POLLING_WRITING)
    {
        rc = migrator_pg_wait(pg, c->name, PQsocket(c->pg),
                              c->polls == PGRES_POLLING_READING ? POLLIN
                                                                : POLLOUT);
        if (rc != MIGRATOR_OK) {
            return rc;
        }

        c->polls = PQconnectPoll(c->pg);
    }

    if (c->polls != PGRES_POLLING_OK) {
        rc = migrator_pg_say(pg, MIGRATOR_DOWN, "%s: %s", c->name,
                             PQerrorMessage(c->pg));

    } else if (PQserverVersion(c->pg) < 150000) {
        rc = migrator_pg_say(pg, MIGRATOR_REFUSED, "%s: PostgreSQL %d.%d: "
                             "row filters need 15 or later", c->name,
                             PQserverVersion(c->pg) / 10000,
                             PQserverVersion(c->pg) % 10000);

    } else if (PQsetnonblocking(c->pg, 1) != 0
               || !PQsendQuery(c->pg, SESSION))
    {
        rc = migrator_pg_error(pg, c, NULL);

    } else {
        c->stage = MIGRATOR_PG_SETS;
        return MIGRATOR_OK;
    }

    migrator_pg_close(c);

    return rc;
}


static int
migrator_pg_session(migrator_pg_t *pg, migrator_pg_node_t *c)
{
    int        rc;
    PGresult  *res;

    rc = migrator_pg_answer(pg, c, &res);

    if (rc == MIGRATOR_OK) {
        PQclear(res);
        c->stage = MIGRATOR_PG_OPEN;
    }

    return rc;
}


migrator_pg_node_t *
migrator_pg_node(migrator_pg_t *pg, const char *node)
{
    uint32_t  i;

    for (i = 0; i < pg->n; i++) {
        if (strcmp(pg->nodes[i].name, node) == 0) {
            return &pg->nodes[i];
        }
    }

    migrator_pg_say(pg, MIGRATOR_REFUSED, "node %s: its database is unknown: "
                    "\"nodes\" in section \"postgres\" of the configuration "
                    "names it", node);

    return NULL;
}


static int
migrator_pg_open(migrator_pg_t *pg, const char *node,
    migrator_pg_node_t **conn)
{
    int                  rc;
    migrator_pg_node_t  *c;

    c = migrator_pg_node(pg, node);

    if (c == NULL) {
        return MIGRATOR_REFUSED;
    }

    *conn = c;

    if (c->stage == MIGRATOR_PG_OPEN && PQstatus(c->pg) == CONNECTION_OK) {
        return MIGRATOR_OK;
    }

    if (c->stage == MIGRATOR_PG_OPEN
        || shardd_monotonic_ms() - c->began_ms >= CONNECT_MS)
    {
        migrator_pg_close(c);
    }

    rc = MIGRATOR_OK;

    if (c->stage == MIGRATOR_PG_CLOSED) {
        rc = migrator_pg_connect(pg, c);
    }

    if (rc == MIGRATOR_OK && c->stage == MIGRATOR_PG_CONNECTS) {
        rc = migrator_pg_connected(pg, c);
    }

    return rc == MIGRATOR_OK ? migrator_pg_session(pg, c) : rc;
}


/* of the call, roundly, so that it is seldom set */

static long
migrator_pg_left(const migrator_pg_t *pg)
{
    long      ms;
    uint64_t  now;

    now = shardd_monotonic_ms();

    for (ms = TIMEOUT_MIN; (uint64_t) ms + now < pg->until_ms; ms *= 2) {
        if (ms >= 1 << 30) {
            break;
        }
    }

    return ms;
}


int
migrator_pg_query(migrator_pg_t *pg, const char *node, PGresult **res,
    const char *sql, int n, const char *const *values)
{
    int  rc;

    rc = migrator_pg_send(pg, node, sql, n, values);

    return rc == MIGRATOR_OK ? migrator_pg_receive(pg, node, res) : rc;
}


/* a new statement_timeout goes with the statement: no round trip of its own */

int
migrator_pg_send(migrator_pg_t *pg, const char *node, const char *sql, int n,
    const char *const *values)
{
    int                  ok, rc;
    char                 set[64];
    long                 ms;
    migrator_pg_node_t  *c;

    c = NULL;
    rc = migrator_pg_open(pg, node, &c);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    ok = 1;
    ms = migrator_pg_left(pg);
    c->syncs = ms != c->timeout_ms ? 2 : 0;

    if (c->syncs) {
        snprintf(set, sizeof(set), "SET statement_timeout = %ld", ms);
        ok = PQenterPipelineMode(c->pg)
             && PQsendQueryParams(c->pg, set, 0, NULL, NULL, NULL, NULL, 0)
             && PQpipelineSync(c->pg);
        c->timeout_ms = ms;
    }

    ok = ok && PQsendQueryParams(c->pg, sql, n, NULL, values, NULL, NULL, 0)
         && (c->syncs == 0 || PQpipelineSync(c->pg));

    return ok ? MIGRATOR_OK : migrator_pg_error(pg, c, NULL);
}


int
migrator_pg_receive(migrator_pg_t *pg, const char *node, PGresult **res)
{
    return migrator_pg_answer(pg, migrator_pg_node(pg, node), res);
}


/* 0: that was all; *res is NULL between two statements of a pipeline */

static int
migrator_pg_result(migrator_pg_node_t *c, PGresult **res)
{
    *res = PQgetResult(c->pg);

    if (*res == NULL) {
        return c->syncs && PQstatus(c->pg) == CONNECTION_OK;
    }

    if (PQresultStatus(*res) != PGRES_PIPELINE_SYNC) {
        return 1;
    }

    PQclear(*res);
    *res = NULL;

    if (--c->syncs) {
        return 1;
    }

    if (!PQexitPipelineMode(c->pg)) {
        migrator_pg_close(c);
    }

    return 0;
}


/* the last of several results is the answer, the first error is the error */

static int
migrator_pg_answer(migrator_pg_t *pg, migrator_pg_node_t *c, PGresult **res)
{
    int        rc;
    PGresult  *r, *kept;

    kept = NULL;

    for ( ;; ) {
        rc = PQflush(c->pg);

        if (rc == 0 && !PQisBusy(c->pg)) {
            if (!migrator_pg_result(c, &r)) {
                break;
            }

            if (r == NULL) {
                continue;
            }

            if (kept && PQresultStatus(kept) == PGRES_FATAL_ERROR) {
                PQclear(r);
                continue;
            }

            PQclear(kept);
            kept = r;
            continue;
        }

        rc = migrator_pg_wait(pg, c->name, PQsocket(c->pg),
                              rc > 0 ? POLLIN|POLLOUT : POLLIN);

        if (rc != MIGRATOR_OK) {

            /* settings that nobody has heard of yet may come later */

            if (c->stage != MIGRATOR_PG_SETS || kept) {
                PQclear(kept);
                migrator_pg_close(c);
            }

            return rc;
        }

        if (!PQconsumeInput(c->pg)) {
            break;
        }
    }

    /* it broke: what came before that is no answer */

    if (c->syncs && kept && PQresultStatus(kept) != PGRES_FATAL_ERROR) {
        PQclear(kept);
        kept = NULL;
    }

    if (kept == NULL || (PQresultStatus(kept) != PGRES_TUPLES_OK
                         && PQresultStatus(kept) != PGRES_COMMAND_OK))
    {
        rc = migrator_pg_error(pg, c, kept);
        PQclear(kept);

        if (c->stage == MIGRATOR_PG_SETS) {
            migrator_pg_close(c);
        }

        return rc;
    }

    *res = kept;

    return MIGRATOR_OK;
}
