
/*
 * shardkv: start and stop.  What happens in between is pictured in
 * shardkv.h.
 *
 * Stopping: no new connection; nothing is suspended any more and paced
 * requests are refused; what the writer has is written and answered; then
 * MHD, the other threads, the store.
 */


#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"
#include "options.h"


#define SHARDKV_STOP_MS     5000      /* for requests that are under way */
#define SHARDKV_IDLE_S      75        /* a connection without a byte */
#define SHARDKV_POOL_BYTES  (64 * 1024)


static int shardkv_listen(const char *addr, char *bound, size_t size);
static int shardkv_open(shardkv_server_t *srv, const shardkv_options_t *o);
static int shardkv_start(shardkv_server_t *srv, const shardkv_options_t *o,
    int fd);
static void shardkv_stop(shardkv_server_t *srv, int fd);


static size_t
shardkv_unescape(void *cls, struct MHD_Connection *connection, char *text)
{
    (void) cls;
    (void) connection;

    return strlen(text);
}


static void
shardkv_close(shardkv_server_t *srv)
{
    if (srv->pool.engine) {
        shardkv_pool_stop(srv);

    } else {
        shardkv_store_close(&srv->store);
    }
}


int
main(int argc, char **argv)
{
    int                       fd, rc, sig;
    char                      bound[SHARD_ADDR_SIZE];
    sigset_t                  set;
    shardkv_options_t         o;
    static shardkv_server_t   srv;

    rc = shardkv_options(argc, argv, &o);

    if (rc != -1) {
        return rc;
    }

    /* before any thread, so that all of them have it blocked */

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);

    srv.name = o.name;
    srv.capacity = o.capacity;
    srv.store.log_keep = o.log_keep;
    pthread_mutex_init(&srv.uploads_mutex, NULL);

    rc = shardkv_open(&srv, &o);

    if (rc != 0) {
        return rc;
    }

    fd = shardkv_listen(o.listen, bound, sizeof(bound));

    if (fd < 0) {
        shardkv_close(&srv);
        return fd == -2 ? 2 : 1;
    }

    if (shardkv_start(&srv, &o, fd) != SHARD_OK) {
        fprintf(stderr, "shardkv %s: threads or server cannot be started: "
                "%s\n", o.name, strerror(errno));
        return 1;
    }

    fprintf(stderr, "shardkv %s: listening on %s\n", o.name, bound);

    while (sigwait(&set, &sig) != 0) {
        /* void */
    }

    shardkv_stop(&srv, fd);

    fprintf(stderr, "shardkv %s: stopped\n", o.name);

    return 0;
}


/* 0, or the exit status */

static int
shardkv_open(shardkv_server_t *srv, const shardkv_options_t *o)
{
    char  err[SHARD_ERR_SIZE];

    if (o->store == NULL) {

        if (shardkv_store_open(&srv->store, o->dir, o->map_size, o->sync, err)
            == SHARD_OK)
        {
            return 0;
        }

        fprintf(stderr, "shardkv %s: %s\n", o->name, err);
        return 1;
    }

    srv->pool.engine = shardkv_engine_find(o->store, err);

    if (srv->pool.engine == NULL) {
        return shardkv_usage("--store: %s", err);
    }

    srv->pool.url = o->store;
    srv->pool.password_file = o->password_file;
    srv->pool.n = o->connections;

    if (shardkv_pool_start(srv, err) != SHARD_OK) {
        fprintf(stderr, "shardkv %s: --store: %s\n", o->name, err);
        return 1;
    }

    return 0;
}


/* a listening socket; "bound" is its address with the port it got */

static int
shardkv_listen(const char *addr, char *bound, size_t size)
{
    int                       fd, on, rc;
    char                      host[SHARD_ADDR_SIZE], port[8], *colon;
    socklen_t                 len;
    struct addrinfo           hints, *ai;
    struct sockaddr_storage   sa;

    snprintf(host, sizeof(host), "%s", addr);
    colon = strrchr(host, ':');

    if (colon == NULL || strlen(addr) >= sizeof(host)) {
        fprintf(stderr, "shardkv: --listen %s is not HOST:PORT, as "
                "127.0.0.1:8001\n", addr);
        return -2;
    }

    *colon = '\0';

    memset(&hints, 0, sizeof(hints));
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
    hints.ai_socktype = SOCK_STREAM;

    on = (host[0] == '[' && colon > host && colon[-1] == ']');

    if (on) {
        colon[-1] = '\0';
    }

    rc = getaddrinfo(host + on, colon + 1, &hints, &ai);

    if (rc != 0) {
        fprintf(stderr, "shardkv: --listen %s: %s; HOST is a numeric "
                "address\n", addr, gai_strerror(rc));
        return -2;
    }

    on = 1;
    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd == -1
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1
        || bind(fd, ai->ai_addr, ai->ai_addrlen) == -1
        || listen(fd, 1024) == -1)
    {
        fprintf(stderr, "shardkv: cannot listen on %s: %s\n", addr,
                strerror(errno));
        freeaddrinfo(ai);
        return -1;
    }

    freeaddrinfo(ai);

    len = sizeof(sa);
    getsockname(fd, (struct sockaddr *) &sa, &len);
    getnameinfo((struct sockaddr *) &sa, len, host, sizeof(host), port,
                sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);

    snprintf(bound, size, sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
             host, port);

    return fd;
}


static int
shardkv_start(shardkv_server_t *srv, const shardkv_options_t *o, int fd)
{
    struct rlimit  limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void) setrlimit(RLIMIT_NOFILE, &limit);
    }

    if (srv->pool.engine == NULL
        && (shardkv_writer_start(srv) != SHARD_OK
            || shardkv_scanner_start(srv) != SHARD_OK))
    {
        return SHARD_ERROR;
    }

    if (shardkv_pacer_start(srv) != SHARD_OK) {
        return SHARD_ERROR;
    }

    srv->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME
        | MHD_USE_ERROR_LOG,
        0, NULL, NULL, shardkv_access, srv,
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_COMPLETED, shardkv_completed, srv,
        MHD_OPTION_UNESCAPE_CALLBACK, shardkv_unescape, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned) SHARDKV_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) SHARDKV_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) SHARDKV_POOL_BYTES,
        o->threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END,
        o->threads,
        MHD_OPTION_END);

    return srv->daemon ? SHARD_OK : SHARD_ERROR;
}


static void
shardkv_stop_wait(atomic_uint *count, unsigned ms)
{
    struct timespec  tick;

    tick.tv_sec = 0;
    tick.tv_nsec = 1000000;

    for ( /* void */ ; *count && ms; ms--) {
        nanosleep(&tick, NULL);
    }
}


static void
shardkv_stop(shardkv_server_t *srv, int fd)
{
    (void) MHD_quiesce_daemon(srv->daemon);

    srv->stopping = 1;
    shardkv_queue_nudge(&srv->pacer);

    shardkv_stop_wait(&srv->requests, SHARDKV_STOP_MS);

    /* a connection that MHD holds suspended would make it panic; each ends
     * with the commit, scan or call it waits for: the threads end after that */

    shardkv_stop_wait(&srv->suspended, UINT32_MAX);

    MHD_stop_daemon(srv->daemon);

    shardkv_queue_stop(&srv->pacer);
    shardkv_queue_stop(&srv->scanner);
    shardkv_queue_stop(&srv->writer);

    close(fd);
    shardkv_close(srv);
}
