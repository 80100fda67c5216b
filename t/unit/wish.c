
/* bodies of the HTTP API, entity tags, and JSON that is passed on */

#include "shard_json_whole.h"
#include "shard_text.h"
#include "shard_wish.h"

#include "../lib/tap.h"


#define T(start, end)  "\"start\":\"" start "\",\"end\":\"" end "\""
#define DAY            T("2026-11-27T08:00Z", "2026-11-28T08:00Z")


typedef struct {
    const char  *body;
    const char  *reason;                /* NULL: taken */
} case_t;


static const case_t  moves[] = {
    { "{\"shard\":42,\"to\":\"n3\"}", NULL },
    { " {\"to\":\"n3\", \"shard\":0} ", NULL },
    { "", "empty" },
    { "[]", "not a JSON object" },
    { "{\"shard\":42}", "\"to\" is missing" },
    { "{\"shard\":42,\"to\":\"n 3\"}", "\"to\" is not a name" },
    { "{\"shard\":-1,\"to\":\"n3\"}", "\"shard\" is not a number" },
    { "{\"shard\":4294967295,\"to\":\"n3\"}", "\"shard\" is not a number" },
    { "{\"shard\":42,\"to\":\"n3\",\"too\":1}", "unknown field \"too\"" },
    { "{\"shard\":42,\"to\":\"n3\",\"to\":\"n4\"}", "twice" },
    { "{\"shard\":42,\"to\":\"n3\"", "ends too early" },
};

static const case_t  orders[] = {
    { "{\"wish\":\"pause\"}", NULL },
    { " { \"wish\" : \"resume\" } ", NULL },
    { "{\"wish\":\"rollback\"}", NULL },
    { "", "empty" },
    { "{}", "\"wish\" is missing" },
    { "{\"wish\":\"paus\"}", "nearest is \"pause\"" },
    { "{\"wish\":\"\"}", "unknown wish" },
    { "{\"wish\":null}", "not a string" },
    { "{\"wish\":\"pause\",\"by\":\"me\"}", "unknown field \"by\"" },
    { "{\"wish\":\"pause\",\"wish\":\"resume\"}", "twice" },
};

static const case_t  verbs[] = {
    { "{\"verb\":\"pin n2\"}", NULL },
    { "{\"verb\":\"hold until 2026-12-01T08:00Z\"}", NULL },
    { "{\"verb\":\"pinn n2\"}", "nearest is \"pin\"" },
    { "{\"verb\":1}", "not a string" },
    { "{\"Verb\":\"hold\"}", "nearest is \"verb\"" },
    { "{}", "\"verb\" is missing" },
};

static const case_t  events[] = {
    { "{" DAY ",\"effect\":\"x2.5\"}", NULL },
    { "{" DAY ",\"effect\":\"x1000.0\",\"shards\":[]}", NULL },
    { "{" DAY ",\"effect\":\"+300\",\"shards\":[1,2],\"nodes\":[\"a\"],"
      "\"repeat\":\"weekly\",\"id\":\"black-friday\"}", NULL },
    { "{" DAY ",\"effect\":\"-1000000000\"}", NULL },
    { "{" DAY ",\"effect\":\"drain\",\"nodes\":[\"n1\",\"n2\"]}", NULL },
    { "{" DAY "}", NULL },
    { "{" DAY ",\"effect\":\"learned\",\"name\":\"B\xc3\xa4r\"}", NULL },
    { "{" DAY ",\"repeat\":\"FREQ=WEEKLY;BYDAY=MO,FR\"}", NULL },
    { "{" DAY ",\"repeat\":\"FREQ=MONTHLY;BYMONTHDAY=-1\","
      "\"except\":[\"2026-12-31T08:00Z\"],"
      "\"offsets\":[\"2026-03-29T01:00Z+02:00\","
      "\"2026-10-25T01:00Z+01:00\"]}", NULL },
    { "{" DAY ",\"offsets\":[\"2026-03-29T01:00Z+2:00\"]}", "\"offsets\"" },
    { "{" DAY ",\"offsets\":[\"2026-03-29T01:00Z+19:00\"]}", "\"offsets\"" },
    { "{" DAY ",\"offsets\":[\"2026-03-29T01:00Z+02:00\","
      "\"2026-03-29T01:00Z+01:00\"]}", "not behind the one" },
    { "{" DAY ",\"except\":[\"tomorrow\"]}", "\"except\"" },
    { "{" DAY ",\"except\":{}}", "\"except\"" },
    { "{" DAY ",\"repeat\":\"FREQ=WEEKLY;BYHOUR=3\"}", "\"BYHOUR\" is not" },
    { "{" DAY ",\"repeat\":\"COUNT=3\"}", "FREQ is missing" },
    { "{" DAY ",\"repeat\":\"FREQ=WEEKLY;COUNT=3;UNTIL=20261231\"}",
      "exclude" },
    { "{" DAY ",\"repeat\":\"FREQ=WEEKLY;BYDAY=1MO\"}", "with a number" },
    { "{" DAY ",\"repeat\":\"FREQ=WEEKLY;;\"}", "NAME=VALUE" },
    { "{" DAY ",\"repeat\":\"FREQ=WEEKLY;FREQ=DAILY\"}", "twice" },
    { "{" DAY ",\"repeat\":\"FREQ=WEEKLY;INTERVAL=0\"}", "1 to 1000" },
    { "{" DAY ",\"effect\":\"x2\",\"name\":\"\xff\"}", "UTF-8" },
    { "{" DAY ",\"effect\":\"x1000.5\"}", "\"effect\" is \"x1000.5\"" },
    { "{" DAY ",\"effect\":\"x\"}", "\"effect\"" },
    { "{" DAY ",\"effect\":\"x1.\"}", "\"effect\"" },
    { "{" DAY ",\"effect\":\"x.5\"}", "\"effect\"" },
    { "{" DAY ",\"effect\":\"x1.2.3\"}", "\"effect\"" },
    { "{" DAY ",\"effect\":\"2.5\"}", "\"effect\"" },
    { "{" DAY ",\"effect\":\"+1000000001\"}", "\"effect\"" },
    { "{" DAY ",\"effect\":\"drain\"}", "\"drain\" is of \"nodes\"" },
    { "{" DAY ",\"effect\":\"drain\",\"nodes\":[\"a\"],\"shards\":[1]}",
      "\"drain\" is of \"nodes\"" },
    { "{" DAY ",\"effect\":\"x2\",\"repeat\":\"dayly\"}",
      "nearest is \"daily\"" },
    { "{" DAY ",\"effect\":\"x2\",\"shards\":7}", "\"shards\" is not an" },
    { "{" DAY ",\"effect\":\"x2\",\"shards\":[7,-1]}", "\"shards\"" },
    { "{" DAY ",\"effect\":\"x2\",\"shards\":[[7]]}", "\"shards\"" },
    { "{" DAY ",\"effect\":\"x2\",\"nodes\":[\"a b\"]}", "\"nodes\"" },
    { "{" DAY ",\"effect\":\"x2\",\"id\":\"\"}", "\"id\"" },
    { "{" T("2026-11-27T08:00Z", "2026-11-27T08:00Z") ",\"effect\":\"x2\"}",
      "not behind \"start\"" },
    { "{" T("2026-11-31T08:00Z", "2027-11-27T08:00Z") ",\"effect\":\"x2\"}",
      "\"start\" is" },
    { "{" T("2026-11-27T08:00Z", "tomorrow") ",\"effect\":\"x2\"}",
      "\"end\" is" },
};

static const case_t  objects[] = {
    { "{}", NULL }, { " { } ", NULL },
    { "{\"a\":[1,-0.5e+3,true,false,null,\"\\u00e9\\n\",{},[]]}", NULL },
    { "{\"a\":\"\xc3\xa9\xf0\x9f\x8d\x8c\"}", NULL },
    { "", "" }, { "[]", "" }, { "{\"a\"}", "" }, { "{\"a\" 1}", "" },
    { "{\"a\":1,}", "" }, { "{\"a\":01}", "" }, { "{\"a\":1.}", "" },
    { "{\"a\":.5}", "" }, { "{\"a\":+1}", "" }, { "{\"a\":1}x", "" },
    { "{\"a\":\"\x01\"}", "" }, { "{\"a\":\"\\x\"}", "" },
    { "{\"a\":\"\\u12g4\"}", "" }, { "{\"a\":\"\xff\"}", "" },
    { "{\"a\":\"\xc0\x80\"}", "" }, { "{\"a\":\"\xed\xa0\x80\"}", "" },
    { "{\"a\":\"\xf4\x90\x80\x80\"}", "" }, { "{\"a\":\"\xe2\x82\"}", "" },
    { "{\"a\":tru}", "" }, { "{\"a\":[1}", "" }, { "{a:1}", "" },
};


static void
test_cases(const char *name, const case_t *cases, unsigned n,
    int (*decode)(shard_str_t body, char *err))
{
    int          rc;
    char         err[SHARD_ERR_SIZE];
    unsigned     i;

    for (i = 0; i < n; i++) {
        err[0] = '\0';
        rc = decode(shard_text_str(cases[i].body), err);

        if (cases[i].reason == NULL) {
            tap_ok(rc == SHARD_OK, "%s %s: %s", name, cases[i].body, err);
            continue;
        }

        tap_ok(rc == SHARD_ERROR && strstr(err, cases[i].reason) != NULL,
               "%s %.60s: %s", name, cases[i].body, err);
    }
}


static int
decode_move(shard_str_t body, char *err)
{
    shard_move_t  move;

    return shard_wish_move(body, &move, err);
}


static int
decode_order(shard_str_t body, char *err)
{
    const char  *order;

    return shard_wish_order(body, &order, err);
}


static int
decode_verb(shard_str_t body, char *err)
{
    shard_str_t       text;
    shard_override_t  verb;

    return shard_wish_verb(body, &verb, &text, err);
}


static int
decode_event(shard_str_t body, char *err)
{
    shard_event_t  event;

    return shard_wish_event(body, &event, err);
}


static int
decode_object(shard_str_t body, char *err)
{
    (void) err;

    return shard_json_is_object(body) ? SHARD_OK : SHARD_ERROR;
}


static void
test_event(void)
{
    int            len;
    char           err[SHARD_ERR_SIZE], buf[SHARD_EVENT_SIZE];
    shard_event_t  event;

    static const char  full[] = "{" DAY ",\"repeat\":\"weekly\","
                                "\"shards\":[1,2],\"nodes\":[\"a\"],"
                                "\"effect\":\"+300\"}";

    tap_is_int(shard_wish_event(shard_text_str(events[2].body), &event, err),
               SHARD_OK, "a whole event");
    tap_ok(strcmp(event.id, "black-friday") == 0, "its id");
    tap_ok(event.start_ms == 1795766400000ULL
           && event.end_ms - event.start_ms == 86400000, "its times");

    len = shard_event_encode(&event, buf, sizeof(buf));
    tap_ok(len == (int) strlen(full) && strcmp(buf, full) == 0, "encoded: %s",
           buf);
    tap_is_int(shard_event_encode(&event, buf, (size_t) len), SHARD_AGAIN,
               "no room for its end");
}


static void
test_tags(void)
{
    shard_str_t  list, tag;

    list = shard_text_str(" \"17\" ,W/\"18-ab\",*");

    tap_is_int(shard_etag_next(&list, &tag), SHARD_OK, "a tag");
    tap_ok(shard_text_equal(tag, "17"), "is 17");
    tap_is_int(shard_etag_next(&list, &tag), SHARD_OK, "a weak one");
    tap_ok(shard_text_equal(tag, "18-ab"), "is 18-ab");
    tap_is_int(shard_etag_next(&list, &tag), SHARD_OK, "any");
    tap_ok(shard_text_equal(tag, "*"), "is *");
    tap_is_int(shard_etag_next(&list, &tag), SHARD_AGAIN, "no more");

    list = shard_text_str("17");
    tap_is_int(shard_etag_next(&list, &tag), SHARD_ERROR, "without quotes");
    list = shard_text_str("\"17");
    tap_is_int(shard_etag_next(&list, &tag), SHARD_ERROR, "without an end");
    list = shard_text_str("\"17\"\"18\"");
    tap_is_int(shard_etag_next(&list, &tag), SHARD_ERROR, "without a comma");
    list = shard_text_str("W/");
    tap_is_int(shard_etag_next(&list, &tag), SHARD_ERROR, "W/ alone");
    list = shard_text_str("");
    tap_is_int(shard_etag_next(&list, &tag), SHARD_AGAIN, "none");
}


static void
test_quote(void)
{
    char         buf[64], *p;
    unsigned     depth;
    shard_str_t  text;

    text.data = "a\"\\\n\xff\xc3\xa9";
    text.len = 7;
    p = shard_json_quote(buf, buf + sizeof(buf), text);
    tap_ok(p != NULL, "quoted");
    *p = '\0';
    tap_ok(strcmp(buf, "\"a\\\"\\\\\\u000a?\xc3\xa9\"") == 0, "as %s", buf);
    tap_ok(shard_json_quote(buf, buf + 12, text) == NULL, "no room");

    for (depth = 0; depth < 33; depth++) {
        buf[depth] = '[';
    }

    text.data = buf;
    text.len = 33;
    tap_ok(!shard_json_is_value(text), "too deep, and no end");
}


int
main(void)
{
    static unsigned  n;

    n = sizeof(moves) / sizeof(moves[0]);
    test_cases("move", moves, n, decode_move);
    n = sizeof(orders) / sizeof(orders[0]);
    test_cases("order", orders, n, decode_order);

    n = sizeof(verbs) / sizeof(verbs[0]);
    test_cases("verb", verbs, n, decode_verb);
    n = sizeof(events) / sizeof(events[0]);
    test_cases("event", events, n, decode_event);
    n = sizeof(objects) / sizeof(objects[0]);
    test_cases("object", objects, n, decode_object);

    test_event();
    test_tags();
    test_quote();

    return tap_done();
}
