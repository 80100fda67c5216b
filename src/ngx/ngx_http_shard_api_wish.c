
/*
 * shard_api: what operators write, checked before Redis sees it.
 */


#include "ngx_http_shard_ask.h"


typedef struct {
    uint32_t                   shard;
    char                       to[SHARD_NAME_SIZE];
} ngx_http_shard_wish_t;


#define NGX_HTTP_SHARD_ASK_FIELD  128             /* a name, or a number */


static ngx_int_t ngx_http_shard_ask_decide(ngx_http_shard_ask_t *ask,
    const ngx_http_shard_wish_t *wish, uint32_t epoch, const char *from);
static ngx_uint_t ngx_http_shard_ask_knows(ngx_http_shard_ask_t *ask,
    const char *node);
static void ngx_http_shard_ask_field(ngx_http_shard_ask_t *ask,
    const char *name, const char *fmt, ...);
static shard_str_t ngx_http_shard_ask_body(ngx_http_shard_ask_t *ask);


void
ngx_http_shard_ask_add(ngx_http_shard_ask_t *ask, const char *text)
{
    if (ask->argc < NGX_HTTP_SHARD_ASK_ARGS && text) {
        ask->argv[ask->argc] = text;
        ask->lens[ask->argc++] = ngx_strlen(text);
    }
}


void
ngx_http_shard_ask_add_key(ngx_http_shard_ask_t *ask, const char *suffix,
    ngx_str_t *id)
{
    size_t   len;
    u_char  *p;

    len = ngx_strlen(suffix);

    p = ngx_pnalloc(ask->api.request->pool,
                    ask->api.keyspace->name.len + len + id->len + 16);
    if (p == NULL) {
        return;
    }

    if (len && suffix[len - 1] == '%') {
        ngx_sprintf(p, "shard:{%V}:%*s%V%Z", &ask->api.keyspace->name, len - 1,
                    suffix, id);

    } else {
        ngx_sprintf(p, "shard:{%V}:%s%Z", &ask->api.keyspace->name, suffix);
    }

    ngx_http_shard_ask_add(ask, (char *) p);
}


char *
ngx_http_shard_ask_text(ngx_http_shard_ask_t *ask, ngx_str_t *s)
{
    char  *p;

    p = ngx_pnalloc(ask->api.request->pool, s->len + 1);

    if (p) {
        ngx_memcpy(p, s->data, s->len);
        p[s->len] = '\0';
    }

    return p;
}


static int
ngx_http_shard_ask_set_verb(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    return shard_json_string(json, value, field->name, dst, err);
}


static ngx_int_t
ngx_http_shard_ask_refuse(ngx_http_shard_ask_t *ask, char *err)
{
    char  *p;

    /* the message stands inside quotes */

    for (p = err; *p; p++) {
        if (*p == '"' || *p == '\\' || (u_char) *p < ' ') {
            *p = '\'';
        }
    }

    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_BAD_REQUEST,
                                    "bad_body", err);
}


static ngx_int_t
ngx_http_shard_ask_unknown(ngx_http_shard_ask_t *ask)
{
    return ngx_http_shard_api_error(&ask->api, NGX_HTTP_NOT_FOUND,
                                    "no_such_shard_or_node",
                                    "the table has no such shard, or no such "
                                    "node");
}


/* routers would ignore a verb about a shard or a node that is not there */

ngx_int_t
ngx_http_shard_ask_override(ngx_http_shard_ask_t *ask)
{
    char              err[SHARD_ERR_SIZE];
    ngx_int_t         id;
    ngx_uint_t        i;
    ngx_str_t         text;
    shard_str_t       verb;
    shard_json_t      json;
    shard_override_t  override;

    static const shard_json_field_t  fields[] = {
        { "verb", 1, ngx_http_shard_ask_set_verb, 0, 0, NULL },
        { NULL, 0, NULL, 0, 0, NULL }
    };

    if (shard_json_parse(&json, ngx_http_shard_ask_body(ask), err) != SHARD_OK
        || shard_json_bind(&json, fields, &verb, err) != SHARD_OK
        || shard_override_decode(verb, &override, err) != SHARD_OK)
    {
        return ngx_http_shard_ask_refuse(ask, err);
    }

    id = ngx_atoi(ask->id.data, ask->id.len);

    if (id < 0 || id >= (ngx_int_t) SHARD_ID_NONE
        || shard_index_by_id(&ask->api.arena->index, (shard_id_t) id)
           == SHARD_SLOT_NONE)
    {
        return ngx_http_shard_ask_unknown(ask);
    }

    for (i = 0; i < SHARD_OVERRIDE_NODES; i++) {
        if (override.node[i][0]
            && !ngx_http_shard_ask_knows(ask, override.node[i]))
        {
            return ngx_http_shard_ask_unknown(ask);
        }
    }

    text.data = (u_char *) verb.data;
    text.len = verb.len;
    ngx_http_shard_ask_add(ask, ngx_http_shard_ask_text(ask, &text));

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_http_shard_ask_knows(ngx_http_shard_ask_t *ask, const char *node)
{
    size_t                   len;
    ngx_uint_t               n;
    ngx_http_shard_arena_t  *arena;

    len = ngx_strlen(node);
    arena = ask->api.arena;

    for (n = 0; n < arena->nnodes; n++) {
        if (arena->nodes[n].name_len == len
            && ngx_strncmp(arena->nodes[n].name, node, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_http_shard_ask_find(ngx_http_shard_ask_t *ask,
    const ngx_http_shard_wish_t *wish, shard_route_t *route, char *from)
{
    uint32_t                 i;
    ngx_http_shard_arena_t  *arena;

    arena = ask->api.arena;
    i = shard_index_by_id(&arena->index, wish->shard);

    if (i == SHARD_SLOT_NONE) {
        return NGX_DECLINED;
    }

    shard_latch_read(&ask->api.keyspace->sh->latches[shard_index_slot(&arena->index, i)],
                     route);

    if (!ngx_http_shard_ask_knows(ask, wish->to)
        || route->primary >= arena->nnodes)
    {
        return NGX_DECLINED;
    }

    *ngx_cpymem(from, arena->nodes[route->primary].name,
                arena->nodes[route->primary].name_len) = '\0';

    return NGX_OK;
}


/* a decision of an operator, as shardctl migrate makes it */

ngx_int_t
ngx_http_shard_ask_migration(ngx_http_shard_ask_t *ask)
{
    char                   err[SHARD_ERR_SIZE], from[SHARD_NAME_SIZE + 1];
    shard_json_t           json;
    shard_route_t          route;
    ngx_http_shard_wish_t  wish;

    static const shard_json_field_t  fields[] = {
        { "shard", 1, shard_json_set_uint32,
          offsetof(ngx_http_shard_wish_t, shard), SHARD_ID_NONE - 1, NULL },
        { "to", 1, shard_json_set_name, offsetof(ngx_http_shard_wish_t, to),
          0, NULL },
        { NULL, 0, NULL, 0, 0, NULL }
    };

    if (shard_json_parse(&json, ngx_http_shard_ask_body(ask), err) != SHARD_OK
        || shard_json_bind(&json, fields, &wish, err) != SHARD_OK)
    {
        return ngx_http_shard_ask_refuse(ask, err);
    }

    if (ngx_http_shard_ask_find(ask, &wish, &route, from) != NGX_OK) {
        return ngx_http_shard_ask_unknown(ask);
    }

    if (route.flags & SHARD_ROUTE_OVERRIDE) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT,
                                        "override",
                                        "an override is in force, delete it "
                                        "first");
    }

    if (ngx_strcmp(from, wish.to) == 0) {
        return ngx_http_shard_api_error(&ask->api, NGX_HTTP_CONFLICT,
                                        "already_there",
                                        "the shard is on that node");
    }

    return ngx_http_shard_ask_decide(ask, &wish, route.epoch, from);
}


static ngx_int_t
ngx_http_shard_ask_decide(ngx_http_shard_ask_t *ask,
    const ngx_http_shard_wish_t *wish, uint32_t epoch, const char *from)
{
    u_char      *p;
    ngx_time_t  *tp;

    p = ngx_pnalloc(ask->api.request->pool, 17);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    shard_hex_encode(shard_decision_id(wish->shard, epoch, from, wish->to),
                     (char *) p);
    ask->id.data = p;
    ask->id.len = 16;

    ngx_http_shard_ask_add(ask, "FCALL");
    ngx_http_shard_ask_add(ask, "shard_decision_add");
    ngx_http_shard_ask_add(ask, "3");
    ngx_http_shard_ask_add_key(ask, "decision:%", &ask->id);
    ngx_http_shard_ask_add_key(ask, "decisions", &ask->id);
    ngx_http_shard_ask_add_key(ask, "migration:%", &ask->id);

    tp = ngx_timeofday();

    ngx_http_shard_ask_field(ask, "id", "%V", &ask->id);
    ngx_http_shard_ask_field(ask, "verb", "move");
    ngx_http_shard_ask_field(ask, "shard", "%uD", wish->shard);
    ngx_http_shard_ask_field(ask, "from", "%s", from);
    ngx_http_shard_ask_field(ask, "to", "%s", wish->to);
    ngx_http_shard_ask_field(ask, "epoch", "%uD", epoch);
    ngx_http_shard_ask_field(ask, "decided_ms", "%uL",
                             (uint64_t) tp->sec * 1000 + tp->msec);
    ngx_http_shard_ask_field(ask, "by", "operator:api");
    ngx_http_shard_ask_field(ask, "mode", "act");
    ngx_http_shard_ask_field(ask, "reason",
                             "{\"operator\":\"api\",\"command\":\"migrate\"}");

    return NGX_AGAIN;
}


static void
ngx_http_shard_ask_field(ngx_http_shard_ask_t *ask, const char *name,
    const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    p = ngx_pcalloc(ask->api.request->pool, NGX_HTTP_SHARD_ASK_FIELD);
    if (p == NULL) {
        return;
    }

    va_start(args, fmt);
    (void) ngx_vslprintf(p, p + NGX_HTTP_SHARD_ASK_FIELD - 1, fmt, args);
    va_end(args);

    ngx_http_shard_ask_add(ask, name);
    ngx_http_shard_ask_add(ask, (char *) p);
}


static shard_str_t
ngx_http_shard_ask_body(ngx_http_shard_ask_t *ask)
{
    u_char                   *p;
    shard_str_t               body;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    body.len = 0;
    body.data = "";
    rb = ask->api.request->request_body;

    if (rb == NULL || rb->temp_file) {
        return body;
    }

    p = ngx_pnalloc(ask->api.request->pool, SHARD_JSON_MAX);
    if (p == NULL) {
        return body;
    }

    body.data = (const char *) p;

    for (cl = rb->bufs; cl; cl = cl->next) {
        if (body.len + ngx_buf_size(cl->buf) > SHARD_JSON_MAX) {
            body.len = 0;
            break;
        }

        p = ngx_cpymem(p, cl->buf->pos, ngx_buf_size(cl->buf));
        body.len += ngx_buf_size(cl->buf);
    }

    return body;
}
