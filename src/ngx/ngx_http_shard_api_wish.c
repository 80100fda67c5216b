
/*
 * shard_api: what operators write, checked before Redis sees it.
 */


#include "ngx_http_shard_ask.h"

#include "shard_load.h"
#include "shard_terms.h"


static ngx_int_t ngx_http_shard_ask_refuse(ngx_http_shard_ask_t *ask,
    const char *err);
static ngx_int_t ngx_http_shard_ask_no_shard(ngx_http_shard_ask_t *ask,
    shard_id_t id);
static ngx_int_t ngx_http_shard_ask_no_node(ngx_http_shard_ask_t *ask,
    const char *name);
static ngx_int_t ngx_http_shard_ask_route(ngx_http_shard_ask_t *ask,
    shard_id_t id, shard_route_t *route, char *from);
static ngx_uint_t ngx_http_shard_ask_knows(ngx_http_shard_ask_t *ask,
    const char *node);
static ngx_int_t ngx_http_shard_ask_order(ngx_http_shard_ask_t *ask,
    const char *wish);
static ngx_int_t ngx_http_shard_ask_decide(ngx_http_shard_ask_t *ask,
    const shard_move_t *move, uint32_t epoch, const char *from);


void
ngx_http_shard_ask_add_str(ngx_http_shard_ask_t *ask, const void *data,
    size_t len)
{
    if (ask->argc < NGX_HTTP_SHARD_ASK_ARGS) {
        ask->argv[ask->argc] = data;
        ask->lens[ask->argc++] = len;
    }
}


void
ngx_http_shard_ask_add(ngx_http_shard_ask_t *ask, const char *text)
{
    ngx_http_shard_ask_add_str(ask, text, ngx_strlen(text));
}


void
ngx_http_shard_ask_add_fmt(ngx_http_shard_ask_t *ask, const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;

    p = ngx_pnalloc(ask->api.request->pool, NGX_HTTP_SHARD_ASK_FIELD);

    if (p) {
        va_start(args, fmt);
        last = ngx_vslprintf(p, p + NGX_HTTP_SHARD_ASK_FIELD, fmt, args);
        va_end(args);

        ngx_http_shard_ask_add_str(ask, p, last - p);
    }
}


/* "%" at its end: the resource's id */

const char *
ngx_http_shard_ask_key(ngx_http_shard_ask_t *ask, const char *suffix)
{
    size_t      len;
    u_char     *p;
    ngx_str_t  *name;

    len = ngx_strlen(suffix);
    name = &ask->api.keyspace->name;

    p = ngx_pnalloc(ask->api.request->pool,
                    sizeof("shard:{}:") + name->len + len + ask->id.len);
    if (p == NULL) {
        return "";
    }

    if (len && suffix[len - 1] == '%') {
        *ngx_sprintf(p, "shard:{%V}:%*s%V", name, len - 1, suffix, &ask->id)
            = '\0';

    } else {
        *ngx_sprintf(p, "shard:{%V}:%s", name, suffix) = '\0';
    }

    return (const char *) p;
}


void
ngx_http_shard_ask_add_key(ngx_http_shard_ask_t *ask, const char *suffix)
{
    ngx_http_shard_ask_add(ask, ngx_http_shard_ask_key(ask, suffix));
}


static ngx_int_t
ngx_http_shard_ask_refuse(ngx_http_shard_ask_t *ask, const char *err)
{
    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_REQUEST,
                                    "bad_body", "%s", err);
}


static ngx_int_t
ngx_http_shard_ask_no_shard(ngx_http_shard_ask_t *ask, shard_id_t id)
{
    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_NOT_FOUND,
                                    "no_such_shard_or_node", "the table has "
                                    "no shard %uD", id);
}


static ngx_int_t
ngx_http_shard_ask_no_node(ngx_http_shard_ask_t *ask, const char *name)
{
    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_NOT_FOUND,
                                    "no_such_shard_or_node", "the table has "
                                    "no node \"%s\"", name);
}


static ngx_uint_t
ngx_http_shard_ask_knows(ngx_http_shard_ask_t *ask, const char *node)
{
    ngx_int_t               found;
    ngx_http_shard_view_t   view;

    do {
        ngx_http_shard_view_open(&view, ask->api.keyspace);
        found = ngx_http_shard_api_find_node(&view, node, ngx_strlen(node));
    } while (!ngx_http_shard_view_holds(&view));

    return found >= 0;
}


/* where it goes now, and its primary's name; NGX_DECLINED: no such shard */

static ngx_int_t
ngx_http_shard_ask_route(ngx_http_shard_ask_t *ask, shard_id_t id,
    shard_route_t *route, char *from)
{
    uint32_t                i, slot;
    ngx_int_t               rc;
    ngx_str_t               name;
    shard_id_t              same;
    ngx_http_shard_view_t   view;

    do {
        ngx_http_shard_view_open(&view, ask->api.keyspace);
        i = shard_index_by_id(&view.arena->index, id);
        rc = ngx_http_shard_view_shard(&view, i, &same, &slot);

        if (rc == NGX_OK) {
            shard_latch_read(&view.sh->latches[slot], route);
            ngx_http_shard_view_name(&view, route->primary, &name);
            *ngx_cpymem(from, name.data, ngx_min(name.len,
                                                 SHARD_NAME_SIZE - 1)) = '\0';
        }

    } while (!ngx_http_shard_view_holds(&view));

    return rc;
}


/* routers would ignore a verb about a shard or a node that is not there */

ngx_int_t
ngx_http_shard_ask_set_override(ngx_http_shard_ask_t *ask)
{
    char              err[SHARD_ERR_SIZE], from[SHARD_NAME_SIZE];
    ngx_uint_t        i;
    shard_id_t        id;
    shard_str_t       text;
    shard_route_t     route;
    shard_override_t  verb;

    if (shard_wish_verb(ask->body, &verb, &text, err) != SHARD_OK) {
        return ngx_http_shard_ask_refuse(ask, err);
    }

    id = (shard_id_t) ngx_atoi(ask->id.data, ask->id.len);

    if (ngx_http_shard_ask_route(ask, id, &route, from) != NGX_OK) {
        return ngx_http_shard_ask_no_shard(ask, id);
    }

    for (i = 0; i < SHARD_OVERRIDE_NODES; i++) {
        if (verb.node[i][0] && !ngx_http_shard_ask_knows(ask, verb.node[i])) {
            return ngx_http_shard_ask_no_node(ask, verb.node[i]);
        }
    }

    ngx_http_shard_ask_add(ask, "HSET");
    ngx_http_shard_ask_add_key(ask, ask->resource->key);
    ngx_http_shard_ask_add_str(ask, ask->id.data, ask->id.len);
    ngx_http_shard_ask_add_str(ask, text.data, text.len);

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_shard_ask_delete(ngx_http_shard_ask_t *ask)
{
    ngx_http_shard_ask_add(ask, "HDEL");
    ngx_http_shard_ask_add_key(ask, ask->resource->key);
    ngx_http_shard_ask_add_str(ask, ask->id.data, ask->id.len);

    return NGX_AGAIN;
}


/* for a migration; Redis tells what is too late, to shardctl, too */

static ngx_int_t
ngx_http_shard_ask_order(ngx_http_shard_ask_t *ask, const char *wish)
{
    ngx_http_shard_ask_add(ask, "FCALL");
    ngx_http_shard_ask_add(ask, "shard_migration_wish");
    ngx_http_shard_ask_add(ask, "1");
    ngx_http_shard_ask_add_key(ask, ask->resource->key);
    ngx_http_shard_ask_add(ask, wish);
    ngx_http_shard_ask_add(ask, "api");

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_shard_ask_wish(ngx_http_shard_ask_t *ask)
{
    char         err[SHARD_ERR_SIZE];
    const char  *wish;

    if (shard_wish_order(ask->body, &wish, err) != SHARD_OK) {
        return ngx_http_shard_ask_refuse(ask, err);
    }

    return ngx_http_shard_ask_order(ask, wish);
}


ngx_int_t
ngx_http_shard_ask_roll_back(ngx_http_shard_ask_t *ask)
{
    return ngx_http_shard_ask_order(ask, "rollback");
}


/* a decision of an operator, as shardctl migrate makes it */

ngx_int_t
ngx_http_shard_ask_migrate(ngx_http_shard_ask_t *ask)
{
    char           err[SHARD_ERR_SIZE], from[SHARD_NAME_SIZE];
    shard_move_t   move;
    shard_route_t  route;

    if (shard_wish_move(ask->body, &move, err) != SHARD_OK) {
        return ngx_http_shard_ask_refuse(ask, err);
    }

    if (ngx_http_shard_ask_route(ask, move.shard, &route, from) != NGX_OK) {
        return ngx_http_shard_ask_no_shard(ask, move.shard);
    }

    if (!ngx_http_shard_ask_knows(ask, move.to)) {
        return ngx_http_shard_ask_no_node(ask, move.to);
    }

    if (route.flags & SHARD_ROUTE_OVERRIDE) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT,
                                        "override", "an override of shard %uD "
                                        "is in force, delete it first",
                                        move.shard);
    }

    if (ngx_strcmp(from, move.to) == 0) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT,
                                        "already_there", "shard %uD is on "
                                        "node \"%s\"", move.shard, from);
    }

    return ngx_http_shard_ask_decide(ask, &move, route.epoch, from);
}


static ngx_int_t
ngx_http_shard_ask_decide(ngx_http_shard_ask_t *ask,
    const shard_move_t *move, uint32_t epoch, const char *from)
{
    u_char      *p;
    ngx_time_t  *tp;

    p = ngx_pnalloc(ask->api.request->pool, 17);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    shard_hex_encode(shard_decision_id(move->shard, epoch, from, move->to),
                     (char *) p);
    ask->id.data = p;
    ask->id.len = 16;

    ngx_http_shard_ask_add(ask, "FCALL");
    ngx_http_shard_ask_add(ask, "shard_decision_add");
    ngx_http_shard_ask_add(ask, "3");
    ngx_http_shard_ask_add_key(ask, "decision:%");
    ngx_http_shard_ask_add_key(ask, "decisions");
    ngx_http_shard_ask_add_key(ask, "migration:%");

    tp = ngx_timeofday();

    ngx_http_shard_ask_add(ask, "id");
    ngx_http_shard_ask_add_fmt(ask, "%V", &ask->id);
    ngx_http_shard_ask_add(ask, "verb");
    ngx_http_shard_ask_add(ask, "move");
    ngx_http_shard_ask_add(ask, "shard");
    ngx_http_shard_ask_add_fmt(ask, "%uD", move->shard);
    ngx_http_shard_ask_add(ask, "from");
    ngx_http_shard_ask_add_fmt(ask, "%s", from);
    ngx_http_shard_ask_add(ask, "to");
    ngx_http_shard_ask_add_fmt(ask, "%s", move->to);
    ngx_http_shard_ask_add(ask, "epoch");
    ngx_http_shard_ask_add_fmt(ask, "%uD", epoch);
    ngx_http_shard_ask_add(ask, "decided_ms");
    ngx_http_shard_ask_add_fmt(ask, "%uL",
                               (uint64_t) tp->sec * 1000 + tp->msec);
    ngx_http_shard_ask_add(ask, "by");
    ngx_http_shard_ask_add(ask, "operator:api");
    ngx_http_shard_ask_add(ask, "mode");
    ngx_http_shard_ask_add(ask, "act");
    ngx_http_shard_ask_add(ask, "reason");
    ngx_http_shard_ask_add(ask,
                           "{\"operator\":\"api\",\"command\":\"migrate\"}");

    return NGX_AGAIN;
}


ngx_int_t
ngx_http_shard_ask_add_event(ngx_http_shard_ask_t *ask)
{
    int             len;
    char            err[SHARD_ERR_SIZE], *json;
    u_char         *id;
    ngx_uint_t      i;
    shard_event_t   event;

    if (shard_wish_event(ask->body, &event, err) != SHARD_OK) {
        return ngx_http_shard_ask_refuse(ask, err);
    }

    for (i = 0; i < event.nnodes; i++) {
        if (!ngx_http_shard_ask_knows(ask, event.nodes[i])) {
            return ngx_http_shard_ask_no_node(ask, event.nodes[i]);
        }
    }

    json = ngx_pnalloc(ask->api.request->pool, SHARD_EVENT_SIZE);
    id = ngx_pnalloc(ask->api.request->pool, SHARD_NAME_SIZE);

    if (json == NULL || id == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    len = shard_event_encode(&event, json, SHARD_EVENT_SIZE);

    if (len < 0) {
        return ngx_http_shard_ask_refuse(ask, "the event is too long");
    }

    ask->id.data = id;
    ask->id.len = (event.id[0]
                   ? ngx_sprintf(id, "%s", event.id)
                   : ngx_sprintf(id, "%08xD%08xD", (uint32_t) ngx_random(),
                                 (uint32_t) ngx_random()))
                  - id;

    ngx_http_shard_ask_add(ask, "HSETNX");
    ngx_http_shard_ask_add_key(ask, ask->resource->key);
    ngx_http_shard_ask_add_str(ask, ask->id.data, ask->id.len);
    ngx_http_shard_ask_add_str(ask, json, (size_t) len);

    return NGX_AGAIN;
}


/* what routers and the predictor read of it must be right, the rest JSON */

ngx_int_t
ngx_http_shard_ask_set_policy(ngx_http_shard_ask_t *ask)
{
    char                  err[SHARD_ERR_SIZE];
    shard_load_t          load;
    shard_terms_t         terms;
    shard_policy_t       *policy;
    shard_policy_work_t  *work;

    work = ngx_palloc(ask->api.request->pool, sizeof(shard_policy_work_t));
    policy = ngx_palloc(ask->api.request->pool, sizeof(shard_policy_t));

    if (work == NULL || policy == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!shard_json_is_object(ask->body)) {
        return ngx_http_shard_ask_refuse(ask, ask->body.len
                                              ? "the policy is no JSON object"
                                              : "the body is empty, it must "
                                                "be a JSON object");
    }

    if (shard_policy_decode(ask->body, work, policy, err) != SHARD_OK
        || shard_load_decode(ask->body, work, &load, err) != SHARD_OK
        || shard_terms_decode(ask->body, work, &terms, err) != SHARD_OK)
    {
        return ngx_http_shard_ask_refuse(ask, err);
    }

    ask->flow = ngx_http_shard_ask_commit;

    return NGX_AGAIN;
}
