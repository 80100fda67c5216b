
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/core/shard_text.h"
#include "calendar.h"


#define PREDICTOR_CALENDAR_DAY_S  86400


static size_t predictor_calendar_place(const predictor_calendar_t *c,
    const char *id, int *there);
static void predictor_calendar_free(predictor_planned_t *p);
static int predictor_calendar_bits(predictor_calendar_t *c,
    predictor_planned_t *p);
static int predictor_calendar_spans(predictor_planned_t *p, int64_t from_s,
    int64_t until_s, int64_t before_s);
static int predictor_calendar_cells(predictor_calendar_t *c,
    predictor_planned_t *p);


int
predictor_calendar_init(predictor_calendar_t *c, uint32_t nshards,
    uint32_t interval_s, uint32_t day, uint32_t week)
{
    memset(c, 0, sizeof(predictor_calendar_t));

    c->nshards = nshards;
    c->interval_s = interval_s;
    c->day = day;
    c->week = week;
    c->load = calloc(nshards + 1, sizeof(float));

    return c->load ? SHARD_OK : SHARD_ERROR;
}


void
predictor_calendar_done(predictor_calendar_t *c)
{
    size_t  i;

    for (i = 0; i < c->n; i++) {
        predictor_calendar_free(c->events[i]);
    }

    free(c->events);
    free(c->active);
    free(c->load);

    memset(c, 0, sizeof(predictor_calendar_t));
}


static void
predictor_calendar_free(predictor_planned_t *p)
{
    free(p->json);
    free(p->shards);
    free(p->spans);
    free(p->cells);
    free(p);
}


void
predictor_calendar_begin(predictor_calendar_t *c)
{
    size_t  i;

    for (i = 0; i < c->n; i++) {
        c->events[i]->there = 0;
    }
}


void
predictor_calendar_end(predictor_calendar_t *c)
{
    size_t  i, n;

    n = 0;
    c->nactive = 0;

    for (i = 0; i < c->n; i++) {

        if (c->events[i]->there) {
            c->events[n++] = c->events[i];
            continue;
        }

        if (c->events[i]->cells) {
            c->cells -= (size_t) c->nshards * PREDICTOR_CALENDAR_CELLS
                        * sizeof(predictor_cell_t);
        }

        predictor_calendar_free(c->events[i]);
    }

    c->n = n;
}


/* where the event is, or would be */

static size_t
predictor_calendar_place(const predictor_calendar_t *c, const char *id,
    int *there)
{
    int     rc;
    size_t  low, high, i;

    low = 0;
    high = c->n;
    *there = 0;

    while (low < high) {
        i = (low + high) / 2;
        rc = strcmp(id, c->events[i]->event.id);

        if (rc == 0) {
            *there = 1;
            return i;
        }

        if (rc < 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    return low;
}


predictor_planned_t *
predictor_calendar_find(const predictor_calendar_t *c, const char *id)
{
    int     there;
    size_t  i;

    i = predictor_calendar_place(c, id, &there);

    return there ? c->events[i] : NULL;
}


static int
predictor_calendar_room(predictor_calendar_t *c)
{
    size_t                 room;
    predictor_planned_t  **events, **active;

    if (c->n < c->room) {
        return SHARD_OK;
    }

    room = 2 * c->room + 16;
    events = realloc(c->events, room * sizeof(predictor_planned_t *));
    c->events = events ? events : c->events;
    active = realloc(c->active, room * sizeof(predictor_planned_t *));
    c->active = active ? active : c->active;

    if (events == NULL || active == NULL) {
        return SHARD_ERROR;
    }

    c->room = room;

    return SHARD_OK;
}


/* a new one, or NULL and "err" */

static predictor_planned_t *
predictor_calendar_make(predictor_calendar_t *c, const char *id,
    const char *json, char *err)
{
    predictor_planned_t  *p;

    if (!shard_name_valid(shard_text_str(id))) {
        shard_refuse(err, "its id is no name of 1 to 63 of A-Z a-z 0-9 _ . -");
        return NULL;
    }

    p = calloc(1, sizeof(predictor_planned_t));

    if (p == NULL || (p->json = strdup(json)) == NULL) {
        free(p);
        shard_refuse(err, "no memory");
        return NULL;
    }

    if (shard_event_decode(shard_text_str(p->json), &p->event, err)
        != SHARD_OK)
    {
        predictor_calendar_free(p);
        return NULL;
    }

    memcpy(p->event.id, id, strlen(id) + 1);

    if (predictor_calendar_bits(c, p) != SHARD_OK) {
        predictor_calendar_free(p);
        shard_refuse(err, "no memory");
        return NULL;
    }

    return p;
}


int
predictor_calendar_put(predictor_calendar_t *c, const char *id,
    const char *json, char *err)
{
    int                   there;
    size_t                i;
    predictor_planned_t  *p;

    i = predictor_calendar_place(c, id, &there);

    if (there && strcmp(c->events[i]->json, json) == 0) {
        c->events[i]->there = 1;
        return SHARD_OK;
    }

    if (!there && c->n == PREDICTOR_CALENDAR_MAX) {
        return shard_refuse(err, "there are more than %u events",
                            PREDICTOR_CALENDAR_MAX);
    }

    p = predictor_calendar_make(c, id, json, err);

    if (p == NULL) {
        return SHARD_ERROR;
    }

    p->there = 1;

    if (there) {
        c->nactive = 0;

        if (c->events[i]->cells) {
            c->cells -= (size_t) c->nshards * PREDICTOR_CALENDAR_CELLS
                        * sizeof(predictor_cell_t);
        }

        predictor_calendar_free(c->events[i]);
        c->events[i] = p;

        return SHARD_OK;
    }

    if (predictor_calendar_room(c) != SHARD_OK) {
        predictor_calendar_free(p);
        return shard_refuse(err, "no memory");
    }

    memmove(&c->events[i + 1], &c->events[i],
            (c->n - i) * sizeof(predictor_planned_t *));
    c->events[i] = p;
    c->n++;

    return SHARD_OK;
}


/* the shards that it names; those of its nodes are the caller's to add */

static int
predictor_calendar_bits(predictor_calendar_t *c, predictor_planned_t *p)
{
    if (p->event.nshards == 0 && p->event.nnodes == 0) {
        p->nshards = c->nshards;
        return SHARD_OK;
    }

    p->shards = calloc(c->nshards / 8 + 1, 1);

    if (p->shards == NULL) {
        return SHARD_ERROR;
    }

    predictor_calendar_named(c, p);

    return SHARD_OK;
}


void
predictor_calendar_named(predictor_calendar_t *c, predictor_planned_t *p)
{
    unsigned  i;

    memset(p->shards, 0, c->nshards / 8 + 1);
    p->nshards = 0;

    for (i = 0; i < p->event.nshards; i++) {
        (void) predictor_calendar_touch(c, p, p->event.shards[i]);
    }
}


int
predictor_calendar_touch(predictor_calendar_t *c, predictor_planned_t *p,
    shard_id_t id)
{
    if (id >= c->nshards || predictor_calendar_touches(p, id)) {
        return SHARD_AGAIN;
    }

    p->shards[id / 8] |= (uint8_t) (1u << id % 8);
    p->nshards++;

    return SHARD_OK;
}


int
predictor_calendar_touches(const predictor_planned_t *p, shard_id_t id)
{
    return p->shards == NULL || p->shards[id / 8] & 1u << id % 8;
}


int
predictor_calendar_wants_load(const predictor_calendar_t *c)
{
    size_t  i;

    for (i = 0; i < c->n; i++) {

        if (c->events[i]->event.kind != SHARD_EFFECT_FACTOR
            && c->events[i]->event.kind != SHARD_EFFECT_DRAIN)
        {
            return 1;
        }
    }

    return 0;
}


int
predictor_calendar_prepare(predictor_calendar_t *c, int64_t from_s,
    int64_t until_s, uint32_t horizon)
{
    size_t                i;
    int64_t               before_s;
    shard_id_t            id;
    predictor_planned_t  *p;

    c->nactive = 0;
    c->until_s = until_s;
    before_s = until_s + (int64_t) horizon * c->interval_s;

    for (i = 0; i < c->n; i++) {
        p = c->events[i];
        p->active = 0;

        if (p->event.kind == SHARD_EFFECT_DRAIN) {
            continue;
        }

        if (predictor_calendar_spans(p, from_s, until_s, before_s) != SHARD_OK
            || predictor_calendar_cells(c, p) != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        if (p->nspans == 0) {
            continue;
        }

        p->load = 0;

        for (id = 0; id < c->nshards; id++) {

            if (predictor_calendar_touches(p, id) && c->load[id] > 0) {
                p->load += c->load[id];
            }
        }

        p->active = 1;
        c->active[c->nactive++] = p;
    }

    return SHARD_OK;
}


static int
predictor_calendar_spans(predictor_planned_t *p, int64_t from_s,
    int64_t until_s, int64_t before_s)
{
    unsigned  n;

    if (p->spans == NULL) {
        p->spans = malloc(PREDICTOR_CALENDAR_SPANS * sizeof(shard_span_t));

        if (p->spans == NULL) {
            return SHARD_ERROR;
        }
    }

    n = shard_event_spans(&p->event, from_s, before_s, p->spans,
                          PREDICTOR_CALENDAR_SPANS);
    p->nspans = n;
    p->nended = 0;

    while (p->nended < n && p->spans[p->nended].end_s <= until_s) {
        p->nended++;
    }

    return SHARD_OK;
}


/* the latest that ended; cells of one that is not among them any more are
 * used for a new one */

static int
predictor_calendar_cells(predictor_calendar_t *c, predictor_planned_t *p)
{
    size_t               bytes, id;
    int64_t              old;
    uint32_t             i, k, j, first, late;
    const shard_span_t  *span;

    if (p->nended == 0) {
        return SHARD_OK;
    }

    if (p->cells == NULL) {
        bytes = (size_t) c->nshards * PREDICTOR_CALENDAR_CELLS
                * sizeof(predictor_cell_t);

        if (c->cells + bytes > PREDICTOR_CALENDAR_MB * 1024L * 1024) {
            return SHARD_OK;
        }

        p->cells = calloc(1, bytes + sizeof(predictor_cell_t));

        if (p->cells == NULL) {
            return SHARD_ERROR;
        }

        c->cells += bytes;
        memset(p->round, 0, sizeof(p->round));
    }

    first = p->nended > PREDICTOR_CALENDAR_CELLS
            ? p->nended - PREDICTOR_CALENDAR_CELLS : 0;

    for (j = first; j < p->nended; j++) {
        span = &p->spans[j];
        late = c->until_s >= span->end_s + PREDICTOR_CALENDAR_DAY_S ? 2 : 1;
        old = INT64_MAX;
        k = 0;

        for (i = 0; i < PREDICTOR_CALENDAR_CELLS; i++) {

            if (p->round[i] && p->latest[i].start_s == span->start_s) {
                break;
            }

            if (p->round[i] == 0 || p->latest[i].start_s < old) {
                old = p->round[i] ? p->latest[i].start_s : INT64_MIN;
                k = i;
            }
        }

        if (i == PREDICTOR_CALENDAR_CELLS) {
            i = k;
            p->round[i] = 0;

            for (id = 0; id < c->nshards; id++) {
                p->cells[id * PREDICTOR_CALENDAR_CELLS + i].round = 0;
            }
        }

        p->dirty |= p->round[i] != late;
        p->latest[i] = *span;
        p->round[i] = late;
    }

    return SHARD_OK;
}


int
predictor_calendar_on(const predictor_planned_t *p, const char *node)
{
    unsigned  k;

    for (k = 0; k < p->event.nnodes; k++) {

        if (strcmp(p->event.nodes[k], node) == 0) {
            return 1;
        }
    }

    return 0;
}


const char *
predictor_calendar_drains(const predictor_calendar_t *c, const char *node,
    int64_t from_s, int64_t before_s)
{
    size_t                      i;
    shard_span_t                span;
    const predictor_planned_t  *p;

    for (i = 0; i < c->n; i++) {
        p = c->events[i];

        if (p->event.kind == SHARD_EFFECT_DRAIN
            && predictor_calendar_on(p, node)
            && shard_event_spans(&p->event, from_s, before_s, &span, 1))
        {
            return p->event.id;
        }
    }

    return NULL;
}
