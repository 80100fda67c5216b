
/*
 * Merging: JSON against jansson over mutated texts, fed in pieces of random
 * size; lines, frames, lists of ids and of keys against what they must be.
 */

#include <jansson.h>

#include "shard_merge.h"

#include "../lib/tap.h"


#define ROUNDS  60000
#define ROOM    512


/* the answer's bytes of one part; NULL: refused.  No seed: byte by byte */

static const char *
merged(shard_merge_kind_e kind, const char *text, size_t len, uint64_t *seed)
{
    char           piece[ROOM], frame[SHARD_MERGE_FRAME_SIZE];
    size_t         n, at, kept, used;
    shard_merge_t  part;

    static char  out[ROOM + 2];

    shard_merge_init(&part, kind);
    used = 0;

    for (at = 0; at < len; at += n) {
        n = seed ? 1 + (size_t) (tap_random(seed) % 7) : 1;
        n = n < len - at ? n : len - at;

        memcpy(piece, text + at, n);
        kept = shard_merge_feed(&part, piece, n);

        if (kept > n) {
            tap_ok(0, "kept more than was fed");
            return NULL;
        }

        memcpy(out + used, piece, kept);
        used += kept;
    }

    if (shard_merge_end(&part) != SHARD_OK) {
        return NULL;
    }

    n = shard_merge_behind(&part, frame);
    memcpy(out + used, frame, n);
    out[used + n] = '\0';

    return out;
}


static int
valid(const char *text)
{
    return merged(SHARD_MERGE_JSON, text, strlen(text), NULL) != NULL;
}


static void
test_json(void)
{
    size_t  i;

    static const char *const  good[] = {
        "{}", "[]", " [ ] ", "0", "-0", "12", " 1 ", "-1.5e+10", "1E5", "\"\"",
        "true", "false", "null", "{\"a\":[1,2,{\"b\":null}],\"\":\"x\"}",
        "[1 ,2\n,\t3]", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00aF\"",
        "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"", "[0.5,0e1,10]",
        "{\"a\" : {\"a\":{} } }", NULL
    };

    static const char *const  bad[] = {
        "", " ", "{", "[", "]", "}", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}",
        "{\"a\":1,}", "{a:1}", "{1:1}", "01", "-", "1.", ".5", "1e", "1e+",
        "+1", "1.5.1", "1-1", "tru", "truE", "nulll", "\"", "\"\\x\"",
        "\"\\u12g4\"", "\"\\u123\"", "\"a\nb\"", "\"\x01\"", "1 2", "{} {}",
        "{}{}", "[1 2]", "[1}", "{\"a\":1]", "\"a\"b", "'a'", "\xef\xbb\xbf{}",
        "\"\x80\"", "\"\xc0\xaf\"", "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"", "\"\xc3\"", "\"\xe2\x82\"", "[\"a\":1]",
        "{\"a\",1}", "nan", "[1,2", "{\"a\":1", "\f1", NULL
    };

    for (i = 0; good[i]; i++) {
        tap_ok(valid(good[i]), "JSON: %s", good[i]);
    }

    for (i = 0; bad[i]; i++) {
        tap_ok(!valid(bad[i]), "no JSON: number %zu", i);
    }

    tap_ok(merged(SHARD_MERGE_JSON, "[\0]", 3, NULL) == NULL, "a zero byte");
}


static void
test_depth(void)
{
    size_t  i;
    char    text[2 * SHARD_MERGE_DEPTH + 3];

    for (i = 0; i < SHARD_MERGE_DEPTH; i++) {
        text[i] = '[';
        text[2 * SHARD_MERGE_DEPTH - 1 - i] = ']';
    }

    tap_ok(merged(SHARD_MERGE_JSON, text, ROOM, NULL) != NULL,
           "%d containers", SHARD_MERGE_DEPTH);

    memset(text, '[', sizeof(text));
    tap_ok(merged(SHARD_MERGE_JSON, text, SHARD_MERGE_DEPTH + 1, NULL)
           == NULL, "one more is refused");
}


/* one text, mutated; jansson's refusals of what is JSON are left out */

static int
agree(uint64_t *seed, int *n_good)
{
    int           mine, other;
    char          text[ROOM];
    size_t        i, len, n;
    json_t       *json;
    json_error_t  error;

    static const char  alphabet[] = "{}[],:\"\\ntrufalse0123-+.eE \n\xc3\xa4";

    static const char *const  seeds[] = {
        "{\"a\":[1,2.5e-3,true],\"b\":{\"c\":null}}",
        "[[[]],{},\"x\\n\\\"y\",-0.1]", "{\"k\":\"\xc3\xa4\",\"l\":false}",
        "[1,2,3,4,5,6,7,8,9]", " \"text\" ", "12345"
    };

    strcpy(text, seeds[tap_random(seed) % 6]);
    len = strlen(text);
    n = (size_t) (tap_random(seed) % 4);

    while (n--) {
        i = (size_t) (tap_random(seed) % len);

        if (tap_random(seed) % 3 == 0 && len > 1) {
            memmove(text + i, text + i + 1, len - i);
            len--;

        } else {
            text[i] = alphabet[tap_random(seed) % (sizeof(alphabet) - 1)];
        }
    }

    mine = merged(SHARD_MERGE_OBJECT, text, len, seed) != NULL;

    json = json_loadb(text, len, JSON_DECODE_ANY|JSON_ALLOW_NUL, &error);
    other = json != NULL;

    if (json == NULL
        && (json_error_code(&error) == json_error_numeric_overflow
            || strchr(text, 'u') != NULL))
    {
        return 1;
    }

    json_decref(json);
    *n_good += mine;

    if (mine != other) {
        tap_diag("we: %d, jansson: %d: %.*s", mine, other, (int) len, text);
    }

    return mine == other;
}


static void
test_model(uint64_t *seed)
{
    int  i, wrong, n_good;

    wrong = 0;
    n_good = 0;

    for (i = 0; i < ROUNDS && wrong < 5; i++) {
        wrong += !agree(seed, &n_good);
    }

    tap_is_int(wrong, 0, "as jansson in %d texts, %d of them good", i, n_good);
    tap_ok(n_good > ROUNDS / 20, "not all of them bad");
}


static void
test_lines(uint64_t *seed)
{
    int          i;
    size_t       k;
    const char  *got;

    static const struct {
        const char  *text;
        const char  *lines;
    } cases[] = {
        { "", "" },
        { " \n ", "" },
        { "{}", "{}\n" },
        { "{}\n", "{}\n" },
        { "{\"a\": 1}\n{\"b\": \"x y\"}\n", "{\"a\":1}\n{\"b\":\"x y\"}\n" },
        { "\n\n1\r\n\r\n2", "1\n2\n" },
        { "{\n  \"a\": [\n    1,\n    2\n  ]\n}\n", "{\"a\":[1,2]}\n" },
        { "1 2", "1\n2\n" },
        { "\"a\\n\"", "\"a\\n\"\n" },
        { "{}{}", NULL },
        { "{}\n{", NULL },
        { "hello", NULL }
    };

    for (k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        for (i = 0; i < 20; i++) {
            got = merged(SHARD_MERGE_NDJSON, cases[k].text,
                         strlen(cases[k].text), i ? seed : NULL);

            if ((got == NULL) != (cases[k].lines == NULL)
                || (got && strcmp(got, cases[k].lines) != 0))
            {
                break;
            }
        }

        tap_ok(i == 20, "lines of text %zu", k);
    }

    got = merged(SHARD_MERGE_JSON, "\n [1,\n 2] \n", 11, NULL);
    tap_is_str(got, "[1,\n 2]", "json: as it was, but for the space around");
    got = merged(SHARD_MERGE_CONCAT, "{ any\n", 6, NULL);
    tap_is_str(got, "{ any\n", "concat: as it was");
}


static const char *
frame(size_t len, const char *text)
{
    static char  out[SHARD_MERGE_FRAME_SIZE + 1];

    memcpy(out, text, len);
    out[len] = '\0';

    return out;
}


static void
test_frames(void)
{
    char  f[SHARD_MERGE_FRAME_SIZE];

    tap_is_str(frame(shard_merge_before(SHARD_MERGE_JSON, 1, 7, f), f), "[",
               "array: first");
    tap_is_str(frame(shard_merge_before(SHARD_MERGE_JSON, 0, 7, f), f), ",",
               "array: next");
    tap_is_str(frame(shard_merge_before(SHARD_MERGE_OBJECT, 1, 7, f), f),
               "{\"7\":", "object: first");
    tap_is_str(frame(shard_merge_before(SHARD_MERGE_OBJECT, 0, 4294967294, f),
                     f), ",\"4294967294\":", "object: next, the largest id");
    tap_is_int(shard_merge_before(SHARD_MERGE_NDJSON, 1, 7, f), 0, "lines");
    tap_is_int(shard_merge_before(SHARD_MERGE_CONCAT, 0, 7, f), 0, "bytes");
    tap_is_str(frame(shard_merge_close(SHARD_MERGE_JSON, 0, f), f), "]",
               "array: end");
    tap_is_str(frame(shard_merge_close(SHARD_MERGE_OBJECT, 1, f), f), "{}",
               "object: of none");
}


static void
test_ids(void)
{
    int         i, wrong;
    char        buf[64];
    size_t      n, size;
    shard_id_t  ids[200];

    ids[0] = 3;
    ids[1] = 17;
    n = shard_merge_ids(ids, 2, buf, sizeof(buf));
    tap_is_str(frame(n, buf), "3,17", "ids");
    tap_is_int(shard_merge_ids(ids, 0, buf, sizeof(buf)), 0, "no ids");

    for (i = 0; i < 200; i++) {
        ids[i] = 4294967000 + (shard_id_t) i;
    }

    n = shard_merge_ids(ids, 200, buf, 16);
    tap_is_str(frame(n, buf), "4294967000,...", "more ids than fit");
    n = shard_merge_ids(ids, 1, buf, 16);
    tap_is_str(frame(n, buf), "4294967000", "one id that just fits");

    wrong = 0;

    for (size = 16; size < sizeof(buf); size++) {
        for (i = 0; i < 200; i++) {
            memset(buf, '#', sizeof(buf));
            n = shard_merge_ids(ids, (size_t) i, buf, size);
            wrong += n > size || buf[size] != '#';
        }
    }

    tap_is_int(wrong, 0, "never beyond its room");
}


static const char *
keys(const char *text)
{
    int          rc;
    char         buf[64];
    size_t       used;
    shard_str_t  list, key;

    static char  out[128];

    list.data = text;
    list.len = strlen(text);
    used = 0;

    while ((rc = shard_merge_key(&list, buf, &key)) == SHARD_OK) {
        memcpy(out + used, key.data, key.len);
        used += key.len;
        out[used++] = '|';
    }

    out[used] = '\0';

    return rc == SHARD_AGAIN ? out : "bad";
}


static void
test_keys(void)
{
    tap_is_str(keys(""), "", "no keys");
    tap_is_str(keys(",,"), "", "empty ones only");
    tap_is_str(keys("a"), "a|", "a key");
    tap_is_str(keys("a,bc,,d,"), "a|bc|d|", "keys");
    tap_is_str(keys("a%2Cb,%25,c+d"), "a,b|%|c+d|", "decoded");
    tap_is_str(keys("%"), "bad", "a lone %%");
    tap_is_str(keys("a,%4"), "bad", "half of a byte");
    tap_is_str(keys("%4,1"), "bad", "a comma in a byte");
    tap_is_str(keys("%zz"), "bad", "no digits");
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261125);

    test_json();
    test_depth();
    test_model(&seed);
    test_lines(&seed);
    test_frames();
    test_ids();
    test_keys();

    return tap_done();
}
