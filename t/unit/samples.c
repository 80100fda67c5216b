
/* samples in a metrics entry: round trips, order, limits, damage; frames */

#include "shard_key.h"
#include "shard_metrics.h"

#include "../lib/tap.h"


#define FLIPS  200000


static const shard_metrics_head_t  head = {
    shard_string("edge-1"), 1, 2, 1764000000000ULL, 1000
};

static const shard_metrics_sample_t  samples[3] = {
    { 0x1122334455667788ULL, 0x99aabbccddeeff00ULL, 7, 16, 0, 0 },
    { 0, UINT64_MAX, 0, 1, 64, 1 },
    { UINT64_MAX, 0, SHARD_ID_NONE - 1, SHARD_METRICS_WEIGHT_MAX, 5, 1 },
};


static long
encode(uint8_t *buf, size_t size, int clients)
{
    unsigned                i;
    shard_str_t             names[2] = { shard_string("a"),
                                         shard_string("bc") };
    shard_metrics_client_t  client = { 7, 1, 3, 0, 100 };
    shard_metrics_writer_t  w;

    (void) shard_metrics_begin(&w, buf, size, &head);

    if (clients) {
        (void) shard_metrics_add_names(&w, names, 2);
        (void) shard_metrics_add_client(&w, &client);
    }

    for (i = 0; i < 3; i++) {
        (void) shard_metrics_add_sample(&w, &samples[i]);
    }

    return shard_metrics_end(&w);
}


static int
decode(const void *data, size_t len, shard_metrics_entry_t *out, char *err)
{
    int                      rc;
    char                    *copy;
    uint32_t                 i;
    shard_str_t              str;
    shard_metrics_sample_t   sample;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);
    str.data = copy;
    str.len = len;
    rc = shard_metrics_decode(str, out, err);

    for (i = 0; rc == SHARD_OK && i < out->nsamples; i++) {
        shard_metrics_sample(out, i, &sample);

        if (sample.weight == 0 || sample.id == SHARD_ID_NONE) {
            rc = SHARD_AGAIN;
        }
    }

    free(copy);

    return rc;
}


static void
test_round_trip(int clients)
{
    char                     err[SHARD_ERR_SIZE];
    long                     len;
    uint8_t                  buf[512];
    unsigned                 i;
    shard_str_t              str;
    shard_metrics_entry_t    e;
    shard_metrics_client_t   client;
    shard_metrics_sample_t   got;

    len = encode(buf, sizeof(buf), clients);
    str.data = (const char *) buf;
    str.len = (size_t) len;

    if (!tap_ok(len > 0 && shard_metrics_decode(str, &e, err) == SHARD_OK,
                "an entry with samples, %ld bytes", len))
    {
        return;
    }

    tap_is_int(e.nsamples, 3, "samples");

    for (i = 0; i < 3; i++) {
        memset(&got, 0x5a, sizeof(got));
        shard_metrics_sample(&e, i, &got);
        tap_ok(got.position == samples[i].position
               && got.key == samples[i].key && got.id == samples[i].id
               && got.weight == samples[i].weight
               && got.skip == samples[i].skip
               && got.write == samples[i].write, "sample %u", i);
    }

    if (clients) {
        tap_is_int(e.nclients, 1, "clients in front of them");
        shard_metrics_client(&e, 0, &client);
        tap_is_int((long long) client.bytes, 100, "are whole");
        return;
    }

    /* the format is between programs of different age: fixed bytes */

    tap_ok(memcmp(buf + 41, "\5\0\x4c\0\0\0\3\0\0\0"
                            "\7\0\0\0\x88\x77\x66\x55\x44\x33\x22\x11"
                            "\0\xff\xee\xdd\xcc\xbb\xaa\x99\x10\0\0\0", 34)
           == 0, "as documented");
    tap_ok(memcmp(buf + 41 + 10 + 24 + 20, "\1\0\0\xc0", 4) == 0,
           "weight 1, skip 64, a write");
}


static void
test_writer(void)
{
    size_t                   size;
    uint8_t                 *buf;
    uint32_t                 i, buckets[1] = { 1 };
    shard_str_t              name = shard_string("a");
    shard_metrics_client_t   client = { 7, 0, 3, 0, 100 };
    shard_metrics_sample_t   bad;
    shard_metrics_writer_t   w;

    size = 41 + shard_metrics_samples_size(SHARD_METRICS_SAMPLES_MAX);
    buf = malloc(size);
    (void) shard_metrics_begin(&w, buf, size, &head);

    bad = samples[0];
    bad.weight = 0;
    tap_is_int(shard_metrics_add_sample(&w, &bad), SHARD_ERROR, "no weight");
    bad = samples[0];
    bad.id = SHARD_ID_NONE;
    tap_is_int(shard_metrics_add_sample(&w, &bad), SHARD_ERROR, "no shard");
    bad = samples[0];
    bad.skip = 65;
    tap_is_int(shard_metrics_add_sample(&w, &bad), SHARD_ERROR,
               "behind the end of a bound");

    for (i = 0; i < SHARD_METRICS_SAMPLES_MAX; i++) {
        (void) shard_metrics_add_sample(&w, &samples[0]);
    }

    tap_is_int(shard_metrics_add_sample(&w, &samples[0]), SHARD_ERROR,
               "more than a section takes");
    tap_is_int(shard_metrics_add_histogram(&w, 2, buckets, 1), SHARD_ERROR,
               "histograms come first");
    tap_is_int(shard_metrics_add_names(&w, &name, 1), SHARD_ERROR,
               "so do names");
    tap_is_int(shard_metrics_add_client(&w, &client), SHARD_ERROR,
               "and clients");
    tap_is_int(shard_metrics_end(&w), (long long) size,
               "the announced size is exact");
    free(buf);
}


static void
test_damage(uint64_t *seed)
{
    int                     i, taken, wrong;
    char                    err[SHARD_ERR_SIZE];
    long                    len;
    size_t                  n;
    uint8_t                 good[512], buf[512];
    shard_metrics_entry_t   e;

    len = encode(good, sizeof(good), 0);
    taken = 0;

    for (n = 0; n < (size_t) len; n++) {
        taken += decode(good, n, &e, err) != SHARD_ERROR;
    }

    tap_is_int(taken, 0, "none of %ld truncations is taken", len);

    memcpy(buf, good, (size_t) len);
    memset(buf + 41 + 10 + 20, 0, 3);
    tap_is_int(decode(buf, (size_t) len, &e, err), SHARD_ERROR, "weight: %s",
               err);

    memcpy(buf, good, (size_t) len);
    memset(buf + 41 + 10, 0xff, 4);
    tap_is_int(decode(buf, (size_t) len, &e, err), SHARD_ERROR, "id: %s", err);

    memcpy(buf, good, (size_t) len);
    buf[41 + 10 + 23] = 65;
    tap_is_int(decode(buf, (size_t) len, &e, err), SHARD_ERROR, "skip: %s",
               err);

    memcpy(buf, good, (size_t) len);
    memcpy(buf + 47, "\3\0\0\x20", 4);
    tap_is_int(decode(buf, (size_t) len, &e, err), SHARD_ERROR, "count: %s",
               err);

    wrong = 0;

    for (i = 0; i < FLIPS; i++) {
        memcpy(buf, good, (size_t) len);
        buf[39 + tap_random(seed) % (uint64_t) (len - 39)]
            ^= (uint8_t) (1 << tap_random(seed) % 8);
        err[0] = '\0';

        switch (decode(buf, (size_t) len, &e, err)) {

        case SHARD_OK:
            taken++;
            break;

        case SHARD_ERROR:
            wrong += err[0] == '\0';
            break;

        default:
            wrong++;
        }
    }

    tap_diag("%d of %d damaged entries were still good", taken, FLIPS);
    tap_is_int(wrong, 0, "the others were refused with a reason");
}


static shard_str_t
text(const char *s)
{
    shard_str_t  str;

    str.data = s;
    str.len = strlen(s);

    return str;
}


static void
test_frames(void)
{
    tap_is_int((int) shard_key_frame(text("2026-01"), text("2026-02")), 6,
               "days of a month begin alike");
    tap_is_int((int) shard_key_frame(text("a"), text("ab")), 1,
               "a bound that is the other's beginning");
    tap_is_int((int) shard_key_frame(text("a"), text("")), 0, "no end");
    tap_is_int((int) shard_key_frame(text(""), text("b")), 0, "no beginning");
    tap_ok(shard_key_behind("2026-01-15", 10, 6) == 0x312d313500000000ULL,
           "the bytes behind, zeros at the end");
    tap_ok(shard_key_behind("abc", 3, 9) == 0, "behind its end");
    tap_ok(shard_key_behind("abcdefghij", 10, 1) == 0x6263646566676869ULL,
           "8 of them");
}


int
main(void)
{
    uint64_t  seed;

    test_round_trip(0);
    test_round_trip(1);
    test_writer();
    test_frames();

    seed = tap_seed(20261126);
    test_damage(&seed);

    return tap_done();
}
