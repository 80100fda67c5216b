
/* what was learned of an event, as the store keeps it: ignored or sane */

#include <math.h>

#include "../predictor/calendar.h"

#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char                  *text, err[SHARD_ERR_SIZE];
    uint32_t               i;
    predictor_learned_t    learned;
    predictor_planned_t   *p;
    predictor_calendar_t   c;

    static const char  json[] =
        "{\"start\":\"2026-11-27T08:00Z\",\"end\":\"2026-11-27T20:00Z\"}";

    text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';

    fuzz_must(predictor_calendar_init(&c, 2, 300, 288, 2016) == SHARD_OK,
              "no memory");
    predictor_calendar_begin(&c);
    fuzz_must(predictor_calendar_put(&c, "e", json, err) == SHARD_OK, err);
    predictor_calendar_end(&c);
    predictor_calendar_restore(&c, "e", text);

    p = predictor_calendar_find(&c, "e");
    fuzz_must(p->ncame <= PREDICTOR_CALENDAR_CAME, "too many");

    for (i = 1; i < p->ncame; i++) {
        fuzz_must(p->came[i - 1].span.start_s < p->came[i].span.start_s,
                  "out of order");
    }

    predictor_calendar_size(&c, p, 0, &learned);
    fuzz_must(isfinite(learned.size) && isfinite(learned.spread), "no size");

    free(text);
    text = predictor_calendar_save(&c, p);
    fuzz_must(text != NULL, "cannot be saved");
    free(text);
    predictor_calendar_done(&c);

    return 0;
}
