
/* operators' verbs: taken, and refused with a reason that helps */

#include <time.h>

#include "shard_override.h"

#include "../lib/tap.h"


#define FLIPS  300000
#define TIMES  20000

#define N63  "123456789012345678901234567890123456789012345678901234567890123"


typedef struct {
    const char        *text;
    shard_override_e   verb;
    const char        *node[SHARD_OVERRIDE_NODES];
    unsigned           bp[SHARD_OVERRIDE_NODES];
    uint64_t           until_ms;
} good_t;

typedef struct {
    const char        *text;
    const char        *reason;
} bad_t;


static const good_t  good[] = {
    { "pin n3", SHARD_OVERRIDE_PIN, { "n3" }, { 0 }, 0 },
    { "  pin   n3  ", SHARD_OVERRIDE_PIN, { "n3" }, { 0 }, 0 },
    { "pin until", SHARD_OVERRIDE_PIN, { "until" }, { 0 }, 0 },
    { "pin " N63, SHARD_OVERRIDE_PIN, { N63 }, { 0 }, 0 },
    { "split n1=7000 n3=3000", SHARD_OVERRIDE_SPLIT,
      { "n1", "n3" }, { 7000, 3000 }, 0 },
    { "split n1=0 n3=10000", SHARD_OVERRIDE_SPLIT,
      { "n1", "n3" }, { 0, 10000 }, 0 },
    { "split n1=10000 n3=0", SHARD_OVERRIDE_SPLIT,
      { "n1", "n3" }, { 10000 }, 0 },
    { "split n1=1 n2=2 n3=9997", SHARD_OVERRIDE_SPLIT,
      { "n1", "n2", "n3" }, { 1, 2, 9997 }, 0 },
    { "split a=2500 b=2500 c=2500 d=2500 until 2026-12-01T08:00Z",
      SHARD_OVERRIDE_SPLIT, { "a", "b", "c", "d" },
      { 2500, 2500, 2500, 2500 }, 1796112000000ULL },
    { "hold", SHARD_OVERRIDE_HOLD, { NULL }, { 0 }, 0 },
    { "drain", SHARD_OVERRIDE_DRAIN, { NULL }, { 0 }, 0 },
    { "freeze", SHARD_OVERRIDE_FREEZE, { NULL }, { 0 }, 0 },
    { "hold until 1970-01-01T00:00Z", SHARD_OVERRIDE_HOLD, { NULL }, { 0 }, 0 },
    { "hold until 2026-12-01T08:00Z", SHARD_OVERRIDE_HOLD, { NULL }, { 0 },
      1796112000000ULL },
    { "pin n3 until 2026-12-01T08:00:59Z", SHARD_OVERRIDE_PIN, { "n3" }, { 0 },
      1796112059000ULL },
    { "split a=5000 b=5000 until 2028-02-29T23:59:59Z", SHARD_OVERRIDE_SPLIT,
      { "a", "b" }, { 5000, 5000 }, 1835481599000ULL },
    { "drain until 2000-02-29T00:00Z", SHARD_OVERRIDE_DRAIN, { NULL }, { 0 },
      951782400000ULL },
    { "freeze until 9999-12-31T23:59:59Z", SHARD_OVERRIDE_FREEZE, { NULL },
      { 0 }, 253402300799000ULL },
};

static const bad_t  bad[] = {
    { "", "empty" },
    { "   ", "empty" },
    { "pinn n3", "nearest is \"pin\"" },
    { "Hold", "nearest is \"hold\"" },
    { "freze", "nearest is \"freeze\"" },
    { "none", "pin, split, hold, drain, freeze" },
    { "pin", "takes a node" },
    { "pin n3 n4", "unexpected \"n4\"" },
    { "pin n/3", "not a node's name" },
    { "pin " N63 "4", "not a node's name" },
    { "pin\tn3", "unknown verb" },
    { "hold\n", "unknown verb" },
    { "hold 5s", "unexpected \"5s\"" },
    { "hold until", "unexpected \"until\"" },
    { "drain n1", "unexpected \"n1\"" },
    { "freeze freeze", "unexpected \"freeze\"" },
    { "split", "takes NODE=BP NODE=BP" },
    { "split n1=10000", "takes NODE=BP NODE=BP" },
    { "split n1=2500 n2=2500 n3=2500 n4=2500 n5=0", "unexpected \"n5=0\"" },
    { "split n1=2500 n2=2500 n3=2500 n4=2501", "add up to 10001" },
    { "split n1=2500 n2=2500 n3=2500 n2=2500", "\"n2\" twice" },
    { "split n1=9000 n2=1000 until", "\"until\" is not NODE=BP" },
    { "split n1=5000 n1=5000", "twice" },
    { "split n1=5000 n2=4999", "add up to 9999" },
    { "split n1=10000 n2=10000", "add up to 20000" },
    { "split n1=10001 n2=0", "\"n1=10001\" is not" },
    { "split n1=-1 n2=10001", "\"n1=-1\" is not" },
    { "split n1=05000 n2=5000", "\"n1=05000\" is not" },
    { "split n1=5e3 n2=5000", "\"n1=5e3\" is not" },
    { "split n1 n2", "\"n1\" is not" },
    { "split n1= n2=10000", "\"n1=\" is not" },
    { "split =5000 n2=5000", "\"=5000\" is not" },
    { "split n1=5000=5000 n2=0", "\"n1=5000=5000\" is not" },
    { "split n1=99999999999999999999 n2=0", "is not NODE=BP" },
    { "hold until tomorrow", "\"tomorrow\" is not a time" },
    { "hold until 2026-12-01", "is not a time" },
    { "hold until 2026-12-01T08:00", "is not a time" },
    { "hold until 2026-12-01 08:00Z", "unexpected \"until\"" },
    { "hold until 2026-12-01t08:00Z", "is not a time" },
    { "hold until 2026-12-01T08:00+01:00", "is not a time" },
    { "hold until 2026-13-01T08:00Z", "is not a time" },
    { "hold until 2026-00-01T08:00Z", "is not a time" },
    { "hold until 2026-04-31T08:00Z", "is not a time" },
    { "hold until 2026-04-00T08:00Z", "is not a time" },
    { "hold until 2027-02-29T08:00Z", "is not a time" },
    { "hold until 2100-02-29T08:00Z", "is not a time" },
    { "hold until 2026-12-01T24:00Z", "is not a time" },
    { "hold until 2026-12-01T08:60Z", "is not a time" },
    { "hold until 2026-12-01T08:00:60Z", "is not a time" },
    { "hold until 1969-12-31T23:59Z", "is not a time" },
    { "hold until 2026-12-01T0x:00Z", "is not a time" },
    { "split a=1 b=2 c=3 d=9994 until 2026-12-01T08:00Z x",
      "more than 7 words" },
    { "split a=1 b=9999 until 2026-12-01T08:00Z x", "unexpected \"x\"" },
};


/* a copy of exactly that size: a byte too far is seen by ASan */

static int
decode(const char *text, size_t len, shard_override_t *out, char *err)
{
    int          rc;
    char        *copy;
    shard_str_t  str;

    copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    str.data = copy;
    str.len = len;
    rc = shard_override_decode(str, out, err);
    free(copy);

    return rc;
}


static void
test_good(void)
{
    int               rc;
    char              err[SHARD_ERR_SIZE];
    size_t            i, k, same;
    const good_t     *g;
    shard_override_t  o;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        g = &good[i];
        err[0] = '\0';
        rc = decode(g->text, strlen(g->text), &o, err);

        for (k = 0, same = 0; k < SHARD_OVERRIDE_NODES; k++) {
            same += strcmp(o.node[k], g->node[k] ? g->node[k] : "") == 0
                    && o.bp[k] == g->bp[k];
        }

        tap_ok(rc == SHARD_OK && o.verb == g->verb
               && same == SHARD_OVERRIDE_NODES && o.until_ms == g->until_ms,
               "taken: %s %s", g->text, err);
    }
}


static void
test_bad(void)
{
    int               rc;
    char              err[SHARD_ERR_SIZE];
    size_t            i;
    shard_override_t  o, before;

    memset(&before, 0x5a, sizeof(before));

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        o = before;
        err[0] = '\0';
        rc = decode(bad[i].text, strlen(bad[i].text), &o, err);

        tap_ok(rc == SHARD_ERROR && strstr(err, bad[i].reason)
               && memcmp(&o, &before, sizeof(o)) == 0,
               "refused, %s: %s", bad[i].reason, err);
    }
}


/* against the C library's calendar */

static void
test_times(uint64_t *seed)
{
    int               i, wrong;
    char              err[SHARD_ERR_SIZE], text[64];
    time_t            t;
    struct tm         tm;
    shard_override_t  o;

    wrong = 0;

    for (i = 0; i < TIMES; i++) {
        t = (time_t) (tap_random(seed) % 253402300800ULL);
        gmtime_r(&t, &tm);
        strftime(text, sizeof(text), "hold until %Y-%m-%dT%H:%M:%SZ", &tm);

        wrong += decode(text, strlen(text), &o, err) != SHARD_OK
                 || o.until_ms != (uint64_t) t * 1000;
    }

    tap_is_int(wrong, 0, "%d times as the C library has them", TIMES);
}


static int
sound(const shard_override_t *o)
{
    int  i, n, sum;

    for (i = 0, n = 0, sum = 0; i < SHARD_OVERRIDE_NODES; i++) {
        if (memchr(o->node[i], '\0', SHARD_NAME_SIZE) == NULL
            || (o->node[i][0] == '\0' && o->bp[i]))
        {
            return 0;
        }

        n += o->node[i][0] != '\0';
        sum += o->bp[i];
    }

    switch (o->verb) {

    case SHARD_OVERRIDE_PIN:
        return n == 1 && o->node[0][0] && sum == 0;

    case SHARD_OVERRIDE_SPLIT:
        return n >= 2 && o->node[0][0] && o->node[1][0]
               && sum == SHARD_BP_ALL;

    case SHARD_OVERRIDE_HOLD:
    case SHARD_OVERRIDE_DRAIN:
    case SHARD_OVERRIDE_FREEZE:
        return n == 0 && sum == 0;

    default:
        return 0;
    }
}


static void
test_flips(uint64_t *seed)
{
    int               i, k, wrong, taken;
    char              err[SHARD_ERR_SIZE], text[128];
    size_t            n;
    const char       *from;
    shard_override_t  o;

    wrong = 0;
    taken = 0;

    for (i = 0; i < FLIPS; i++) {
        from = good[tap_random(seed) % (sizeof(good) / sizeof(good[0]))].text;
        n = strlen(from);
        memcpy(text, from, n);

        for (k = (int) (tap_random(seed) % 3); k >= 0; k--) {
            text[tap_random(seed) % n] ^= (char) (1 << tap_random(seed) % 8);
        }

        n -= tap_random(seed) % 4 == 0 ? tap_random(seed) % n : 0;
        err[0] = '\0';

        if (decode(text, n, &o, err) == SHARD_OK) {
            taken++;
            wrong += !sound(&o);

        } else {
            wrong += err[0] == '\0' || strlen(err) >= SHARD_ERR_SIZE;
        }
    }

    tap_diag("%d of %d damaged texts were still good", taken, FLIPS);
    tap_is_int(wrong, 0, "damaged overrides are refused or sound");
}


static void
test_limits(void)
{
    char              err[SHARD_ERR_SIZE], text[SHARD_OVERRIDE_MAX + 1];
    shard_override_t  o;

    memset(text, ' ', sizeof(text));
    memcpy(text, "hold", 4);

    tap_is_int(decode(text, SHARD_OVERRIDE_MAX, &o, err), SHARD_OK,
               "%d bytes are taken", SHARD_OVERRIDE_MAX);
    tap_is_int(decode(text, SHARD_OVERRIDE_MAX + 1, &o, err), SHARD_ERROR,
               "a byte more is not: %s", err);
    tap_is_int(decode("hold\0", 5, &o, err), SHARD_ERROR,
               "a zero at the end: %s", err);

    tap_is_str(shard_override_name(SHARD_OVERRIDE_NONE), "none", "no verb");
    tap_is_str(shard_override_name(SHARD_OVERRIDE_PIN), "pin", "first verb");
    tap_is_str(shard_override_name(SHARD_OVERRIDE_FREEZE), "freeze",
               "last verb");
}


int
main(void)
{
    uint64_t  seed;

    test_good();
    test_bad();
    test_limits();

    seed = tap_seed(20261123);
    test_times(&seed);
    test_flips(&seed);

    return tap_done();
}
