
#include <string.h>

#include "shard_http.h"


#define SHARD_HTTP_LENGTH_MAX  INT64_MAX
#define SHARD_HTTP_NAME_LONG   0xff      /* index of a name beyond our own */


typedef enum {
    SHARD_HTTP_START = 0,                /* "HTTP/1." */
    SHARD_HTTP_MINOR,
    SHARD_HTTP_STATUS,                   /* " 200" */
    SHARD_HTTP_REASON_START,
    SHARD_HTTP_REASON,
    SHARD_HTTP_STATUS_LF,
    SHARD_HTTP_FIELD,                    /* a header line, or the last */
    SHARD_HTTP_NAME,
    SHARD_HTTP_VALUE_START,
    SHARD_HTTP_VALUE,
    SHARD_HTTP_VALUE_END,                /* spaces behind it */
    SHARD_HTTP_VALUE_LF,
    SHARD_HTTP_LAST_LF,
    SHARD_HTTP_CHUNK_START,
    SHARD_HTTP_CHUNK_SIZE,
    SHARD_HTTP_CHUNK_EXT,
    SHARD_HTTP_CHUNK_SIZE_LF,
    SHARD_HTTP_CHUNK_CR,                 /* behind its data */
    SHARD_HTTP_CHUNK_LF,
    SHARD_HTTP_TRAILER,
    SHARD_HTTP_TRAILER_LINE,
    SHARD_HTTP_TRAILER_LF,
    SHARD_HTTP_END_LF,
    SHARD_HTTP_DONE,
    SHARD_HTTP_FAILED,
    SHARD_HTTP_LENGTH,                   /* data from here on */
    SHARD_HTTP_CHUNK,
    SHARD_HTTP_TO_CLOSE
} shard_http_state_e;

typedef enum {
    SHARD_HTTP_OTHER = 0,
    SHARD_HTTP_CONTENT_LENGTH,
    SHARD_HTTP_TRANSFER_ENCODING
} shard_http_field_e;


static int shard_http_refuse(shard_http_t *http, const char *error);
static int shard_http_byte(shard_http_t *http, unsigned char ch);
static int shard_http_status(shard_http_t *http, unsigned char ch);
static int shard_http_code(shard_http_t *http, unsigned char ch);
static int shard_http_field(shard_http_t *http, unsigned char ch);
static int shard_http_name(shard_http_t *http, unsigned char ch);
static int shard_http_value(shard_http_t *http, unsigned char ch);
static int shard_http_value_end(shard_http_t *http);
static int shard_http_head_end(shard_http_t *http);
static int shard_http_chunk(shard_http_t *http, unsigned char ch);
static int shard_http_chunk_size(shard_http_t *http, unsigned char ch);
static int shard_http_trailer(shard_http_t *http, unsigned char ch);
static int shard_http_lf(shard_http_t *http, unsigned char ch,
    shard_http_state_e next);
static int shard_http_token(unsigned char ch);


#define shard_http_control(ch)                                                \
    (((ch) < 0x20 && (ch) != '\t') || (ch) == 0x7f)


void
shard_http_init(shard_http_t *http, int head)
{
    memset(http, 0, sizeof(shard_http_t));
    http->no_body = (uint8_t) (head != 0);
}


static int
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


/* tchar of RFC 9110, 5.6.2 */

static int
shard_http_token(unsigned char ch)
{
    static const char  others[] = "!#$%&'*+-.^_`|~";

    return (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z')
           || (ch >= 'a' && ch <= 'z')
           || (ch && strchr(others, ch) != NULL);
}


static int
shard_http_field(shard_http_t *http, unsigned char ch)
{
    switch (http->state) {

    case SHARD_HTTP_FIELD:
        if (ch == '\r') {
            http->state = SHARD_HTTP_LAST_LF;
            return SHARD_OK;
        }

        if (ch == '\n') {
            return shard_http_head_end(http);
        }

        http->index = 0;
        http->state = SHARD_HTTP_NAME;

        if (ch == ':') {
            return shard_http_refuse(http, "a header without a name");
        }

        return shard_http_name(http, ch);

    case SHARD_HTTP_NAME:
        return shard_http_name(http, ch);

    case SHARD_HTTP_VALUE_LF:
        if (ch != '\n') {
            return shard_http_refuse(http, "a CR without its LF");
        }

        return shard_http_value_end(http);

    case SHARD_HTTP_LAST_LF:
        if (ch != '\n') {
            return shard_http_refuse(http, "a CR without its LF");
        }

        return shard_http_head_end(http);

    default:
        return shard_http_value(http, ch);
    }
}


static int
shard_http_name(shard_http_t *http, unsigned char ch)
{
    size_t       i;
    shard_str_t  name;

    static const shard_str_t  known[] = {
        shard_string("content-length"),
        shard_string("transfer-encoding")
    };

    if (ch == ':') {
        http->field = SHARD_HTTP_OTHER;
        name.len = http->index;

        for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (name.len == known[i].len
                && memcmp(http->name, known[i].data, name.len) == 0)
            {
                http->field = (uint8_t) (SHARD_HTTP_CONTENT_LENGTH + i);
            }
        }

        if (http->field == SHARD_HTTP_CONTENT_LENGTH && http->has_length) {
            return shard_http_refuse(http, "Content-Length twice");
        }

        if (http->field == SHARD_HTTP_TRANSFER_ENCODING && http->chunked) {
            return shard_http_refuse(http, "Transfer-Encoding twice");
        }

        http->index = 0;
        http->state = SHARD_HTTP_VALUE_START;

        return SHARD_OK;
    }

    if (!shard_http_token(ch)) {
        return shard_http_refuse(http, "a bad header name");
    }

    if (http->index < sizeof(http->name)) {
        http->name[http->index++] = (char) (ch >= 'A' && ch <= 'Z' ? ch | 0x20
                                                                   : ch);
    } else {
        http->index = SHARD_HTTP_NAME_LONG;
    }

    return SHARD_OK;
}


static int
shard_http_value(shard_http_t *http, unsigned char ch)
{
    static const char  chunked[] = "chunked";

    if (ch == '\r') {
        http->state = SHARD_HTTP_VALUE_LF;
        return SHARD_OK;
    }

    if (ch == '\n') {
        return shard_http_value_end(http);
    }

    if (shard_http_control(ch)) {
        return shard_http_refuse(http, "a control character in a header");
    }

    if (ch == ' ' || ch == '\t') {
        if (http->state == SHARD_HTTP_VALUE) {
            http->state = SHARD_HTTP_VALUE_END;
        }

        return SHARD_OK;
    }

    if (http->field == SHARD_HTTP_OTHER) {
        return SHARD_OK;
    }

    if (http->field == SHARD_HTTP_CONTENT_LENGTH) {

        if (http->state == SHARD_HTTP_VALUE_END || ch < '0' || ch > '9'
            || http->length > (SHARD_HTTP_LENGTH_MAX - 9) / 10)
        {
            return shard_http_refuse(http, "a bad Content-Length");
        }

        http->length = http->length * 10 + ch - '0';
        http->has_length = 1;

    } else {

        if (http->state == SHARD_HTTP_VALUE_END
            || http->index == sizeof(chunked) - 1
            || (ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch)
               != chunked[http->index])
        {
            return shard_http_refuse(http, "a Transfer-Encoding other than "
                                     "chunked");
        }

        http->index++;
        http->chunked = 1;
    }

    http->state = SHARD_HTTP_VALUE;

    return SHARD_OK;
}


static int
shard_http_value_end(shard_http_t *http)
{
    if (http->field == SHARD_HTTP_CONTENT_LENGTH && !http->has_length) {
        return shard_http_refuse(http, "a bad Content-Length");
    }

    if (http->field == SHARD_HTTP_TRANSFER_ENCODING
        && http->index != sizeof("chunked") - 1)
    {
        return shard_http_refuse(http, "a Transfer-Encoding other than "
                                 "chunked");
    }

    http->state = SHARD_HTTP_FIELD;

    return SHARD_OK;
}


static int
shard_http_head_end(shard_http_t *http)
{
    if (http->chunked && (http->has_length || http->minor == 0)) {
        return shard_http_refuse(http, http->has_length
                                 ? "Content-Length and Transfer-Encoding"
                                 : "Transfer-Encoding in HTTP/1.0");
    }

    if (http->status == 101) {
        return shard_http_refuse(http, "the protocol was switched");
    }

    if (http->status < 200) {

        /* an interim answer; all of them together are bounded, too */

        http->has_length = 0;
        http->length = 0;
        http->chunked = 0;
        http->index = 0;
        http->state = SHARD_HTTP_START;

        return SHARD_OK;
    }

    http->in_body = 1;

    if (http->no_body || http->status == 204 || http->status == 304) {
        http->state = SHARD_HTTP_DONE;

    } else if (http->chunked) {
        http->state = SHARD_HTTP_CHUNK_START;

    } else if (http->has_length) {
        http->left = http->length;
        http->state = http->left ? SHARD_HTTP_LENGTH : SHARD_HTTP_DONE;

    } else {
        http->state = SHARD_HTTP_TO_CLOSE;
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
