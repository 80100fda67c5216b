
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "series_parts.h"


#define PREDICTOR_COVERED_MIN  0.5      /* of a slot */
#define PREDICTOR_LOST_MAX     0.2
#define PREDICTOR_LIVE_MS      3000     /* without an entry, see the docs */


predictor_slots_t *
predictor_slots_create(void)
{
    predictor_slots_t  *s;

    s = calloc(1, sizeof(predictor_slots_t));

    if (s) {
        s->base = -1;
        s->clock.speed = 1;
        s->res_s = 300;
        predictor_slots_metrics(s, 0);
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


void
predictor_slots_metrics(predictor_slots_t *s, unsigned metrics)
{
    unsigned  m;

    s->nmetrics = 0;

    for (m = 0; m < SHARD_METRICS; m++) {

        if (m == SHARD_METRIC_REQUESTS || metrics & SHARD_METRIC_BIT(m)) {
            s->metrics[s->nmetrics++] = (shard_metric_e) m;
        }
    }
}


int
predictor_slots_columns(predictor_slots_t *s, uint32_t ncols)
{
    int      i;
    size_t   size, old;
    double  *counts;

    size = sizeof(double) * s->nmetrics;
    old = size * s->ncols;
    size *= ncols;

    if (ncols <= s->ncols) {
        return SHARD_OK;
    }

    for (i = 0; i < PREDICTOR_SLOTS_OPEN; i++) {

        if (s->open[i].counts == NULL) {
            continue;
        }

        counts = realloc(s->open[i].counts, size);

        if (counts == NULL) {
            return SHARD_ERROR;
        }

        memset((char *) counts + old, 0, size - old);
        s->open[i].counts = counts;
    }

    s->ncols = ncols;

    return SHARD_OK;
}


predictor_slot_t *
predictor_slots_at(const predictor_slots_t *s, long slot)
{
    return (predictor_slot_t *) &s->open[slot % PREDICTOR_SLOTS_OPEN];
}


double
predictor_slots_ms(const predictor_slots_t *s, long slot)
{
    return predictor_clock_ms(&s->clock, (double) slot * s->res_s);
}


double
predictor_slots_overlap(const predictor_slots_t *s, long slot, double begin,
    double end)
{
    double  from, to;

    from = fmax(begin, predictor_slots_ms(s, slot));
    to = fmin(end, predictor_slots_ms(s, slot + 1));

    return to > from ? to - from : 0;
}


static long
predictor_slot_of(const predictor_slots_t *s, double ms)
{
    return (long) floor(predictor_clock_s(&s->clock, ms) / s->res_s);
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
    double                *counts;
    uint32_t               i, k;
    predictor_slot_t      *o;
    shard_metrics_shard_t  shard;

    o = predictor_slots_at(s, slot);

    if (o->counts == NULL) {
        o->counts = calloc((size_t) s->ncols * s->nmetrics + 1,
                           sizeof(double));

        if (o->counts == NULL) {
            return SHARD_AGAIN;
        }
    }

    if (o->cursor[0] == '\0') {
        snprintf(o->cursor, sizeof(o->cursor), "%s", cursor);
    }

    for (i = 0; i < e->nshards; i++) {
        shard_metrics_shard(e, i, &shard);

        if (shard.id >= s->ncols) {
            continue;
        }

        counts = o->counts + (size_t) shard.id * s->nmetrics;

        for (k = 0; k < s->nmetrics; k++) {
            counts[k] += shard_metric_of(&shard, s->metrics[k]) * share;
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
        part = predictor_slots_overlap(s, slot, begin, end);

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

    end = predictor_slots_ms(s, s->base + 1);

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


double
predictor_slots_seconds(const predictor_slots_t *s)
{
    double             length, best;
    uint32_t           i;
    predictor_slot_t  *o;

    o = predictor_slots_at(s, s->base);
    length = predictor_slots_ms(s, s->base + 1)
             - predictor_slots_ms(s, s->base);
    best = 0;

    for (i = 0; i < s->nrouters; i++) {
        best = fmax(best, o->covered_ms[i] / length);

        if (o->lost_ms[i] > PREDICTOR_LOST_MAX * length) {
            return 0;
        }
    }

    if (best < PREDICTOR_COVERED_MIN || o->counts == NULL) {
        return 0;
    }

    return length / 1000 * fmin(best, 1);
}


int
predictor_slots_row(const predictor_slots_t *s, shard_metric_e metric,
    float *row)
{
    double             seconds;
    uint32_t           i, k;
    predictor_slot_t  *o;

    o = predictor_slots_at(s, s->base);
    seconds = predictor_slots_seconds(s);

    for (k = 0; k < s->nmetrics && s->metrics[k] != metric; k++) {
        /* void */
    }

    if (seconds == 0 || k == s->nmetrics) {

        for (i = 0; i < s->ncols; i++) {
            row[i] = NAN;
        }

        return 0;
    }

    for (i = 0; i < s->ncols; i++) {
        row[i] = (float) (o->counts[(size_t) i * s->nmetrics + k] / seconds);
    }

    return 1;
}


void
predictor_slots_close(predictor_slots_t *s)
{
    predictor_slot_t  *o;

    o = predictor_slots_at(s, s->base);

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
