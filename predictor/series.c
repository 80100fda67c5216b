
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "series.h"


#define PREDICTOR_COVERED_MIN  0.5      /* of a slot */
#define PREDICTOR_LOST_MAX     0.2
#define PREDICTOR_LIVE_MS      3000     /* without an entry, see the docs */


typedef enum {
    PREDICTOR_SPAN_COVERED = 0,
    PREDICTOR_SPAN_LOST
} predictor_span_e;


predictor_slots_t *
predictor_slots_create(void)
{
    predictor_slots_t  *s;

    s = calloc(1, sizeof(predictor_slots_t));

    if (s) {
        s->base = -1;
        s->clock.speed = 1;
        s->res_s = 300;
    }

    return s;
}


void
predictor_slots_destroy(predictor_slots_t *s)
{
    int  i;

    if (s == NULL) {
        return;
    }

    for (i = 0; i < PREDICTOR_SLOTS_OPEN; i++) {
        free(s->open[i].counts);
    }

    free(s);
}


int
predictor_slots_columns(predictor_slots_t *s, uint32_t ncols)
{
    int      i;
    double  *counts;

    if (ncols <= s->ncols) {
        return SHARD_OK;
    }

    for (i = 0; i < PREDICTOR_SLOTS_OPEN; i++) {

        if (s->open[i].counts == NULL) {
            continue;
        }

        counts = realloc(s->open[i].counts, ncols * sizeof(double));

        if (counts == NULL) {
            return SHARD_ERROR;
        }

        memset(counts + s->ncols, 0, (ncols - s->ncols) * sizeof(double));
        s->open[i].counts = counts;
    }

    s->ncols = ncols;

    return SHARD_OK;
}


static predictor_slot_t *
predictor_slot(const predictor_slots_t *s, long slot)
{
    return (predictor_slot_t *) &s->open[slot % PREDICTOR_SLOTS_OPEN];
}


static double
predictor_slot_ms(const predictor_slots_t *s, long slot)
{
    return predictor_clock_ms(&s->clock, (double) slot * s->res_s);
}


/* the part of [begin, end) ms that lies in the slot, in ms */

static double
predictor_slot_overlap(const predictor_slots_t *s, long slot, double begin,
    double end)
{
    double  from, to;

    from = fmax(begin, predictor_slot_ms(s, slot));
    to = fmin(end, predictor_slot_ms(s, slot + 1));

    return to > from ? to - from : 0;
}


static long
predictor_slot_of(const predictor_slots_t *s, double ms)
{
    return (long) floor(predictor_clock_s(&s->clock, ms) / s->res_s);
}


/* SHARD_AGAIN: more live routers than there is room for */

static int
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


static void
predictor_slots_span(predictor_slots_t *s, int router, predictor_span_e what,
    double begin, double end, int sign)
{
    long               i;
    float             *ms;
    predictor_slot_t  *slot;

    for (i = s->base; i < s->base + PREDICTOR_SLOTS_OPEN; i++) {
        slot = predictor_slot(s, i);

        ms = what == PREDICTOR_SPAN_LOST ? slot->lost_ms : slot->covered_ms;
        ms[router] += sign * (float) predictor_slot_overlap(s, i, begin, end);

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


/* 1: not seen before; a hole in the sequence is lost time until it comes */

static int
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


static int
predictor_slots_check(predictor_slots_t *s, const shard_metrics_head_t *h,
    double now_ms, char *err)
{
    double  span;

    if (h->router.len == 0 || h->router.len >= SHARD_NAME_SIZE) {
        snprintf(err, SHARD_ERR_SIZE, "metrics: router's name has %zu bytes",
                 h->router.len);
        return SHARD_ERROR;
    }

    if ((double) h->end_ms > now_ms + PREDICTOR_AHEAD_MS) {
        snprintf(err, SHARD_ERR_SIZE, "metrics of router %.*s: its clock is "
                 "%.0f s ahead of this host's, set one of them right",
                 (int) h->router.len, h->router.data,
                 ((double) h->end_ms - now_ms) / 1000);
        return SHARD_ERROR;
    }

    span = h->interval_ms / 1000.0 * s->clock.speed / (double) s->res_s;

    if (h->interval_ms == 0 || h->interval_ms > h->end_ms
        || span > PREDICTOR_SLOTS_OPEN / 4)
    {
        snprintf(err, SHARD_ERR_SIZE, "metrics of router %.*s: an interval of "
                 "%u ms is %.1f slots, at most %d are counted",
                 (int) h->router.len, h->router.data, h->interval_ms, span,
                 PREDICTOR_SLOTS_OPEN / 4);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* SHARD_AGAIN without memory */

static int
predictor_slots_count(predictor_slots_t *s, const shard_metrics_entry_t *e,
    long slot, double share, const char *cursor)
{
    uint32_t               i;
    predictor_slot_t      *o;
    shard_metrics_shard_t  shard;

    o = predictor_slot(s, slot);

    if (o->counts == NULL) {
        o->counts = calloc(s->ncols ? s->ncols : 1, sizeof(double));

        if (o->counts == NULL) {
            return SHARD_AGAIN;
        }
    }

    if (o->cursor[0] == '\0') {
        snprintf(o->cursor, sizeof(o->cursor), "%s", cursor);
    }

    for (i = 0; i < e->nshards; i++) {
        shard_metrics_shard(e, i, &shard);

        if (shard.id < s->ncols) {
            o->counts[shard.id] += shard.offered * share;
        }
    }

    return SHARD_OK;
}


int
predictor_slots_add(predictor_slots_t *s, const shard_metrics_entry_t *e,
    const char *cursor, double now_ms, char *err)
{
    int                  router;
    long                 slot, first, last;
    double               begin, end, part;
    predictor_router_t  *r;

    if (predictor_slots_check(s, &e->head, now_ms, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    end = (double) e->head.end_ms;
    begin = end - e->head.interval_ms;
    first = predictor_slot_of(s, begin);
    last = predictor_slot_of(s, end);

    if (s->base < 0) {
        s->base = first > s->first ? first : s->first;
    }

    if (last >= s->base + PREDICTOR_SLOTS_OPEN) {
        return SHARD_AGAIN;
    }

    router = predictor_slots_router(s, e->head.router, end);

    if (router < 0) {
        snprintf(err, SHARD_ERR_SIZE, "metrics: more than %d routers",
                 PREDICTOR_ROUTERS_MAX);
        return SHARD_ERROR;
    }

    if (!predictor_slots_sequence(s, router, &e->head)) {
        s->duplicates++;
        return SHARD_OK;
    }

    r = &s->routers[router];
    r->interval_ms = e->head.interval_ms;
    r->end_ms = fmax(r->end_ms, end);
    s->newest_ms = fmax(s->newest_ms, end);
    s->entries++;
    s->late += first < s->base;

    predictor_slots_span(s, router, PREDICTOR_SPAN_COVERED, begin, end, 1);

    for (slot = first < s->base ? s->base : first; slot <= last; slot++) {
        part = predictor_slot_overlap(s, slot, begin, end);

        if (part > 0
            && predictor_slots_count(s, e, slot, part / (end - begin), cursor)
               != SHARD_OK)
        {
            snprintf(err, SHARD_ERR_SIZE, "no memory to count slot %ld", slot);
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


int
predictor_slots_ready(const predictor_slots_t *s, double mark_ms)
{
    int                        live;
    double                     end;
    uint32_t                   i;
    const predictor_router_t  *r;

    if (s->base < 0) {
        return 0;
    }

    end = predictor_slot_ms(s, s->base + 1);

    if (mark_ms >= end + s->grace_ms) {
        return 1;
    }

    live = 0;

    for (i = 0; i < s->nrouters; i++) {
        r = &s->routers[i];

        if (r->end_ms >= end) {
            live = 1;

        } else if (r->end_ms + r->interval_ms + PREDICTOR_LIVE_MS > mark_ms) {
            return 0;
        }
    }

    return live;
}


int
predictor_slots_row(const predictor_slots_t *s, float *row)
{
    double             length, best, seconds;
    uint32_t           i;
    predictor_slot_t  *o;

    o = predictor_slot(s, s->base);
    length = predictor_slot_ms(s, s->base + 1) - predictor_slot_ms(s, s->base);
    best = 0;

    for (i = 0; i < s->nrouters; i++) {
        best = fmax(best, o->covered_ms[i] / length);

        if (o->lost_ms[i] > PREDICTOR_LOST_MAX * length) {
            best = 0;
            break;
        }
    }

    if (best < PREDICTOR_COVERED_MIN || o->counts == NULL) {

        for (i = 0; i < s->ncols; i++) {
            row[i] = NAN;
        }

        return 0;
    }

    seconds = length / 1000 * fmin(best, 1);

    for (i = 0; i < s->ncols; i++) {
        row[i] = (float) (o->counts[i] / seconds);
    }

    return 1;
}


void
predictor_slots_close(predictor_slots_t *s)
{
    predictor_slot_t  *o;

    o = predictor_slot(s, s->base);

    free(o->counts);
    memset(o, 0, sizeof(predictor_slot_t));

    s->base++;
}


/* "MS-N" of a stream, in the order of the stream */

static int
predictor_cursor_before(const char *a, const char *b)
{
    unsigned long long  ams, an, bms, bn;

    ams = an = bms = bn = 0;
    sscanf(a, "%llu-%llu", &ams, &an);
    sscanf(b, "%llu-%llu", &bms, &bn);

    return ams < bms || (ams == bms && an < bn);
}


const char *
predictor_slots_cursor(const predictor_slots_t *s, const char *cursor)
{
    int          i;
    const char  *first;

    first = cursor;

    for (i = 0; i < PREDICTOR_SLOTS_OPEN; i++) {

        if (s->open[i].cursor[0]
            && predictor_cursor_before(s->open[i].cursor, first))
        {
            first = s->open[i].cursor;
        }
    }

    return first;
}
