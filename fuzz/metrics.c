
/* a metrics entry: refused, or its parts written again read the same */

#include "shard_metrics.h"

#include "fuzz.h"


static void histogram(shard_metrics_writer_t *w, uint16_t type,
    const uint8_t *buckets, uint16_t n);
static void clients(shard_metrics_writer_t *w,
    const shard_metrics_entry_t *e);
static void samples(shard_metrics_writer_t *w,
    const shard_metrics_entry_t *e);
static void same_samples(const shard_metrics_entry_t *e,
    const shard_metrics_entry_t *again);


static void
histogram(shard_metrics_writer_t *w, uint16_t type, const uint8_t *buckets,
    uint16_t n)
{
    uint16_t  i;
    uint32_t  value[SHARD_METRICS_POSITION_BUCKETS];

    if (n == 0) {
        return;
    }

    fuzz_must(n <= SHARD_METRICS_POSITION_BUCKETS, "too many buckets");

    for (i = 0; i < n; i++) {
        value[i] = shard_metrics_bucket(buckets, i);
    }

    fuzz_must(shard_metrics_add_histogram(w, type, value, n) == SHARD_OK,
              "a histogram that was read cannot be written");
}


static void
clients(shard_metrics_writer_t *w, const shard_metrics_entry_t *e)
{
    uint32_t                i;
    shard_str_t             names[SHARD_METRICS_NAMES_MAX];
    shard_metrics_client_t  client;

    if (e->names == NULL) {
        return;
    }

    for (i = 0; i < e->nnames; i++) {
        names[i] = shard_metrics_name(e, i);
    }

    fuzz_must(shard_metrics_add_names(w, names, e->nnames) == SHARD_OK,
              "names that were read cannot be written");

    for (i = 0; i < e->nclients; i++) {
        shard_metrics_client(e, i, &client);
        fuzz_must(shard_metrics_add_client(w, &client) == SHARD_OK,
                  "a client that was read cannot be written");
    }
}


static void
samples(shard_metrics_writer_t *w, const shard_metrics_entry_t *e)
{
    uint32_t                i;
    shard_metrics_sample_t  sample;

    for (i = 0; i < e->nsamples; i++) {
        shard_metrics_sample(e, i, &sample);
        fuzz_must(shard_metrics_add_sample(w, &sample) == SHARD_OK,
                  "a sample that was read cannot be written");
    }
}


static void
same_samples(const shard_metrics_entry_t *e,
    const shard_metrics_entry_t *again)
{
    uint32_t                i;
    shard_metrics_sample_t  one, other;

    fuzz_must(again->nsamples == e->nsamples, "other samples");

    for (i = 0; i < e->nsamples; i++) {
        shard_metrics_sample(e, i, &one);
        shard_metrics_sample(again, i, &other);
        fuzz_must(one.id == other.id && one.position == other.position
                  && one.key == other.key && one.weight == other.weight
                  && one.skip == other.skip && one.write == other.write,
                  "other sample");
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                    err[SHARD_ERR_SIZE], *buf;
    long                    len;
    size_t                  room;
    uint32_t                i;
    shard_str_t             entry;
    shard_metrics_entry_t   e, again, before;
    shard_metrics_shard_t   shard, other;
    shard_metrics_writer_t  w;

    entry.data = (const char *) data;
    entry.len = size;
    memset(&before, 0x5a, sizeof(before));
    memset(err, 0, sizeof(err));
    e = before;

    if (shard_metrics_decode(entry, &e, err) != SHARD_OK) {
        fuzz_refused(err, &e, &before);
        return 0;
    }

    room = shard_metrics_entry_size(e.nshards)
           + shard_metrics_clients_size(e.nnames, e.nclients)
           + shard_metrics_samples_size(e.nsamples);
    buf = malloc(room);

    fuzz_must(shard_metrics_begin(&w, buf, room, &e.head) == SHARD_OK,
              "a head that was read cannot be written");

    for (i = 0; i < e.nshards; i++) {
        shard_metrics_shard(&e, i, &shard);
        fuzz_must(shard_metrics_add_shard(&w, &shard) == SHARD_OK,
                  "a shard that was read cannot be written");
    }

    histogram(&w, 2, e.latency, e.nlatency);
    histogram(&w, 3, e.position, e.nposition);

    clients(&w, &e);
    samples(&w, &e);

    len = shard_metrics_end(&w);
    fuzz_must(len > 0, "an entry that was read cannot be written");

    entry.data = buf;
    entry.len = (size_t) len;
    fuzz_must(shard_metrics_decode(entry, &again, err) == SHARD_OK, err);
    fuzz_must(again.nshards == e.nshards && again.nlatency == e.nlatency
              && again.nposition == e.nposition
              && again.nnames == e.nnames && again.nclients == e.nclients
              && again.head.sequence == e.head.sequence, "other parts");

    for (i = 0; i < e.nshards; i++) {
        shard_metrics_shard(&e, i, &shard);
        shard_metrics_shard(&again, i, &other);
        fuzz_must(memcmp(&shard, &other, sizeof(shard)) == 0, "other shard");
    }

    same_samples(&e, &again);
    free(buf);

    return 0;
}
