
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cold.h"


/* searches in one call, so that a whole fleet of new shards delays no slot */

#define PREDICTOR_COLD_SEARCHES   64

#define PREDICTOR_COLD_DAY_S      86400

/* slots that a change may be ahead: what is further on is of another clock */

#define PREDICTOR_COLD_AHEAD      8

/* with so many days of its own, a shard takes nothing from one that it is not
 * like: its models have begun to learn */

#define PREDICTOR_COLD_LEARNS     3
#define PREDICTOR_COLD_LIKE       0.5

/* bytes of one lender in the report; with 24 numbers there is room for all */

#define PREDICTOR_COLD_LENDER     112


static int predictor_cold_inherits(const predictor_cold_t *c,
    const predictor_history_t *h, shard_id_t id);
static int predictor_cold_alike(const predictor_borrow_t *b, uint32_t days);
static void predictor_cold_forget(predictor_cold_shard_t *s);


void
predictor_cold_done(predictor_cold_t *c)
{
    uint32_t  i;

    for (i = 0; i < c->nids; i++) {
        free(c->shards[i].bounds);
        free(c->shards[i].line);
        free(c->shards[i].borrow);
    }

    free(c->shards);
    free(c->memory);
    free(c->work);

    memset(c, 0, sizeof(predictor_cold_t));
}


uint32_t
predictor_cold_columns(const predictor_cold_t *c)
{
    uint32_t                 i, k, n;
    const predictor_line_t  *line;

    n = 0;

    for (i = 0; i < c->nids; i++) {
        line = c->shards[i].line;

        for (k = 0; line && k < line->npieces; k++) {

            if (line->piece[k].id < PREDICTOR_COLD_IDS
                && line->piece[k].id >= n)
            {
                n = line->piece[k].id + 1;
            }
        }
    }

    return n;
}


int
predictor_cold_room(predictor_cold_t *c, size_t window, uint32_t ncols)
{
    c->memory = malloc(predictor_similar_size(c->res_s, window, ncols));

    if (c->memory == NULL) {
        return SHARD_ERROR;
    }

    predictor_similar_place(&c->similar, c->res_s, window, ncols, c->memory);
    c->work = malloc(predictor_similar_work(&c->similar) + 1);

    return c->work ? SHARD_OK : SHARD_ERROR;
}


static void
predictor_cold_forget(predictor_cold_shard_t *s)
{
    free(s->borrow);
    s->borrow = NULL;
}


/* while the change is within the history */

static int
predictor_cold_inherits(const predictor_cold_t *c,
    const predictor_history_t *h, shard_id_t id)
{
    const predictor_line_t  *line;

    line = c->shards[id].line;

    return line && line->npieces
           && line->since > h->last + 1 - (long) h->n
           && line->since <= h->last + PREDICTOR_COLD_AHEAD;
}


static int
predictor_cold_alike(const predictor_borrow_t *b, uint32_t days)
{
    double    sum;
    uint32_t  i;

    if (b->how == PREDICTOR_BORROW_NOTHING) {
        return 0;
    }

    sum = 0;

    for (i = 0; i < b->nlenders; i++) {
        sum += b->lender[i].weight * b->lender[i].correlation;
    }

    return days < PREDICTOR_COLD_LEARNS || sum >= PREDICTOR_COLD_LIKE;
}


/* 1: there was a search, which is the costly way */

static int
predictor_cold_one(predictor_cold_t *c, const predictor_history_t *h,
    shard_id_t id, int search)
{
    uint32_t                 age, day;
    predictor_borrow_t       b;
    predictor_cold_shard_t  *s;

    s = &c->shards[id];
    day = PREDICTOR_COLD_DAY_S / (uint32_t) (c->similar.slots * c->res_s);

    if (predictor_cold_inherits(c, h, id)) {
        predictor_line_borrow(s->line, id, h, &c->similar, &b);
        search = 0;

    } else {
        age = predictor_similar_age(&c->similar, id);

        if (age == 0 || age >= PREDICTOR_BORROW_DAYS * day) {
            predictor_cold_forget(s);
            return 0;
        }

        if (!search) {
            return 0;
        }

        predictor_borrow_similar(&b, &c->similar, id, c->work);

        if (!predictor_cold_alike(&b, age / day)) {
            predictor_cold_forget(s);
            s->hour = c->similar.last;
            return 1;
        }

        predictor_borrow_correct(&b, &c->similar, id);
    }

    predictor_borrow_shape(&b, &c->similar);

    if (s->borrow == NULL) {
        s->borrow = malloc(sizeof(predictor_borrow_t));
    }

    if (s->borrow) {
        *s->borrow = b;
        s->hour = c->similar.last;
    }

    return search;
}


void
predictor_cold_prepare(predictor_cold_t *c, const predictor_history_t *h,
    predictor_turn_t *turns, const shard_id_t *ids, uint32_t n)
{
    int                      before;
    uint32_t                 i, searches;
    predictor_cold_shard_t  *s;

    if (c->memory == NULL || h->n == 0) {
        return;
    }

    predictor_similar_update(&c->similar, h);
    searches = 0;

    for (i = 0; i < n; i++) {

        if (ids[i] >= c->nids) {
            continue;
        }

        s = &c->shards[ids[i]];
        before = s->borrow != NULL;

        if (s->hour != c->similar.last
            || (s->borrow == NULL && predictor_cold_inherits(c, h, ids[i])))
        {
            searches += (uint32_t) predictor_cold_one(c, h, ids[i],
                                       searches < PREDICTOR_COLD_SEARCHES);
        }

        if (s->borrow && !before) {
            turns[ids[i]].full = 0;
        }
    }
}


size_t
predictor_cold_column(void *data, const predictor_history_t *h, shard_id_t id,
    double *y, uint32_t *own)
{
    size_t             n;
    predictor_cold_t  *c = data;

    if (id < c->nids && c->shards[id].borrow) {
        return predictor_borrow_column(c->shards[id].borrow, h, c->res_s, id,
                                       y, own);
    }

    n = predictor_history_column(h, id, y);
    *own = (uint32_t) n;

    return n;
}


/* a shard that has nothing but what it borrows has something to learn from */

size_t
predictor_cold_length(void *data, const predictor_history_t *h, shard_id_t id)
{
    long               own;
    predictor_cold_t  *c = data;

    if (id < c->nids && c->shards[id].borrow) {
        own = h->last + 1 - c->shards[id].borrow->since;

        return own > 0 ? (size_t) own : 1;
    }

    return predictor_history_length(h, id);
}


static size_t
predictor_cold_lender(const predictor_borrow_t *b,
    const predictor_similar_shard_t *lender, char *buf, size_t size)
{
    int  n;

    if (b->how == PREDICTOR_BORROW_SIMILAR) {
        n = snprintf(buf, size, "{\"shard\":%u,\"similarity\":%.3f,"
                     "\"weight\":%.3f,\"ratio\":%.4g}", lender->id,
                     (double) lender->correlation, (double) lender->weight,
                     (double) lender->ratio);

    } else {
        n = snprintf(buf, size, "{\"shard\":%u,\"share\":%.4f}", lender->id,
                     (double) lender->ratio);
    }

    return n > 0 && (size_t) n < size ? (size_t) n : 0;
}


size_t
predictor_cold_report(const predictor_cold_t *c, const predictor_history_t *h,
    shard_id_t id, char *buf)
{
    long                       own;
    size_t                     n;
    uint32_t                   i;
    const predictor_borrow_t  *b;

    static const char *const   how[] = { "", "similar", "split", "merged" };

    buf[0] = '\0';

    if (id >= c->nids || c->shards[id].borrow == NULL) {
        return 0;
    }

    b = c->shards[id].borrow;
    own = h->last + 1 > b->since ? h->last + 1 - b->since : 0;

    n = (size_t) snprintf(buf, PREDICTOR_COLD_JSON, ",\"borrowed\":{\"how\":"
                          "\"%s\",\"own_s\":%ld,\"from\":[", how[b->how],
                          own * c->res_s);

    for (i = 0; i < b->nlenders; i++) {
        buf[n] = ',';
        n += i > 0;
        n += predictor_cold_lender(b, &b->lender[i], buf + n,
                                   PREDICTOR_COLD_LENDER);
    }

    n += (size_t) snprintf(buf + n, PREDICTOR_COLD_JSON - n, "],\"shape\":[");

    for (i = 0; i < 24; i++) {
        buf[n] = ',';
        n += i > 0;
        n += (size_t) snprintf(buf + n, PREDICTOR_COLD_JSON - n,
                               isfinite(b->shape[i]) ? "%.4g" : "null",
                               (double) b->shape[i]);
    }

    memcpy(buf + n, "]}", 3);

    return n + 2;
}
