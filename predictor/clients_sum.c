
/* Sums of client groups' forecasts, and what they are worth. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "clients_parts.h"


#define PREDICTOR_SUM_FADE   (1.0 / 288)
#define PREDICTOR_SUM_SEEN   24         /* slots before it may be used */
#define PREDICTOR_SUM_BETTER 0.97
#define PREDICTOR_SUM_NARROW 0.5        /* of the own band, at least */


const predictor_clients_shard_t *
predictor_clients_of(const predictor_clients_t *c, shard_id_t id)
{
    uint32_t  low, high, middle;

    low = 0;
    high = c->nshards;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (c->shards[middle].id == id) {
            return c->shards[middle].n ? &c->shards[middle] : NULL;
        }

        if (c->shards[middle].id < id) {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    return NULL;
}


static int
predictor_clients_cmp(const void *one, const void *two)
{
    const predictor_clients_shard_t  *a = one, *b = two;

    return a->id < b->id ? -1 : a->id > b->id;
}


/* rings of floats: two of each slot, NaN until something was said */

static int
predictor_clients_rings(const predictor_clients_t *c,
    predictor_clients_shard_t *s)
{
    int       i;
    uint32_t  k;

    for (i = 0; i < PREDICTOR_CLIENTS_LEADS; i++) {
        s->said[i] = malloc(2 * (c->lead[i] + 1) * sizeof(float));

        if (s->said[i] == NULL) {
            return SHARD_ERROR;
        }

        for (k = 0; k < 2 * (c->lead[i] + 1); k++) {
            s->said[i][k] = NAN;
        }
    }

    return SHARD_OK;
}


/* the place of a shard, with what is known of it if it was there before */

static predictor_clients_shard_t *
predictor_clients_place(predictor_clients_t *c, shard_id_t id)
{
    uint32_t                    i;
    predictor_clients_shard_t  *s;

    for (i = 0; i < c->nshards; i++) {

        if (c->shards[i].id == id) {
            return &c->shards[i];
        }
    }

    if (c->nshards > c->names->max) {
        return NULL;
    }

    s = &c->shards[c->nshards];
    memset(s, 0, sizeof(predictor_clients_shard_t));
    s->id = id;

    if (predictor_clients_rings(c, s) != SHARD_OK) {
        predictor_clients_drop(s);
        return NULL;
    }

    c->nshards++;

    return s;
}


static void
predictor_clients_add(predictor_clients_t *c, uint32_t number, int rest)
{
    shard_id_t                  id;
    shard_str_t                 owner;
    predictor_clients_shard_t  *s;

    owner.data = c->names->series[number].owner;
    owner.len = strlen(owner.data);

    if ((c->names->series[number].name[0] == '\0') != rest
        || shard_id_decode(owner, &id) != SHARD_OK)
    {
        return;
    }

    s = predictor_clients_place(c, id);

    if (s && s->n <= PREDICTOR_CLIENTS_MAX) {
        s->number[s->n++] = number;
    }
}


/* those that have no series any more make room for others; a shard without a
 * place for its rest is forecast as one, as before */

static void
predictor_clients_pack(predictor_clients_t *c)
{
    uint32_t                    i, kept, number;
    predictor_clients_shard_t  *s;

    kept = 0;

    for (i = 0; i < c->nshards; i++) {
        s = &c->shards[i];
        number = s->n ? s->number[s->n - 1] : 0;

        if (s->n < 2 || c->names->series[number].name[0]) {
            predictor_clients_drop(s);
            continue;
        }

        c->shards[kept++] = *s;
    }

    c->nshards = kept;
}


void
predictor_clients_restore(predictor_clients_t *c)
{
    int       rest;
    uint32_t  i;

    for (i = 0; i < c->nshards; i++) {
        c->shards[i].n = 0;
    }

    for (rest = 0; rest < 2; rest++) {

        for (i = 0; i < c->names->max; i++) {

            if (c->names->series[i].of == PREDICTOR_NAMED_CLIENT) {
                predictor_clients_add(c, i, rest);
            }
        }
    }

    predictor_clients_pack(c);

    qsort(c->shards, c->nshards, sizeof(predictor_clients_shard_t),
          predictor_clients_cmp);
}


static float *
predictor_clients_said(const predictor_clients_t *c,
    predictor_clients_shard_t *s, int lead, long slot)
{
    return s->said[lead] + 2 * (slot % (c->lead[lead] + 1));
}


void
predictor_clients_score(predictor_clients_t *c, long slot, const float *load,
    uint32_t ncols)
{
    int                         lead;
    float                      *said;
    double                      keep;
    uint32_t                    i;
    predictor_clients_shard_t  *s;

    for (i = 0; i < c->nshards; i++) {
        s = &c->shards[i];

        for (lead = 0; lead < PREDICTOR_CLIENTS_LEADS; lead++) {
            said = predictor_clients_said(c, s, lead, slot);

            if (s->id < ncols && isfinite(load[s->id]) && isfinite(said[0])
                && isfinite(said[1]))
            {
                s->seen[lead]++;
                keep = fmax(PREDICTOR_SUM_FADE, 1.0 / s->seen[lead]);
                s->own[lead] += keep * (fabs(said[0] - load[s->id])
                                        - s->own[lead]);
                s->sum[lead] += keep * (fabs(said[1] - load[s->id])
                                        - s->sum[lead]);
            }

            said[0] = said[1] = NAN;
        }
    }
}


/* NaN while one of them has no forecast */

static double
predictor_clients_total(const predictor_clients_shard_t *s,
    const predictor_outlook_t *o, uint32_t base, uint32_t step)
{
    double    sum;
    uint32_t  k;

    sum = 0;

    for (k = 0; k < s->n; k++) {
        sum += o->mean[(size_t) (base + s->number[k]) * o->ask.horizon
                       + step];
    }

    return sum;
}


/* the own quantiles go along with the mean, nearer to it as the sum's errors
 * were smaller */

static void
predictor_clients_replace(predictor_outlook_t *o, shard_id_t id,
    uint32_t step, double sum, double narrow)
{
    size_t    at;
    double    q;
    uint32_t  k;

    at = (size_t) id * o->ask.horizon + step;

    for (k = 0; k < o->ask.nq; k++) {
        q = sum + narrow * (o->quantile[k][at] - o->mean[at]);
        o->quantile[k][at] = (float) fmax(q, 0);
    }

    o->mean[at] = (float) sum;
}


static void
predictor_clients_sum_one(predictor_clients_t *c, predictor_outlook_t *o,
    predictor_clients_shard_t *s, uint32_t base, long last,
    predictor_clients_unit_pt per_request, void *data)
{
    int       lead;
    float    *said;
    double    sum, narrow;
    uint32_t  step;

    s->used = 0;

    for (lead = 0, step = 0; step < o->ask.horizon; step++) {
        sum = predictor_clients_total(s, o, base, step)
              * per_request(data, s->id, step + 1);

        while (lead + 1 < PREDICTOR_CLIENTS_LEADS && step + 1 > c->lead[lead])
        {
            lead++;
        }

        if (step + 1 == c->lead[lead]) {
            said = predictor_clients_said(c, s, lead, last + 1 + (long) step);
            said[0] = o->mean[(size_t) s->id * o->ask.horizon + step];
            said[1] = (float) sum;
        }

        if (!isfinite(sum) || s->seen[lead] < PREDICTOR_SUM_SEEN
            || !(s->sum[lead] < PREDICTOR_SUM_BETTER * s->own[lead]))
        {
            continue;
        }

        narrow = fmax(s->sum[lead] / s->own[lead], PREDICTOR_SUM_NARROW);
        predictor_clients_replace(o, s->id, step, sum, narrow);
        s->used = 1;
    }
}


void
predictor_clients_sum(predictor_clients_t *c, predictor_outlook_t *o,
    uint32_t base, long last, predictor_clients_unit_pt per_request,
    void *data)
{
    uint32_t  i;

    for (i = 0; i < c->nshards; i++) {

        if (c->shards[i].n && c->shards[i].id < base
            && o->shards[c->shards[i].id].model)
        {
            predictor_clients_sum_one(c, o, &c->shards[i], base, last,
                                      per_request, data);
        }
    }
}
