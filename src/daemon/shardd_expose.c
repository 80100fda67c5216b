
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shardd_conf.h"
#include "shardd_expose.h"


#define SHARDD_EXPOSE_IDLE_S  10
#define SHARDD_EXPOSE_BYTES   16384          /* of one client */
#define SHARDD_EXPOSE_TYPE    "text/plain; version=0.0.4; charset=utf-8"


struct shardd_expose_s {
    struct MHD_Daemon  *daemon;
    pthread_mutex_t     lock;
    char               *text;
};


static enum MHD_Result shardd_expose_answer(void *cls,
    struct MHD_Connection *connection, const char *url, const char *method,
    const char *version, const char *data, size_t *size, void **ctx);


/* "host:port" of an address, no name: [::1]:9105, 127.0.0.1:9105 */

static int
shardd_expose_resolve(const char *addr, struct addrinfo **found)
{
    char             host[64];
    size_t           len;
    const char      *colon;
    struct addrinfo  hints;

    colon = strrchr(addr, ':');
    len = colon ? (size_t) (colon - addr) : 0;

    if (len > 1 && addr[0] == '[' && addr[len - 1] == ']') {
        addr++;
        len -= 2;
    }

    if (len == 0 || len >= sizeof(host) || colon[1] == '\0') {
        return -1;
    }

    memcpy(host, addr, len);
    host[len] = '\0';

    memset(&hints, 0, sizeof(hints));
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;

    return getaddrinfo(host, colon + 1, &hints, found) == 0 ? 0 : -1;
}


int
shardd_expose_valid(const char *addr)
{
    struct addrinfo  *found;

    if (shardd_expose_resolve(addr, &found) != 0) {
        return 0;
    }

    freeaddrinfo(found);

    return 1;
}


static int
shardd_expose_listen(const char *addr, char *err)
{
    int               fd, on;
    struct addrinfo  *found;

    if (shardd_expose_resolve(addr, &found) != 0) {
        snprintf(err, SHARDD_ERR_SIZE, "metrics: \"%.80s\" is no address and "
                 "port, as 127.0.0.1:9105 or [::1]:9105", addr);
        return -1;
    }

    on = 1;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                0);

    if (fd < 0
        || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0
        || bind(fd, found->ai_addr, found->ai_addrlen) != 0
        || listen(fd, SHARDD_EXPOSE_CLIENTS) != 0)
    {
        snprintf(err, SHARDD_ERR_SIZE, "metrics: cannot listen at %.80s: %s",
                 addr, strerror(errno));

        if (fd >= 0) {
            close(fd);
        }

        fd = -1;
    }

    freeaddrinfo(found);

    return fd;
}


shardd_expose_t *
shardd_expose_start(const char *addr, char *err)
{
    int               fd;
    shardd_expose_t  *e;

    fd = shardd_expose_listen(addr, err);

    if (fd < 0) {
        return NULL;
    }

    e = calloc(1, sizeof(shardd_expose_t));

    if (e == NULL || pthread_mutex_init(&e->lock, NULL) != 0) {
        snprintf(err, SHARDD_ERR_SIZE, "metrics: no memory");
        free(e);
        close(fd);
        return NULL;
    }

    e->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL,
        shardd_expose_answer, e,
        MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned) SHARDD_EXPOSE_CLIENTS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) SHARDD_EXPOSE_IDLE_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) SHARDD_EXPOSE_BYTES,
        MHD_OPTION_END);

    if (e->daemon == NULL) {
        snprintf(err, SHARDD_ERR_SIZE, "metrics: cannot serve %.80s: no "
                 "thread or memory", addr);
        shardd_expose_stop(e);
        return NULL;
    }

    return e;
}


/* the listening socket is closed by the library with its daemon */

void
shardd_expose_stop(shardd_expose_t *e)
{
    if (e == NULL) {
        return;
    }

    if (e->daemon) {
        MHD_stop_daemon(e->daemon);
    }

    pthread_mutex_destroy(&e->lock);
    free(e->text);
    free(e);
}


void
shardd_expose_put(shardd_expose_t *e, char *text)
{
    char  *old;

    if (text == NULL) {
        return;
    }

    pthread_mutex_lock(&e->lock);
    old = e->text;
    e->text = text;
    pthread_mutex_unlock(&e->lock);

    free(old);
}


static enum MHD_Result
shardd_expose_send(struct MHD_Connection *connection, unsigned status,
    char *text, const char *type)
{
    enum MHD_Result       rc;
    struct MHD_Response  *response;

    response = MHD_create_response_from_buffer(strlen(text), text,
                                               MHD_RESPMEM_MUST_COPY);

    if (response == NULL) {
        return MHD_NO;
    }

    (void) MHD_add_response_header(response, "Content-Type", type);

    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        (void) MHD_add_response_header(response, "Allow", "GET, HEAD");
    }

    rc = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);

    return rc;
}


/* called once with the head, then with a body, if there is one: that of a
 * request that is refused is not waited for */

static enum MHD_Result
shardd_expose_answer(void *cls, struct MHD_Connection *connection,
    const char *url, const char *method, const char *version,
    const char *data, size_t *size, void **ctx)
{
    enum MHD_Result   rc;
    shardd_expose_t  *e = cls;

    (void) version;
    (void) data;
    (void) size;
    (void) ctx;

    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return shardd_expose_send(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                                  "GET it\n", "text/plain");
    }

    if (strcmp(url, "/metrics") != 0) {
        return shardd_expose_send(connection, MHD_HTTP_NOT_FOUND,
                                  "there is /metrics only\n", "text/plain");
    }

    pthread_mutex_lock(&e->lock);
    rc = shardd_expose_send(connection, MHD_HTTP_OK, e->text ? e->text : "",
                            SHARDD_EXPOSE_TYPE);
    pthread_mutex_unlock(&e->lock);

    return rc;
}
