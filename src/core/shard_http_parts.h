
/* what the files of the HTTP reader share, and nobody else */


#ifndef _SHARD_HTTP_PARTS_H_INCLUDED_
#define _SHARD_HTTP_PARTS_H_INCLUDED_


#include "shard_http.h"


/* in this order: whatever is below DONE reads byte by byte */

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


#define shard_http_control(ch)                                                \
    (((ch) < 0x20 && (ch) != '\t') || (ch) == 0x7f)


/* sets the error, returns SHARD_ERROR */

int shard_http_refuse(shard_http_t *http, const char *error);

/* a byte of a header line, or of the end of all of them */

int shard_http_field(shard_http_t *http, unsigned char ch);

/* 1 when it may be in a name */

int shard_http_token(unsigned char ch);


#endif /* _SHARD_HTTP_PARTS_H_INCLUDED_ */
