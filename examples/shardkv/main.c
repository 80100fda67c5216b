
/*
 * shardkv: options, start, stop.  What happens in between is pictured in
 * shardkv.h.
 *
 * Stopping: no new connection; nothing is suspended any more and paced
 * requests are refused; what the writer has is written and answered; then
 * MHD, the other threads, the store.
 */


#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shardkv.h"


#define SHARDKV_STOP_MS     5000      /* for requests that are under way */
#define SHARDKV_IDLE_S      75        /* a connection without a byte */
#define SHARDKV_POOL_BYTES  (64 * 1024)


typedef struct {
    const char  *listen;
    const char  *dir;
    const char  *name;
    double       capacity;
    uint64_t     map_size;
    uint64_t     log_keep;
    unsigned     sync;
    unsigned     threads;
} shardkv_options_t;


static const char  shardkv_help[] =
    "usage: shardkv --listen HOST:PORT --dir DIR [options]\n"
    "\n"
    "A durable key-value and append-queue backend that offers the whole\n"
    "contract of docs/backend-contract.md.\n"
    "\n"
    "  --listen HOST:PORT  numeric address, [..] around IPv6; port 0: any\n"
    "  --dir DIR           where the data is; made when missing\n"
    "  --name NAME         in messages (default: shardkv)\n"
    "  --capacity N        ordinary requests per second; more wait in a queue\n"
    "                      of 10 s, then 503 (default: no limit)\n"
    "  --map-size SIZE     what the data may take, with k, m, g (default: 1g)\n"
    "  --log-keep N        log entries kept per shard (default: 50000)\n"
    "  --sync on|off       fsync before a write is answered (default: on)\n"
    "  --threads N         that serve connections, 1 to 16 (default: 2)\n"
    "  --help\n"
    "\n"
    "Exit status: 0 stopped by TERM or INT, 1 failed, 2 usage.\n";


static int shardkv_options(int argc, char **argv, shardkv_options_t *o);
static int shardkv_option(shardkv_options_t *o, int opt, const char *value);
static int shardkv_listen(const char *addr, char *bound, size_t size);
static int shardkv_start(shardkv_server_t *srv, const shardkv_options_t *o,
    int fd);
static void shardkv_stop(shardkv_server_t *srv, int fd);


static int
shardkv_usage(const char *fmt, ...)
{
    va_list  args;

    fprintf(stderr, "shardkv: ");

    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);

    fprintf(stderr, "; --help lists the options\n");

    return 2;
}


static size_t
shardkv_unescape(void *cls, struct MHD_Connection *connection, char *text)
{
    (void) cls;
    (void) connection;

    return strlen(text);
}


int
main(int argc, char **argv)
{
    int                       fd, rc, sig;
    char                      bound[SHARD_ADDR_SIZE], err[SHARD_ERR_SIZE];
    sigset_t                  set;
    shardkv_options_t         o;
    static shardkv_server_t   srv;

    memset(&o, 0, sizeof(o));

    o.name = "shardkv";
    o.map_size = 1024 * 1024 * 1024;
    o.log_keep = 50000;
    o.sync = 1;
    o.threads = 2;

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

    if (shardkv_store_open(&srv.store, o.dir, o.map_size, o.sync, err)
        != SHARD_OK)
    {
        fprintf(stderr, "shardkv %s: %s\n", o.name, err);
        return 1;
    }

    fd = shardkv_listen(o.listen, bound, sizeof(bound));

    if (fd < 0) {
        shardkv_store_close(&srv.store);
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


/* -1: go on; else the exit status */

static int
shardkv_options(int argc, char **argv, shardkv_options_t *o)
{
    int  opt;

    static const struct option  options[] = {
        { "listen", required_argument, NULL, 'l' },
        { "dir", required_argument, NULL, 'd' },
        { "name", required_argument, NULL, 'n' },
        { "capacity", required_argument, NULL, 'c' },
        { "map-size", required_argument, NULL, 'm' },
        { "log-keep", required_argument, NULL, 'k' },
        { "sync", required_argument, NULL, 's' },
        { "threads", required_argument, NULL, 't' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };

    opterr = 0;

    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {

        if (opt == 'h') {
            fputs(shardkv_help, stdout);
            return 0;
        }

        if (opt == '?') {
            return shardkv_usage("unknown option or missing value: %s",
                                 argv[optind - 1]);
        }

        if (shardkv_option(o, opt, optarg) != SHARD_OK) {
            return shardkv_usage("bad value \"%s\" of %s", optarg,
                                 argv[optind - 1] == optarg
                                 ? argv[optind - 2] : argv[optind - 1]);
        }
    }

    if (optind < argc) {
        return shardkv_usage("unknown argument \"%s\"", argv[optind]);
    }

    if (o->listen == NULL || o->dir == NULL) {
        return shardkv_usage("--listen and --dir are needed");
    }

    return -1;
}


static int
shardkv_size(const char *value, uint64_t *size)
{
    unsigned     shift;
    shard_str_t  text;

    text.data = value;
    text.len = strlen(value);
    shift = 0;

    if (text.len) {

        switch (value[text.len - 1] | 0x20) {
        case 'g':
            shift += 10;
            /* fall through */
        case 'm':
            shift += 10;
            /* fall through */
        case 'k':
            shift += 10;
            text.len--;
        }
    }

    if (shard_uint64_decode(text, size) != SHARD_OK
        || *size > ((uint64_t) 1 << 46) >> shift)
    {
        return SHARD_ERROR;
    }

    *size <<= shift;

    return (*size >= 1024 * 1024) ? SHARD_OK : SHARD_ERROR;
}


static int
shardkv_option(shardkv_options_t *o, int opt, const char *value)
{
    char         *end;
    uint64_t      n;
    shard_str_t   text;

    text.data = value;
    text.len = strlen(value);

    switch (opt) {

    case 'l':
        o->listen = value;
        return SHARD_OK;

    case 'd':
        o->dir = value;
        return text.len ? SHARD_OK : SHARD_ERROR;

    case 'n':
        o->name = value;
        return shard_name_valid(text) ? SHARD_OK : SHARD_ERROR;

    case 'c':
        o->capacity = strtod(value, &end);
        return (text.len && *end == '\0' && o->capacity > 0
                && o->capacity <= SHARDKV_CAPACITY_MAX)
               ? SHARD_OK : SHARD_ERROR;

    case 'm':
        return shardkv_size(value, &o->map_size);

    case 's':
        o->sync = (strcmp(value, "on") == 0);
        return (o->sync || strcmp(value, "off") == 0) ? SHARD_OK
                                                      : SHARD_ERROR;

    case 'k':

        if (shard_uint64_decode(text, &n) != SHARD_OK || n == 0) {
            return SHARD_ERROR;
        }

        o->log_keep = n;
        return SHARD_OK;

    default:

        if (shard_uint64_decode(text, &n) != SHARD_OK || n == 0 || n > 16) {
            return SHARD_ERROR;
        }

        o->threads = (unsigned) n;
        return SHARD_OK;
    }
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

    if (shardkv_writer_start(srv) != SHARD_OK
        || shardkv_scanner_start(srv) != SHARD_OK
        || shardkv_pacer_start(srv) != SHARD_OK)
    {
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
     * with the commit or scan it waits for, so the threads end after that */

    shardkv_stop_wait(&srv->suspended, UINT32_MAX);

    MHD_stop_daemon(srv->daemon);

    shardkv_queue_stop(&srv->pacer);
    shardkv_queue_stop(&srv->scanner);
    shardkv_queue_stop(&srv->writer);

    close(fd);
    shardkv_store_close(&srv->store);
}
