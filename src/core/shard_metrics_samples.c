
#include "shard_metrics_parts.h"
#include "shard_text.h"


#define SHARD_METRICS_WEIGHT_MASK  SHARD_METRICS_WEIGHT_MAX
#define SHARD_METRICS_SKIP_SHIFT   24
#define SHARD_METRICS_WRITE_SHIFT  31


size_t
shard_metrics_samples_size(uint32_t nsamples)
{
    return SHARD_METRICS_SECTION + 4
           + (size_t) nsamples * SHARD_METRICS_SAMPLE_BYTES;
}


int
shard_metrics_add_sample(shard_metrics_writer_t *w,
    const shard_metrics_sample_t *sample)
{
    size_t  size;

    if (sample->id == SHARD_ID_NONE || sample->weight == 0
        || sample->skip > SHARD_BOUND_MAX
        || w->nsamples == SHARD_METRICS_SAMPLES_MAX)
    {
        return SHARD_ERROR;
    }

    size = SHARD_METRICS_SAMPLE_BYTES;

    if (w->samples == NULL) {
        size += SHARD_METRICS_SECTION + 4;
    }

    if (shard_metrics_room(w, size) != SHARD_OK) {
        return SHARD_AGAIN;
    }

    if (w->samples == NULL) {
        shard_metrics_close_clients(w);
        shard_metrics_put(&w->pos, SHARD_METRICS_SAMPLES, 2);
        w->samples = w->pos;
        w->pos += 4 + 4;
        w->nsections++;
    }

    shard_metrics_put(&w->pos, sample->id, 4);
    shard_metrics_put(&w->pos, sample->position, 8);
    shard_metrics_put(&w->pos, sample->key, 8);
    shard_metrics_put(&w->pos, (uint64_t) sample->write
                               << SHARD_METRICS_WRITE_SHIFT
                               | (uint64_t) sample->skip
                                 << SHARD_METRICS_SKIP_SHIFT
                               | sample->weight, 4);
    w->nsamples++;

    return SHARD_OK;
}


void
shard_metrics_close_samples(shard_metrics_writer_t *w)
{
    uint8_t  *p;

    if (w->samples != NULL) {
        p = w->samples;
        shard_metrics_put(&p, 4 + (uint64_t) w->nsamples
                                  * SHARD_METRICS_SAMPLE_BYTES, 4);
        shard_metrics_put(&p, w->nsamples, 4);
    }
}


int
shard_metrics_samples(shard_metrics_entry_t *out, const uint8_t *body,
    size_t len, char *err)
{
    uint32_t                i;
    shard_metrics_sample_t  sample;

    if (out->samples != NULL) {
        return shard_refuse(err, "metrics entry has two sections of samples");
    }

    if (len < 4) {
        return shard_refuse(err, "metrics section of samples has no count");
    }

    out->nsamples = (uint32_t) shard_metrics_get(&body, 4);
    out->samples = body;

    if (out->nsamples > SHARD_METRICS_SAMPLES_MAX
        || (uint64_t) out->nsamples * SHARD_METRICS_SAMPLE_BYTES != len - 4)
    {
        return shard_refuse(err, "metrics section of %u samples has %u bytes, "
                            "at most %u samples", out->nsamples,
                            (unsigned) len,
                            (unsigned) SHARD_METRICS_SAMPLES_MAX);
    }

    for (i = 0; i < out->nsamples; i++) {
        shard_metrics_sample(out, i, &sample);

        if (sample.id == SHARD_ID_NONE || sample.weight == 0
            || sample.skip > SHARD_BOUND_MAX)
        {
            return shard_refuse(err, "metrics of a sample without a shard or "
                                "a weight, or beyond a key's bounds");
        }
    }

    return SHARD_OK;
}


void
shard_metrics_sample(const shard_metrics_entry_t *entry, uint32_t i,
    shard_metrics_sample_t *out)
{
    uint32_t        bits;
    const uint8_t  *p;

    p = entry->samples + (size_t) i * SHARD_METRICS_SAMPLE_BYTES;

    out->id = (shard_id_t) shard_metrics_get(&p, 4);
    out->position = shard_metrics_get(&p, 8);
    out->key = shard_metrics_get(&p, 8);

    bits = (uint32_t) shard_metrics_get(&p, 4);

    out->weight = bits & SHARD_METRICS_WEIGHT_MASK;
    out->skip = bits >> SHARD_METRICS_SKIP_SHIFT & 0x7f;
    out->write = bits >> SHARD_METRICS_WRITE_SHIFT;
}
