
/*
 * Who covers which time of which slot: entries of a router come once and in
 * any order, its sequence has holes, it restarts.
 */


#include <string.h>

#include "series_parts.h"


static predictor_window_t *predictor_router_window(predictor_router_t *r,
    uint64_t instance);


int
predictor_slots_router(predictor_slots_t *s, shard_str_t name, double end_ms)
{
    int                  slot;
    uint32_t             i, oldest;
    predictor_router_t  *r;

    oldest = 0;

    for (i = 0; i < s->nrouters; i++) {
        r = &s->routers[i];

        if (strlen(r->name) == name.len
            && memcmp(r->name, name.data, name.len) == 0)
        {
            return (int) i;
        }

        if (r->end_ms < s->routers[oldest].end_ms) {
            oldest = i;
        }
    }

    if (s->nrouters < PREDICTOR_ROUTERS_MAX) {
        oldest = s->nrouters++;

    } else if (s->routers[oldest].end_ms + PREDICTOR_AHEAD_MS > end_ms) {
        return SHARD_AGAIN;
    }

    for (slot = 0; slot < PREDICTOR_SLOTS_OPEN; slot++) {
        s->open[slot].covered_ms[oldest] = 0;
        s->open[slot].lost_ms[oldest] = 0;
    }

    r = &s->routers[oldest];
    memset(r, 0, sizeof(predictor_router_t));
    memcpy(r->name, name.data, name.len);

    return (int) oldest;
}


void
predictor_slots_span(predictor_slots_t *s, int router, predictor_span_e what,
    double begin, double end, int sign)
{
    long               i;
    float             *ms;
    predictor_slot_t  *slot;

    for (i = s->base; i < s->base + PREDICTOR_SLOTS_OPEN; i++) {
        slot = predictor_slots_at(s, i);

        ms = what == PREDICTOR_SPAN_LOST ? slot->lost_ms : slot->covered_ms;
        ms[router] += sign * (float) predictor_slots_overlap(s, i, begin, end);

        if (ms[router] < 0) {
            ms[router] = 0;
        }
    }
}


/* the window of this run: known, or the one that has been quiet longer */

static predictor_window_t *
predictor_router_window(predictor_router_t *r, uint64_t instance)
{
    predictor_window_t  *w;

    w = r->window;

    if (w[0].seen && w[0].instance == instance) {
        return &w[0];
    }

    if (w[1].seen && w[1].instance == instance) {
        return &w[1];
    }

    w += w[0].seen && (!w[1].seen || w[1].end_ms < w[0].end_ms);

    memset(w, 0, sizeof(predictor_window_t));
    w->instance = instance;

    return w;
}


int
predictor_slots_sequence(predictor_slots_t *s, int router,
    const shard_metrics_head_t *head)
{
    double               end, begin;
    uint64_t             behind;
    predictor_window_t  *w;

    end = (double) head->end_ms;
    begin = end - head->interval_ms;
    w = predictor_router_window(&s->routers[router], head->instance);

    if (w->seen && head->sequence <= w->last) {
        behind = w->last - head->sequence;

        if (behind >= 64 || (w->seen >> behind & 1)) {
            return 0;
        }

        w->seen |= (uint64_t) 1 << behind;
        predictor_slots_span(s, router, PREDICTOR_SPAN_LOST, begin, end, -1);

        return 1;
    }

    if (w->seen && head->sequence > w->last + 1 && begin > w->end_ms) {
        predictor_slots_span(s, router, PREDICTOR_SPAN_LOST, w->end_ms, begin,
                             1);
    }

    behind = w->seen ? head->sequence - w->last : 64;
    w->seen = behind < 64 ? w->seen << behind | 1 : 1;
    w->last = head->sequence;
    w->end_ms = end;

    return 1;
}
