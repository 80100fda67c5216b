
/*
 * HTTP/1.1 answers, as much of them as a proxy sends: a length or chunks.
 * The bytes end with a zero that is not counted, so that number parsing
 * stops there.
 */


#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shardload.h"


#define SHARDLOAD_HEADERS_MAX  16384


static int shardload_reply_headers(shardload_t *load, shardload_reply_t *reply);
static void shardload_reply_header(shardload_t *load, shardload_reply_t *reply,
    const char *line, size_t len);
static int shardload_reply_chunks(shardload_reply_t *reply);
static int shardload_node(shardload_t *load, const char *name, size_t len);


void
shardload_reply_reset(shardload_reply_t *reply)
{
    char    *data;
    size_t   room;

    data = reply->data;
    room = reply->room;

    memset(reply, 0, sizeof(*reply));

    reply->data = data;
    reply->room = room;
    reply->node = -1;
    reply->held_ms = -1;
}


int
shardload_reply_parse(shardload_t *load, shardload_reply_t *reply)
{
    int  rc;

    if (reply->body == 0) {
        rc = shardload_reply_headers(load, reply);
        if (rc != 1) {
            return rc;
        }
    }

    if (reply->chunked) {
        return shardload_reply_chunks(reply);
    }

    if (reply->len - reply->body > reply->length) {
        return -1;
    }

    return reply->len - reply->body == reply->length;
}


static int
shardload_reply_headers(shardload_t *load, shardload_reply_t *reply)
{
    char  *p, *end, *eol;

    end = memmem(reply->data, reply->len, "\r\n\r\n", 4);

    if (end == NULL) {
        return reply->len > SHARDLOAD_HEADERS_MAX ? -1 : 0;
    }

    if (reply->len < 13 || memcmp(reply->data, "HTTP/1.1 ", 9) != 0) {
        return -1;
    }

    reply->status = (int) strtol(reply->data + 9, NULL, 10);

    if (reply->status < 200 || reply->status > 599) {
        return -1;
    }

    p = memmem(reply->data, reply->len, "\r\n", 2);

    while (p < end) {
        p += 2;
        eol = memmem(p, (size_t) (end + 2 - p), "\r\n", 2);
        shardload_reply_header(load, reply, p, (size_t) (eol - p));
        p = eol;
    }

    reply->body = (size_t) (end + 4 - reply->data);
    reply->scanned = reply->body;

    if (reply->status == 204 || reply->status == 304) {
        reply->length = 0;
        reply->chunked = 0;
        return 1;
    }

    return (reply->chunked || reply->sized)
           && reply->length <= SHARDLOAD_BODY_MAX ? 1 : -1;
}


static void
shardload_reply_header(shardload_t *load, shardload_reply_t *reply,
    const char *line, size_t len)
{
    size_t       name;
    const char  *value;

    value = memchr(line, ':', len);
    if (value == NULL) {
        return;
    }

    name = (size_t) (value - line);
    value++;

    while (value < line + len && *value == ' ') {
        value++;
    }

    len -= (size_t) (value - line);

#define shardload_is(text)                                                    \
    (name == sizeof(text) - 1 && strncasecmp(line, text, sizeof(text) - 1) == 0)

    if (shardload_is("Content-Length")) {
        reply->length = strtoull(value, NULL, 10);
        reply->sized = 1;

    } else if (shardload_is("Transfer-Encoding")) {
        reply->chunked = 1;

    } else if (shardload_is("Connection")) {
        reply->close = len == 5 && strncasecmp(value, "close", 5) == 0;

    } else if (shardload_is("X-Shard-Node")) {
        reply->node = shardload_node(load, value, len);

    } else if (shardload_is("X-Shard-Held-Ms") && len) {
        reply->held_ms = strtol(value, NULL, 10);
    }

#undef shardload_is
}


static int
shardload_node(shardload_t *load, const char *name, size_t len)
{
    uint32_t  i;

    if (len == 0 || len >= sizeof(load->node[0])) {
        return -1;
    }

    for (i = 0; i < load->nnodes; i++) {
        if (strlen(load->node[i]) == len
            && memcmp(load->node[i], name, len) == 0)
        {
            return (int) i;
        }
    }

    if (i == SHARDLOAD_NODES) {
        return -1;
    }

    memcpy(load->node[i], name, len);
    load->node[i][len] = '\0';
    load->nnodes++;

    return (int) i;
}


/* chunks are joined in place: body .. body + length is whole so far, parsing
 * goes on at "scanned" */

static int
shardload_reply_chunks(shardload_reply_t *reply)
{
    char                *line, *eol, *end;
    size_t               left;
    unsigned long long   size;

    for ( ;; ) {
        line = reply->data + reply->scanned;
        left = reply->len - reply->scanned;
        eol = memmem(line, left, "\r\n", 2);

        if (eol == NULL) {
            return left > 64 ? -1 : 0;
        }

        size = strtoull(line, &end, 16);

        if (end == line || size > SHARDLOAD_BODY_MAX
            || reply->length + size > SHARDLOAD_BODY_MAX)
        {
            return -1;
        }

        eol += 2;
        left -= (size_t) (eol - line);

        if (left < size + 2) {
            return 0;
        }

        if (memcmp(eol + size, "\r\n", 2) != 0) {
            return -1;
        }

        if (size == 0) {
            return 1;
        }

        memmove(reply->data + reply->body + reply->length, eol, size);
        reply->length += size;
        reply->scanned = (size_t) (eol + size + 2 - reply->data);
    }
}
