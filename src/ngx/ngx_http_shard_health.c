
/*
 * The leader's checks of nodes.
 *
 *   timer ─▶ look at each node ─▶ due? ─▶ exchange ─▶ done ─▶ result
 *     ▲      (_health_state)        ▲  at most "limit"   │    (_health_state)
 *     └────────── step              └── the next one ────┘
 *
 * Nodes are spread over the interval, at first by chance and then by a
 * little jitter: thousands of them are a steady trickle.  What is due and
 * finds no room waits for the next that ends, in turn, so that nodes which
 * time out do not keep others from being checked.
 */


#include "ngx_http_shard_sync.h"


#define NGX_HTTP_SHARD_CHECKS_MIN   16           /* at once */
#define NGX_HTTP_SHARD_CHECKS_MAX   512
#define NGX_HTTP_SHARD_CHECK_BODY   65536        /* bytes read of an answer */
#define NGX_HTTP_SHARD_STEP_MIN     5            /* ms */
#define NGX_HTTP_SHARD_STEP_MAX     100


typedef struct {
    ngx_http_shard_checks_t       *checks;
    ngx_http_shard_exchange_t     *exchange;     /* while one is out */
    ngx_msec_t                     next;
    uint32_t                       address;      /* that it goes to */
} ngx_http_shard_check_t;


struct ngx_http_shard_checks_s {
    ngx_http_shard_keyspace_t     *keyspace;
    ngx_http_shard_health_conf_t  *conf;
    ngx_log_t                     *log;
    ngx_event_t                    timer;
    ngx_msec_t                     step;
    ngx_uint_t                     limit;
    ngx_uint_t                     out;          /* exchanges */
    ngx_uint_t                     full;         /* one more is due */
    ngx_uint_t                     first;        /* which */
    ngx_http_shard_check_t        *nodes;        /* [nnodes_max] */
};


static void ngx_http_shard_health_timer(ngx_event_t *ev);
static void ngx_http_shard_health_run(ngx_http_shard_checks_t *checks);
static void ngx_http_shard_health_fill(ngx_http_shard_checks_t *checks);
static ngx_uint_t ngx_http_shard_health_due(ngx_http_shard_checks_t *checks,
    ngx_uint_t n);
static void ngx_http_shard_health_check(ngx_http_shard_checks_t *checks,
    ngx_uint_t n);
static ngx_int_t ngx_http_shard_health_request(ngx_http_shard_checks_t *checks,
    ngx_http_shard_exchange_t *x, ngx_http_shard_node_t *node);
static void ngx_http_shard_health_done(ngx_http_shard_exchange_t *x);


ngx_int_t
ngx_http_shard_health_start(ngx_http_shard_sync_t *sync)
{
    ngx_uint_t                  i;
    ngx_http_shard_checks_t    *checks;
    ngx_http_shard_keyspace_t  *ks;

    ks = sync->keyspace;

    if (ks->health == NULL) {
        ngx_http_shard_health_forgive(ks);
        return NGX_OK;
    }

    checks = ngx_calloc(sizeof(ngx_http_shard_checks_t)
                        + ks->sh->nnodes_max * sizeof(ngx_http_shard_check_t),
                        sync->log);
    if (checks == NULL) {
        return NGX_ERROR;
    }

    checks->keyspace = ks;
    checks->conf = ks->health;
    checks->log = sync->log;
    checks->nodes = (ngx_http_shard_check_t *) (checks + 1);

    /* requests need connections, too */

    checks->limit = ngx_min(ngx_max(ngx_cycle->connection_n / 8,
                                    NGX_HTTP_SHARD_CHECKS_MIN),
                            NGX_HTTP_SHARD_CHECKS_MAX);

    checks->step = ngx_min(ngx_max(checks->conf->rule.interval_ms / 32,
                                   NGX_HTTP_SHARD_STEP_MIN),
                           NGX_HTTP_SHARD_STEP_MAX);

    for (i = 0; i < ks->sh->nnodes_max; i++) {
        checks->nodes[i].checks = checks;
        checks->nodes[i].next = ngx_current_msec
                                + ngx_random() % checks->conf->rule.interval_ms;
    }

    checks->timer.handler = ngx_http_shard_health_timer;
    checks->timer.data = checks;
    checks->timer.log = sync->log;
    checks->timer.cancelable = 1;

    ngx_add_timer(&checks->timer, checks->step);

    sync->checks = checks;

    return NGX_OK;
}


void
ngx_http_shard_health_stop(ngx_http_shard_sync_t *sync)
{
    ngx_uint_t                i;
    ngx_http_shard_checks_t  *checks;

    checks = sync->checks;

    if (checks == NULL) {
        return;
    }

    sync->checks = NULL;

    if (checks->timer.timer_set) {
        ngx_del_timer(&checks->timer);
    }

    for (i = 0; checks->out && i < checks->keyspace->sh->nnodes_max; i++) {
        if (checks->nodes[i].exchange) {
            ngx_http_shard_exchange_cancel(checks->nodes[i].exchange);
            checks->out--;
        }
    }

    ngx_free(checks);
}


static void
ngx_http_shard_health_timer(ngx_event_t *ev)
{
    ngx_http_shard_checks_t  *checks;

    checks = ev->data;

    ngx_add_timer(ev, checks->step);

    /* who slept through its lease stops at its next tick */

    if (ngx_http_shard_leading(checks->keyspace)) {
        ngx_http_shard_health_run(checks);
    }
}


static void
ngx_http_shard_health_run(ngx_http_shard_checks_t *checks)
{
    ngx_uint_t               n;
    ngx_http_shard_arena_t  *arena;

    arena = ngx_http_shard_health_arena(checks->keyspace);

    for (n = 0; n < arena->nnodes; n++) {
        ngx_http_shard_health_look(checks->keyspace, n);
    }

    ngx_http_shard_health_calm(checks->keyspace);
    ngx_http_shard_health_fill(checks);
}


/* starts what is due, from the one that found no room the last time on */

static void
ngx_http_shard_health_fill(ngx_http_shard_checks_t *checks)
{
    ngx_uint_t               i, n;
    ngx_http_shard_node_t   *node;
    ngx_http_shard_arena_t  *arena;

    arena = ngx_http_shard_health_arena(checks->keyspace);
    n = checks->first < arena->nnodes ? checks->first : 0;
    checks->full = 0;

    for (i = 0; i < arena->nnodes; i++) {
        node = &arena->nodes[n];

        if (ngx_http_shard_health_due(checks, n)
            && node->name_len && (node->socklen || node->named.turn))
        {
            if (checks->out >= checks->limit) {
                checks->full = 1;
                checks->first = n;
                return;
            }

            ngx_http_shard_health_check(checks, n);
        }

        n = n + 1 < arena->nnodes ? n + 1 : 0;
    }
}


static ngx_uint_t
ngx_http_shard_health_due(ngx_http_shard_checks_t *checks, ngx_uint_t n)
{
    shard_health_t          *health;
    ngx_http_shard_check_t  *check;

    check = &checks->nodes[n];

    if (check->exchange || (ngx_msec_int_t) (ngx_current_msec - check->next) < 0)
    {
        return 0;
    }

    if (checks->conf->rule.active) {
        return 1;
    }

    /* without checks of its own, only a dead one is tried */

    health = &checks->keyspace->sh->node_health[n].health;

    return health->state == SHARD_HEALTH_DEAD
           && ngx_current_msec >= health->try_ms;
}


static void
ngx_http_shard_health_check(ngx_http_shard_checks_t *checks, ngx_uint_t n)
{
    socklen_t                   socklen;
    ngx_msec_t                  interval;
    ngx_sockaddr_t              sockaddr;
    ngx_http_shard_node_t      *node;
    ngx_http_shard_check_t     *check;
    ngx_http_shard_exchange_t  *x;

    check = &checks->nodes[n];
    node = &ngx_http_shard_health_arena(checks->keyspace)->nodes[n];

    interval = checks->conf->rule.interval_ms;
    check->next = ngx_current_msec + interval - interval / 20
                  + ngx_random() % (interval / 10 + 1);
    check->address = checks->keyspace->sh->node_health[n].address;

    x = ngx_http_shard_exchange_create(checks->log);
    if (x == NULL) {
        return;
    }

    if (checks->conf->rule.active
        && ngx_http_shard_health_request(checks, x, node) != NGX_OK)
    {
        ngx_http_shard_exchange_cancel(x);
        return;
    }

    x->data = check;
    x->done = ngx_http_shard_health_done;
    x->connect_timeout = checks->conf->timeout;
    x->timeout = checks->conf->timeout;
    x->limit = NGX_HTTP_SHARD_CHECK_BODY;

    check->exchange = x;
    checks->out++;

    sockaddr = node->sockaddr;
    socklen = node->named_port
              ? ngx_http_shard_named_get(node, &sockaddr.sockaddr)
              : node->socklen;

    ngx_http_shard_exchange_start(x, &sockaddr.sockaddr, socklen);
}


static ngx_int_t
ngx_http_shard_health_request(ngx_http_shard_checks_t *checks,
    ngx_http_shard_exchange_t *x, ngx_http_shard_node_t *node)
{
    size_t     size;
    ngx_str_t  host;

    static const char  unix_prefix[] = "unix:";

    host.data = node->addr;
    host.len = node->addr_len;

    if (host.len >= sizeof(unix_prefix) - 1
        && ngx_strncmp(host.data, unix_prefix, sizeof(unix_prefix) - 1) == 0)
    {
        ngx_str_set(&host, "localhost");
    }

    size = checks->conf->uri.len + host.len
           + sizeof("GET  HTTP/1.1" CRLF "Host: " CRLF
                    "User-Agent: nginx-shard/health" CRLF
                    "Connection: close" CRLF CRLF);

    x->request.data = ngx_pnalloc(x->pool, size);
    if (x->request.data == NULL) {
        return NGX_ERROR;
    }

    x->request.len = ngx_snprintf(x->request.data, size,
                                  "GET %V HTTP/1.1" CRLF "Host: %V" CRLF
                                  "User-Agent: nginx-shard/health" CRLF
                                  "Connection: close" CRLF CRLF,
                                  &checks->conf->uri, &host)
                     - x->request.data;

    return NGX_OK;
}


static void
ngx_http_shard_health_done(ngx_http_shard_exchange_t *x)
{
    ngx_uint_t                n;
    ngx_http_shard_check_t   *check;
    ngx_http_shard_checks_t  *checks;

    check = x->data;
    checks = check->checks;
    n = check - checks->nodes;

    check->exchange = NULL;
    checks->out--;

    if (!ngx_http_shard_leading(checks->keyspace)) {
        return;
    }

    if (x->outcome != NGX_HTTP_SHARD_EXCHANGE_LOCAL
        && check->address == checks->keyspace->sh->node_health[n].address)
    {
        ngx_http_shard_health_result(checks->keyspace, n, x);
    }

    if (checks->full) {
        ngx_http_shard_health_fill(checks);
    }
}
