
#include <math.h>
#include <string.h>

#include "resize.h"


#define PREDICTOR_RESIZE_HALF   0.7     /* a cut's larger part, at most */
#define PREDICTOR_RESIZE_REST   0.15    /* beside a key, at least */
#define PREDICTOR_RESIZE_READ   0.2     /* writes of a replicated key */


static void predictor_resize_cut(const predictor_resize_shard_t *s,
    predictor_resize_t *out);
static void predictor_resize_key(const predictor_resize_shard_t *s,
    predictor_resize_t *out);
static uint32_t predictor_resize_parts(const predictor_resizing_t *r,
    uint32_t i);


const char *const  predictor_resize_verbs[] = {
    "none", "split", "isolate", "merge", "replicas", NULL
};

const char *const  predictor_resize_whys[] = {
    "high", "cold", "hot key", "reads of one key", "writes of one key",
    "uneven cut", "no samples", "indivisible", "rests", "shards_max", NULL
};


/* the smallest of the "hold" largest, which are kept in order */

double
predictor_resize_peak(const double *y, size_t n, uint32_t hold)
{
    double    top[PREDICTOR_RESIZE_HOLD_MAX];
    size_t    i;
    uint32_t  k, have;

    hold = hold > PREDICTOR_RESIZE_HOLD_MAX ? PREDICTOR_RESIZE_HOLD_MAX
                                            : hold ? hold : 1;

    for (i = 0, have = 0; i < n; i++) {

        if (!isfinite(y[i]) || (have == hold && y[i] <= top[hold - 1])) {
            continue;
        }

        have += have < hold;

        for (k = have - 1; k > 0 && top[k - 1] < y[i]; k--) {
            top[k] = top[k - 1];
        }

        top[k] = y[i];
    }

    return have == hold ? top[hold - 1] : 0;
}


int
predictor_resize_one(const predictor_resizing_t *r, uint32_t i,
    predictor_resize_t *out)
{
    const predictor_resize_shard_t   *s;
    const predictor_resize_limits_t  *l;

    s = &r->shards[i];
    l = &r->limits;

    if (s->fixed || !(s->peak > l->hi * l->capacity)) {
        return 0;
    }

    memset(out, 0, sizeof(predictor_resize_t));
    out->shard = i;
    out->with = PREDICTOR_RESIZE_NONE_NEXT;
    out->peak = s->peak;
    out->after = s->peak;
    out->parts = predictor_resize_parts(r, i);

    if (s->born == PREDICTOR_RESIZE_BY_MERGE && s->age_s < l->season_s
        && !(s->peak > l->capacity))
    {
        out->why = PREDICTOR_RESIZE_RESTS;
        return 1;
    }

    predictor_resize_cut(s, out);

    return 1;
}


static void
predictor_resize_cut(const predictor_resize_shard_t *s,
    predictor_resize_t *out)
{
    double  most;

    if (!s->known) {
        out->why = s->whole ? PREDICTOR_RESIZE_WHOLE
                            : PREDICTOR_RESIZE_UNKNOWN;
        return;
    }

    most = fmax(s->cut.left, 1 - s->cut.left) + s->cut.error;

    if (s->whole || s->cut.hot >= 0 || !(most <= PREDICTOR_RESIZE_HALF)) {
        predictor_resize_key(s, out);
        return;
    }

    out->verb = PREDICTOR_RESIZE_SPLIT;
    out->why = PREDICTOR_RESIZE_HIGH;
    out->cut = s->cut.position;
    out->left = s->cut.left;
    out->error = s->cut.error;
    out->after = most * s->peak;
}


/* a hot key, or a cut that does not halve: is it for one key? */

static void
predictor_resize_key(const predictor_resize_shard_t *s,
    predictor_resize_t *out)
{
    double  rest;

    out->left = s->key.share;
    out->error = s->key.error;

    /* one key is all there is, or the next heavy one may be as heavy */

    if (!(s->key.share - s->key.error > 1 - PREDICTOR_RESIZE_HALF)) {
        out->why = s->whole ? PREDICTOR_RESIZE_WHOLE
                            : PREDICTOR_RESIZE_UNEVEN;
        out->left = s->cut.left;
        out->error = s->cut.error;
        return;
    }

    rest = 1 - s->key.share - s->key.error;

    if (!s->whole && rest >= PREDICTOR_RESIZE_REST) {
        out->verb = PREDICTOR_RESIZE_ISOLATE;
        out->why = PREDICTOR_RESIZE_HOT_KEY;
        out->after = fmax(s->key.share, 1 - s->key.share) + s->key.error;
        out->after = fmin(out->after, 1) * s->peak;

        /* its first and last position need no part in front and behind */

        out->cut = s->key_at > s->range.lo ? s->key_at : 0;
        out->end = s->key_at < s->range.last ? s->key_at + 1 : 0;
        return;
    }

    if (s->key.writes <= PREDICTOR_RESIZE_READ
        && s->key.share - s->key.error > PREDICTOR_SPREAD_HOT)
    {
        out->verb = PREDICTOR_RESIZE_REPLICAS;
        out->why = PREDICTOR_RESIZE_READS;
        return;
    }

    out->why = rest < PREDICTOR_RESIZE_REST ? PREDICTOR_RESIZE_WRITES
                                            : PREDICTOR_RESIZE_WHOLE;
}


/* halves, and halves of them, until the largest is below hi */

static uint32_t
predictor_resize_parts(const predictor_resizing_t *r, uint32_t i)
{
    double    size;
    uint32_t  n;

    size = r->limits.hi * r->limits.capacity;

    for (n = 1; n < 1U << 16 && r->shards[i].peak > n * size; n *= 2) {
        /* void */
    }

    return n;
}


static int
predictor_resize_may_merge(const predictor_resizing_t *r, uint32_t i)
{
    const predictor_resize_shard_t  *s;

    s = &r->shards[i];

    return !s->fixed && !r->taken[i] && isfinite(s->most)
           && (s->born == PREDICTOR_RESIZE_OLD
               || s->age_s >= r->limits.season_s);
}


/* the highest load of both if they had it together; NaN: they are not to
 * be one */

static double
predictor_resize_joint(const predictor_resizing_t *r, uint32_t i)
{
    double    most;
    uint32_t  next;

    next = r->shards[i].next;

    if (next >= r->nshards || !predictor_resize_may_merge(r, i)
        || !predictor_resize_may_merge(r, next))
    {
        return NAN;
    }

    most = r->shards[i].most + r->shards[next].most;

    return most < r->limits.lo * r->limits.capacity ? most : NAN;
}


/* at its place in a list that is kept in order, the last one falls off */

static void
predictor_resize_insert(predictor_resize_t *out, uint32_t *n, uint32_t max,
    uint32_t shard, double peak, int sign)
{
    uint32_t  i;

    if (*n == max && (max == 0 || sign * peak >= sign * out[max - 1].peak)) {
        return;
    }

    *n += *n < max;

    for (i = *n - 1; i > 0 && sign * out[i - 1].peak > sign * peak; i--) {
        out[i] = out[i - 1];
    }

    out[i].shard = shard;
    out[i].peak = peak;
}


static uint32_t
predictor_resize_splits(predictor_resizing_t *r, predictor_resize_t *out,
    uint32_t max, uint32_t *shards)
{
    uint32_t  i, n, more;

    for (i = 0, n = 0; i < r->nshards; i++) {

        if (!r->shards[i].fixed
            && r->shards[i].peak > r->limits.hi * r->limits.capacity)
        {
            predictor_resize_insert(out, &n, max, i, r->shards[i].peak, -1);
        }
    }

    for (i = 0; i < n; i++) {
        r->taken[out[i].shard] = 1;
        (void) predictor_resize_one(r, out[i].shard, &out[i]);

        if (out[i].verb != PREDICTOR_RESIZE_SPLIT
            && out[i].verb != PREDICTOR_RESIZE_ISOLATE)
        {
            continue;
        }

        more = out[i].cut && out[i].end ? 2 : 1;

        if (*shards + more > r->limits.max) {
            out[i].verb = PREDICTOR_RESIZE_NOTHING;
            out[i].why = PREDICTOR_RESIZE_FULL;
            out[i].after = out[i].peak;
            continue;
        }

        *shards += more;
    }

    return n;
}


static void
predictor_resize_pair(predictor_resizing_t *r, predictor_resize_t *out,
    uint32_t shard, double joint)
{
    memset(out, 0, sizeof(predictor_resize_t));
    out->verb = PREDICTOR_RESIZE_MERGE;
    out->why = PREDICTOR_RESIZE_COLD;
    out->shard = shard;
    out->with = r->shards[shard].next;
    out->peak = joint;
    out->after = joint;
    out->parts = 1;

    r->taken[shard] = 1;
    r->taken[out->with] = 1;
}


/* one round: the coldest pairs, without those that share a shard with a
 * colder one; more of them may be left */

static uint32_t
predictor_resize_round(predictor_resizing_t *r, predictor_resize_t *out,
    uint32_t max, uint32_t *shards)
{
    double    joint;
    uint32_t  i, n, found;

    for (i = 0, found = 0; i < r->nshards; i++) {
        joint = predictor_resize_joint(r, i);

        if (!isnan(joint)) {
            predictor_resize_insert(out, &found, max, i, joint, 1);
        }
    }

    for (i = 0, n = 0; i < found && *shards > r->limits.min; i++) {
        joint = out[i].peak;

        if (!isnan(predictor_resize_joint(r, out[i].shard))) {
            predictor_resize_pair(r, &out[n++], out[i].shard, joint);
            (*shards)--;
        }
    }

    return n;
}


static uint32_t
predictor_resize_merges(predictor_resizing_t *r, predictor_resize_t *out,
    uint32_t max, uint32_t *shards)
{
    uint32_t  n, more;

    n = 0;

    do {
        more = predictor_resize_round(r, out + n, max - n, shards);
        n += more;
    } while (more);

    return n;
}


/* as many parts as the high ones need, and one of each cold pair */

static uint32_t
predictor_resize_wanted(predictor_resizing_t *r)
{
    double    wanted;
    uint32_t  i;

    memset(r->taken, 0, r->nshards);
    wanted = 0;

    for (i = 0; i < r->nshards; i++) {
        wanted += predictor_resize_parts(r, i);

        if (!isnan(predictor_resize_joint(r, i))) {
            r->taken[i] = 1;
            r->taken[r->shards[i].next] = 1;
            wanted--;
        }
    }

    wanted = fmin(fmax(wanted, r->limits.min), r->limits.max);
    memset(r->taken, 0, r->nshards);

    return (uint32_t) wanted;
}


uint32_t
predictor_resize(predictor_resizing_t *r, predictor_resize_t *out,
    uint32_t max)
{
    uint32_t  n, shards;

    if (!(r->limits.capacity > 0)) {
        r->wanted = r->nshards;
        return 0;
    }

    r->wanted = predictor_resize_wanted(r);
    shards = r->nshards;

    n = predictor_resize_splits(r, out, max, &shards);

    return n + predictor_resize_merges(r, out + n, max - n, &shards);
}
