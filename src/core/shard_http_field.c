
/* header lines of a response, and what its end says of the body */


#include <string.h>

#include "shard_http_parts.h"


#define SHARD_HTTP_LENGTH_MAX  INT64_MAX
#define SHARD_HTTP_NAME_LONG   0xff      /* index of a name beyond our own */


static int shard_http_name(shard_http_t *http, unsigned char ch);
static int shard_http_value(shard_http_t *http, unsigned char ch);
static int shard_http_value_length(shard_http_t *http, unsigned char ch);
static int shard_http_value_coding(shard_http_t *http, unsigned char ch);
static int shard_http_value_end(shard_http_t *http);
static int shard_http_head_end(shard_http_t *http);


/* tchar of RFC 9110, 5.6.2 */

int
shard_http_token(unsigned char ch)
{
    static const char  others[] = "!#$%&'*+-.^_`|~";

    return (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z')
           || (ch >= 'a' && ch <= 'z')
           || (ch && strchr(others, ch) != NULL);
}


int
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

    if (http->state == SHARD_HTTP_VALUE_END) {
        return shard_http_refuse(http, "two values of one header");
    }

    http->state = SHARD_HTTP_VALUE;

    return http->field == SHARD_HTTP_CONTENT_LENGTH
           ? shard_http_value_length(http, ch)
           : shard_http_value_coding(http, ch);
}


static int
shard_http_value_length(shard_http_t *http, unsigned char ch)
{
    if (ch < '0' || ch > '9'
        || http->length > (SHARD_HTTP_LENGTH_MAX - 9) / 10)
    {
        return shard_http_refuse(http, "a bad Content-Length");
    }

    http->length = http->length * 10 + ch - '0';
    http->has_length = 1;

    return SHARD_OK;
}


static int
shard_http_value_coding(shard_http_t *http, unsigned char ch)
{
    static const char  chunked[] = "chunked";

    ch = ch >= 'A' && ch <= 'Z' ? ch | 0x20 : ch;

    if (http->index == sizeof(chunked) - 1
        || ch != (unsigned char) chunked[http->index])
    {
        return shard_http_refuse(http, "a Transfer-Encoding other than "
                                 "chunked");
    }

    http->index++;
    http->chunked = 1;

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
