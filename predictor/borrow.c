
#include <limits.h>
#include <math.h>
#include <string.h>

#include "borrow.h"


#define PREDICTOR_BORROW_DAY_S    86400
#define PREDICTOR_BORROW_HOUR_S   3600
#define PREDICTOR_BORROW_WEEK     168     /* hours */

/*
 * The correction of an hour of the day seen m times counts m / (m + TRUST) of
 * what it says; hours around it speak along, by a kernel of some hours.
 */

#define PREDICTOR_BORROW_TRUST    0.3
#define PREDICTOR_BORROW_KERNEL   1.5
#define PREDICTOR_BORROW_FAR      3.0     /* logarithm, either way */


void
predictor_borrow_init(predictor_borrow_t *b, predictor_borrow_e how,
    long since)
{
    uint32_t  i;

    memset(b, 0, sizeof(predictor_borrow_t));

    b->how = how;
    b->since = since;

    for (i = 0; i < 24; i++) {
        b->day[i] = 1;
    }
}


int
predictor_borrow_piece(predictor_borrow_t *b, shard_id_t id, long first,
    long last, double factor)
{
    predictor_borrow_piece_t  *piece;

    if (b->npieces == PREDICTOR_BORROW_PIECES) {
        return SHARD_AGAIN;
    }

    piece = &b->piece[b->npieces++];
    piece->id = id;
    piece->first = first;
    piece->last = last;
    piece->factor = (float) factor;

    return SHARD_OK;
}


void
predictor_borrow_similar(predictor_borrow_t *b, const predictor_similar_t *s,
    shard_id_t id, void *work)
{
    long      first;
    uint32_t  i, age;

    age = PREDICTOR_BORROW_LEND * (PREDICTOR_BORROW_DAY_S
                                   / (uint32_t) (s->slots * s->res_s));

    first = s->last + 1 - (long) predictor_similar_age(s, id);
    predictor_borrow_init(b, PREDICTOR_BORROW_SIMILAR, first * s->slots);

    b->nlenders = predictor_similar_find(s, id, first, age, b->lender, work);

    for (i = 0; i < b->nlenders; i++) {
        (void) predictor_borrow_piece(b, b->lender[i].id, 0, LONG_MAX,
                                      b->lender[i].weight
                                      * b->lender[i].ratio);
    }

    if (b->nlenders == 0) {
        b->how = PREDICTOR_BORROW_NOTHING;
    }
}


/*
 * What the lenders make of a slot.  Of similar shards one may be unknown,
 * the others stand for it; of a sum all parts are needed.
 */

static double
predictor_borrow_sum(const predictor_borrow_t *b, long slot,
    const float *values)
{
    double                           sum, known, all;
    uint32_t                         i;
    const predictor_borrow_piece_t  *piece;

    sum = 0;
    all = 0;
    known = 0;

    for (i = 0; i < b->npieces; i++) {
        piece = &b->piece[i];

        if (slot < piece->first || slot >= piece->last) {
            continue;
        }

        if (b->how != PREDICTOR_BORROW_SIMILAR) {
            sum += piece->factor * values[i];
            known = 1;
            all = 1;
            continue;
        }

        all += b->lender[i].weight;

        if (isfinite(values[i])) {
            sum += piece->factor * values[i];
            known += b->lender[i].weight;
        }
    }

    return 2 * known > all ? sum * all / known : NAN;
}


static uint32_t
predictor_borrow_hour(long epoch_s)
{
    return (uint32_t) (epoch_s % PREDICTOR_BORROW_DAY_S
                       / PREDICTOR_BORROW_HOUR_S);
}


/* sums by hour of the day: own loads, lenders' loads, hours seen */

static void
predictor_borrow_hours(const predictor_borrow_t *b,
    const predictor_similar_t *s, shard_id_t id, double *own, double *lent,
    double *seen)
{
    long      hour;
    float     mine, values[PREDICTOR_BORROW_PIECES];
    double    theirs;
    uint32_t  i, k;

    hour = (b->since + s->slots - 1) / s->slots;

    if (hour < s->last + 1 - PREDICTOR_SIMILAR_HOURS) {
        hour = s->last + 1 - PREDICTOR_SIMILAR_HOURS;
    }

    for ( /* void */ ; hour <= s->last; hour++) {
        mine = predictor_similar_mean(s, id, hour);

        for (i = 0; i < b->npieces; i++) {
            values[i] = predictor_similar_mean(s, b->piece[i].id, hour);
        }

        theirs = predictor_borrow_sum(b, hour * s->slots, values);

        if (isfinite(mine) && isfinite(theirs)) {
            k = predictor_borrow_hour(hour * s->slots * s->res_s);
            own[k] += mine;
            lent[k] += theirs;
            seen[k]++;
        }
    }
}


void
predictor_borrow_correct(predictor_borrow_t *b, const predictor_similar_t *s,
    shard_id_t id)
{
    double    own[24], lent[24], seen[24], o, l, n, near, level, v;
    uint32_t  i, k, far;

    memset(own, 0, sizeof(own));
    memset(lent, 0, sizeof(lent));
    memset(seen, 0, sizeof(seen));

    predictor_borrow_hours(b, s, id, own, lent, seen);

    level = 0;
    n = 0;

    for (i = 0; i < 24; i++) {
        level += lent[i];
        n += seen[i];
    }

    if (n == 0 || level <= 0) {
        return;
    }

    /* so much is added to both, that quiet hours say little */

    level *= 0.05 / n;

    for (k = 0; k < 24; k++) {
        o = l = n = 0;

        for (i = 0; i < 24; i++) {
            far = i > k ? i - k : k - i;
            far = far > 12 ? 24 - far : far;
            near = exp(-0.5 * far * far / (PREDICTOR_BORROW_KERNEL
                                           * PREDICTOR_BORROW_KERNEL));
            o += near * own[i];
            l += near * lent[i];
            n += near * seen[i];
        }

        /* hours that no neighbour has seen keep n, and their trust, near 0 */

        v = n > 0 ? log((o + n * level) / (l + n * level)) : 0;
        v = fmax(-PREDICTOR_BORROW_FAR, fmin(v, PREDICTOR_BORROW_FAR));
        n /= PREDICTOR_BORROW_KERNEL * sqrt(2 * M_PI);

        b->day[k] = (float) exp(v * n / (n + PREDICTOR_BORROW_TRUST));
    }
}


void
predictor_borrow_shape(predictor_borrow_t *b, const predictor_similar_t *s)
{
    long      hour, last;
    float     values[PREDICTOR_BORROW_PIECES];
    double    v, sum[24];
    uint32_t  i, k, n[24];

    memset(sum, 0, sizeof(sum));
    memset(n, 0, sizeof(n));

    last = b->since / s->slots - 1;
    last = last < s->last ? last : s->last;

    for (hour = last + 1 - PREDICTOR_BORROW_WEEK; hour <= last; hour++) {

        for (i = 0; i < b->npieces; i++) {
            values[i] = predictor_similar_mean(s, b->piece[i].id, hour);
        }

        v = predictor_borrow_sum(b, hour * s->slots, values);

        if (hour >= 0 && isfinite(v)) {
            k = predictor_borrow_hour(hour * s->slots * s->res_s);
            sum[k] += v * b->day[k];
            n[k]++;
        }
    }

    for (k = 0; k < 24; k++) {
        b->shape[k] = n[k] ? (float) (sum[k] / n[k]) : NAN;
    }
}


size_t
predictor_borrow_column(const predictor_borrow_t *b,
    const predictor_history_t *h, long res_s, shard_id_t id, double *y,
    uint32_t *own)
{
    long      slot;
    float     values[PREDICTOR_BORROW_PIECES];
    double    v;
    size_t    n;
    uint32_t  k;

    n = 0;
    *own = 0;

    for (slot = h->last + 1 - (long) h->n; slot <= h->last; slot++) {

        if (slot >= b->since) {
            v = predictor_history_value(h, id, slot);

        } else {

            for (k = 0; k < b->npieces; k++) {
                values[k] = predictor_history_value(h, b->piece[k].id, slot);
            }

            v = predictor_borrow_sum(b, slot, values)
                * b->day[predictor_borrow_hour(slot * res_s)];
        }

        if (n || isfinite(v)) {
            *own += slot >= b->since;
            y[n++] = v;
        }
    }

    return n;
}
