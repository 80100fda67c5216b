
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"


#define PREDICTOR_NAMED_KNOWN  0.5      /* of a slot */


const char *const  predictor_named_words[] = {
    "", "node", "client", NULL
};


predictor_names_t *
predictor_names_create(uint32_t max)
{
    uint32_t            i;
    predictor_names_t  *n;

    n = calloc(1, sizeof(predictor_names_t));

    if (n == NULL) {
        return NULL;
    }

    n->max = max;
    n->series = calloc((size_t) max + 1, sizeof(predictor_named_t));
    n->buckets = malloc(((size_t) max + 1) * sizeof(uint32_t));

    if (n->series == NULL || n->buckets == NULL) {
        predictor_names_destroy(n);
        return NULL;
    }

    for (i = 0; i < max; i++) {
        n->buckets[i] = PREDICTOR_NAMED_NONE;
    }

    return n;
}


void
predictor_names_destroy(predictor_names_t *n)
{
    int  i;

    if (n == NULL) {
        return;
    }

    for (i = 0; i < PREDICTOR_SLOTS_OPEN; i++) {
        free(n->open[i].sum);
        free(n->open[i].ms);
    }

    free(n->series);
    free(n->buckets);
    free(n);
}


/* FNV-1a */

static uint32_t *
predictor_names_bucket(const predictor_names_t *n, predictor_named_e of,
    const char *owner, const char *name)
{
    uint32_t  hash;

    hash = 0x811c9dc5 ^ (uint32_t) of;

    while (*owner) {
        hash = (hash ^ (uint8_t) *owner++) * 0x01000193;
    }

    hash = (hash ^ ' ') * 0x01000193;

    while (*name) {
        hash = (hash ^ (uint8_t) *name++) * 0x01000193;
    }

    return &n->buckets[hash % n->max];
}


uint32_t
predictor_names_find(const predictor_names_t *n, predictor_named_e of,
    const char *owner, const char *name)
{
    uint32_t  i;

    if (n->max == 0) {
        return PREDICTOR_NAMED_NONE;
    }

    i = *predictor_names_bucket(n, of, owner, name);

    while (i != PREDICTOR_NAMED_NONE
           && (n->series[i].of != of || strcmp(n->series[i].owner, owner) != 0
               || strcmp(n->series[i].name, name) != 0))
    {
        i = n->series[i].next;
    }

    return i;
}


int
predictor_names_put(predictor_names_t *n, uint32_t number,
    predictor_named_e of, const char *owner, const char *name, long since)
{
    uint32_t           *bucket;
    predictor_named_t  *s;

    if (number >= n->max || n->series[number].of != PREDICTOR_NAMED_FREE
        || strlen(owner) >= SHARD_NAME_SIZE
        || strlen(name) >= PREDICTOR_NAMED_SIZE
        || predictor_names_find(n, of, owner, name) != PREDICTOR_NAMED_NONE)
    {
        return SHARD_ERROR;
    }

    s = &n->series[number];
    bucket = predictor_names_bucket(n, of, owner, name);

    s->of = of;
    strcpy(s->owner, owner);
    strcpy(s->name, name);
    s->since = since;
    s->next = *bucket;
    s->unsaved = 0;
    *bucket = number;
    n->used++;

    return SHARD_OK;
}


uint32_t
predictor_names_take(predictor_names_t *n, predictor_named_e of,
    const char *owner, const char *name, long since)
{
    while (n->free < n->max
           && n->series[n->free].of != PREDICTOR_NAMED_FREE)
    {
        n->free++;
    }

    if (predictor_names_put(n, n->free, of, owner, name, since) != SHARD_OK) {
        return PREDICTOR_NAMED_NONE;
    }

    n->series[n->free].unsaved = 1;

    return n->free;
}


void
predictor_names_drop(predictor_names_t *n, uint32_t number)
{
    int                 i;
    uint32_t           *link;
    predictor_named_t  *s;

    s = &n->series[number];
    link = predictor_names_bucket(n, s->of, s->owner, s->name);

    while (*link != number) {
        link = &n->series[*link].next;
    }

    *link = s->next;
    memset(s, 0, sizeof(predictor_named_t));
    s->unsaved = 1;
    n->used--;
    n->free = number < n->free ? number : n->free;

    for (i = 0; i < PREDICTOR_SLOTS_OPEN; i++) {

        if (n->open[i].sum) {
            n->open[i].sum[number] = 0;
            n->open[i].ms[number] = 0;
        }
    }
}


/* what was counted of a slot that was never closed is of no use any more */

static predictor_named_slot_t *
predictor_names_slot(predictor_names_t *n, long slot)
{
    predictor_named_slot_t  *o;

    o = &n->open[slot % PREDICTOR_SLOTS_OPEN];

    if (o->sum == NULL || o->ms == NULL) {
        free(o->sum);
        free(o->ms);
        o->sum = calloc(n->max, sizeof(float));
        o->ms = calloc(n->max, sizeof(float));
        o->slot = slot;

    } else if (o->slot != slot) {
        memset(o->sum, 0, n->max * sizeof(float));
        memset(o->ms, 0, n->max * sizeof(float));
        o->slot = slot;
    }

    return o->sum && o->ms ? o : NULL;
}


void
predictor_names_add(predictor_names_t *n, long slot, uint32_t number,
    double sum, double ms)
{
    predictor_named_slot_t  *o;

    if (slot < 0 || number >= n->max) {
        return;
    }

    o = predictor_names_slot(n, slot);

    if (o) {
        o->sum[number] += (float) sum;
        o->ms[number] += (float) ms;
    }
}


static float
predictor_names_value(const predictor_named_t *s, double sum, double ms,
    double length_ms, double seconds)
{
    switch (s->of) {

    case PREDICTOR_NAMED_NODE:
        return ms >= PREDICTOR_NAMED_KNOWN * length_ms ? (float) (sum / ms)
                                                       : NAN;

    case PREDICTOR_NAMED_CLIENT:
        return seconds > 0 ? (float) (sum / seconds) : NAN;

    default: /* PREDICTOR_NAMED_FREE */
        return NAN;
    }
}


void
predictor_names_row(const predictor_names_t *n, long slot, double length_ms,
    double seconds, float *row)
{
    int                            known;
    uint32_t                       i;
    const predictor_named_slot_t  *o;

    o = &n->open[slot % PREDICTOR_SLOTS_OPEN];
    known = o->sum && o->ms && o->slot == slot;

    for (i = 0; i < n->max; i++) {
        row[i] = predictor_names_value(&n->series[i], known ? o->sum[i] : 0,
                                       known ? o->ms[i] : 0, length_ms,
                                       seconds);
    }
}


void
predictor_names_close(predictor_names_t *n, long slot)
{
    predictor_named_slot_t  *o;

    o = &n->open[slot % PREDICTOR_SLOTS_OPEN];

    if (o->slot == slot) {
        free(o->sum);
        free(o->ms);
        memset(o, 0, sizeof(predictor_named_slot_t));
    }
}
