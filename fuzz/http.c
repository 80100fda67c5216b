
/* a response, whole and byte by byte: the same answer, or the same refusal */

#include "shard_http.h"

#include "fuzz.h"


typedef struct {
    int           rc;
    size_t        used;
    size_t        len;
    uint8_t       body[8192];
    shard_http_t  http;
} answer_t;


static void  answer(answer_t *a, const char *data, size_t size, size_t step);


static void
answer(answer_t *a, const char *data, size_t size, size_t step)
{
    size_t       at, len, used;
    shard_str_t  body;

    shard_http_init(&a->http, size && (data[size - 1] & 1));
    a->len = 0;
    a->rc = SHARD_AGAIN;
    at = 0;

    while (a->rc == SHARD_AGAIN || a->rc == SHARD_HTTP_BODY) {

        if (at == size && a->rc == SHARD_AGAIN) {
            a->rc = shard_http_close(&a->http);
            fuzz_must(a->rc == SHARD_OK || a->rc == SHARD_ERROR, "no end");
            break;
        }

        len = size - at < step ? size - at : step;
        a->rc = shard_http_feed(&a->http, data + at, len, &used, &body);

        fuzz_must(used <= len, "more used than there was");
        fuzz_must(a->rc != SHARD_AGAIN || used == len, "a rest, and more?");

        if (a->rc == SHARD_HTTP_BODY) {
            fuzz_must(body.len && body.len <= used
                      && body.data + body.len == data + at + used,
                      "a body from elsewhere");
            fuzz_must(a->len + body.len <= sizeof(a->body), "a body too long");
            memcpy(a->body + a->len, body.data, body.len);
            a->len += body.len;
        }

        at += used;
    }

    a->used = at;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static answer_t  whole, bytes;

    if (size > sizeof(whole.body)) {
        return 0;
    }

    answer(&whole, (const char *) data, size, size ? size : 1);
    answer(&bytes, (const char *) data, size, 1);

    fuzz_must(whole.rc == bytes.rc, "splitting changes the outcome");
    fuzz_must(whole.used == bytes.used, "splitting changes the end");
    fuzz_must(whole.len == bytes.len
              && memcmp(whole.body, bytes.body, whole.len) == 0,
              "splitting changes the body");

    if (whole.rc == SHARD_ERROR) {
        fuzz_must(whole.http.error != NULL, "refused without a reason");
        fuzz_must(strcmp(whole.http.error, bytes.http.error) == 0,
                  "splitting changes the reason");
        return 0;
    }

    fuzz_must(whole.http.status >= 200 && whole.http.status <= 999,
              "no final status");
    fuzz_must(whole.http.head <= SHARD_HTTP_HEAD_MAX, "a header too long");
    fuzz_must(!whole.http.has_length || whole.len == whole.http.length
              || whole.len == 0, "another length than it says");

    return 0;
}
