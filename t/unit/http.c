
/* one HTTP/1.x response, whole and in every split; digests in pieces */

#include "shard_digest.h"
#include "shard_http.h"
#include "shard_key.h"

#include "../lib/tap.h"


typedef struct {
    const char  *text;
    const char  *body;              /* NULL: refused */
    int          status;            /* or 0 with a NULL body */
    int          head;
    int          left;              /* bytes behind the answer */
    const char  *what;              /* or the error */
} case_t;


static int read_answer(shard_http_t *http, const case_t *c, size_t split,
    char *body, size_t *left);
static int read_piece(shard_http_t *http, const char *data, size_t len,
    char *body, size_t *used);


static const case_t  cases[] = {

    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 200, 0, 0,
      "a length" },
    { "HTTP/1.1 200 OK\nContent-length:5 \n\nhello", "hello", 200, 0, 0,
      "LF alone" },
    { "HTTP/1.1 200\r\n\r\nto the end", "to the end", 200, 0, 0,
      "until close, no reason" },
    { "HTTP/1.0 404 Not Found\r\nX: y\r\n\r\n", "", 404, 0, 0,
      "until close, empty" },
    { "HTTP/1.1 204 \r\nContent-Length: 7\r\n\r\nHTTP/1.", "", 204, 0, 7,
      "204 has no body" },
    { "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "", 304, 0, 0,
      "304 has no body" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", "", 200, 1, 0,
      "HEAD has no body" },
    { "HTTP/1.1 100 Continue\r\nA: b\r\n\r\nHTTP/1.1 103 Early\r\n\r\n"
      "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\nx", "", 201, 0, 1,
      "interim answers" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
      "3\r\nabc\r\n0010;name=\"v\"\r\n0123456789abcdef\r\n0\r\n\r\n",
      "abc0123456789abcdef", 200, 0, 0, "chunks" },
    { "HTTP/1.1 200 OK\r\ntransfer-encoding:\tchunked\t\r\n\r\n"
      "1 \r\na\r\n0\r\nTrailer: t\r\nOther:\r\n\r\nmore", "a", 200, 0, 4,
      "chunks and trailers" },
    { "HTTP/1.1 999 \xc3\xa4\r\nContent-Length: 00002\r\n\r\nab", "ab", 999,
      0, 0, "an odd status" },
    { "HTTP/1.1 200 OK\r\nContent-Length-Of-Something-Else: x\r\n"
      "Content-Lengt: y\r\nContent-Length: 1\r\n\r\nz", "z", 200, 0, 0,
      "names that are nearly one" },

    { "", NULL, 0, 0, 0, "closed without an answer" },
    { "HTTP/1.1 200 OK\r\nA: b\r\n", NULL, 0, 0, 0,
      "closed within the header" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", NULL, 0, 0, 0,
      "closed within the body" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
      NULL, 0, 0, 0, "closed within the body" },
    { "HTTP/2.0 200 OK\r\n\r\n", NULL, 0, 0, 0, "not HTTP/1.x" },
    { "220 smtp ready\r\n", NULL, 0, 0, 0, "not HTTP/1.x" },
    { "HTTP/1.2 200 OK\r\n\r\n", NULL, 0, 0, 0, "not HTTP/1.0 or HTTP/1.1" },
    { "HTTP/1.1  200 OK\r\n\r\n", NULL, 0, 0, 0, "a bad status" },
    { "HTTP/1.1\t200 OK\r\n\r\n", NULL, 0, 0, 0, "a bad status line" },
    { "HTTP/1.1 099 OK\r\n\r\n", NULL, 0, 0, 0, "a bad status" },
    { "HTTP/1.1 20 OK\r\n\r\n", NULL, 0, 0, 0, "a bad status" },
    { "HTTP/1.1 2000\r\n\r\n", NULL, 0, 0, 0, "a bad status" },
    { "HTTP/1.1 200 O\x01K\r\n\r\n", NULL, 0, 0, 0, "a bad status line" },
    { "HTTP/1.1 200 OK\rA: b\r\n\r\n", NULL, 0, 0, 0, "a CR without its LF" },
    { "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", NULL, 0, 0, 0, "a bad header name" },
    { "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", NULL, 0, 0, 0,
      "a bad header name" },
    { "HTTP/1.1 200 OK\r\n: b\r\n\r\n", NULL, 0, 0, 0,
      "a header without a name" },
    { "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", NULL, 0, 0, 0,
      "a CR without its LF" },
    { "HTTP/1.1 200 OK\r\nA: b\x7f\r\n\r\n", NULL, 0, 0, 0,
      "a control character in a header" },
    { "HTTP/1.1 200 OK\r\n\rX", NULL, 0, 0, 0, "a CR without its LF" },
    { "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", NULL, 0, 0, 0,
      "a bad Content-Length" },
    { "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", NULL, 0, 0, 0,
      "a bad Content-Length" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1 1\r\n\r\n", NULL, 0, 0, 0,
      "two values of one header" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked chunked\r\n\r\n", NULL, 0,
      0, 0, "two values of one header" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 92233720368547758070\r\n\r\n", NULL,
      0, 0, 0, "a bad Content-Length" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
      NULL, 0, 0, 0, "Content-Length twice" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"
      "\r\n0\r\n\r\n", NULL, 0, 0, 0, "Content-Length and Transfer-Encoding" },
    { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", NULL,
      0, 0, 0, "Transfer-Encoding in HTTP/1.0" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", NULL, 0,
      0, 0, "a Transfer-Encoding other than chunked" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunkedx\r\n\r\n", NULL, 0, 0, 0,
      "a Transfer-Encoding other than chunked" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunk\r\n\r\n", NULL, 0, 0, 0,
      "a Transfer-Encoding other than chunked" },
    { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
      "Transfer-Encoding: chunked\r\n\r\n", NULL, 0, 0, 0,
      "Transfer-Encoding twice" },
    { "HTTP/1.1 101 Switching Protocols\r\n\r\n", NULL, 0, 0, 0,
      "the protocol was switched" },
#define CHUNKED  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    { CHUNKED "\r\n", NULL, 0, 0, 0, "a bad chunk size" },
    { CHUNKED "0x1\r\n", NULL, 0, 0, 0, "a bad chunk size" },
    { CHUNKED " 1\r\na\r\n", NULL, 0, 0, 0, "a bad chunk size" },
    { CHUNKED "1\na\r\n0\r\n\r\n", NULL, 0, 0, 0, "a bad chunk size" },
    { CHUNKED "1\r\nab\r\n0\r\n\r\n", NULL, 0, 0, 0,
      "a chunk is longer than it says" },
    { CHUNKED "1\r\na\r0\r\n\r\n", NULL, 0, 0, 0, "a CR without its LF" },
    { CHUNKED "1234567890123456\r\n", NULL, 0, 0, 0, "a chunk is too long" },
    { CHUNKED "1;a\n\r\na\r\n", NULL, 0, 0, 0, "a bad chunk extension" },
    { CHUNKED "0\r\n x\r\n\r\n", NULL, 0, 0, 0, "a bad trailer" },
    { CHUNKED "0\r\nx\n\r\n", NULL, 0, 0, 0, "a bad trailer" },
};


static int
read_piece(shard_http_t *http, const char *data, size_t len, char *body,
    size_t *used)
{
    int          rc;
    size_t       n;
    shard_str_t  piece;

    *used = 0;

    do {
        rc = shard_http_feed(http, data + *used, len - *used, &n, &piece);
        *used += n;

        if (rc == SHARD_HTTP_BODY) {
            strncat(body, piece.data, piece.len);
        }

    } while (rc == SHARD_HTTP_BODY);

    return rc;
}


/* in two pieces, and then the end */

static int
read_answer(shard_http_t *http, const case_t *c, size_t split, char *body,
    size_t *left)
{
    int     rc;
    size_t  len, used;

    len = strlen(c->text);
    body[0] = '\0';
    shard_http_init(http, c->head);

    rc = read_piece(http, c->text, split, body, &used);
    *left = len - used;

    if (rc == SHARD_AGAIN) {
        rc = read_piece(http, c->text + split, len - split, body, &used);
        *left = len - split - used;
    }

    return rc == SHARD_AGAIN ? shard_http_close(http) : rc;
}


static void
test_cases(void)
{
    int           rc;
    char          body[256];
    size_t        i, split, left;
    unsigned      wrong;
    shard_http_t  http;
    const case_t  *c;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c = &cases[i];
        wrong = 0;

        for (split = 0; split <= strlen(c->text); split++) {
            rc = read_answer(&http, c, split, body, &left);

            if (c->body) {
                wrong += rc != SHARD_OK || http.status != c->status
                         || strcmp(body, c->body) != 0
                         || left != (size_t) c->left;

            } else {
                wrong += rc != SHARD_ERROR || http.error == NULL
                         || strcmp(http.error, c->what) != 0;
            }
        }

        tap_is_int(wrong, 0, "case %d: %s", (int) i, c->what);
    }
}


/* headers, interim answers and trailers without end */

static void
test_bounds(void)
{
    int           i, rc;
    char          body[16];
    size_t        used;
    unsigned      k;
    shard_http_t  http;

    static const char *const  endless[] = {
        "name: value\r\n", "HTTP/1.1 100 Continue\r\n\r\n", "trailer: t\r\n"
    };

    static const char *const  begin[] = {
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 102 Processing\r\n\r\n",
        CHUNKED "0\r\n"
    };

    for (k = 0; k < 3; k++) {
        shard_http_init(&http, 0);
        rc = read_piece(&http, begin[k], strlen(begin[k]), body, &used);

        for (i = 0; rc == SHARD_AGAIN && i < SHARD_HTTP_HEAD_MAX; i++) {
            rc = read_piece(&http, endless[k], strlen(endless[k]), body,
                            &used);
        }

        tap_ok(rc == SHARD_ERROR
               && strcmp(http.error, "the header is too long") == 0,
               "\"%.11s\" without end is refused after %d", endless[k], i);
    }

    shard_http_init(&http, 0);
    body[0] = '\0';
    rc = read_piece(&http, CHUNKED "1;", strlen(CHUNKED) + 2, body, &used);

    for (i = 0; rc == SHARD_AGAIN && i < 1000; i++) {
        rc = read_piece(&http, "extension", 9, body, &used);
    }

    tap_ok(rc == SHARD_ERROR, "so is an extension, after %d", i);

    /* many chunks are no header */

    shard_http_init(&http, 0);
    rc = read_piece(&http, CHUNKED, strlen(CHUNKED), body, &used);

    for (i = 0; rc == SHARD_AGAIN && i < SHARD_HTTP_HEAD_MAX; i++) {
        body[0] = '\0';
        rc = read_piece(&http, "1\r\nx\r\n", 6, body, &used);
    }

    tap_ok(rc == SHARD_AGAIN && strcmp(body, "x") == 0, "%d chunks are read",
           i);
}


static void
test_digest(void)
{
    char            data[4096];
    size_t          len, n, at;
    uint64_t        seed;
    unsigned        i, wrong;
    shard_digest_t  digest;

    seed = tap_seed(20261125);
    wrong = 0;

    for (n = 0; n < sizeof(data); n++) {
        data[n] = (char) tap_random(&seed);
    }

    for (i = 0; i < 300; i++) {
        len = tap_random(&seed) % sizeof(data);
        shard_digest_init(&digest);

        for (at = 0; at < len; at += n) {
            n = 1 + tap_random(&seed) % (i % 3 ? 400 : 7);
            n = n < len - at ? n : len - at;
            shard_digest_add(&digest, data + at, n);
        }

        wrong += shard_digest_value(&digest) != shard_key_position(data, len);
    }

    tap_is_int(wrong, 0, "a digest of pieces is that of the whole");
}


int
main(void)
{
    test_cases();
    test_bounds();
    test_digest();

    return tap_done();
}
