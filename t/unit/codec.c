
/* shard and node records: what is refused, and that nothing else is */

#include "shard_bytes.h"
#include "shard_codec.h"

#include "../lib/tap.h"
#include "codec_cases.h"


#define FLIPS  200000
#define NODE   -1               /* in place of a kind: a node record */

#define nelts(a)  (sizeof(a) / sizeof((a)[0]))


/*
 * Decodes a copy of exactly that size: a byte too far is seen by ASan.  The
 * units of a record are then copied, as they live in what was decoded.
 */

static int
decode(int kind, const char *json, size_t len, void *out, char *err)
{
    static char     units[2][SHARD_JSON_MAX];
    static unsigned turn;

    shard_record_t  *rec;

    int          rc;
    char        *copy;
    shard_str_t  str, name = shard_string("n1");

    copy = malloc(len ? len : 1);
    memcpy(copy, json, len);
    str.data = copy;
    str.len = len;

    rc = kind == NODE
         ? shard_node_decode(name, str, out, err)
         : shard_record_decode((shard_kind_e) kind, 42, str, out, err);

    rec = out;

    if (rc == SHARD_OK && kind == SHARD_KIND_LIST && rec->units.len) {
        memcpy(units[++turn % 2], rec->units.data, rec->units.len);
        rec->units.data = units[turn % 2];
    }

    free(copy);

    return rc;
}


static void
test_cases(int kind, const case_t *c, size_t n)
{
    int             rc, untouched;
    char            err[SHARD_ERR_SIZE];
    size_t          i, k;
    shard_record_t  out;

    for (i = 0; i < n; i++) {
        memset(&out, 0x5a, sizeof(out));
        err[0] = '\0';
        rc = decode(kind, c[i].json, strlen(c[i].json), &out, err);

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

    tap_is_int(decode(NODE, nodes[0].json, strlen(nodes[0].json), &node, err),
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
encoded_again(shard_kind_e kind, const char *json, const char *again)
{
    char            err[SHARD_ERR_SIZE], buf[SHARD_JSON_MAX];
    shard_record_t  rec;

    if (!tap_is_int(decode((int) kind, json, strlen(json), &rec, err),
                    SHARD_OK, "%s", json))
    {
        tap_diag("%s", err);
        return;
    }

    tap_is_int(rec.kind, kind, "its kind");
    tap_ok(shard_record_encode(&rec, buf, sizeof(buf)) > 0
           && strncmp(buf, again, strlen(again)) == 0, "begins with %s",
           again);
}


static void
test_kinds(void)
{
    int              i;
    char             err[SHARD_ERR_SIZE], buf[SHARD_BYTES_TEXT];
    shard_str_t      left, word = shard_string("range byte");
    shard_kind_e     kind;
    shard_bytes_t    bytes, unit;
    shard_record_t   rec;

    for (i = 0; i < 4; i++) {
        word = (shard_str_t) { strlen(shard_kind_name((shard_kind_e) i)),
                               shard_kind_name((shard_kind_e) i) };
        tap_ok(shard_kind_parse(word, &kind) == SHARD_OK && (int) kind == i,
               "kind %s", word.data);
    }

    word.len--;
    tap_is_int(shard_kind_parse(word, &kind), SHARD_ERROR, "no kind");
    tap_is_str(shard_kind_name((shard_kind_e) 4), "unknown", "no kind's name");
    tap_is_int(decode(4, full, sizeof(full) - 1, &rec, err), SHARD_ERROR,
               "a record of no kind: %s", err);

    encoded_again(SHARD_KIND_RANGE_UINT64, "{" LO HI PE "}",
                  "{\"lo\":\"00000000000000ff\",\"hi\":null,\"primary\":");
    encoded_again(SHARD_KIND_RANGE_BYTES, bounds[5].json,
                  "{\"lo\":\"a b,{}[]:'\",\"hi\":\"%c3%a4%22%5c%25\","
                  "\"primary\":");
    encoded_again(SHARD_KIND_RANGE_BYTES, bounds[0].json,
                  "{\"lo\":\"\",\"hi\":null,\"primary\":");
    encoded_again(SHARD_KIND_LIST, lists[1].json,
                  "{\"units\":[\"a\",\"b,]\",\"%c3%a4\"],\"primary\":");
    encoded_again(SHARD_KIND_LIST, lists[3].json,
                  "{\"units\":[],\"default\":true,\"primary\":");

    (void) decode(SHARD_KIND_RANGE_BYTES, bounds[5].json,
                  strlen(bounds[5].json), &rec, err);
    tap_ok(rec.hi_text.len == 5 && memcmp(rec.hi_text.data, "\xc3\xa4\"\\%", 5)
           == 0, "bytes of a bound");
    tap_ok(rec.lo == 0 && rec.hi == 0, "it has no positions");
    tap_is_int((int) shard_bytes_encode(&rec.hi_text, buf), 15, "encoded");
    tap_is_str(buf, "%c3%a4%22%5c%25", "its text");

    (void) decode(SHARD_KIND_LIST, lists[1].json, strlen(lists[1].json), &rec,
                  err);
    tap_is_int(rec.nunits, 3, "units");
    tap_is_int(rec.is_default, 0, "not the default");
    left = rec.units;
    tap_ok(shard_units_next(&left, &unit) == SHARD_OK && unit.len == 1
           && unit.data[0] == 'a', "the first one");
    tap_ok(shard_units_next(&left, &unit) == SHARD_OK && unit.len == 3
           && memcmp(unit.data, "b,]", 3) == 0, "the second one");
    tap_ok(shard_units_next(&left, &unit) == SHARD_OK && unit.len == 2
           && memcmp(unit.data, "\xc3\xa4", 2) == 0, "the third one");
    tap_is_int(shard_units_next(&left, &unit), SHARD_AGAIN, "no fourth one");

    word = (shard_str_t) shard_string("\"a");
    tap_is_int(shard_units_next(&word, &unit), SHARD_ERROR,
               "a text that does not end");

    memset(&bytes, 0x5a, sizeof(bytes));
    word = (shard_str_t) shard_string("%e");
    tap_ok(shard_bytes_decode(word, "--cuts", &bytes, err) == SHARD_ERROR
           && strstr(err, "--cuts") && bytes.len == 0x5a, "%s", err);

    tap_ok(shard_bytes_compare("a", 1, "b", 1) < 0, "a before b");
    tap_ok(shard_bytes_compare("a", 1, "a\0", 2) < 0, "a prefix is first");
    tap_ok(shard_bytes_compare("", 0, "\0", 1) < 0, "nothing is first");
    tap_ok(shard_bytes_compare("\x80", 1, "z", 1) > 0, "unsigned bytes");
    tap_ok(shard_bytes_compare("ab", 2, "ab", 2) == 0, "the same");
}


/* the longest record there can be is taken, one unit more is not */

static void
test_most_units(void)
{
    int              i, k, n, len;
    char             err[SHARD_ERR_SIZE], text[SHARD_JSON_MAX];
    char             buf[SHARD_JSON_MAX];
    shard_record_t   rec;

    for (n = SHARD_UNITS_MAX; n <= SHARD_UNITS_MAX + 1; n++) {
        len = sprintf(text, "{\"units\":[");

        for (i = 0; i < n; i++) {
            len += sprintf(text + len, i ? ",\"" : "\"");

            for (k = 0; k < SHARD_BOUND_MAX; k++) {
                len += sprintf(text + len, "%%%02x", 0x80 + i);
            }

            len += sprintf(text + len, "\"");
        }

        len += sprintf(text + len, "],\"default\":true,\"primary\":\"" N63
                       "\",\"standbys\":[\"a" N62 "\",\"b" N62 "\",\"c" N62
                       "\"],\"epoch\":4294967295,\"consistency\":\"eventual\","
                       "\"strategy\":\"copy-on-write\",\"phase\":\"shifting\","
                       "\"target\":\"d" N62 "\",\"shift\":10000,"
                       "\"migration\":\"ffffffffffffffff\"}");

        if (n > SHARD_UNITS_MAX) {
            tap_is_int(decode(SHARD_KIND_LIST, text, (size_t) len, &rec, err),
                       SHARD_ERROR, "%d units: %s", n, err);
            break;
        }

        if (!tap_is_int(decode(SHARD_KIND_LIST, text, (size_t) len, &rec, err),
                        SHARD_OK, "%d units in %d bytes", n, len))
        {
            tap_diag("%s", err);
        }

        tap_is_int(shard_record_encode(&rec, buf, sizeof(buf)), len,
                   "encoded");
        tap_ok(memcmp(buf, text, (size_t) len) == 0, "as it came");
    }
}


static void
test_truncated(int kind, const char *json)
{
    int             taken;
    char            err[SHARD_ERR_SIZE];
    size_t          len;
    shard_record_t  out;

    taken = 0;

    for (len = 0; len < strlen(json); len++) {
        taken += decode(kind, json, len, &out, err) == SHARD_OK;
    }

    tap_is_int(taken, 0, "none of %d truncations is taken", (int) len);
}


/* blanks between units are not kept, so their texts may differ */

static int
differ(shard_record_t *a, shard_record_t *b)
{
    int            rc;
    shard_str_t    left[2];
    shard_bytes_t  unit[2];

    left[0] = a->units;
    left[1] = b->units;

    do {
        memset(unit, 0, sizeof(unit));
        rc = shard_units_next(&left[0], &unit[0]);

        if (rc != shard_units_next(&left[1], &unit[1])
            || memcmp(&unit[0], &unit[1], sizeof(unit[0])) != 0)
        {
            return 1;
        }

    } while (rc == SHARD_OK);

    memset(&a->units, 0, sizeof(a->units));
    memset(&b->units, 0, sizeof(b->units));

    return memcmp(a, b, sizeof(shard_record_t)) != 0;
}


/* what is taken of damaged text must read the same after encoding it */

static void
test_flips(int kind, const char *json, uint64_t *seed)
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
    a = kind == NODE ? (void *) &nodes2[0] : (void *) &recs[0];
    b = kind == NODE ? (void *) &nodes2[1] : (void *) &recs[1];

    for (i = 0; i < FLIPS; i++) {
        memcpy(text, json, n);

        for (k = (int) (tap_random(seed) % 3); k >= 0; k--) {
            text[tap_random(seed) % n] ^= (char) (1 << tap_random(seed) % 8);
        }

        if (decode(kind, text, n, a, err) != SHARD_OK) {
            wrong += err[0] == '\0' || strlen(err) >= SHARD_ERR_SIZE;
            continue;
        }

        taken++;
        len = kind == NODE ? shard_node_encode(a, buf, sizeof(buf))
                           : shard_record_encode(a, buf, sizeof(buf));

        if (len < 0 || decode(kind, buf, (size_t) len, b, err) != SHARD_OK) {
            wrong++;
            continue;
        }

        wrong += kind == NODE ? memcmp(a, b, sizeof(shard_node_t)) != 0
                              : differ(a, b);
    }

    tap_diag("%d of %d damaged texts were still good", taken, FLIPS);
    tap_is_int(wrong, 0, "damaged %ss are refused or read the same again",
               kind == NODE ? "node" : shard_kind_name((shard_kind_e) kind));
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
    test_kinds();
    test_most_units();
    test_cases(SHARD_KIND_HASH, records, nelts(records));
    test_cases(SHARD_KIND_RANGE_UINT64, numbers, nelts(numbers));
    test_cases(SHARD_KIND_RANGE_BYTES, bounds, nelts(bounds));
    test_cases(SHARD_KIND_LIST, lists, nelts(lists));
    test_cases(NODE, nodes, nelts(nodes));
    test_limits();
    test_truncated(SHARD_KIND_HASH, full);
    test_truncated(SHARD_KIND_RANGE_BYTES, bounds[5].json);
    test_truncated(SHARD_KIND_LIST, lists[1].json);
    test_truncated(NODE, nodes[8].json);

    seed = tap_seed(20261121);
    test_flips(SHARD_KIND_HASH, full, &seed);
    test_flips(SHARD_KIND_RANGE_BYTES, bounds[5].json, &seed);
    test_flips(SHARD_KIND_LIST, lists[1].json, &seed);
    test_flips(NODE, nodes[8].json, &seed);

    return tap_done();
}
