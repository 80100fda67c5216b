
#include <string.h>

#include "shard_key.h"
#include "shard_spread.h"


/* requests; what is left of less than a sample of one is forgotten */

#define SHARD_SPREAD_NOTHING  0.5


static void shard_spread_key(shard_spread_t *s, const shard_spread_key_t *key);
static void shard_spread_heavier(shard_spread_t *s, shard_spread_key_t *keys,
    unsigned i, unsigned n);
static void shard_spread_total(shard_spread_t *s);
static void shard_spread_less(shard_spread_t *s, unsigned n, unsigned nkeys);
static void shard_spread_piece(shard_spread_t *s,
    const shard_spread_cluster_t *c);


void
shard_spread_init(shard_spread_t *s, unsigned skip, double at_s)
{
    memset(s, 0, sizeof(shard_spread_t));

    s->skip = (uint8_t) skip;
    s->at_s = at_s;
}


void
shard_spread_add(shard_spread_t *s, uint64_t position, uint64_t key,
    double weight, int write)
{
    shard_spread_key_t      k;
    shard_spread_cluster_t  c;

    c.lo = position;
    c.hi = position;
    c.mass = weight;

    shard_spread_piece(s, &c);

    s->mass += weight;
    s->squares += weight * weight;

    k.key = key;
    k.position = position;
    k.count = weight;
    k.error = 0;
    k.writes = write ? weight : 0;

    shard_spread_key(s, &k);
}


static void
shard_spread_piece(shard_spread_t *s, const shard_spread_cluster_t *c)
{
    if (s->n == SHARD_SPREAD_CLUSTERS) {
        shard_spread_settle(s);
    }

    s->clusters[s->n++] = *c;
}


/* one that is not there takes the place of the least, and its count: it may
 * have been that one's all along */

static void
shard_spread_key(shard_spread_t *s, const shard_spread_key_t *key)
{
    unsigned             i, least;
    shard_spread_key_t  *k;

    least = 0;

    for (i = 0; i < s->nkeys; i++) {
        k = &s->keys[i];

        if (k->key == key->key) {
            k->count += key->count;
            k->error += key->error;
            k->writes += key->writes;
            return;
        }

        if (k->count < s->keys[least].count) {
            least = i;
        }
    }

    if (s->nkeys < SHARD_SPREAD_KEYS) {
        least = s->nkeys++;

    } else if (s->keys[least].count > s->floor) {
        s->floor = s->keys[least].count;
    }

    k = &s->keys[least];
    *k = *key;
    k->count += s->floor;
    k->error += s->floor;
}


void
shard_spread_decay(shard_spread_t *s, double factor)
{
    unsigned  i;

    for (i = 0; i < s->n; i++) {
        s->clusters[i].mass *= factor;
    }

    for (i = 0; i < s->nkeys; i++) {
        s->keys[i].count *= factor;
        s->keys[i].error *= factor;
        s->keys[i].writes *= factor;
    }

    s->floor *= factor;
    s->mass *= factor;
    s->squares *= factor * factor;

    if (s->mass < SHARD_SPREAD_NOTHING) {
        shard_spread_init(s, s->skip, s->at_s);
    }
}


static uint64_t
shard_spread_middle(const shard_spread_cluster_t *c)
{
    return c->lo + (c->hi - c->lo) / 2;
}


/* few, or nearly in order */

static void
shard_spread_sort(shard_spread_cluster_t *c, unsigned n)
{
    unsigned                i, j;
    uint64_t                middle;
    shard_spread_cluster_t  one;

    for (i = 1; i < n; i++) {
        one = c[i];
        middle = shard_spread_middle(&one);

        for (j = i; j > 0 && shard_spread_middle(&c[j - 1]) > middle; j--) {
            c[j] = c[j - 1];
        }

        c[j] = one;
    }
}


/* the merged ones and those that came, in one order */

static void
shard_spread_zip(shard_spread_t *s, shard_spread_cluster_t *out)
{
    unsigned                       i, j, n;
    const shard_spread_cluster_t  *c;

    c = s->clusters;

    for (i = 0, j = s->merged, n = 0; n < s->n; n++) {

        if (j == s->n
            || (i < s->merged
                && shard_spread_middle(&c[i]) <= shard_spread_middle(&c[j])))
        {
            out[n] = c[i++];

        } else {
            out[n] = c[j++];
        }
    }
}


/*
 * From the left each takes its neighbours in while it stays small enough, so
 * that of two neighbours one half of the limit is passed: there are never
 * more than SHARD_SPREAD_MERGED.  Equal positions are one, whatever its load.
 */

void
shard_spread_settle(shard_spread_t *s)
{
    double                   limit;
    unsigned                 i, n;
    shard_spread_cluster_t   sorted[SHARD_SPREAD_CLUSTERS], *c, *next;

    if (s->merged == s->n) {
        return;
    }

    shard_spread_sort(s->clusters + s->merged, s->n - s->merged);
    shard_spread_zip(s, sorted);

    n = s->n;
    memcpy(s->clusters, sorted, n * sizeof(shard_spread_cluster_t));
    shard_spread_total(s);
    limit = s->mass / SHARD_SPREAD_PARTS;

    c = s->clusters;

    for (i = 1; i < n; i++) {
        next = &sorted[i];

        if (c->mass + next->mass <= limit
            || (c->lo == next->hi && c->hi == next->lo))
        {
            c->mass += next->mass;
            c->lo = c->lo < next->lo ? c->lo : next->lo;
            c->hi = c->hi > next->hi ? c->hi : next->hi;

        } else {
            *++c = *next;
        }
    }

    s->n = (uint16_t) (c - s->clusters + 1);
    s->merged = s->n;

    /* joined ranges have moved their middles a little */

    shard_spread_sort(s->clusters, s->n);
}


static void
shard_spread_total(shard_spread_t *s)
{
    unsigned  i;

    for (i = 0, s->mass = 0; i < s->n; i++) {
        s->mass += s->clusters[i].mass;
    }
}


void
shard_spread_clip(shard_spread_t *s, uint64_t lo, uint64_t last)
{
    unsigned                 i, n, nkeys;
    uint64_t                 left, right;
    shard_spread_cluster_t  *c;

    shard_spread_settle(s);

    for (i = 0, n = 0; i < s->n; i++) {
        c = &s->clusters[i];

        if (c->hi < lo || c->lo > last) {
            continue;
        }

        left = c->lo > lo ? c->lo : lo;
        right = c->hi < last ? c->hi : last;

        c->mass *= ((double) (right - left) + 1)
                   / ((double) (c->hi - c->lo) + 1);
        c->lo = left;
        c->hi = right;

        s->clusters[n++] = *c;
    }

    for (i = 0, nkeys = 0; i < s->nkeys; i++) {

        if (s->keys[i].position >= lo && s->keys[i].position <= last) {
            s->keys[nkeys++] = s->keys[i];
        }
    }

    shard_spread_less(s, n, nkeys);
}


void
shard_spread_pick(shard_spread_t *s, shard_spread_mine_pt mine,
    const void *data)
{
    unsigned  i, n, nkeys;

    shard_spread_settle(s);

    for (i = 0, n = 0; i < s->n; i++) {

        if (mine(data, s->clusters[i].lo)) {
            s->clusters[n++] = s->clusters[i];
        }
    }

    for (i = 0, nkeys = 0; i < s->nkeys; i++) {

        if (mine(data, s->keys[i].position)) {
            s->keys[nkeys++] = s->keys[i];
        }
    }

    shard_spread_less(s, n, nkeys);
}


/* of all there was n pieces and nkeys keys are left, in front */

static void
shard_spread_less(shard_spread_t *s, unsigned n, unsigned nkeys)
{
    double    before;
    unsigned  i;

    before = s->mass;
    s->n = (uint16_t) n;
    s->merged = s->n;
    shard_spread_sort(s->clusters, n);

    /* what a key left out may have had bounds those that will come */

    if (s->nkeys == SHARD_SPREAD_KEYS) {

        for (i = 0; i < nkeys; i++) {
            s->floor = i == 0 || s->keys[i].count < s->floor
                       ? s->keys[i].count : s->floor;
        }
    }

    s->nkeys = (uint8_t) nkeys;
    shard_spread_total(s);
    s->squares *= before > 0 ? s->mass / before : 0;

    if (s->mass < SHARD_SPREAD_NOTHING) {
        shard_spread_init(s, s->skip, s->at_s);
    }
}


/* no key is of both, so what one of them knows is all there is of it */

void
shard_spread_join(shard_spread_t *s, const shard_spread_t *from)
{
    unsigned            i, n;
    shard_spread_key_t  keys[2 * SHARD_SPREAD_KEYS];

    for (i = 0; i < from->n; i++) {
        shard_spread_piece(s, &from->clusters[i]);
    }

    s->mass += from->mass;
    s->squares += from->squares;

    memcpy(keys, s->keys, s->nkeys * sizeof(shard_spread_key_t));
    memcpy(keys + s->nkeys, from->keys,
           from->nkeys * sizeof(shard_spread_key_t));

    n = (unsigned) s->nkeys + from->nkeys;

    s->floor = s->floor > from->floor ? s->floor : from->floor;
    s->nkeys = 0;

    for (i = 0; i < n; i++) {
        shard_spread_heavier(s, keys, i, n);
    }
}


/* the heaviest of keys[i ..] is next; those beyond the room raise the floor */

static void
shard_spread_heavier(shard_spread_t *s, shard_spread_key_t *keys, unsigned i,
    unsigned n)
{
    unsigned            j, best;
    shard_spread_key_t  key;

    for (best = i, j = i + 1; j < n; j++) {
        best = keys[j].count > keys[best].count ? j : best;
    }

    key = keys[best];
    keys[best] = keys[i];

    if (s->nkeys < SHARD_SPREAD_KEYS) {
        s->keys[s->nkeys++] = key;

    } else if (key.count > s->floor) {
        s->floor = key.count;
    }
}


/* positions of "bytes" bytes fewer, or more, in front */

static uint64_t
shard_spread_mask(unsigned bytes)
{
    return bytes < 8 ? ~(UINT64_MAX >> 8 * bytes) : UINT64_MAX;
}


static uint64_t
shard_spread_shift(uint64_t position, int bytes, uint64_t fill)
{
    if (bytes >= 8) {
        return fill;
    }

    if (bytes > 0) {
        return position << 8 * bytes | (fill & ~(UINT64_MAX << 8 * bytes));
    }

    bytes = -bytes;

    return bytes < 8 ? position >> 8 * bytes : 0;
}


void
shard_spread_frame(shard_spread_t *s, unsigned skip, shard_str_t text)
{
    int        bytes;
    uint64_t   mask, front;
    unsigned   i;

    bytes = (int) skip - (int) s->skip;

    if (bytes == 0) {
        return;
    }

    mask = shard_spread_mask((unsigned) (bytes < 0 ? -bytes : bytes));
    front = shard_key_behind(text.data, text.len,
                             bytes < 0 ? skip : s->skip) & mask;

    if (bytes > 0) {
        shard_spread_clip(s, front, front | ~mask);
        front = 0;
    }

    for (i = 0; i < s->n; i++) {
        s->clusters[i].lo = front
                       | shard_spread_shift(s->clusters[i].lo, bytes, 0);
        s->clusters[i].hi = front
                       | shard_spread_shift(s->clusters[i].hi, bytes,
                                            UINT64_MAX);
    }

    for (i = 0; i < s->nkeys; i++) {
        s->keys[i].position = front
                       | shard_spread_shift(s->keys[i].position, bytes, 0);
    }

    s->skip = (uint8_t) skip;

    shard_spread_sort(s->clusters, s->merged);
}


void
shard_spread_below(const shard_spread_t *s, uint64_t position,
    shard_spread_below_t *out)
{
    double                         mass;
    unsigned                       i;
    const shard_spread_cluster_t  *c;

    memset(out, 0, sizeof(shard_spread_below_t));

    for (i = 0; i < s->n; i++) {
        c = &s->clusters[i];
        mass = c->mass;

        if (c->lo >= position) {
            continue;
        }

        out->most += mass;

        if (c->hi < position) {
            out->least += mass;
            out->load += mass;

        } else {
            out->load += mass * (double) (position - c->lo)
                         / ((double) (c->hi - c->lo) + 1);
        }
    }
}
