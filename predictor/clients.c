
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "clients_parts.h"


#define PREDICTOR_PAIRS_PER_SERIES  4
#define PREDICTOR_PAIRS_MIN         1024
#define PREDICTOR_CHOOSE_SLOTS      12
#define PREDICTOR_CHOOSE_STAY       1.5     /* a follower must be larger */
#define PREDICTOR_PAIR_FADE         0.99    /* by slot */
#define PREDICTOR_PAIR_FORGET       0.01    /* requests in a slot */


predictor_clients_t *
predictor_clients_create(predictor_names_t *names, uint32_t limit,
    uint32_t horizon, long res_s)
{
    uint32_t              i;
    predictor_clients_t  *c;

    c = calloc(1, sizeof(predictor_clients_t));

    if (c == NULL) {
        return NULL;
    }

    c->names = names;
    c->limit = limit < PREDICTOR_CLIENTS_MAX ? limit : PREDICTOR_CLIENTS_MAX;
    c->max = names->max * PREDICTOR_PAIRS_PER_SERIES + PREDICTOR_PAIRS_MIN;
    c->chosen = -1;
    c->pairs = calloc(c->max, sizeof(predictor_pair_t));
    c->buckets = malloc(c->max * sizeof(uint32_t));
    c->shards = calloc((size_t) names->max + 1,
                       sizeof(predictor_clients_shard_t));

    if (!c->pairs || !c->buckets || !c->shards) {
        predictor_clients_destroy(c);
        return NULL;
    }

    for (i = 0; i < c->max; i++) {
        c->buckets[i] = PREDICTOR_NAMED_NONE;
    }

    c->lead[0] = 1;
    c->lead[1] = (uint32_t) (3600 / res_s);
    c->lead[1] = c->lead[1] < 1 ? 1 : c->lead[1];
    c->lead[1] = c->lead[1] > horizon ? horizon : c->lead[1];
    c->lead[2] = horizon;

    return c;
}


void
predictor_clients_drop(predictor_clients_shard_t *s)
{
    int  i;

    for (i = 0; i < PREDICTOR_CLIENTS_LEADS; i++) {
        free(s->said[i]);
    }

    memset(s, 0, sizeof(predictor_clients_shard_t));
}


void
predictor_clients_destroy(predictor_clients_t *c)
{
    uint32_t  i;

    if (c == NULL) {
        return;
    }

    for (i = 0; i < c->nshards; i++) {
        predictor_clients_drop(&c->shards[i]);
    }

    free(c->shards);
    free(c->pairs);
    free(c->buckets);
    free(c);
}


static uint32_t *
predictor_pair_bucket(const predictor_clients_t *c, shard_id_t shard,
    const char *name)
{
    uint32_t  hash;

    hash = 0x811c9dc5 ^ shard * 0x9e3779b1;

    while (*name) {
        hash = (hash ^ (uint8_t) *name++) * 0x01000193;
    }

    return &c->buckets[hash % c->max];
}


/* NULL when there is no room for another one */

static predictor_pair_t *
predictor_clients_pair(predictor_clients_t *c, shard_id_t shard,
    const char *name)
{
    uint32_t          *bucket, i;
    predictor_pair_t  *p;

    bucket = predictor_pair_bucket(c, shard, name);

    for (i = *bucket; i != PREDICTOR_NAMED_NONE; i = c->pairs[i].next) {
        p = &c->pairs[i];

        if (p->shard == shard && strcmp(p->name, name) == 0) {
            return p;
        }
    }

    if (c->used == c->max) {
        return NULL;
    }

    p = &c->pairs[c->used];
    memset(p, 0, sizeof(predictor_pair_t));
    p->shard = shard;
    snprintf(p->name, sizeof(p->name), "%s", name);
    p->next = *bucket;
    *bucket = c->used++;

    return p;
}


static void
predictor_clients_number(uint32_t id, char *owner)
{
    snprintf(owner, SHARD_NAME_SIZE, "%u", id);
}


void
predictor_clients_count(predictor_clients_t *c,
    const shard_metrics_entry_t *e, long slot, double share)
{
    char                     name[PREDICTOR_NAMED_SIZE];
    char                     owner[SHARD_NAME_SIZE];
    uint32_t                 i;
    shard_str_t              text;
    predictor_pair_t        *p;
    shard_metrics_client_t   client;

    for (i = 0; c->limit && i < e->nclients; i++) {
        shard_metrics_client(e, i, &client);
        text = shard_metrics_name(e, client.client);

        if (client.id >= PREDICTOR_SHARDS_MAX || text.len == 0
            || text.len >= sizeof(name))
        {
            continue;
        }

        memcpy(name, text.data, text.len);
        name[text.len] = '\0';
        predictor_clients_number(client.id, owner);

        p = predictor_clients_pair(c, client.id, name);

        if (p) {
            p->count += client.offered * share;
        }

        predictor_names_add(c->names, slot,
                            predictor_names_find(c->names,
                                                 PREDICTOR_NAMED_CLIENT,
                                                 owner, name),
                            client.offered * share, 0);
    }
}


/* small ones are forgotten; what stays is packed and found again */

static void
predictor_clients_fade(predictor_clients_t *c)
{
    uint32_t          i, kept, *bucket;
    predictor_pair_t  p;

    for (i = 0; i < c->max; i++) {
        c->buckets[i] = PREDICTOR_NAMED_NONE;
    }

    kept = 0;

    for (i = 0; i < c->used; i++) {
        p = c->pairs[i];
        p.weight = p.weight > 0 ? PREDICTOR_PAIR_FADE * p.weight
                                  + (1 - PREDICTOR_PAIR_FADE) * p.count
                                : p.count;
        p.count = 0;

        if (p.weight < PREDICTOR_PAIR_FORGET) {
            continue;
        }

        bucket = predictor_pair_bucket(c, p.shard, p.name);
        p.next = *bucket;
        *bucket = kept;
        c->pairs[kept++] = p;
    }

    c->used = kept;
}


/* those that are followed are counted larger, so that equals do not swap */

static double
predictor_pair_size(const predictor_clients_t *c, const predictor_pair_t *p)
{
    char  owner[SHARD_NAME_SIZE];

    predictor_clients_number(p->shard, owner);

    return predictor_names_find(c->names, PREDICTOR_NAMED_CLIENT, owner,
                                p->name) == PREDICTOR_NAMED_NONE
           ? p->weight : p->weight * PREDICTOR_CHOOSE_STAY;
}


typedef struct {
    shard_id_t  shard;
    uint32_t    pair;
    double      size;
} predictor_choice_t;


static int
predictor_choice_cmp(const void *one, const void *two)
{
    const predictor_choice_t  *a = one, *b = two;

    if (a->shard != b->shard) {
        return a->shard < b->shard ? -1 : 1;
    }

    return a->size > b->size ? -1 : a->size < b->size;
}


/* marks the number of a series; taken for it first where it has none */

static uint32_t
predictor_clients_keep(predictor_clients_t *c, shard_id_t shard,
    const char *name, long since, uint8_t *keep, uint32_t *changed)
{
    char      owner[SHARD_NAME_SIZE];
    uint32_t  number, taken;

    taken = 0;
    predictor_clients_number(shard, owner);
    number = predictor_names_find(c->names, PREDICTOR_NAMED_CLIENT, owner,
                                  name);

    if (number == PREDICTOR_NAMED_NONE) {
        number = predictor_names_take(c->names, PREDICTOR_NAMED_CLIENT, owner,
                                      name, since);

        if (number == PREDICTOR_NAMED_NONE) {
            return 0;
        }

        changed[0] = number;
        taken = 1;
    }

    keep[number] = 1;

    return taken;
}


/* the largest of each shard, and its rest */

static uint32_t
predictor_clients_take(predictor_clients_t *c, const predictor_choice_t *list,
    uint32_t n, long since, uint8_t *keep, uint32_t *changed)
{
    uint32_t  i, rank, taken;

    taken = 0;
    rank = 0;

    for (i = 0; i < n; i++) {
        rank = i && list[i].shard == list[i - 1].shard ? rank + 1 : 0;

        if (rank == 0) {
            taken += predictor_clients_keep(c, list[i].shard, "", since, keep,
                                            changed + taken);
        }

        if (rank < c->limit) {
            taken += predictor_clients_keep(c, list[i].shard,
                                            c->pairs[list[i].pair].name, since,
                                            keep, changed + taken);
        }
    }

    return taken;
}


static uint32_t
predictor_clients_choose(predictor_clients_t *c, long since,
    uint32_t *changed)
{
    uint8_t             *keep;
    uint32_t             i, n;
    predictor_named_t   *s;
    predictor_choice_t  *list;

    list = malloc((c->used + 1) * sizeof(predictor_choice_t));
    keep = calloc(c->names->max + 1, 1);
    n = 0;

    if (list && keep) {

        for (i = 0; i < c->used; i++) {
            list[i].shard = c->pairs[i].shard;
            list[i].pair = i;
            list[i].size = predictor_pair_size(c, &c->pairs[i]);
        }

        qsort(list, c->used, sizeof(predictor_choice_t), predictor_choice_cmp);

        /* places that come free now are taken the next time */

        n = predictor_clients_take(c, list, c->used, since, keep, changed);

        for (i = 0; i < c->names->max; i++) {
            s = &c->names->series[i];

            if (s->of == PREDICTOR_NAMED_CLIENT && !keep[i]) {
                predictor_names_drop(c->names, i);
                changed[n++] = i;
            }
        }
    }

    free(list);
    free(keep);

    return n;
}


uint32_t
predictor_clients_close(predictor_clients_t *c, long slot, const float *load,
    uint32_t ncols, uint32_t *changed)
{
    uint32_t  n;

    predictor_clients_score(c, slot, load, ncols);

    if (c->limit == 0) {
        return 0;
    }

    predictor_clients_fade(c);

    if (c->chosen >= 0 && slot - c->chosen < PREDICTOR_CHOOSE_SLOTS) {
        return 0;
    }

    c->chosen = slot;
    n = predictor_clients_choose(c, slot + 1, changed);

    if (n) {
        predictor_clients_restore(c);
    }

    return n;
}


void
predictor_clients_rest(predictor_clients_t *c, const float *requests,
    uint32_t ncols, float *row)
{
    double                      rest;
    uint32_t                    i, k;
    predictor_clients_shard_t  *s;

    for (i = 0; i < c->nshards; i++) {
        s = &c->shards[i];

        if (s->n == 0) {
            continue;
        }

        rest = s->id < ncols ? requests[s->id] : NAN;

        for (k = 0; k + 1 < s->n; k++) {
            rest -= row[s->number[k]];
        }

        row[s->number[s->n - 1]] = isfinite(rest) ? (float) fmax(rest, 0)
                                                  : NAN;
    }
}
