
#include "ngx_http_shard_names.h"


#define NGX_HTTP_SHARD_NAMES_OUT      64         /* questions at once */
#define NGX_HTTP_SHARD_NAMES_TIMEOUT  5000       /* ms, no resolver_timeout */
#define NGX_HTTP_SHARD_NAMES_RETRY    30000      /* ms, the longest */


typedef struct {
    ngx_http_shard_names_t     *names;
    ngx_resolver_ctx_t         *ctx;             /* NULL: not asked now */
    ngx_msec_t                  due;
    ngx_uint_t                  failures;        /* in a row */
    uint16_t                    number;
    uint16_t                    port;
    uint16_t                    addr_len;        /* 0: no name here */
    uint16_t                    host_len;        /* which addr begins with */
    u_char                      addr[SHARD_ADDR_SIZE];
} ngx_http_shard_name_t;

struct ngx_http_shard_names_s {
    ngx_http_shard_keyspace_t  *keyspace;
    ngx_log_t                  *log;
    ngx_resolver_t             *resolver;        /* NULL: none configured */
    ngx_msec_t                  timeout;
    uint64_t                    structure;       /* that the list is of, + 1 */
    ngx_uint_t                  out;
    ngx_uint_t                  next;            /* in the list, asked first */
    ngx_event_t                 fill;            /* posted: there is room */

    ngx_uint_t                  nnames;
    uint16_t                   *list;            /* numbers of named nodes */
    ngx_http_shard_name_t      *nodes;           /* by number */
};


static void ngx_http_shard_names_note(ngx_http_shard_names_t *names);
static void ngx_http_shard_names_note_node(ngx_http_shard_names_t *names,
    ngx_uint_t n, ngx_http_shard_node_t *node);
static void ngx_http_shard_names_tell(ngx_http_shard_names_t *names);
static void ngx_http_shard_names_forget(ngx_http_shard_name_t *name);
static void ngx_http_shard_names_fill(ngx_event_t *ev);
static void ngx_http_shard_names_ask(ngx_http_shard_name_t *name);
static void ngx_http_shard_names_answer(ngx_resolver_ctx_t *ctx);
static void ngx_http_shard_names_take(ngx_http_shard_name_t *name,
    ngx_resolver_ctx_t *ctx);
static ngx_resolver_addr_t *ngx_http_shard_names_choose(
    ngx_http_shard_name_t *name, ngx_resolver_ctx_t *ctx);
static void ngx_http_shard_names_failed(ngx_http_shard_name_t *name,
    ngx_int_t state);


ngx_http_shard_names_t *
ngx_http_shard_names_create(ngx_http_shard_keyspace_t *ks, ngx_log_t *log)
{
    ngx_http_conf_ctx_t       *ctx;
    ngx_http_shard_names_t    *names;
    ngx_http_core_loc_conf_t  *clcf;

    names = ngx_calloc(sizeof(ngx_http_shard_names_t), log);
    if (names == NULL) {
        return NULL;
    }

    names->keyspace = ks;
    names->log = log;
    names->fill.handler = ngx_http_shard_names_fill;
    names->fill.data = names;
    names->fill.log = log;

    ctx = (ngx_http_conf_ctx_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                               ngx_http_module);
    clcf = ctx->loc_conf[ngx_http_core_module.ctx_index];

    /* http {} gets one of no servers when it has none of its own */

    if (clcf->resolver && clcf->resolver->connections.nelts) {
        names->resolver = clcf->resolver;
    }

    names->timeout = clcf->resolver_timeout == NGX_CONF_UNSET_MSEC
                     ? NGX_HTTP_SHARD_NAMES_TIMEOUT : clcf->resolver_timeout;

    return names;
}


void
ngx_http_shard_names_destroy(ngx_http_shard_names_t *names)
{
    ngx_uint_t  i;

    if (names == NULL) {
        return;
    }

    for (i = 0; i < names->nnames; i++) {
        ngx_http_shard_names_forget(&names->nodes[names->list[i]]);
    }

    if (names->fill.posted) {
        ngx_delete_posted_event(&names->fill);
    }

    if (names->list) {
        ngx_free(names->list);
        ngx_free(names->nodes);
    }

    ngx_free(names);
}


void
ngx_http_shard_names_run(ngx_http_shard_names_t *names)
{
    if (names->structure != names->keyspace->sh->structure + 1) {
        ngx_http_shard_names_note(names);
    }

    if (names->nnames && names->resolver) {
        ngx_http_shard_names_fill(&names->fill);
    }
}


static void
ngx_http_shard_names_note(ngx_http_shard_names_t *names)
{
    ngx_uint_t               i, n, any;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_arena_t  *arena;

    sh = names->keyspace->sh;
    arena = &sh->arenas[sh->structure & 1];
    any = 0;

    for (n = 0; n < arena->nnodes && !any; n++) {
        any = arena->nodes[n].named_port != 0;
    }

    if (names->list == NULL) {

        if (!any) {
            names->structure = sh->structure + 1;
            return;
        }

        names->list = ngx_alloc(sh->nnodes_max * sizeof(uint16_t),
                                names->log);
        names->nodes = ngx_calloc(sh->nnodes_max
                                  * sizeof(ngx_http_shard_name_t),
                                  names->log);

        if (names->list == NULL || names->nodes == NULL) {
            ngx_free(names->list);
            ngx_free(names->nodes);
            names->list = NULL;
            return;
        }
    }

    for (i = 0; i < names->nnames; i++) {
        n = names->list[i];

        if (n >= arena->nnodes || arena->nodes[n].named_port == 0) {
            ngx_http_shard_names_forget(&names->nodes[n]);
        }
    }

    names->nnames = 0;

    for (n = 0; n < arena->nnodes; n++) {
        if (arena->nodes[n].named_port) {
            ngx_http_shard_names_note_node(names, n, &arena->nodes[n]);
        }
    }

    names->structure = sh->structure + 1;

    if (names->nnames && names->resolver == NULL) {
        ngx_http_shard_names_tell(names);
    }
}


static void
ngx_http_shard_names_note_node(ngx_http_shard_names_t *names, ngx_uint_t n,
    ngx_http_shard_node_t *node)
{
    shard_str_t             addr, host;
    ngx_http_shard_name_t  *name;

    name = &names->nodes[n];
    names->list[names->nnames++] = n;

    if (name->addr_len == node->addr_len
        && ngx_memcmp(name->addr, node->addr, node->addr_len) == 0)
    {
        return;
    }

    ngx_http_shard_names_forget(name);

    name->names = names;
    name->number = n;
    name->due = ngx_current_msec;
    name->failures = 0;
    name->addr_len = node->addr_len;
    ngx_memcpy(name->addr, node->addr, node->addr_len);

    addr.data = (const char *) name->addr;
    addr.len = name->addr_len;

    (void) shard_addr_name(addr, &host, &name->port);
    name->host_len = host.len;
}


/* once for all of them, and again when the nodes change */

static void
ngx_http_shard_names_tell(ngx_http_shard_names_t *names)
{
    ngx_str_t               addr;
    ngx_http_shard_name_t  *name;

    name = &names->nodes[names->list[0]];
    addr.data = name->addr;
    addr.len = name->addr_len;

    ngx_log_error(NGX_LOG_ERR, names->log, 0,
                  "keyspace \"%V\": %ui nodes have host names, as \"%V\", and "
                  "http {} has no \"resolver\": they get no requests; add one, "
                  "as \"resolver 127.0.0.53;\", and reload",
                  &names->keyspace->name, names->nnames, &addr);
}


static void
ngx_http_shard_names_forget(ngx_http_shard_name_t *name)
{
    name->addr_len = 0;

    if (name->ctx) {
        ngx_resolve_name_done(name->ctx);
        name->ctx = NULL;
        name->names->out--;
    }
}


/* from the one that found no room the last time on */

static void
ngx_http_shard_names_fill(ngx_event_t *ev)
{
    ngx_uint_t               i;
    ngx_http_shard_name_t   *name;
    ngx_http_shard_names_t  *names;

    names = ev->data;

    for (i = 0; i < names->nnames; i++) {

        if (names->out >= NGX_HTTP_SHARD_NAMES_OUT) {
            return;
        }

        if (names->next >= names->nnames) {
            names->next = 0;
        }

        name = &names->nodes[names->list[names->next++]];

        if (name->ctx == NULL
            && (ngx_msec_int_t) (ngx_current_msec - name->due) >= 0)
        {
            ngx_http_shard_names_ask(name);
        }
    }
}


static void
ngx_http_shard_names_ask(ngx_http_shard_name_t *name)
{
    ngx_resolver_ctx_t      *ctx;
    ngx_http_shard_names_t  *names;

    names = name->names;

    ctx = ngx_resolve_start(names->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_http_shard_names_failed(name, NGX_ERROR);
        return;
    }

    ctx->name.data = name->addr;
    ctx->name.len = name->host_len;
    ctx->handler = ngx_http_shard_names_answer;
    ctx->data = name;
    ctx->timeout = names->timeout;
    ctx->cancelable = 1;

    /* what is in its cache, it answers from inside */

    name->ctx = ctx;
    names->out++;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        name->ctx = NULL;
        names->out--;
        ngx_http_shard_names_failed(name, NGX_ERROR);
    }
}


static void
ngx_http_shard_names_answer(ngx_resolver_ctx_t *ctx)
{
    ngx_http_shard_name_t   *name;
    ngx_http_shard_names_t  *names;

    name = ctx->data;
    names = name->names;

    if (ctx->state || ctx->naddrs == 0) {
        ngx_http_shard_names_failed(name, ctx->state ? ctx->state
                                                     : NGX_RESOLVE_NXDOMAIN);

    } else {
        ngx_http_shard_names_take(name, ctx);
    }

    name->ctx = NULL;
    names->out--;

    ngx_resolve_name_done(ctx);

    if (!names->fill.posted) {
        ngx_post_event(&names->fill, &ngx_posted_events);
    }
}


static void
ngx_http_shard_names_take(ngx_http_shard_name_t *name, ngx_resolver_ctx_t *ctx)
{
    u_char                   text[NGX_SOCKADDR_STRLEN];
    int64_t                  ms;
    ngx_str_t                addr, now;
    ngx_time_t              *tp;
    ngx_sockaddr_t           sockaddr;
    ngx_resolver_addr_t     *chosen;
    ngx_http_shard_names_t  *names;

    names = name->names;

    chosen = ngx_http_shard_names_choose(name, ctx);

    if (chosen == NULL) {
        ngx_http_shard_names_failed(name, NGX_RESOLVE_NXDOMAIN);
        return;
    }

    /* when it is out of the resolver's own cache, too */

    tp = ngx_timeofday();
    ms = ((int64_t) ctx->valid + 1 - tp->sec) * 1000 - tp->msec;
    name->due = ngx_current_msec + (ngx_msec_t) ngx_max(ms, 1000);

    ngx_memzero(&sockaddr, sizeof(sockaddr));
    ngx_memcpy(&sockaddr, chosen->sockaddr, chosen->socklen);
    ngx_inet_set_port(&sockaddr.sockaddr, name->port);

    addr.data = name->addr;
    addr.len = name->addr_len;

    if (ngx_http_shard_named_set(names->keyspace, name->number, &addr,
                                 &sockaddr.sockaddr, chosen->socklen)
        || name->failures)
    {
        now.data = text;
        now.len = ngx_sock_ntop(&sockaddr.sockaddr, chosen->socklen, text,
                                NGX_SOCKADDR_STRLEN, 1);

        ngx_log_error(NGX_LOG_NOTICE, names->log, 0,
                      "keyspace \"%V\": node address \"%V\" is %V",
                      &names->keyspace->name, &addr, &now);

        if (ngx_http_shard_waiting(names->keyspace)) {
            ngx_http_shard_wake_all(names->keyspace);
        }
    }

    name->failures = 0;
}


/* the one in use while it is among them */

static ngx_resolver_addr_t *
ngx_http_shard_names_choose(ngx_http_shard_name_t *name,
    ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t               i;
    ngx_sockaddr_t           current;
    ngx_http_shard_sh_t     *sh;
    ngx_resolver_addr_t     *first, *a;

    sh = name->names->keyspace->sh;
    first = NULL;

    ngx_memzero(&current, sizeof(current));
    (void) ngx_http_shard_named_get(
               &sh->arenas[sh->structure & 1].nodes[name->number],
               &current.sockaddr);

    for (i = 0; i < ctx->naddrs; i++) {
        a = &ctx->addrs[i];

        if (a->socklen > sizeof(struct sockaddr_in)
#if (NGX_HAVE_INET6)
            && a->socklen > sizeof(struct sockaddr_in6)
#endif
           )
        {
            continue;
        }

        if (first == NULL) {
            first = a;
        }

        if (a->sockaddr->sa_family == current.sockaddr.sa_family
            && ngx_cmp_sockaddr(a->sockaddr, a->socklen, &current.sockaddr,
                                a->socklen, 0)
               == NGX_OK)
        {
            return a;
        }
    }

    return first;
}


/* told of once; the address it had stays */

static void
ngx_http_shard_names_failed(ngx_http_shard_name_t *name, ngx_int_t state)
{
    ngx_str_t                addr;
    ngx_msec_t               ms;
    ngx_sockaddr_t           current;
    ngx_http_shard_sh_t     *sh;
    ngx_http_shard_names_t  *names;

    names = name->names;
    sh = names->keyspace->sh;

    ms = ngx_min((ngx_msec_t) 1000 << ngx_min(name->failures, 5),
                 NGX_HTTP_SHARD_NAMES_RETRY);
    name->due = ngx_current_msec + ms / 2 + ngx_random() % (ms / 2 + 1);

    if (name->failures++) {
        return;
    }

    addr.data = name->addr;
    addr.len = name->addr_len;

    ngx_log_error(NGX_LOG_WARN, names->log, 0,
                  "keyspace \"%V\": node address \"%V\" is not resolved: %s; "
                  "%s, trying again", &names->keyspace->name, &addr,
                  state == NGX_ERROR ? "no question could be sent"
                                     : ngx_resolver_strerror(state),
                  ngx_http_shard_named_get(
                      &sh->arenas[sh->structure & 1].nodes[name->number],
                      &current.sockaddr)
                  ? "the address it had stays" : "it gets no requests");
}
