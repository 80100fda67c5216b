
/* What comes of a query, as numbers, texts and errors: each is checked */


#include <stdio.h>
#include <string.h>

#include "shard_codec.h"
#include "driver_postgres.h"


const char *
migrator_pg_cell(const PGresult *res, int row, int col)
{
    return row < PQntuples(res) && col < PQnfields(res)
           ? PQgetvalue(res, row, col) : "";
}


int
migrator_pg_value(const PGresult *res, int row, int col, uint64_t *number)
{
    shard_str_t  text;

    text.data = migrator_pg_cell(res, row, col);
    text.len = strlen(text.data);

    return shard_uint64_decode(text, number);
}


int
migrator_pg_text(migrator_pg_t *pg, const char *node, char *buf, size_t size,
    const char *sql, int n, const char *const *values)
{
    int        rc;
    PGresult  *res;

    rc = migrator_pg_query(pg, node, &res, sql, n, values);

    if (rc == MIGRATOR_OK) {
        snprintf(buf, size, "%s", migrator_pg_cell(res, 0, 0));
        PQclear(res);
    }

    return rc;
}


int
migrator_pg_number(migrator_pg_t *pg, const char *node, uint64_t *number,
    const char *sql, int n, const char *const *values)
{
    int        rc;
    PGresult  *res;

    rc = migrator_pg_query(pg, node, &res, sql, n, values);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    *number = 0;

    if (PQntuples(res) && migrator_pg_value(res, 0, 0, number) != SHARD_OK) {
        rc = migrator_pg_say(pg, MIGRATOR_DOWN, "%s: \"%.40s\" is no number",
                             node, migrator_pg_cell(res, 0, 0));
    }

    PQclear(res);

    return rc;
}


int
migrator_pg_run(migrator_pg_t *pg, const char *node, const char *sql)
{
    int        rc;
    PGresult  *res;

    rc = migrator_pg_query(pg, node, &res, sql, 0, NULL);

    if (rc == MIGRATOR_OK) {
        PQclear(res);
    }

    return rc;
}


/*
 * SH...: conf/postgres.sql says no; 3F, 42 and 28: it is not installed, or
 * not for this user; 55000: a server that cannot do it as it is configured.
 * Anything else may be over when it is tried again.
 */

int
migrator_pg_error(migrator_pg_t *pg, migrator_pg_node_t *c,
    const PGresult *res)
{
    int          rc;
    const char  *state, *text;

    state = res ? PQresultErrorField(res, PG_DIAG_SQLSTATE) : NULL;
    text = res ? PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY) : NULL;

    if (state == NULL) {
        state = "";
    }

    rc = strncmp(state, "SH", 2) == 0 || strncmp(state, "42", 2) == 0
         || strncmp(state, "28", 2) == 0 || strcmp(state, "3F000") == 0
         || strcmp(state, "55000") == 0
         ? MIGRATOR_REFUSED : MIGRATOR_DOWN;

    migrator_pg_say(pg, rc, "%s: %.300s%s", c->name,
                    text ? text : PQerrorMessage(c->pg),
                    strcmp(state, "3F000") == 0 || strcmp(state, "42883") == 0
                    ? " (is conf/postgres.sql installed there?)" : "");

    if (state[0] == '\0' || PQstatus(c->pg) != CONNECTION_OK) {
        migrator_pg_close(c);
    }

    return rc;
}
