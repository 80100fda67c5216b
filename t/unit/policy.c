
/* meta.policy: what is refused, distances, numbers of zones that stay */

#include "shard_load.h"

#include "../lib/tap.h"


#define FLIPS  20000

#define N63  "123456789012345678901234567890123456789012345678901234567890123"


typedef struct {
    const char  *json;
    const char  *reason;
} bad_t;


static const bad_t  bad[] = {
    { "[]", "not a JSON object" },
    { "{", "too early" },
    { "{\"mirror\":10001}", "from 0 to 10000" },
    { "{\"mirror\":-1}", "from 0 to 10000" },
    { "{\"mirror\":1.5}", "from 0 to 10000" },
    { "{\"mirror\":\"5\"}", "from 0 to 10000" },
    { "{\"mirror\":null}", "from 0 to 10000" },
    { "{\"mirror\":1,\"mirror\":1}", "\"mirror\" is there twice" },
    { "{\"zone_distance\":[]}", "not an object" },
    { "{\"zone_distance\":7}", "not an object" },
    { "{\"zone_distance\":{\"a b\":65536}}", "from 0 to 65535" },
    { "{\"zone_distance\":{\"a b\":\"1\"}}", "from 0 to 65535" },
    { "{\"zone_distance\":{\"a b\":{}}}", "from 0 to 65535" },
    { "{\"zone_distance\":{\"a\":1}}", "\"a\" of \"zone_distance\" is not" },
    { "{\"zone_distance\":{\"a b c\":1}}", "is not two zones" },
    { "{\"zone_distance\":{\"a  b\":1}}", "is not two zones" },
    { "{\"zone_distance\":{\" a\":1}}", "is not two zones" },
    { "{\"zone_distance\":{\"a \":1}}", "is not two zones" },
    { "{\"zone_distance\":{\"a/ b\":1}}", "is not two zones" },
    { "{\"zone_distance\":{\"a \\u0062\":1}}", "is not two zones" },
    { "{\"zone_distance\":{\"a " N63 "4\":1}}", "is not two zones" },
    { "{\"zone_distance\":{\"a a\":0}}", "one zone twice" },
    { "{\"zone_distance\":{\"a b\":1,\"a b\":1}}", "there twice" },
    { "{\"zone_distance\":{\"a b\":1,\"b a\":1}}", "there twice" },
    { "{\"mirror\":1,\"zone_distance\":{\"a b\":1,\"a b\":2}}",
      "there twice" },
    { "{\"zone_distance\":{\"a b\":1},\"mirror\":10001}", "10000" },
};


static shard_policy_work_t  work;


static int
decode(const char *json, size_t len, shard_policy_t *out, char *err)
{
    int          rc;
    char        *copy;
    shard_str_t  str;

    copy = malloc(len ? len : 1);
    memcpy(copy, json, len);
    str.data = copy;
    str.len = len;
    rc = shard_policy_decode(str, &work, out, err);
    free(copy);

    return rc;
}


static unsigned
number(const shard_policy_t *p, const char *name)
{
    shard_str_t  str;

    str.data = name;
    str.len = strlen(name);

    return shard_policy_zone(p, str);
}


static unsigned
distance(const shard_policy_t *p, const char *a, const char *b)
{
    return shard_policy_distance(p, number(p, a), number(p, b));
}


static void
test_good(void)
{
    int             rc;
    char            err[SHARD_ERR_SIZE];
    shard_policy_t  p;

    static const char  json[] =
        "{\"driver\":\"http\",\"plan\":{\"mirror\":[7],\"a b\":null},"
        "\"mirror\":250,\"zone_distance\":{\"z1 z2\":10,\"z3 z1\":40,"
        "\"z.2 " N63 "\":65535,\"z2 z\":0}}";

    err[0] = '\0';
    rc = decode(json, sizeof(json) - 1, &p, err);

    tap_ok(rc == SHARD_OK, "a policy is taken %s", err);
    tap_is_int(p.mirror_bp, 250, "share of mirrored reads");
    tap_is_int(p.nzones, 6, "zones named");
    tap_is_int(distance(&p, "z1", "z2"), 10, "distance");
    tap_is_int(distance(&p, "z2", "z1"), 10, "and back");
    tap_is_int(distance(&p, "z1", "z3"), 40, "another");
    tap_is_int(distance(&p, "z", "z2"), 0, "none at all");
    tap_is_int(distance(&p, N63, "z.2"), 65535, "the farthest");
    tap_is_int(distance(&p, "z2", "z3"), SHARD_DISTANCE_UNKNOWN,
               "of a pair nobody named");
    tap_is_int(distance(&p, "z3", "z3"), 0, "to itself");
    tap_is_int(distance(&p, "z9", "z3"), SHARD_DISTANCE_UNKNOWN,
               "of a zone nobody named");
    tap_is_int(number(&p, ""), SHARD_ZONE_NONE, "no name, no number");
    tap_is_int(number(&p, N63 "4"), SHARD_ZONE_NONE, "too long a name");

    rc = decode("", 0, &p, err);
    tap_ok(rc == SHARD_OK && p.mirror_bp == 0 && p.nzones == 0
           && shard_policy_distance(&p, 0, 1) == SHARD_DISTANCE_UNKNOWN,
           "a deleted policy is none");
}


static void
test_bad(void)
{
    int             rc;
    char            err[SHARD_ERR_SIZE];
    size_t          i;
    shard_policy_t  p, before;

    memset(&before, 0x5a, sizeof(before));

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        p = before;
        err[0] = '\0';
        rc = decode(bad[i].json, strlen(bad[i].json), &p, err);

        tap_ok(rc == SHARD_ERROR && strstr(err, bad[i].reason)
               && memcmp(&p, &before, sizeof(p)) == 0,
               "refused, %s: %s", bad[i].reason, err);
    }
}


/* every pair of 64 zones fits, a 65th zone does not */

static void
test_bounds(void)
{
    int             rc, a, b;
    char            err[SHARD_ERR_SIZE], *json, *pos;
    shard_policy_t  p;

    json = malloc(SHARD_POLICY_MAX + 2);
    pos = json + sprintf(json, "{\"zone_distance\":{");

    for (a = 0; a < SHARD_ZONES_MAX; a++) {
        for (b = 0; b < a; b++) {
            pos += sprintf(pos, "\"z%d z%d\":%d,", a, b, 100 * a + b);
        }
    }

    sprintf(pos - 1, "}}");
    rc = decode(json, strlen(json), &p, err);
    tap_ok(rc == SHARD_OK && distance(&p, "z3", "z63") == 6303
           && distance(&p, "z62", "z61") == 6261, "all pairs of 64 zones");

    sprintf(pos - 1, ",\"z0 z64\":1}}");
    err[0] = '\0';
    rc = decode(json, strlen(json), &p, err);
    tap_ok(rc == SHARD_ERROR && strstr(err, "more than 64 zones"),
           "and no zone more: %s", err);

    memset(json, ' ', SHARD_POLICY_MAX + 1);
    memcpy(json, "{}", 2);
    tap_ok(decode(json, SHARD_POLICY_MAX, &p, err) == SHARD_OK,
           "the longest text");
    tap_ok(decode(json, SHARD_POLICY_MAX + 1, &p, err) == SHARD_ERROR
           && strstr(err, "longer than 65536"), "and one byte more: %s", err);

    free(json);
}


static void
test_replace(void)
{
    int             i, full;
    char            name[16], err[SHARD_ERR_SIZE];
    unsigned        a, b, c;
    shard_str_t     str;
    shard_policy_t  live, p;

    static const char  one[] = "{\"zone_distance\":{\"b a\":5,\"b x\":6}}";
    static const char  two[] = "{\"mirror\":9,\"zone_distance\":{\"c a\":7}}";

    shard_policy_init(&live);

    str.len = 1;
    str.data = "a";
    a = shard_policy_zone_add(&live, str);

    decode(one, sizeof(one) - 1, &p, err);
    shard_policy_replace(&live, &p, (uint64_t) 1 << a);
    b = number(&live, "b");

    tap_ok(number(&live, "a") == a && distance(&live, "a", "b") == 5
           && distance(&live, "x", "b") == 6
           && distance(&live, "x", "a") == SHARD_DISTANCE_UNKNOWN,
           "a node's zone keeps its number, the policy's follow");

    decode(two, sizeof(two) - 1, &p, err);
    shard_policy_replace(&live, &p, (uint64_t) 1 << a | (uint64_t) 1 << b);
    c = number(&live, "c");

    tap_ok(live.mirror_bp == 9 && number(&live, "a") == a
           && number(&live, "b") == b && c != SHARD_ZONE_NONE
           && number(&live, "x") == SHARD_ZONE_NONE,
           "a zone nobody names goes, its place is used again");
    tap_ok(distance(&live, "a", "c") == 7
           && distance(&live, "a", "b") == SHARD_DISTANCE_UNKNOWN,
           "distances are the new policy's only");

    full = 0;
    str.data = name;

    for (i = 0; i < SHARD_ZONES_MAX; i++) {
        str.len = (size_t) sprintf(name, "y%d", i);
        full += shard_policy_zone_add(&live, str) == SHARD_ZONE_NONE;
    }

    tap_is_int(full, 3, "three of 64 more find no place");

    shard_policy_init(&p);
    shard_policy_replace(&live, &p, 0);
    str.len = 1;
    str.data = "q";
    tap_ok(live.mirror_bp == 0 && shard_policy_zone_add(&live, str) == 0,
           "all places are free again");
    str.data = " ";
    tap_is_int(shard_policy_zone_add(&live, str), SHARD_ZONE_NONE,
               "what is no name gets no number");
}


static void
test_flips(uint64_t *seed)
{
    int             i, n, wrong;
    char            text[256], err[SHARD_ERR_SIZE];
    size_t          len;
    shard_policy_t  p;

    static const char  json[] =
        "{\"mirror\":250,\"zone_distance\":{\"z1 z2\":10,\"z1 z3\":40},"
        "\"other\":[1,2.5e3,{\"a\":null}]}";

    wrong = 0;

    for (i = 0; i < FLIPS; i++) {
        len = sizeof(json) - 1;
        memcpy(text, json, len);

        for (n = (int) (tap_random(seed) % 4); n >= 0; n--) {
            text[tap_random(seed) % len] = (char) tap_random(seed);
        }

        len -= tap_random(seed) % 3 ? 0 : tap_random(seed) % len;
        err[0] = '\0';

        if (decode(text, len, &p, err) != SHARD_OK) {
            wrong += err[0] == '\0';
            continue;
        }

        wrong += p.mirror_bp > SHARD_BP_ALL || p.nzones > SHARD_ZONES_MAX;
    }

    tap_is_int(wrong, 0, "%d damaged texts: refused or sound", FLIPS);
}


static void
test_load(void)
{
    size_t          i;
    char            err[SHARD_ERR_SIZE];
    shard_str_t     text;
    shard_load_t    load;
    shard_policy_t  p;

    static const char  good[] =
        "{\"mirror\":5,\"load\":{\"requests\":1,\"writes\":2.5,"
        "\"bytes\":1e-3}}";

    static const struct {
        const char  *json;
        const char  *says;
    } refused[] = {
        { "{\"load\":\"learnt\"}", "neither \"learned\" nor weights" },
        { "{\"load\":5}", "neither" },
        { "{\"load\":{}}", "no weight above 0" },
        { "{\"load\":{\"writes\":0}}", "no weight above 0" },
        { "{\"load\":{\"write\":1}}", "nearest is \"writes\"" },
        { "{\"load\":{\"writes\":-1}}", "is not a number from 0" },
        { "{\"load\":{\"writes\":\"1\"}}", "is not a number from 0" },
        { "{\"load\":{\"writes\":true}}", "is not a number from 0" },
        { "{\"load\":{\"writes\":1e10}}", "is not a number from 0" },
        { "{\"load\":[1]}", "neither" }
    };

    text.data = good;
    text.len = sizeof(good) - 1;
    tap_is_int(shard_load_decode(text, &work, &load, err), SHARD_OK, "load");
    tap_ok(load.weight[SHARD_METRIC_REQUESTS] == 1
           && load.weight[SHARD_METRIC_WRITES] == 2.5
           && fabs(load.weight[SHARD_METRIC_BYTES] - 1e-3) < 1e-12
           && load.weight[SHARD_METRIC_LATENCY] == 0 && load.given
           && !load.learned, "its weights");
    tap_is_int(decode(text.data, text.len, &p, err), SHARD_OK,
               "which routers skip");

    text.data = "{\"load\":\"learned\"}";
    text.len = strlen(text.data);
    tap_ok(shard_load_decode(text, &work, &load, err) == SHARD_OK
           && load.learned, "learned");
    text.len = 0;
    tap_ok(shard_load_decode(text, &work, &load, err) == SHARD_OK
           && !load.given && load.weight[SHARD_METRIC_REQUESTS] == 1,
           "no policy: requests");

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        text.data = refused[i].json;
        text.len = strlen(text.data);
        err[0] = '\0';
        tap_is_int(shard_load_decode(text, &work, &load, err), SHARD_ERROR,
                   "%s", text.data);
        tap_ok(strstr(err, refused[i].says), "%s", err);
    }
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(20261125);

    test_good();
    test_bad();
    test_bounds();
    test_replace();
    test_load();
    test_flips(&seed);

    return tap_done();
}
