
/* metrics entries: round trips, and damage at every byte */

#include "shard_metrics.h"

#include "../lib/tap.h"


#define FLIPS  300000


static const shard_metrics_head_t  head = {
    shard_string("edge-1"), 0x1122334455667788ULL, 99, 1764000000000ULL, 1000
};

static const shard_metrics_shard_t  shards[3] = {
    { 0, 10, 8, 1, 6, 4, 123456789012ULL, 987654321ULL, 2, 1 },
    { 42, 1, 1, 0, 1, 0, 0, 0, 0, 0 },
    { SHARD_ID_NONE - 1, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
      UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX },
};


static uint64_t  seen;          /* of all entries, so that they are read */


/* a copy of exactly that size: a byte too far is seen by ASan */

static int
decode(const void *data, size_t len, shard_metrics_entry_t *out, char *err)
{
    int                    rc;
    char                  *copy;
    uint32_t               i;
    uint64_t               sum;
    shard_str_t            str;
    shard_metrics_shard_t  shard;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    str.data = copy;
    str.len = len;
    rc = shard_metrics_decode(str, out, err);
    sum = 0;

    if (rc == SHARD_OK) {
        for (i = 0; i < out->nshards; i++) {
            shard_metrics_shard(out, i, &shard);
            sum += shard.offered;
        }

        for (i = 0; i < out->nlatency; i++) {
            sum += shard_metrics_bucket(out->latency, (uint16_t) i);
        }

        for (i = 0; i < out->nposition; i++) {
            sum += shard_metrics_bucket(out->position, (uint16_t) i);
        }
    }

    seen += sum;
    free(copy);

    return rc;
}


static long
encode(uint8_t *buf, size_t size)
{
    unsigned                i;
    uint32_t                latency[SHARD_METRICS_LATENCY_BUCKETS];
    uint32_t                position[SHARD_METRICS_POSITION_BUCKETS];
    shard_metrics_writer_t  w;

    for (i = 0; i < SHARD_METRICS_LATENCY_BUCKETS; i++) {
        latency[i] = i * 1000003;
    }

    for (i = 0; i < SHARD_METRICS_POSITION_BUCKETS; i++) {
        position[i] = UINT32_MAX - i;
    }

    (void) shard_metrics_begin(&w, buf, size, &head);

    for (i = 0; i < 3; i++) {
        (void) shard_metrics_add_shard(&w, &shards[i]);
    }

    (void) shard_metrics_add_histogram(&w, 2, latency,
                                       SHARD_METRICS_LATENCY_BUCKETS);
    (void) shard_metrics_add_histogram(&w, 3, position,
                                       SHARD_METRICS_POSITION_BUCKETS);

    return shard_metrics_end(&w);
}


static void
test_round_trip(const uint8_t *buf, size_t len)
{
    char                   err[SHARD_ERR_SIZE];
    unsigned               i, wrong;
    shard_str_t            str;
    shard_metrics_entry_t  e;
    shard_metrics_shard_t  got;

    str.data = (const char *) buf;
    str.len = len;

    if (!tap_is_int(shard_metrics_decode(str, &e, err), SHARD_OK, "decoded"))
    {
        return;
    }

    tap_ok(e.head.router.len == 6
           && memcmp(e.head.router.data, "edge-1", 6) == 0, "router");
    tap_ok(e.head.instance == head.instance, "instance");
    tap_ok(e.head.sequence == head.sequence, "sequence");
    tap_ok(e.head.end_ms == head.end_ms, "end of the interval");
    tap_is_int(e.head.interval_ms, head.interval_ms, "interval");
    tap_is_int(e.nshards, 3, "shards");

    for (i = 0; i < 3; i++) {
        memset(&got, 0x5a, sizeof(got));
        shard_metrics_shard(&e, i, &got);
        tap_ok(memcmp(&got, &shards[i], sizeof(got)) == 0,
               "counters of shard %u", shards[i].id);
    }

    tap_is_int(e.nlatency, SHARD_METRICS_LATENCY_BUCKETS, "latency buckets");
    tap_is_int(e.nposition, SHARD_METRICS_POSITION_BUCKETS, "parts");

    wrong = 0;

    for (i = 0; i < SHARD_METRICS_LATENCY_BUCKETS; i++) {
        wrong += shard_metrics_bucket(e.latency, (uint16_t) i) != i * 1000003;
    }

    for (i = 0; i < SHARD_METRICS_POSITION_BUCKETS; i++) {
        wrong += shard_metrics_bucket(e.position, (uint16_t) i)
                 != UINT32_MAX - i;
    }

    tap_is_int(wrong, 0, "their counts");

    /* the format is between programs of different age: fixed bytes */

    tap_ok(memcmp(buf, "SHM1\006edge-1\x88\x77\x66\x55\x44\x33\x22\x11\x63\0",
                  21) == 0, "head as documented");
    tap_ok(buf[11 + 28] == 3 && buf[12 + 28] == 0, "three sections");
    tap_ok(memcmp(buf + 41, "\1\0\x94\0\0\0\3\0\0\0", 10) == 0,
           "section of shards as documented");
}


static void
test_writer(void)
{
    uint8_t                 small[128], *buf;
    uint32_t                i, buckets[SHARD_METRICS_POSITION_BUCKETS + 1];
    shard_metrics_head_t    h;
    shard_metrics_writer_t  w;

    memset(buckets, 0, sizeof(buckets));
    h = head;

    h.router.len = 0;
    tap_is_int(shard_metrics_begin(&w, small, sizeof(small), &h), SHARD_ERROR,
               "no router, no entry");
    tap_is_int(shard_metrics_end(&w), SHARD_AGAIN, "nor an end");

    h = head;
    tap_is_int(shard_metrics_begin(&w, small, 40, &h), SHARD_AGAIN,
               "no room for the head");
    tap_is_int(shard_metrics_begin(&w, small, 41, &h), SHARD_OK,
               "just room for the head");
    tap_is_int(shard_metrics_end(&w), 41, "an entry without sections");

    (void) shard_metrics_begin(&w, small, sizeof(small), &h);
    tap_is_int(shard_metrics_add_shard(&w, &shards[0]), SHARD_OK, "one shard");
    tap_is_int(shard_metrics_add_shard(&w, &shards[1]), SHARD_AGAIN,
               "no room for another");
    tap_is_int(shard_metrics_end(&w), SHARD_AGAIN,
               "an entry that lacks a shard is none");

    buf = malloc(4096);
    (void) shard_metrics_begin(&w, buf, 4096, &h);
    tap_is_int(shard_metrics_add_histogram(&w, 1, buckets, 1), SHARD_ERROR,
               "type of shards for a histogram");
    tap_is_int(shard_metrics_add_histogram(&w, 2, buckets, 33), SHARD_ERROR,
               "too many buckets");
    tap_is_int(shard_metrics_add_histogram(&w, 3, buckets, 0), SHARD_ERROR,
               "no buckets");
    tap_is_int(shard_metrics_add_histogram(&w, 3, buckets, 64), SHARD_OK,
               "a histogram");
    tap_is_int(shard_metrics_add_shard(&w, &shards[0]), SHARD_ERROR,
               "shards come first");
    free(buf);

    /* the announced size suffices, and is not far off */

    h.router.data = "123456789012345678901234567890123456789012345678901234"
                    "567890123";
    h.router.len = 63;
    buf = malloc(shard_metrics_entry_size(1000));
    (void) shard_metrics_begin(&w, buf, shard_metrics_entry_size(1000), &h);

    for (i = 0; i < 1000; i++) {
        (void) shard_metrics_add_shard(&w, &shards[1]);
    }

    (void) shard_metrics_add_histogram(&w, 2, buckets,
                                       SHARD_METRICS_LATENCY_BUCKETS);
    (void) shard_metrics_add_histogram(&w, 3, buckets,
                                       SHARD_METRICS_POSITION_BUCKETS);

    tap_is_int(shard_metrics_end(&w),
               (long long) shard_metrics_entry_size(1000),
               "1,000 shards fill the announced size exactly");
    free(buf);
}


/* a section of type 9 is skipped; the rest must be whole */

static void
test_sections(const uint8_t *good, size_t len)
{
    char                   err[SHARD_ERR_SIZE];
    uint8_t               *buf;
    shard_metrics_entry_t  e;

    buf = malloc(2 * len + 16);
    memcpy(buf, good, len);

    buf[39] = 4;
    memcpy(buf + len, "\x09\0\3\0\0\0abc", 9);
    tap_is_int(decode(buf, len + 9, &e, err), SHARD_OK, "unknown section");
    tap_is_int(decode(buf, len + 8, &e, err), SHARD_ERROR, "cut: %s", err);
    tap_is_int(decode(buf, len, &e, err), SHARD_ERROR, "missing: %s", err);

    memcpy(buf + len, "\x09\0\xff\xff\xff\xff""abc", 9);
    tap_is_int(decode(buf, len + 9, &e, err), SHARD_ERROR, "long: %s", err);

    memcpy(buf + len, good + 41, 154);
    tap_is_int(decode(buf, len + 154, &e, err), SHARD_ERROR, "twice: %s",
               err);

    memcpy(buf, good, len);
    memcpy(buf + 47, "\4\0\0\0", 4);
    tap_is_int(decode(buf, len, &e, err), SHARD_ERROR, "count: %s", err);

    /* a count whose size is right modulo 2^32 */

    memcpy(buf + 47, "\3\0\0\x10", 4);
    tap_is_int(decode(buf, len, &e, err), SHARD_ERROR, "wrapped: %s", err);

    memcpy(buf, good, len);
    memset(buf + 51, 0xff, 4);
    tap_is_int(decode(buf, len, &e, err), SHARD_ERROR, "id: %s", err);

    memcpy(buf, good, len);
    memset(buf + 35, 0, 4);
    tap_is_int(decode(buf, len, &e, err), SHARD_ERROR, "interval: %s", err);

    memcpy(buf, good, len);
    buf[3] = '2';
    tap_is_int(decode(buf, len, &e, err), SHARD_ERROR, "version: %s", err);

    memcpy(buf, good, len);
    buf[6] = '\n';
    tap_is_int(decode(buf, len, &e, err), SHARD_ERROR, "router: %s", err);

    memcpy(buf, good, len);
    buf[len] = 0;
    tap_is_int(decode(buf, len + 1, &e, err), SHARD_ERROR, "more: %s", err);

    free(buf);
}


static void
test_damage(const uint8_t *good, size_t len, uint64_t *seed)
{
    int                    i, k, taken, wrong;
    char                   err[SHARD_ERR_SIZE];
    uint8_t               *buf;
    size_t                 n;
    shard_metrics_entry_t  e;

    buf = malloc(len);
    taken = 0;

    for (n = 0; n < len; n++) {
        taken += decode(good, n, &e, err) == SHARD_OK;
    }

    tap_is_int(taken, 0, "none of %d truncations is taken", (int) len);

    wrong = 0;

    for (i = 0; i < FLIPS; i++) {
        memcpy(buf, good, len);
        n = i % 2 ? len : 51;

        for (k = (int) (tap_random(seed) % 3); k >= 0; k--) {
            buf[tap_random(seed) % n] ^= (uint8_t) (1 << tap_random(seed) % 8);
        }

        err[0] = '\0';

        if (decode(buf, len, &e, err) == SHARD_OK) {
            taken++;

        } else {
            wrong += err[0] == '\0' || strlen(err) >= SHARD_ERR_SIZE;
        }
    }

    tap_diag("%d of %d damaged entries were still good", taken, FLIPS);
    tap_is_int(wrong, 0, "damaged entries are refused with a reason");
    free(buf);
}


/* the buckets against their definition in floating point */

static void
test_latency(void)
{
    double    bound;
    unsigned  b, wrong;
    uint64_t  us;

    wrong = 0;

    for (b = 0; b < SHARD_METRICS_LATENCY_BUCKETS; b++) {
        bound = 100 * pow(2, (b + 1) / 2.0);
        us = shard_metrics_latency_us(b);
        wrong += us != (uint64_t) ceil(bound - 1e-6);

        if (b < SHARD_METRICS_LATENCY_BUCKETS - 1) {
            wrong += shard_metrics_latency_bucket(us) != b + 1;
        }

        wrong += shard_metrics_latency_bucket(us - 1) != b;
    }

    tap_is_int(wrong, 0, "bounds are half-octaves");
    tap_is_int(shard_metrics_latency_bucket(0), 0, "nothing");
    tap_is_int(shard_metrics_latency_bucket(UINT64_MAX),
               SHARD_METRICS_LATENCY_BUCKETS - 1, "for ever");
    tap_is_int((long long) shard_metrics_latency_us(31), 6553600, "last one");
    tap_is_int((long long) shard_metrics_latency_us(UINT32_MAX), 6553600,
               "beyond the last one");
}


int
main(void)
{
    long      len;
    uint8_t  *buf;
    uint64_t  seed;

    buf = malloc(shard_metrics_entry_size(3));
    len = encode(buf, shard_metrics_entry_size(3));

    if (!tap_ok(len > 0, "encoded %ld bytes", len)) {
        return tap_done();
    }

    test_round_trip(buf, (size_t) len);
    test_writer();
    test_sections(buf, (size_t) len);
    test_latency();

    seed = tap_seed(20261124);
    test_damage(buf, (size_t) len, &seed);
    tap_ok(seen > 0, "what was taken was read to its end");
    free(buf);

    return tap_done();
}
