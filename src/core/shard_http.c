
#include <string.h>

#include "shard_http_parts.h"


static int shard_http_byte(shard_http_t *http, unsigned char ch);
static int shard_http_status(shard_http_t *http, unsigned char ch);
static int shard_http_code(shard_http_t *http, unsigned char ch);
static int shard_http_chunk(shard_http_t *http, unsigned char ch);
static int shard_http_chunk_size(shard_http_t *http, unsigned char ch);
static int shard_http_trailer(shard_http_t *http, unsigned char ch);
static int shard_http_lf(shard_http_t *http, unsigned char ch,
    shard_http_state_e next);


void
shard_http_init(shard_http_t *http, int head)
{
    memset(http, 0, sizeof(shard_http_t));
    http->no_body = (uint8_t) (head != 0);
}


int
shard_http_refuse(shard_http_t *http, const char *error)
{
    http->error = error;
    http->state = SHARD_HTTP_FAILED;

    return SHARD_ERROR;
}


int
shard_http_feed(shard_http_t *http, const char *data, size_t len,
    size_t *used, shard_str_t *body)
{
    int     rc;
    size_t  i, n;

    for (i = 0; i < len && http->state < SHARD_HTTP_DONE; i++) {
        rc = shard_http_byte(http, (unsigned char) data[i]);

        if (rc != SHARD_OK) {
            *used = i + 1;
            return rc;
        }
    }

    if (http->state > SHARD_HTTP_FAILED && i < len) {
        n = len - i;

        if (http->state != SHARD_HTTP_TO_CLOSE) {
            n = n < http->left ? n : (size_t) http->left;
            http->left -= n;

            if (http->left == 0) {
                http->state = http->state == SHARD_HTTP_CHUNK
                              ? SHARD_HTTP_CHUNK_CR : SHARD_HTTP_DONE;
            }
        }

        body->data = data + i;
        body->len = n;
        *used = i + n;

        return SHARD_HTTP_BODY;
    }

    *used = i;

    if (http->state == SHARD_HTTP_FAILED) {
        return SHARD_ERROR;
    }

    return http->state == SHARD_HTTP_DONE ? SHARD_OK : SHARD_AGAIN;
}


int
shard_http_close(shard_http_t *http)
{
    switch (http->state) {

    case SHARD_HTTP_DONE:
        return SHARD_OK;

    case SHARD_HTTP_TO_CLOSE:
        http->state = SHARD_HTTP_DONE;
        return SHARD_OK;

    case SHARD_HTTP_FAILED:
        return SHARD_ERROR;

    default:
        return shard_http_refuse(http, http->in_body
                                 ? "closed within the body"
                                 : http->head ? "closed within the header"
                                              : "closed without an answer");
    }
}


static int
shard_http_byte(shard_http_t *http, unsigned char ch)
{
    /* sizes of chunks are no header: a long body has many */

    if (http->state < SHARD_HTTP_CHUNK_START
        || http->state >= SHARD_HTTP_TRAILER)
    {
        if (++http->head > SHARD_HTTP_HEAD_MAX) {
            return shard_http_refuse(http, "the header is too long");
        }
    }

    if (http->state < SHARD_HTTP_FIELD) {
        return shard_http_status(http, ch);
    }

    if (http->state < SHARD_HTTP_CHUNK_START) {
        return shard_http_field(http, ch);
    }

    if (http->state < SHARD_HTTP_TRAILER) {
        return shard_http_chunk(http, ch);
    }

    return shard_http_trailer(http, ch);
}


static int
shard_http_lf(shard_http_t *http, unsigned char ch, shard_http_state_e next)
{
    if (ch != '\n') {
        return shard_http_refuse(http, "a CR without its LF");
    }

    http->state = (uint8_t) next;

    return SHARD_OK;
}


static int
shard_http_status(shard_http_t *http, unsigned char ch)
{
    static const char  version[] = "HTTP/1.";

    switch (http->state) {

    case SHARD_HTTP_START:
        if (ch != (unsigned char) version[http->index++]) {
            return shard_http_refuse(http, "not HTTP/1.x");
        }

        if (version[http->index] == '\0') {
            http->state = SHARD_HTTP_MINOR;
        }

        break;

    case SHARD_HTTP_MINOR:
        if (ch != '0' && ch != '1') {
            return shard_http_refuse(http, "not HTTP/1.0 or HTTP/1.1");
        }

        http->minor = (uint8_t) (ch - '0');
        http->index = 0;
        http->status = 0;
        http->state = SHARD_HTTP_STATUS;
        break;

    case SHARD_HTTP_STATUS:
        return shard_http_code(http, ch);

    case SHARD_HTTP_STATUS_LF:
        return shard_http_lf(http, ch, SHARD_HTTP_FIELD);

    case SHARD_HTTP_REASON_START:
        if (ch != ' ' && ch != '\r' && ch != '\n') {
            return shard_http_refuse(http, "a bad status");
        }

        http->state = SHARD_HTTP_REASON;

        /* fall through */

    default: /* SHARD_HTTP_REASON */
        if (ch == '\r') {
            http->state = SHARD_HTTP_STATUS_LF;

        } else if (ch == '\n') {
            http->state = SHARD_HTTP_FIELD;

        } else if (shard_http_control(ch)) {
            return shard_http_refuse(http, "a bad status line");
        }
    }

    return SHARD_OK;
}


static int
shard_http_code(shard_http_t *http, unsigned char ch)
{
    if (http->index == 0) {
        if (ch != ' ') {
            return shard_http_refuse(http, "a bad status line");
        }

    } else {
        if (ch < '0' || ch > '9' || (http->index == 1 && ch == '0')) {
            return shard_http_refuse(http, "a bad status");
        }

        http->status = (uint16_t) (http->status * 10 + ch - '0');
    }

    if (++http->index == 4) {
        http->state = SHARD_HTTP_REASON_START;
    }

    return SHARD_OK;
}


static int
shard_http_chunk(shard_http_t *http, unsigned char ch)
{
    switch (http->state) {

    case SHARD_HTTP_CHUNK_START:
    case SHARD_HTTP_CHUNK_SIZE:
        return shard_http_chunk_size(http, ch);

    case SHARD_HTTP_CHUNK_EXT:
        if (ch == '\r') {
            http->state = SHARD_HTTP_CHUNK_SIZE_LF;
            return SHARD_OK;
        }

        if (shard_http_control(ch) || http->index++ == 0xff) {
            return shard_http_refuse(http, "a bad chunk extension");
        }

        return SHARD_OK;

    case SHARD_HTTP_CHUNK_SIZE_LF:
        return shard_http_lf(http, ch, http->left ? SHARD_HTTP_CHUNK
                                                  : SHARD_HTTP_TRAILER);

    case SHARD_HTTP_CHUNK_CR:
        if (ch != '\r') {
            return shard_http_refuse(http, "a chunk is longer than it says");
        }

        http->state = SHARD_HTTP_CHUNK_LF;
        return SHARD_OK;

    default: /* SHARD_HTTP_CHUNK_LF */
        return shard_http_lf(http, ch, SHARD_HTTP_CHUNK_START);
    }
}


static int
shard_http_chunk_size(shard_http_t *http, unsigned char ch)
{
    unsigned  digit;

    if (ch >= '0' && ch <= '9') {
        digit = ch - '0';

    } else if ((ch | 0x20) >= 'a' && (ch | 0x20) <= 'f') {
        digit = (ch | 0x20) - 'a' + 10;

    } else if (http->state == SHARD_HTTP_CHUNK_SIZE
               && (ch == '\r' || ch == ';' || ch == ' ' || ch == '\t'))
    {
        http->index = 0;
        http->state = ch == '\r' ? SHARD_HTTP_CHUNK_SIZE_LF
                                 : SHARD_HTTP_CHUNK_EXT;
        return SHARD_OK;

    } else {
        return shard_http_refuse(http, "a bad chunk size");
    }

    if (http->state == SHARD_HTTP_CHUNK_START) {
        http->left = 0;
        http->index = 0;
        http->state = SHARD_HTTP_CHUNK_SIZE;
    }

    if (++http->index > 15) {
        return shard_http_refuse(http, "a chunk is too long");
    }

    http->left = http->left * 16 + digit;

    return SHARD_OK;
}


static int
shard_http_trailer(shard_http_t *http, unsigned char ch)
{
    switch (http->state) {

    case SHARD_HTTP_TRAILER:
        if (ch == '\r') {
            http->state = SHARD_HTTP_END_LF;
            return SHARD_OK;
        }

        if (!shard_http_token(ch)) {
            return shard_http_refuse(http, "a bad trailer");
        }

        http->state = SHARD_HTTP_TRAILER_LINE;
        return SHARD_OK;

    case SHARD_HTTP_TRAILER_LINE:
        if (ch == '\r') {
            http->state = SHARD_HTTP_TRAILER_LF;
            return SHARD_OK;
        }

        if (shard_http_control(ch)) {
            return shard_http_refuse(http, "a bad trailer");
        }

        return SHARD_OK;

    case SHARD_HTTP_TRAILER_LF:
        return shard_http_lf(http, ch, SHARD_HTTP_TRAILER);

    default: /* SHARD_HTTP_END_LF */
        return shard_http_lf(http, ch, SHARD_HTTP_DONE);
    }
}
