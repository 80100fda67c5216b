
/* shard and node records: what is refused, and that nothing else is */

#include "shard_codec.h"

#include "../lib/tap.h"


#define FLIPS  200000


typedef struct {
    const char  *json;
    const char  *reason;        /* part of err; NULL: it must be taken */
} case_t;


static const char  full[] =
    "{\"lo\":\"0000000000000000\",\"hi\":\"0400000000000000\","
    "\"primary\":\"n1\",\"standbys\":[\"n3\",\"n4\"],\"epoch\":7,"
    "\"consistency\":\"eventual\",\"strategy\":\"queue\","
    "\"phase\":\"shifting\",\"target\":\"n2\",\"shift\":1250,"
    "\"migration\":\"5f0c6d1e2a3b4c5d\"}";

#define LO  "\"lo\":\"00000000000000ff\","
#define HI  "\"hi\":null,"
#define PE  "\"primary\":\"n1\",\"epoch\":1"
#define N63 "123456789012345678901234567890123456789012345678901234567890123"

static const case_t  records[] = {
    { "{" LO HI PE "}", NULL },
    { " {\t" LO "\r\n" HI PE " } \n", NULL },
    { "{" LO HI PE ",\"other\":{\"a\":[1,-0.5e+3,{}],\"b\":\"\\u00e9\"}}",
      NULL },
    { "{" LO HI PE ",\"x\":[[[[]]]],\"y\":[true,false,null]}", NULL },
    { "{" LO HI "\"primary\":\"" N63 "\",\"epoch\":4294967295}", NULL },
    { "{" LO HI PE ",\"standbys\":[]}", NULL },
    { "{" LO HI PE ",\"target\":\"n2\"}", NULL },

    { "", "not a JSON object" },
    { " ", "not a JSON object" },
    { "[]", "not a JSON object" },
    { "7", "too early" },
    { "\"lo\"", "not a JSON object" },
    { "{}", "\"lo\" is missing" },
    { "{" LO HI PE, "too early" },
    { "{" LO HI PE "}}", "not JSON" },
    { "{" LO HI PE "}{}", "not JSON" },
    { "{" LO HI PE "} x", "not JSON" },
    { "{" LO HI PE "],", "not JSON" },
    { "{" LO HI PE ",}", "not JSON" },
    { "{," LO HI PE "}", "not JSON" },
    { "{" LO "," HI PE "}", "not JSON" },
    { "{" LO HI "\"primary\":\"n1\" \"epoch\":1}", "not JSON" },
    { "{" LO HI "\"primary\" \"n1\",\"epoch\":1}", "not JSON" },
    { "{" LO HI "\"primary\"::\"n1\",\"epoch\":1}", "not JSON" },
    { "{" LO HI PE ",\"x\"}", "not JSON" },
    { "{" LO HI PE ",\"x\":}", "not JSON" },
    { "{" LO HI PE ",1:2}", "not JSON" },
    { "{" LO HI PE ",x:2}", "not JSON" },
    { "{" LO HI PE ",\"x\":[1 2]}", "not JSON" },
    { "{" LO HI PE ",\"x\":[1,]}", "not JSON" },
    { "{" LO HI PE ",\"x\":[,1]}", "not JSON" },
    { "{" LO HI PE ",\"x\":[1:2]}", "not JSON" },
    { "{" LO HI PE ",\"x\":{\"a\":1]}", "not JSON" },
    { "{" LO HI PE ",\"x\":tru}", "not JSON" },
    { "{" LO HI PE ",\"x\":nulll}", "not JSON" },
    { "{" LO HI PE ",\"x\":01}", "not JSON" },
    { "{" LO HI PE ",\"x\":-}", "not JSON" },
    { "{" LO HI PE ",\"x\":1.}", "not JSON" },
    { "{" LO HI PE ",\"x\":1e}", "not JSON" },
    { "{" LO HI PE ",\"x\":1e1e1}", "not JSON" },
    { "{" LO HI PE ",\"x\":1.1.1}", "not JSON" },
    { "{" LO HI PE ",\"x\":+1}", "not JSON" },
    { "{" LO HI PE ",\"x\":1{}}", "not JSON" },
    { "{" LO HI PE ",\"x\":\"\\q\"}", "not JSON" },
    { "{" LO HI PE ",\"x\":\"\\u12g4\"}", "not JSON" },
    { "{" LO HI PE ",\"x\":\"a\nb\"}", "not JSON" },
    { "{" LO HI PE ",\"x\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", "not JSON" },

    { "{" LO LO HI PE "}", "\"lo\" is there twice" },
    { "{" LO HI PE ",\"x\":1,\"x\":1}", "\"x\" is there twice" },
    { "{" LO HI PE ",\"l\\u006f\":1}", "escape in the field name" },
    { "{" HI PE "}", "\"lo\" is missing" },
    { "{" LO PE "}", "\"hi\" is missing" },
    { "{" LO HI "\"epoch\":1}", "\"primary\" is missing" },
    { "{" LO HI "\"primary\":\"n1\"}", "\"epoch\" is missing" },

    { "{\"lo\":0," HI PE "}", "\"lo\" is not a string" },
    { "{\"lo\":null," HI PE "}", "\"lo\" is not a string" },
    { "{\"lo\":\"0\"," HI PE "}", "\"lo\" is not 16 lower-case hex" },
    { "{\"lo\":\"00000000000000FF\"," HI PE "}", "\"lo\" is not 16" },
    { "{\"lo\":\"00000000000000ff0\"," HI PE "}", "\"lo\" is not 16" },
    { "{" LO "\"hi\":\"0000000000000000\"," PE "}", "the end of the keyspace" },
    { "{" LO "\"hi\":\"00000000000000ff\"," PE "}", "not above" },
    { "{" LO "\"hi\":true," PE "}", "\"hi\" is not a string" },
    { "{" LO HI "\"primary\":\"\",\"epoch\":1}", "is not a name" },
    { "{" LO HI "\"primary\":\"n 1\",\"epoch\":1}", "is not a name" },
    { "{" LO HI "\"primary\":\"n\\/1\",\"epoch\":1}", "escape in field" },
    { "{" LO HI "\"primary\":\"" N63 "4\",\"epoch\":1}", "is not a name" },
    { "{" LO HI "\"primary\":[\"n1\"],\"epoch\":1}", "is not a string" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":-1}", "\"epoch\" is not" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":1.0}", "\"epoch\" is not" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":1e3}", "\"epoch\" is not" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":\"1\"}", "\"epoch\" is not" },
    { "{" LO HI "\"primary\":\"n1\",\"epoch\":4294967296}",
      "\"epoch\" is not a number from 0 to 4294967295" },
    { "{" LO HI PE ",\"shift\":10001}", "from 0 to 10000" },
    { "{" LO HI PE ",\"shift\":65536}", "from 0 to 10000" },
    { "{" LO HI PE ",\"standbys\":\"n2\"}", "not an array" },
    { "{" LO HI PE ",\"standbys\":{}}", "not an array" },
    { "{" LO HI PE ",\"standbys\":[1]}", "not a string" },
    { "{" LO HI PE ",\"standbys\":[[\"n2\"]]}", "not a string" },
    { "{" LO HI PE ",\"standbys\":[\"a\",\"b\",\"c\",\"d\"]}", "more than 3" },
    { "{" LO HI PE ",\"standbys\":[\"a\",\"a\"]}", "\"a\" twice" },
    { "{" LO HI PE ",\"standbys\":[\"n1\"]}", "has the primary" },
    { "{" LO HI PE ",\"target\":\"n1\"}", "is the primary" },
    { "{" LO HI PE ",\"target\":\"\"}", "is not a name" },
    { "{" LO HI PE ",\"phase\":\"shifting\"}", "without \"target\"" },
    { "{" LO HI PE ",\"phase\":\"steadi\"}", "nearest is \"steady\"" },
    { "{" LO HI PE ",\"phase\":\"zzz\"}", "steady, shifting, held" },
    { "{" LO HI PE ",\"phase\":0}", "\"phase\" is not a string" },
    { "{" LO HI PE ",\"strategy\":\"log-shiping\"}", "log-shipping" },
    { "{" LO HI PE ",\"consistency\":\"Strong\"}", "nearest is \"strong\"" },
    { "{" LO HI PE ",\"migration\":\"5f0c\"}", "\"migration\" is not 16" },
};

#define A   "{\"addr\":\""
#define ZCS "\",\"zone\":\"z1\",\"capacity\":470.0,\"state\":\"up\"}"
#define CAP "{\"addr\":\"127.0.0.1:1\",\"zone\":\"z1\",\"state\":\"up\","      \
            "\"capacity\":"

static const case_t  nodes[] = {
    { A "127.0.0.1:8001" ZCS, NULL },
    { A "255.255.255.255:65535" ZCS, NULL },
    { A "[::]:1" ZCS, NULL },
    { A "[::1]:1" ZCS, NULL },
    { A "[fe80::1:2]:1" ZCS, NULL },
    { A "[1:2:3:4:5:6:7:8]:1" ZCS, NULL },
    { A "[1:2:3:4:5:6:7::]:1" ZCS, NULL },
    { A "[::ffff:1.2.3.4]:1" ZCS, NULL },
    { A "[1:2:3:4:5:6:1.2.3.4]:1" ZCS, NULL },
    { A "unix:/run/n1.sock" ZCS, NULL },

    { A "" ZCS, "\"addr\" is not" },
    { A "127.0.0.1" ZCS, "\"addr\" is not" },
    { A ":80" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:0" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:65536" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:080" ZCS, "\"addr\" is not" },
    { A "127.0.0.1:80x" ZCS, "\"addr\" is not" },
    { A "127.0.0:80" ZCS, "\"addr\" is not" },
    { A "127.0.0.1.1:80" ZCS, "\"addr\" is not" },
    { A "127.0.0.256:80" ZCS, "\"addr\" is not" },
    { A "127.0.0.01:80" ZCS, "\"addr\" is not" },
    { A "localhost:80" ZCS, "\"addr\" is not" },
    { A "[]:80" ZCS, "\"addr\" is not" },
    { A "[:]:80" ZCS, "\"addr\" is not" },
    { A "[:::]:80" ZCS, "\"addr\" is not" },
    { A "[1:2:3:4:5:6:7]:80" ZCS, "\"addr\" is not" },
    { A "[1:2:3:4:5:6:7:8:9]:80" ZCS, "\"addr\" is not" },
    { A "[1:2:3:4:5:6:7::8]:80" ZCS, "\"addr\" is not" },
    { A "[1::2::3]:80" ZCS, "\"addr\" is not" },
    { A "[12345::]:80" ZCS, "\"addr\" is not" },
    { A "[g::]:80" ZCS, "\"addr\" is not" },
    { A "[::1:]:80" ZCS, "\"addr\" is not" },
    { A "[:1:2:3:4:5:6:7]:80" ZCS, "\"addr\" is not" },
    { A "[1.2.3.4::1]:80" ZCS, "\"addr\" is not" },
    { A "::1:80" ZCS, "\"addr\" is not" },
    { A "unix:" ZCS, "\"addr\" is not" },
    { A "unix:/" ZCS, "\"addr\" is not" },
    { A "unix:run" ZCS, "\"addr\" is not" },
    { A "unix:/a:b" ZCS, "\"addr\" is not" },
    { A "unix:/a b" ZCS, "\"addr\" is not" },
    { A "unix:/" N63 N63 ZCS, "\"addr\" is not" },

    { CAP "1}", NULL },
    { CAP "1e9}", NULL },
    { CAP "0.000001}", NULL },
    { CAP "470.123456}", NULL },
    { CAP "12345678901234567890123e-20}", NULL },
    { CAP "0.00000000000000000000000000001e30}", NULL },
    { CAP "0}", "\"capacity\" is not" },
    { CAP "-1}", "\"capacity\" is not" },
    { CAP "1e10}", "\"capacity\" is not" },
    { CAP "1e-7}", "\"capacity\" is not" },
    { CAP "1e99999999999999999999}", "\"capacity\" is not" },
    { CAP "null}", "\"capacity\" is not" },
    { CAP "true}", "\"capacity\" is not" },
    { CAP "\"1\"}", "\"capacity\" is not" },
    { CAP "[1]}", "\"capacity\" is not" },
    { CAP "NaN}", "not JSON" },
    { "{\"addr\":\"127.0.0.1:1\",\"zone\":\"z1\",\"capacity\":1,"
      "\"state\":\"drainin\"}", "nearest is \"draining\"" },
    { "{\"addr\":\"127.0.0.1:1\",\"zone\":\"z1\",\"capacity\":1}",
      "\"state\" is missing" },
    { "{\"addr\":\"127.0.0.1:1\",\"capacity\":1,\"state\":\"up\"}",
      "\"zone\" is missing" },
};


/* decodes a copy of exactly that size: a byte too far is seen by ASan */

static int
decode(int node, const char *json, size_t len, void *out, char *err)
{
    int          rc;
    char        *copy;
    shard_str_t  str, name = shard_string("n1");

    copy = malloc(len ? len : 1);
    memcpy(copy, json, len);
    str.data = copy;
    str.len = len;

    rc = node ? shard_node_decode(name, str, out, err)
              : shard_record_decode(42, str, out, err);
    free(copy);

    return rc;
}


static void
test_cases(int node, const case_t *c, size_t n)
{
    int             rc, untouched;
    char            err[SHARD_ERR_SIZE];
    size_t          i, k;
    shard_record_t  out;

    for (i = 0; i < n; i++) {
        memset(&out, 0x5a, sizeof(out));
        err[0] = '\0';
        rc = decode(node, c[i].json, strlen(c[i].json), &out, err);

        if (c[i].reason == NULL) {
            tap_ok(rc == SHARD_OK, "taken: %.60s %s", c[i].json, err);
            continue;
        }

        untouched = 1;

        for (k = 0; k < sizeof(out); k++) {
            untouched &= ((uint8_t *) &out)[k] == 0x5a;
        }

        tap_ok(rc == SHARD_ERROR && strstr(err, c[i].reason) && untouched,
               "refused, %s: %s", c[i].reason, err);
    }
}


static void
test_values(void)
{
    int             len;
    char            err[SHARD_ERR_SIZE], buf[SHARD_JSON_MAX];
    shard_node_t    node;
    shard_record_t  rec;

    tap_is_int(decode(0, full, sizeof(full) - 1, &rec, err), SHARD_OK,
               "a record with all fields");
    tap_is_int((long long) rec.id, 42, "id");
    tap_ok(rec.lo == 0 && rec.hi == 0x0400000000000000ULL, "bounds");
    tap_is_str(rec.primary, "n1", "primary");
    tap_is_int(rec.nstandbys, 2, "standbys");
    tap_is_str(rec.standbys[1], "n4", "second standby");
    tap_is_int(rec.epoch, 7, "epoch");
    tap_is_int(rec.consistency, SHARD_EVENTUAL, "consistency");
    tap_is_int(rec.strategy, SHARD_QUEUE, "strategy");
    tap_is_int(rec.phase, SHARD_SHIFTING, "phase");
    tap_is_str(rec.target, "n2", "target");
    tap_is_int(rec.shift_bp, 1250, "shift");
    tap_ok(rec.migration == 0x5f0c6d1e2a3b4c5dULL, "migration");

    len = shard_record_encode(&rec, buf, sizeof(buf));
    tap_is_int(len, sizeof(full) - 1, "its length when encoded");
    tap_is_str(buf, full, "encoded as it came");

    tap_is_int(shard_record_encode(&rec, buf, (size_t) len), SHARD_AGAIN,
               "no room for the terminating zero");
    tap_is_int(shard_record_encode(&rec, buf, (size_t) len + 1), len,
               "just enough room");
    tap_is_int(shard_record_encode(&rec, buf, 0), SHARD_AGAIN, "no room");

    rec.shift_bp = SHARD_BP_ALL + 1;
    tap_is_int(shard_record_encode(&rec, buf, sizeof(buf)), SHARD_ERROR,
               "a shift beyond all keys is not written");
    rec.shift_bp = 0;
    strcpy(rec.primary, "n\"1");
    tap_is_int(shard_record_encode(&rec, buf, sizeof(buf)), SHARD_ERROR,
               "nor a name with a quote");
    memset(rec.primary, 'a', sizeof(rec.primary));
    tap_is_int(shard_record_encode(&rec, buf, sizeof(buf)), SHARD_ERROR,
               "nor a name without an end");

    tap_is_int(decode(0, records[0].json, strlen(records[0].json), &rec, err),
               SHARD_OK, "a record with the mandatory fields");
    tap_ok(rec.hi == 0 && rec.nstandbys == 0 && rec.target[0] == '\0'
           && rec.migration == 0 && rec.shift_bp == 0
           && rec.phase == SHARD_STEADY && rec.consistency == SHARD_STRONG
           && rec.strategy == SHARD_LOG_SHIPPING, "its defaults");

    tap_is_int(decode(1, nodes[0].json, strlen(nodes[0].json), &node, err),
               SHARD_OK, "a node");
    tap_is_str(node.name, "n1", "name");
    tap_is_str(node.addr, "127.0.0.1:8001", "address");
    tap_is_str(node.zone, "z1", "zone");
    tap_is_dbl(node.capacity, 470, 0, "capacity");
    tap_is_int(node.state, SHARD_NODE_UP, "state");
    tap_is_int(shard_node_encode(&node, buf, sizeof(buf)),
               (int) strlen(nodes[0].json), "length when encoded");
    tap_is_str(buf, nodes[0].json, "encoded as it came");
    node.capacity = NAN;
    tap_is_int(shard_node_encode(&node, buf, sizeof(buf)), SHARD_ERROR,
               "no number is no capacity");
}


static void
test_truncated(int node, const char *json)
{
    int             taken;
    char            err[SHARD_ERR_SIZE];
    size_t          len;
    shard_record_t  out;

    taken = 0;

    for (len = 0; len < strlen(json); len++) {
        taken += decode(node, json, len, &out, err) == SHARD_OK;
    }

    tap_is_int(taken, 0, "none of %d truncations is taken", (int) len);
}


/* what is taken of damaged text must read the same after encoding it */

static void
test_flips(int node, const char *json, uint64_t *seed)
{
    int             i, k, len, wrong, taken;
    char            err[SHARD_ERR_SIZE], text[1024], buf[SHARD_JSON_MAX];
    size_t          n;
    shard_node_t    nodes2[2];
    shard_record_t  recs[2];
    void           *a, *b;

    n = strlen(json);
    wrong = 0;
    taken = 0;
    a = node ? (void *) &nodes2[0] : (void *) &recs[0];
    b = node ? (void *) &nodes2[1] : (void *) &recs[1];

    for (i = 0; i < FLIPS; i++) {
        memcpy(text, json, n);

        for (k = (int) (tap_random(seed) % 3); k >= 0; k--) {
            text[tap_random(seed) % n] ^= (char) (1 << tap_random(seed) % 8);
        }

        if (decode(node, text, n, a, err) != SHARD_OK) {
            wrong += err[0] == '\0' || strlen(err) >= SHARD_ERR_SIZE;
            continue;
        }

        taken++;
        len = node ? shard_node_encode(a, buf, sizeof(buf))
                   : shard_record_encode(a, buf, sizeof(buf));

        if (len < 0 || decode(node, buf, (size_t) len, b, err) != SHARD_OK) {
            wrong++;
            continue;
        }

        wrong += node ? memcmp(a, b, sizeof(shard_node_t)) != 0
                      : memcmp(a, b, sizeof(shard_record_t)) != 0;
    }

    tap_diag("%d of %d damaged texts were still good", taken, FLIPS);
    tap_is_int(wrong, 0, "damaged %ss are refused or read the same again",
               node ? "node" : "record");
}


static void
test_limits(void)
{
    int              i;
    char             err[SHARD_ERR_SIZE], *text;
    size_t           n;
    uint64_t         value;
    shard_id_t       id;
    shard_record_t   out;
    const char      *words[] = { "shard_redis", "shard_router", NULL };
    shard_str_t      word = shard_string("shard_ruoter");
    shard_str_t      far = shard_string("keepalive");
    shard_str_t      max = shard_string("18446744073709551615");
    shard_str_t      over = shard_string("18446744073709551616");
    shard_str_t      zeros = shard_string("007");
    shard_str_t      none = shard_string("4294967295");
    shard_str_t      last = shard_string("4294967294");
    shard_str_t      minus = shard_string("-1");
    shard_str_t      nul = { 3, "n\0a" };
    shard_str_t      empty = { 0, "" };

    text = malloc(SHARD_JSON_MAX + 2);
    memset(text, ' ', SHARD_JSON_MAX + 2);
    memcpy(text, full, sizeof(full) - 1);
    tap_is_int(decode(0, text, SHARD_JSON_MAX, &out, err), SHARD_OK,
               "%d bytes are taken", SHARD_JSON_MAX);
    tap_is_int(decode(0, text, SHARD_JSON_MAX + 1, &out, err), SHARD_ERROR,
               "a byte more is not: %s", err);

    text[sizeof(full) - 1] = '\0';
    tap_is_int(decode(0, text, sizeof(full), &out, err), SHARD_ERROR,
               "a zero after the object: %s", err);

    n = (size_t) sprintf(text, "{" LO HI PE ",\"x\":[0");

    for (i = 0; i < SHARD_JSON_TOKENS; i++) {
        n += (size_t) sprintf(text + n, ",0");
    }

    n += (size_t) sprintf(text + n, "]}");
    tap_is_int(decode(0, text, n, &out, err), SHARD_ERROR,
               "too many values: %s", err);
    free(text);

    tap_is_str(shard_nearest(word, words), "shard_router", "nearest word");
    tap_ok(shard_nearest(far, words) == NULL, "no word is near");
    tap_ok(shard_nearest(empty, words) == NULL, "nor to nothing");

    tap_ok(shard_uint64_decode(max, &value) == SHARD_OK
           && value == UINT64_MAX, "the greatest number");
    tap_is_int(shard_uint64_decode(over, &value), SHARD_ERROR, "one more");
    tap_is_int(shard_uint64_decode(zeros, &value), SHARD_ERROR, "zeros");
    tap_is_int(shard_uint64_decode(empty, &value), SHARD_ERROR, "nothing");
    tap_is_int(shard_id_decode(none, &id), SHARD_ERROR, "no shard's id");
    tap_is_int(shard_id_decode(minus, &id), SHARD_ERROR, "a sign");
    tap_ok(shard_id_decode(last, &id) == SHARD_OK && id == 4294967294U,
           "the greatest id");
    tap_ok(!shard_name_valid(nul), "a zero in a name");
}


int
main(void)
{
    uint64_t  seed;

    test_values();
    test_cases(0, records, sizeof(records) / sizeof(records[0]));
    test_cases(1, nodes, sizeof(nodes) / sizeof(nodes[0]));
    test_limits();
    test_truncated(0, full);
    test_truncated(1, nodes[8].json);

    seed = tap_seed(20261121);
    test_flips(0, full, &seed);
    test_flips(1, nodes[8].json, &seed);

    return tap_done();
}
