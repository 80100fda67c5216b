
/* an exporter's text: refused with a place, or figures that are sound */

#include <math.h>

#include "../predictor/exporter.h"

#include "fuzz.h"


static const char *const  gauges[] = { "queue_depth", "node_load1", NULL };


/* every sample lies within the text */

static int
within(shard_str_t text)
{
    int                 rc;
    char                err[SHARD_ERR_SIZE];
    uint32_t            i;
    predictor_text_t    t;
    predictor_sample_t  s;

    predictor_text_open(&t, text);

    while ((rc = predictor_text_next(&t, &s, err)) == SHARD_OK) {
        fuzz_must(s.name.len && s.name.data >= text.data
                  && s.name.data + s.name.len <= text.data + text.len,
                  "a name outside");
        fuzz_must(s.nlabels <= PREDICTOR_LABELS_MAX, "too many labels");

        for (i = 0; i < s.nlabels; i++) {
            fuzz_must(s.labels[i].value.data + s.labels[i].value.len
                      < text.data + text.len, "a label outside");
        }
    }

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int                  i, rc;
    char                 err[SHARD_ERR_SIZE];
    double               figures[PREDICTOR_NODE_FIGURES];
    shard_str_t          first, second;
    predictor_reading_t  a, b, kept;

    /* two readings one after the other */

    first.data = (const char *) data;
    first.len = size / 2;
    second.data = first.data + first.len;
    second.len = size - first.len;

    predictor_reading_init(&a);
    predictor_reading_init(&b);
    kept = b;
    memset(err, 0, sizeof(err));

    predictor_reading_add(&a, first, gauges, err);
    rc = predictor_reading_add(&b, second, gauges, err);

    if (rc != SHARD_OK) {
        fuzz_refused(err, &b, &kept);
    }

    fuzz_must((within(second) == SHARD_AGAIN) == (rc == SHARD_OK),
              "read otherwise the second time");

    a.at_ms = 1000;
    b.at_ms = 2000;
    predictor_reading_figures(&a, &b, figures);

    for (i = 0; i < PREDICTOR_NODE_FIGURES; i++) {
        fuzz_must(isnan(figures[i]) || (isfinite(figures[i])
                                        && figures[i] >= 0), "odd figure");
        fuzz_must(i == PREDICTOR_NODE_NETWORK || i >= PREDICTOR_NODE_GAUGE
                  || !(figures[i] > 1), "more than all");
    }

    return 0;
}
