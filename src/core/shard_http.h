
/*
 * A strict reader of one HTTP/1.x response, fed as it comes.
 *
 *   status line ─▶ header ─▶ body: none · Content-Length · chunked · to close
 *        ▲            │
 *        └── 100-199 ─┘
 *
 * Input is hostile: a header beyond SHARD_HTTP_HEAD_MAX, a length that is
 * none, both a length and "chunked", a folded line, a control character or
 * a chunk without its CRLF refuse the answer.  Nothing is copied: pieces of
 * the body lie in what was fed.
 */


#ifndef _SHARD_HTTP_H_INCLUDED_
#define _SHARD_HTTP_H_INCLUDED_


#include "shard_types.h"


#define SHARD_HTTP_BODY      1           /* beside SHARD_OK and the others */
#define SHARD_HTTP_HEAD_MAX  32768       /* all headers and trailers */


typedef struct {
    uint64_t     left;                   /* of the body, or of this chunk */
    uint32_t     head;                   /* bytes that were no body */
    uint16_t     status;                 /* 100 .. 999, final once in body */
    uint8_t      state;
    uint8_t      minor;                  /* HTTP/1.minor */
    uint8_t      index;                  /* within what is being read */
    uint8_t      field;                  /* the header being read */
    uint8_t      in_body;                /* the header is complete */
    uint8_t      no_body;                /* an answer to HEAD */
    uint8_t      chunked;
    uint8_t      has_length;
    uint64_t     length;                 /* of the header, if has_length */
    char         name[20];               /* of the header, lower case */
    const char  *error;                  /* after SHARD_ERROR */
} shard_http_t;


/* "head": the request was HEAD, no body comes */

void shard_http_init(shard_http_t *http, int head);

/*
 * Consumes "*used" of "len" bytes.  SHARD_HTTP_BODY: a piece of the body is
 * in "*body", call again with the rest, even if that is empty; SHARD_AGAIN:
 * more is needed; SHARD_OK: the answer is complete; SHARD_ERROR: see error.
 */

int shard_http_feed(shard_http_t *http, const char *data, size_t len,
    size_t *used, shard_str_t *body);

/* the connection was closed: SHARD_OK if the answer is complete with that */

int shard_http_close(shard_http_t *http);


#endif /* _SHARD_HTTP_H_INCLUDED_ */
