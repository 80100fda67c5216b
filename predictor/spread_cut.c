
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../src/core/shard_key.h"
#include "spread_cut.h"


#define PREDICTOR_SPREAD_Z     1.96       /* 95 % */
#define PREDICTOR_SPREAD_TAIL  0.005      /* of the load, on either side */
#define PREDICTOR_SPREAD_MOST  1e15
#define PREDICTOR_SPREAD_ZOOM  8          /* a picture's range is so wide */


static double predictor_spread_noise(double p, double n);
static double predictor_spread_samples(const shard_spread_t *s);
static double predictor_spread_load(const shard_spread_t *s,
    uint64_t position);
static uint64_t predictor_spread_quantile(const shard_spread_t *s,
    const predictor_range_t *range, double share);
static int predictor_spread_hot(const shard_spread_t *s);


predictor_range_t
predictor_spread_range(const shard_record_t *rec, unsigned *skip)
{
    shard_str_t        lo, hi;
    predictor_range_t  range;

    *skip = 0;
    range.lo = 0;
    range.last = UINT64_MAX;

    if (rec->kind == SHARD_KIND_RANGE_BYTES) {
        lo.data = rec->lo_text.data;
        lo.len = rec->lo_text.len;
        hi.data = rec->hi_text.data;
        hi.len = rec->hi_text.len;

        *skip = (unsigned) shard_key_frame(lo, hi);
        range.lo = shard_key_behind(lo.data, lo.len, *skip);

        /* keys below "hi" may share its first bytes: that position is in */

        if (hi.len) {
            range.last = shard_key_behind(hi.data, hi.len, *skip);

            if (hi.len <= *skip + 8 && range.last > range.lo) {
                range.last--;
            }
        }

    } else if (rec->kind != SHARD_KIND_LIST) {
        range.lo = rec->lo;
        range.last = rec->hi - 1;
    }

    return range;
}


/* half a width of Wilson's interval, but for its denominator: a share of 0
 * is not known to be 0 */

static double
predictor_spread_noise(double p, double n)
{
    double  z;

    z = PREDICTOR_SPREAD_Z;
    p = fmin(fmax(p, 0), 1);

    return fmin(1, z * sqrt(p * (1 - p) / n + z * z / (4 * n * n)));
}


/* Kish's effective number: unequal weights and decay tell less */

static double
predictor_spread_samples(const shard_spread_t *s)
{
    return s->squares > 0 ? fmin(s->mass * s->mass / s->squares,
                                 PREDICTOR_SPREAD_MOST) : 0;
}


static double
predictor_spread_load(const shard_spread_t *s, uint64_t position)
{
    shard_spread_below_t  below;

    shard_spread_below(s, position, &below);

    return below.load;
}


/* the first position with at least that share below it; at most last */

static uint64_t
predictor_spread_quantile(const shard_spread_t *s,
    const predictor_range_t *range, double share)
{
    double    load;
    uint64_t  low, high, middle;

    load = share * s->mass;
    low = range->lo + 1;
    high = range->last;

    while (low < high) {
        middle = low + (high - low) / 2;

        if (predictor_spread_load(s, middle) >= load) {
            high = middle;

        } else {
            low = middle + 1;
        }
    }

    return low;
}


static int
predictor_spread_hot(const shard_spread_t *s)
{
    int                best;
    unsigned           i;
    predictor_share_t  share;

    best = -1;

    for (i = 0; i < s->nkeys; i++) {
        share = predictor_spread_share(s, i);

        if (share.share - share.error > PREDICTOR_SPREAD_HOT) {
            best = (int) i;
        }
    }

    return best;
}


int
predictor_spread_cut(const shard_spread_t *s, const predictor_range_t *range,
    predictor_cut_t *out)
{
    double                half;
    uint64_t              x;
    shard_spread_below_t  below;

    if (s->mass <= 0 || range->lo >= range->last) {
        return SHARD_AGAIN;
    }

    half = s->mass / 2;
    x = predictor_spread_quantile(s, range, 0.5);

    /* a step of one key: in front of it may be nearer to one half */

    if (x > range->lo + 1
        && fabs(predictor_spread_load(s, x - 1) - half)
           < fabs(predictor_spread_load(s, x) - half))
    {
        x--;
    }

    shard_spread_below(s, x, &below);

    out->position = x;
    out->left = below.load / s->mass;
    out->samples = predictor_spread_samples(s);
    out->hot = predictor_spread_hot(s);
    out->error = fmin(1, predictor_spread_noise(out->left, out->samples)
                         + fmax(below.most - below.load,
                                below.load - below.least) / s->mass);

    return SHARD_OK;
}


/* the count is too high by 0 to "error": the middle is said */

predictor_share_t
predictor_spread_share(const shard_spread_t *s, unsigned i)
{
    double                     n;
    predictor_share_t          out;
    const shard_spread_key_t  *k;

    k = &s->keys[i];
    n = predictor_spread_samples(s);

    if (n <= 0 || k->count <= 0) {
        memset(&out, 0, sizeof(out));
        return out;
    }

    out.share = fmin(1, (k->count - k->error / 2) / s->mass);
    out.error = fmin(1, k->error / 2 / s->mass
                        + predictor_spread_noise(out.share, n));
    out.writes = k->count > k->error
                 ? fmin(1, k->writes / (k->count - k->error)) : 0;

    return out;
}


void
predictor_spread_rank(const shard_spread_t *s,
    unsigned order[SHARD_SPREAD_KEYS])
{
    double    share[SHARD_SPREAD_KEYS];
    unsigned  i, j;

    for (i = 0; i < s->nkeys; i++) {
        share[i] = predictor_spread_share(s, i).share;

        for (j = i; j > 0 && share[order[j - 1]] < share[i]; j--) {
            order[j] = order[j - 1];
        }

        order[j] = i;
    }
}


unsigned
predictor_spread_heavy(const shard_spread_t *s,
    unsigned order[SHARD_SPREAD_KEYS])
{
    unsigned           i, n, rank[SHARD_SPREAD_KEYS];
    predictor_share_t  share;

    predictor_spread_rank(s, rank);

    for (i = 0, n = 0; i < s->nkeys; i++) {
        share = predictor_spread_share(s, rank[i]);

        if (share.share > share.error) {
            order[n++] = rank[i];
        }
    }

    return n;
}


void
predictor_spread_bars(const shard_spread_t *s, predictor_range_t *range,
    double *bars, unsigned n)
{
    double             below, next;
    uint64_t           step, x;
    unsigned           i;
    predictor_range_t  most;

    memset(bars, 0, n * sizeof(double));

    if (s->mass <= 0) {
        return;
    }

    if (range->last > range->lo) {
        most.lo = predictor_spread_quantile(s, range, PREDICTOR_SPREAD_TAIL)
                  - 1;
        most.last = predictor_spread_quantile(s, range,
                                              1 - PREDICTOR_SPREAD_TAIL);

        if (most.last - most.lo
            < (range->last - range->lo) / PREDICTOR_SPREAD_ZOOM)
        {
            *range = most;
        }
    }

    step = (range->last - range->lo) / n + 1;
    below = predictor_spread_load(s, range->lo);

    for (i = 0, x = range->lo; i < n; i++) {

        if (range->last - x < step) {
            bars[i] = (s->mass - below) / s->mass;

            if (range->last != UINT64_MAX) {
                next = predictor_spread_load(s, range->last + 1);
                bars[i] = (next - below) / s->mass;
            }

            return;
        }

        x += step;
        next = predictor_spread_load(s, x);
        bars[i] = (next - below) / s->mass;
        below = next;
    }
}


size_t
predictor_spread_json(const shard_spread_t *s, const predictor_cut_t *cut,
    char *buf)
{
    char               *p, *end;
    unsigned            i, n, order[SHARD_SPREAD_KEYS];
    predictor_share_t   share;

    if (s->mass <= 0) {
        return 0;
    }

    p = buf;
    end = buf + PREDICTOR_SPREAD_JSON;

    p += snprintf(p, (size_t) (end - p), "{\"samples\":%.0f",
                  predictor_spread_samples(s));

    if (cut) {
        p += snprintf(p, (size_t) (end - p), ",\"cut\":\"%016llx\","
                      "\"left\":%.4f,\"error\":%.4f,\"hot\":%s",
                      (unsigned long long) cut->position, cut->left,
                      cut->error, cut->hot < 0 ? "false" : "true");
    }

    n = predictor_spread_heavy(s, order);
    p += snprintf(p, (size_t) (end - p), ",\"skip\":%u,\"heavy_keys\":%u,"
                  "\"keys\":[", (unsigned) s->skip, n);

    for (i = 0; i < n && i < PREDICTOR_SPREAD_NAMED; i++) {
        share = predictor_spread_share(s, order[i]);

        p += snprintf(p, (size_t) (end - p), "%s{\"key\":\"%016llx\","
                      "\"position\":\"%016llx\",\"share\":%.4f,"
                      "\"error\":%.4f,\"writes\":%.3f}", i ? "," : "",
                      (unsigned long long) s->keys[order[i]].key,
                      (unsigned long long) s->keys[order[i]].position,
                      share.share, share.error, share.writes);
    }

    memcpy(p, "]}", 3);

    return (size_t) (p + 2 - buf);
}
