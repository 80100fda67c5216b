
#include <math.h>
#include <string.h>

#include "similar.h"


#define PREDICTOR_SIMILAR_HOUR_S   3600
#define PREDICTOR_SIMILAR_TILE     16

/* a load of 0 has no logarithm: a part of the mean is added */

#define PREDICTOR_SIMILAR_ADD      0.1

/* hours in a row go wrong together: so many of them tell as much as one */

#define PREDICTOR_SIMILAR_ALIKE    2.0

/* no two shards are closer than this, in logarithms */

#define PREDICTOR_SIMILAR_FLOOR    0.05

/* weights below this part of the first one's are not worth a lender */

#define PREDICTOR_SIMILAR_LEAST    0.02


/* sums over shared hours of one shard compared with; x is its, y is own */

typedef struct {
    shard_id_t  id;
    uint32_t    n;
    double      x;
    double      y;
    double      zx;
    double      zy;
    double      zxx;
    double      zyy;
    double      zxy;
} predictor_similar_sum_t;


static uint32_t predictor_similar_others(const predictor_similar_t *s,
    shard_id_t id, uint32_t age, predictor_similar_sum_t *sums);
static void predictor_similar_loads(const float *row, float own,
    predictor_similar_sum_t *sums, uint32_t n);
static void predictor_similar_logs(const float *row, float own,
    predictor_similar_sum_t *sums, uint32_t n);
static uint32_t predictor_similar_best(const predictor_similar_sum_t *sums,
    uint32_t n, uint32_t hours, predictor_similar_shard_t *found,
    double *score);
static uint32_t predictor_similar_weigh(predictor_similar_shard_t *found,
    const double *score, uint32_t n);


static long
predictor_similar_slots(long res_s)
{
    return res_s < PREDICTOR_SIMILAR_HOUR_S ? PREDICTOR_SIMILAR_HOUR_S / res_s
                                            : 1;
}


static uint32_t
predictor_similar_hours(long res_s, size_t window)
{
    return (uint32_t) (window / (size_t) predictor_similar_slots(res_s)) + 1;
}


size_t
predictor_similar_size(long res_s, size_t window, uint32_t ncols)
{
    return (size_t) ncols
           * (sizeof(long) + predictor_similar_hours(res_s, window)
                             * sizeof(float));
}


void
predictor_similar_place(predictor_similar_t *s, long res_s, size_t window,
    uint32_t ncols, void *memory)
{
    uint32_t  i;

    s->ncols = ncols;
    s->nhours = predictor_similar_hours(res_s, window);
    s->res_s = res_s;
    s->slots = predictor_similar_slots(res_s);
    s->last = -1;
    s->first = memory;
    s->mean = (float *) (s->first + ncols);

    for (i = 0; i < ncols; i++) {
        s->first[i] = -1;
    }
}


static float *
predictor_similar_row(const predictor_similar_t *s, long hour)
{
    return s->mean + (size_t) (hour % s->nhours) * s->ncols;
}


/* the mean of the known slots, if half of them are known */

static void
predictor_similar_hour(predictor_similar_t *s, const predictor_history_t *h,
    long hour, uint32_t i)
{
    float   v, sum, mean;
    long    slot, known;

    known = 0;
    sum = 0;

    for (slot = hour * s->slots; slot < (hour + 1) * s->slots; slot++) {
        v = predictor_history_value(h, i, slot);

        if (isfinite(v)) {
            sum += v;
            known++;
        }
    }

    mean = 2 * known >= s->slots ? sum / (float) known : NAN;
    predictor_similar_row(s, hour)[i] = mean;

    if (mean > 0 && s->first[i] < 0) {
        s->first[i] = hour;
    }
}


/* shards whose hours share a line of a row go together */

void
predictor_similar_update(predictor_similar_t *s, const predictor_history_t *h)
{
    long      hour, first, last;
    uint32_t  i, tile, end;

    if (h->n == 0 || h->ncols < s->ncols) {
        return;
    }

    first = h->last + 1 - (long) h->n;
    first = (first + s->slots - 1) / s->slots;
    last = (h->last + 1) / s->slots - 1;

    /* a history that was begun anew */

    if (s->last > last) {
        s->last = -1;

        for (i = 0; i < s->ncols; i++) {
            s->first[i] = -1;
        }
    }

    first = s->last < first ? first : s->last + 1;

    for (tile = 0; tile < s->ncols; tile = end) {
        end = s->ncols - tile > PREDICTOR_SIMILAR_TILE
              ? tile + PREDICTOR_SIMILAR_TILE : s->ncols;

        for (hour = first; hour <= last; hour++) {

            for (i = tile; i < end; i++) {
                predictor_similar_hour(s, h, hour, i);
            }
        }
    }

    s->last = last < first ? s->last : last;
}


uint32_t
predictor_similar_age(const predictor_similar_t *s, shard_id_t id)
{
    long  first;

    if (id >= s->ncols || s->first[id] < 0) {
        return 0;
    }

    first = s->last + 1 - (long) s->nhours;
    first = s->first[id] > first ? s->first[id] : first;

    return (uint32_t) (s->last + 1 - first);
}


float
predictor_similar_mean(const predictor_similar_t *s, shard_id_t id, long hour)
{
    if (id >= s->ncols || hour < 0 || hour > s->last
        || hour <= s->last - (long) s->nhours)
    {
        return NAN;
    }

    return predictor_similar_row(s, hour)[id];
}


size_t
predictor_similar_work(const predictor_similar_t *s)
{
    uint32_t  n;

    n = s->ncols < PREDICTOR_SIMILAR_OTHERS ? s->ncols
                                            : PREDICTOR_SIMILAR_OTHERS;

    return n * sizeof(predictor_similar_sum_t);
}


uint32_t
predictor_similar_find(const predictor_similar_t *s, shard_id_t id,
    long first, uint32_t age, predictor_similar_shard_t *found, void *work)
{
    int                       pass;
    long                      hour;
    float                     own;
    double                    score[PREDICTOR_SIMILAR_MAX];
    uint32_t                  n, hours;
    predictor_similar_sum_t  *sums;

    sums = work;
    n = predictor_similar_others(s, id, age, sums);

    if (n == 0) {
        return 0;
    }

    if (first < s->last + 1 - PREDICTOR_SIMILAR_HOURS) {
        first = s->last + 1 - PREDICTOR_SIMILAR_HOURS;
    }

    hours = 0;

    for (pass = 0; pass < 2; pass++) {

        for (hour = first; hour <= s->last; hour++) {
            own = predictor_similar_mean(s, id, hour);

            if (!isfinite(own)) {
                continue;
            }

            if (pass == 0) {
                hours++;
                predictor_similar_loads(predictor_similar_row(s, hour), own,
                                        sums, n);
                continue;
            }

            predictor_similar_logs(predictor_similar_row(s, hour), own, sums,
                                   n);
        }
    }

    n = predictor_similar_best(sums, n, hours, found, score);

    return predictor_similar_weigh(found, score, n);
}


/* of more than there is room for, every second, third, ... */

static uint32_t
predictor_similar_others(const predictor_similar_t *s, shard_id_t id,
    uint32_t age, predictor_similar_sum_t *sums)
{
    uint32_t  i, n, old, step;

    old = 0;

    for (i = 0; i < s->ncols; i++) {
        old += i != id && predictor_similar_age(s, i) >= age;
    }

    step = old / PREDICTOR_SIMILAR_OTHERS + 1;
    old = 0;
    n = 0;

    for (i = 0; i < s->ncols && n < PREDICTOR_SIMILAR_OTHERS; i++) {

        if (i == id || predictor_similar_age(s, i) < age
            || old++ % step != 0)
        {
            continue;
        }

        memset(&sums[n], 0, sizeof(predictor_similar_sum_t));
        sums[n++].id = i;
    }

    return n;
}


static void
predictor_similar_loads(const float *row, float own,
    predictor_similar_sum_t *sums, uint32_t n)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {

        if (isfinite(row[sums[i].id])) {
            sums[i].n++;
            sums[i].x += row[sums[i].id];
            sums[i].y += own;
        }
    }
}


/* of loads relative to their means over the shared hours */

static void
predictor_similar_logs(const float *row, float own,
    predictor_similar_sum_t *sums, uint32_t n)
{
    float                     x, y;
    uint32_t                  i;
    predictor_similar_sum_t  *sum;

    for (i = 0; i < n; i++) {
        sum = &sums[i];

        if (!isfinite(row[sum->id]) || sum->x <= 0 || sum->y <= 0) {
            continue;
        }

        x = row[sum->id] * (float) (sum->n / sum->x);
        y = own * (float) (sum->n / sum->y);
        x = logf(fmaxf(x, 0) + (float) PREDICTOR_SIMILAR_ADD);
        y = logf(fmaxf(y, 0) + (float) PREDICTOR_SIMILAR_ADD);

        sum->zx += x;
        sum->zy += y;
        sum->zxx += x * x;
        sum->zyy += y * y;
        sum->zxy += x * y;
    }
}


/*
 * Were the rests normal, in independent pieces of some hours, the likelihood
 * of a shard would be (mean square of the rest)^(-pieces / 2): that, in
 * logarithms, is the score.
 */

static uint32_t
predictor_similar_best(const predictor_similar_sum_t *sums, uint32_t n,
    uint32_t hours, predictor_similar_shard_t *found, double *score)
{
    double                          xx, yy, xy, rest, one;
    uint32_t                        i, j, best;
    const predictor_similar_sum_t  *sum;

    best = 0;

    for (i = 0; i < n; i++) {
        sum = &sums[i];

        if (sum->x <= 0 || sum->y <= 0 || 2 * sum->n < hours) {
            continue;
        }

        xx = fmax(sum->zxx / sum->n - pow(sum->zx / sum->n, 2), 0);
        yy = fmax(sum->zyy / sum->n - pow(sum->zy / sum->n, 2), 0);
        xy = sum->zxy / sum->n - sum->zx / sum->n * sum->zy / sum->n;

        rest = fmax(xx + yy - 2 * xy, 0)
               + PREDICTOR_SIMILAR_FLOOR * PREDICTOR_SIMILAR_FLOOR;
        one = -0.5 * sum->n / PREDICTOR_SIMILAR_ALIKE * log(rest);

        if (best == PREDICTOR_SIMILAR_MAX && one <= score[best - 1]) {
            continue;
        }

        best += best < PREDICTOR_SIMILAR_MAX;

        for (j = best - 1; j && score[j - 1] < one; j--) {
            score[j] = score[j - 1];
            found[j] = found[j - 1];
        }

        score[j] = one;
        found[j].id = sum->id;
        found[j].hours = sum->n;
        found[j].ratio = (float) (sum->y / sum->x);
        found[j].correlation = xx > 0 && yy > 0
                               ? (float) fmax(-1, fmin(xy / sqrt(xx * yy), 1))
                               : 0;
    }

    return best;
}


static uint32_t
predictor_similar_weigh(predictor_similar_shard_t *found, const double *score,
    uint32_t n)
{
    float     sum;
    uint32_t  i;

    sum = 0;

    for (i = 0; i < n; i++) {
        found[i].weight = (float) exp(score[i] - score[0]);

        if (found[i].weight < (float) PREDICTOR_SIMILAR_LEAST) {
            break;
        }

        sum += found[i].weight;
    }

    n = i;

    for (i = 0; i < n; i++) {
        found[i].weight /= sum;
    }

    return n;
}
