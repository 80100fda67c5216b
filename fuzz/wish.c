
/* "KIND\nBODY": a body of the HTTP API, refused with a reason or sound */

#include "shard_json_whole.h"
#include "shard_wish.h"

#include "fuzz.h"


static void move(shard_str_t body);
static void order(shard_str_t body);
static void verb(shard_str_t body);
static void event(shard_str_t body);
static void spans(const shard_event_t *e, int64_t start_s);
static void tags(shard_str_t list);
static void text(shard_str_t json);


static void
move(shard_str_t body)
{
    char          err[SHARD_ERR_SIZE];
    shard_move_t  m, before;

    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    m = before;

    if (shard_wish_move(body, &m, err) != SHARD_OK) {
        fuzz_refused(err, &m, &before);
        return;
    }

    fuzz_must(m.shard != SHARD_ID_NONE, "no id");
    fuzz_must(memchr(m.to, '\0', sizeof(m.to)) != NULL && m.to[0], "no node");
}


static void
order(shard_str_t body)
{
    char         err[SHARD_ERR_SIZE];
    const char  *word, *before;

    before = word = NULL;
    memset(err, 0, sizeof(err));

    if (shard_wish_order(body, &word, err) != SHARD_OK) {
        fuzz_refused(err, &word, &before);
        return;
    }

    fuzz_must(strcmp(word, "pause") == 0 || strcmp(word, "resume") == 0
              || strcmp(word, "rollback") == 0, "no wish");
}


static void
verb(shard_str_t body)
{
    char              err[SHARD_ERR_SIZE];
    shard_str_t       verb_text;
    shard_override_t  o, before;

    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    o = before;

    if (shard_wish_verb(body, &o, &verb_text, err) != SHARD_OK) {
        fuzz_refused(err, &o, &before);
        return;
    }

    fuzz_must(verb_text.data >= body.data
              && verb_text.data + verb_text.len <= body.data + body.len,
              "text outside of the body");
}


/* in order, apart from each other, in the window */

static void
spans(const shard_event_t *e, int64_t start_s)
{
    unsigned      i, n;
    shard_span_t  span[64];

    n = shard_event_spans(e, start_s, start_s + 4000 * 86400LL, span, 64);

    for (i = 0; i < n; i++) {
        fuzz_must(span[i].start_s < span[i].end_s, "an empty span");
        fuzz_must(span[i].start_s >= start_s, "before the start");
        fuzz_must(i == 0 || span[i - 1].end_s <= span[i].start_s, "overlap");
    }
}


static void
event(shard_str_t body)
{
    int            len;
    char           err[SHARD_ERR_SIZE], buf[SHARD_EVENT_SIZE];
    shard_str_t    json;
    shard_event_t  e, again, before;

    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    e = before;

    if (shard_wish_event(body, &e, err) != SHARD_OK) {
        fuzz_refused(err, &e, &before);
        return;
    }

    len = shard_event_encode(&e, buf, sizeof(buf));
    fuzz_must(len > 0, "what was decoded cannot be encoded");

    json.data = buf;
    json.len = (size_t) len;
    fuzz_must(shard_json_is_object(json), "no JSON");
    fuzz_must(shard_wish_event(json, &again, err) == SHARD_OK, err);
    fuzz_must(again.start_ms == e.start_ms && again.end_ms == e.end_ms
              && memcmp(&again.repeat, &e.repeat, sizeof(e.repeat)) == 0
              && again.kind == e.kind && again.size == e.size
              && again.nshards == e.nshards && again.nnodes == e.nnodes
              && again.nexcept == e.nexcept && again.noffsets == e.noffsets
              && memcmp(again.except_s, e.except_s, sizeof(e.except_s)) == 0
              && memcmp(again.shards, e.shards, sizeof(e.shards)) == 0
              && memcmp(again.nodes, e.nodes, sizeof(e.nodes)) == 0,
              "not the same again");

    spans(&e, (int64_t) (e.start_ms / 1000));
}


static void
tags(shard_str_t list)
{
    size_t       left;
    shard_str_t  tag;

    left = list.len + 1;

    while (shard_etag_next(&list, &tag) == SHARD_OK) {
        fuzz_must(list.len < left, "no progress");
        fuzz_must(memchr(tag.data, '"', tag.len) == NULL, "a quote inside");
        left = list.len;
    }
}


static void
text(shard_str_t json)
{
    char         *buf, *p;
    size_t        room;
    shard_str_t   quoted;

    (void) shard_json_is_object(json);

    room = 6 * json.len + 8;
    buf = malloc(room);
    p = shard_json_quote(buf, buf + room, json);
    fuzz_must(p != NULL, "six bytes for one do not suffice");

    quoted.data = buf;
    quoted.len = (size_t) (p - buf);
    fuzz_must(shard_json_is_value(quoted), "what was quoted is no JSON");
    free(buf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    shard_str_t  body;

    if (size < 2 || data[1] != '\n') {
        return 0;
    }

    body.data = (const char *) data + 2;
    body.len = size - 2;

    switch (data[0]) {
    case 'm':
        move(body);
        break;

    case 'o':
        order(body);
        break;

    case 'v':
        verb(body);
        break;

    case 'e':
        event(body);
        break;

    case 't':
        tags(body);
        break;

    default:
        text(body);
    }

    return 0;
}
