
/*
 * Requests to shardkv --store postgres://, each one statement: who owns the
 * shard is decided in the same transaction or snapshot as what is done.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_postgres.h"


#define OWNER  "SELECT o.role, o.epoch, o.held"

static const char *const  shardkv_pg_roles[] = { "none", "standby", "primary" };


static int shardkv_pg_health(shardkv_pg_t *c, shardkv_request_t *r);
static int shardkv_pg_only(shardkv_pg_t *c, shardkv_request_t *r);
static int shardkv_pg_get(shardkv_pg_t *c, shardkv_request_t *r);
static int shardkv_pg_list(shardkv_pg_t *c, shardkv_request_t *r);
static int shardkv_pg_write(shardkv_pg_t *c, shardkv_request_t *r);
static int shardkv_pg_role(shardkv_pg_t *c, shardkv_request_t *r);
static int shardkv_pg_hold(shardkv_pg_t *c, shardkv_request_t *r);
static int shardkv_pg_stats(shardkv_pg_t *c, shardkv_request_t *r);


int
shardkv_pg_call(shardkv_pg_t *c, shardkv_request_t *r)
{
    int  rc;

    if (!r->route->data && r->route->call != SHARDKV_HEALTH
        && !r->sender.has_shard)
    {
        rc = shardkv_pg_only(c, r);

        if (rc != SHARD_OK) {
            return rc;
        }
    }

    switch (r->route->call) {

    case SHARDKV_KV_GET:
        return shardkv_pg_get(c, r);

    case SHARDKV_QUEUE_GET:
        return shardkv_pg_list(c, r);

    case SHARDKV_KV_PUT:
    case SHARDKV_KV_DELETE:
    case SHARDKV_QUEUE_APPEND:
        return shardkv_pg_write(c, r);

    case SHARDKV_ROLE:
        return shardkv_pg_role(c, r);

    case SHARDKV_HOLD:
    case SHARDKV_RESUME:
        return shardkv_pg_hold(c, r);

    case SHARDKV_STATS:
        return shardkv_pg_stats(c, r);

    default:
        return shardkv_pg_health(c, r);
    }
}


static int
shardkv_pg_health(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                   rc;
    PGresult             *res;
    shardkv_pg_params_t   p;

    memset(&p, 0, sizeof(p));
    rc = shardkv_pg_exec(c, r, "SELECT 1", &p, 0, &res);

    if (rc == SHARD_OK) {
        shardkv_json(&r->answer, "{\"status\":\"ok\"}\n");
        PQclear(res);
    }

    return rc;
}


/* a request by hand names no shard: it is the only one we are primary of */

static int
shardkv_pg_only(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                   n, rc;
    PGresult             *res;
    shard_str_t           id;
    shardkv_pg_params_t   p;

    memset(&p, 0, sizeof(p));
    rc = shardkv_pg_exec(c, r, "SELECT shard FROM shard.owner WHERE role = "
                         "'primary' LIMIT 1000", &p, 0, &res);
    if (rc != SHARD_OK) {
        return rc;
    }

    n = PQntuples(res);
    id.data = n ? PQgetvalue(res, 0, 0) : "";
    id.len = strlen(id.data);

    if (n > 1) {
        shardkv_refuse(&r->answer, 400, "bad_request", "X-Shard-Id is "
                       "missing, and this node is primary of %d shards", n);

    } else if (shard_id_decode(id, &r->shard) != SHARD_OK) {
        shardkv_refuse(&r->answer, 421, "misdirected", "this node is primary "
                       "of no shard");

    } else {
        r->sender.has_shard = 1;
    }

    PQclear(res);

    return r->sender.has_shard ? SHARD_OK : SHARD_AGAIN;
}


/* the first three columns, binary: role, epoch, held; no row: no owner */

static int
shardkv_pg_owner(const PGresult *res, shardkv_request_t *r,
    shardkv_shard_t *s)
{
    int                   i, len;
    const unsigned char  *n;

    memset(s, 0, sizeof(shardkv_shard_t));

    if (PQntuples(res) == 0) {
        return shardkv_owner_check(s, &r->sender, r->route->write,
                                   &r->answer);
    }

    len = PQgetlength(res, 0, 0);

    for (i = 0; i < 3; i++) {
        if (strlen(shardkv_pg_roles[i]) == (size_t) len
            && memcmp(PQgetvalue(res, 0, 0), shardkv_pg_roles[i], len) == 0)
        {
            s->role = (shardkv_role_e) i;
        }
    }

    if (PQgetlength(res, 0, 1) == 8 && PQgetlength(res, 0, 2) == 1) {
        n = (const unsigned char *) PQgetvalue(res, 0, 1);
        s->epoch = (uint32_t) n[4] << 24 | (uint32_t) n[5] << 16
                   | (uint32_t) n[6] << 8 | n[7];
        s->held = PQgetvalue(res, 0, 2)[0] != 0;
    }

    return shardkv_owner_check(s, &r->sender, r->route->write, &r->answer);
}


static int
shardkv_pg_get(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                   rc;
    PGresult             *res;
    shardkv_shard_t       s;
    shardkv_pg_params_t   p;

    shardkv_pg_shard(&p, r);
    shardkv_pg_bytes(&p, r->key, r->klen);

    rc = shardkv_pg_exec(c, r, OWNER ", d.value FROM shard.owner o LEFT JOIN "
                         "shardkv.kv d ON d.shard = o.shard AND d.key = $2 "
                         "WHERE o.shard = $1", &p, 1, &res);
    if (rc != SHARD_OK) {
        return rc;
    }

    if (shardkv_pg_owner(res, r, &s) != SHARD_OK) {
        PQclear(res);
        return SHARD_AGAIN;
    }

    if (PQgetisnull(res, 0, 3)) {
        shardkv_refuse(&r->answer, 404, "not_found", "no such key");
        PQclear(res);
        return SHARD_OK;
    }

    r->answer.len = (size_t) PQgetlength(res, 0, 3);
    r->answer.body = malloc(r->answer.len + 1);

    if (r->answer.body) {
        memcpy(r->answer.body, PQgetvalue(res, 0, 3), r->answer.len);
        r->answer.type = "application/octet-stream";
        r->answer.status = 200;

    } else {
        shardkv_refuse(&r->answer, 503, "no_memory", "no memory");
    }

    PQclear(res);

    return SHARD_OK;
}


/* {"n":1,"v":"..."} a line; n is a bigint in network order */

static int
shardkv_pg_lines(const PGresult *res, shardkv_answer_t *a)
{
    int                   i, k;
    size_t                size;
    uint64_t              n;
    const unsigned char  *number;

    size = 1;

    for (i = 0; i < PQntuples(res); i++) {
        size += 48 + ((size_t) PQgetlength(res, i, 4) + 2) / 3 * 4;
    }

    a->body = malloc(size);
    a->len = 0;

    if (a->body == NULL) {
        shardkv_refuse(a, 503, "no_memory", "no memory");
        return SHARD_OK;
    }

    for (i = 0; i < PQntuples(res) && !PQgetisnull(res, i, 3); i++) {
        number = (const unsigned char *) PQgetvalue(res, i, 3);
        n = 0;

        for (k = 0; k < 8; k++) {
            n = n << 8 | number[k];
        }

        a->len += (size_t) sprintf(a->body + a->len, "{\"n\":%llu,\"v\":\"",
                                   (unsigned long long) n);
        a->len += shardkv_base64_encode(a->body + a->len,
                                        PQgetvalue(res, i, 4),
                                        (size_t) PQgetlength(res, i, 4));
        memcpy(a->body + a->len, "\"}\n", 3);
        a->len += 3;
    }

    a->type = "application/x-ndjson";
    a->status = 200;

    return SHARD_OK;
}


static int
shardkv_pg_list(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                   rc;
    PGresult             *res;
    shardkv_shard_t       s;
    shardkv_pg_params_t   p;

    shardkv_pg_shard(&p, r);
    shardkv_pg_bytes(&p, r->key, r->klen);
    shardkv_pg_number(&p, r->position);
    shardkv_pg_number(&p, r->limit);

    rc = shardkv_pg_exec(c, r, OWNER ", d.n, d.value FROM shard.owner o LEFT "
                         "JOIN (SELECT * FROM shardkv.entry WHERE shard = $1 "
                         "AND key = $2 AND n > $3 ORDER BY n LIMIT $4) d ON "
                         "d.shard = o.shard WHERE o.shard = $1 ORDER BY d.n",
                         &p, 1, &res);
    if (rc != SHARD_OK) {
        return rc;
    }

    if (shardkv_pg_owner(res, r, &s) != SHARD_OK) {
        rc = SHARD_AGAIN;

    } else if (s.held) {
        shardkv_refuse(&r->answer, 423, "held", "queues of this shard are "
                       "held; try again after POST resume");

    } else {
        rc = shardkv_pg_lines(res, &r->answer);
    }

    PQclear(res);

    return rc;
}


static int
shardkv_pg_write(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                   rc;
    PGresult             *res;
    const char           *sql;
    shardkv_pg_params_t   p;

    shardkv_pg_shard(&p, r);
    shardkv_pg_epoch(&p, r);
    shardkv_pg_bytes(&p, r->key, r->klen);

    if (r->route->call == SHARDKV_KV_DELETE) {
        sql = "SELECT shardkv.del($1, $2, $3)";

    } else {
        shardkv_pg_bytes(&p, r->body.data, r->body.len);
        sql = r->route->call == SHARDKV_KV_PUT
              ? "SELECT shardkv.put($1, $2, $3, $4)"
              : "SELECT shardkv.append($1, $2, $3, $4)";
    }

    rc = shardkv_pg_exec(c, r, sql, &p, 0, &res);

    if (rc != SHARD_OK) {
        return rc;
    }

    if (r->route->call == SHARDKV_QUEUE_APPEND) {
        shardkv_json(&r->answer, "{\"n\":%.20s}\n", PQgetvalue(res, 0, 0));

    } else if (PQgetvalue(res, 0, 0)[0] == '0') {
        shardkv_refuse(&r->answer, 404, "not_found", "no such key");

    } else {
        shardkv_done(&r->answer, 204);
    }

    PQclear(res);

    return SHARD_OK;
}


static int
shardkv_pg_role(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                   rc;
    PGresult             *res;
    shardkv_pg_params_t   p;

    shardkv_pg_shard(&p, r);
    p.value[p.n++] = shardkv_pg_roles[r->role];
    shardkv_pg_number(&p, r->epoch);

    rc = shardkv_pg_exec(c, r, "SELECT shard.role($1, $2, $3)", &p, 0, &res);

    if (rc == SHARD_OK) {
        shardkv_json(&r->answer, "{\"role\":\"%s\",\"epoch\":%u,"
                     "\"position\":%.20s}\n", shardkv_pg_roles[r->role],
                     r->epoch, PQgetvalue(res, 0, 0));
        PQclear(res);
    }

    return rc;
}


static int
shardkv_pg_hold(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                   rc;
    PGresult             *res;
    shardkv_pg_params_t   p;

    shardkv_pg_shard(&p, r);
    p.value[p.n++] = r->route->call == SHARDKV_HOLD ? "true" : "false";

    if (r->has_at) {
        shardkv_pg_number(&p, r->position);
    } else {
        p.value[p.n++] = NULL;
    }

    rc = shardkv_pg_exec(c, r, "UPDATE shard.owner SET held = $2 WHERE shard "
                         "= $1 AND epoch = coalesce($3, epoch) "
                         "RETURNING held", &p, 0, &res);
    if (rc != SHARD_OK) {
        return rc;
    }

    if (r->has_at && PQntuples(res) == 0) {
        shardkv_refuse(&r->answer, 409, "epoch", "epoch= is not the shard's "
                       "epoch here");

    } else {
        shardkv_done(&r->answer, 204);
    }

    PQclear(res);

    return SHARD_OK;
}


/* of a large shard counting takes its time: it is not done often */

static int
shardkv_pg_stats(shardkv_pg_t *c, shardkv_request_t *r)
{
    int                   rc;
    PGresult             *res;
    shardkv_pg_params_t   p;

    shardkv_pg_shard(&p, r);

    rc = shardkv_pg_exec(c, r, "SELECT s.role, s.epoch, s.pos, z.items, "
                         "z.bytes, (SELECT count(*) FROM shardkv.entry WHERE "
                         "shard = $1), s.held FROM shard.stats($1) s, "
                         "shard.size($1) z", &p, 0, &res);
    if (rc != SHARD_OK) {
        return rc;
    }

    shardkv_json(&r->answer, "{\"role\":\"%.10s\",\"epoch\":%.20s,"
                 "\"position\":%.20s,\"items\":%.20s,\"bytes\":%.20s,"
                 "\"queue_depth\":%.20s,\"write_rate\":0,\"held\":%s,"
                 "\"capacity\":%.6g,\"free_bytes\":%lld}\n",
                 PQgetvalue(res, 0, 0), PQgetvalue(res, 0, 1),
                 PQgetvalue(res, 0, 2), PQgetvalue(res, 0, 3),
                 PQgetvalue(res, 0, 4), PQgetvalue(res, 0, 5),
                 PQgetvalue(res, 0, 6)[0] == 't' ? "true" : "false",
                 r->server->capacity, (long long) INT64_MAX);

    PQclear(res);

    return SHARD_OK;
}
