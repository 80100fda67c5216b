
#include <string.h>

#include "shard_spread.h"
#include "shard_text.h"


#define SHARD_SPREAD_HEAD  (4 + 1 + 1 + 2 + 8 + 4 + 4)
#define SHARD_SPREAD_KEY   (8 + 8 + 3 * 4)


/* bytes to be read; "p" is NULL once there were too few */

typedef struct {
    const uint8_t  *p;
    const uint8_t  *end;
} shard_spread_reader_t;


static void shard_spread_put(uint8_t **p, uint64_t value, unsigned bytes);
static void shard_spread_put_float(uint8_t **p, double value);
static void shard_spread_put_varint(uint8_t **p, uint64_t value);
static uint64_t shard_spread_get(shard_spread_reader_t *r, unsigned bytes);
static double shard_spread_get_float(shard_spread_reader_t *r);
static uint64_t shard_spread_get_varint(shard_spread_reader_t *r);
static int shard_spread_good(double value);
static int shard_spread_get_clusters(shard_spread_reader_t *r,
    shard_spread_t *s);
static int shard_spread_get_keys(shard_spread_reader_t *r,
    shard_spread_t *s);


size_t
shard_spread_encode(shard_spread_t *s, void *buf)
{
    double                         at_s;
    uint8_t                       *p;
    uint64_t                       before, delta, bits;
    unsigned                       i;
    const shard_spread_key_t      *k;
    const shard_spread_cluster_t  *c;

    shard_spread_settle(s);

    at_s = s->at_s;
    memcpy(&bits, &at_s, 8);

    p = buf;
    memcpy(p, "SHS1", 4);
    p += 4;
    shard_spread_put(&p, s->skip, 1);
    shard_spread_put(&p, s->nkeys, 1);
    shard_spread_put(&p, s->n, 2);
    shard_spread_put(&p, bits, 8);
    shard_spread_put_float(&p, s->mass > 0 ? s->squares / s->mass : 0);
    shard_spread_put_float(&p, s->floor);

    for (i = 0, before = 0; i < s->n; i++) {
        c = &s->clusters[i];
        delta = c->lo - before;
        before = c->lo;

        shard_spread_put_varint(&p, delta << 1
                                    ^ (delta >> 63 ? UINT64_MAX : 0));
        shard_spread_put_varint(&p, c->hi - c->lo);
        shard_spread_put_float(&p, c->mass);
    }

    for (i = 0; i < s->nkeys; i++) {
        k = &s->keys[i];

        shard_spread_put(&p, k->key, 8);
        shard_spread_put(&p, k->position, 8);
        shard_spread_put_float(&p, k->count);
        shard_spread_put_float(&p, k->error);
        shard_spread_put_float(&p, k->writes);
    }

    return (size_t) (p - (uint8_t *) buf);
}


int
shard_spread_decode(shard_str_t text, shard_spread_t *out, char *err)
{
    double                 weight;
    uint64_t               bits;
    shard_spread_t         s;
    shard_spread_reader_t  r;

    r.p = (const uint8_t *) text.data;
    r.end = r.p + text.len;

    if (text.len < SHARD_SPREAD_HEAD || memcmp(r.p, "SHS1", 4) != 0) {
        return shard_refuse(err, "not a distribution of version 1");
    }

    memset(&s, 0, sizeof(s));
    r.p += 4;

    s.skip = (uint8_t) shard_spread_get(&r, 1);
    s.nkeys = (uint8_t) shard_spread_get(&r, 1);
    s.n = (uint16_t) shard_spread_get(&r, 2);
    s.merged = s.n;
    bits = shard_spread_get(&r, 8);
    memcpy(&s.at_s, &bits, 8);
    weight = shard_spread_get_float(&r);
    s.floor = shard_spread_get_float(&r);

    if (s.skip > SHARD_BOUND_MAX || s.nkeys > SHARD_SPREAD_KEYS
        || s.n > SHARD_SPREAD_MERGED || !(s.at_s >= 0 && s.at_s < 1e12)
        || !shard_spread_good(weight) || !shard_spread_good(s.floor))
    {
        return shard_refuse(err, "distribution with a head beyond bounds");
    }

    if (shard_spread_get_clusters(&r, &s) != SHARD_OK) {
        return shard_refuse(err, "distribution with a part that is cut off, "
                            "beyond bounds or out of order");
    }

    if (shard_spread_get_keys(&r, &s) != SHARD_OK) {
        return shard_refuse(err, "distribution with a key that is cut off or "
                            "beyond bounds");
    }

    if (r.p != r.end) {
        return shard_refuse(err, "distribution has %u bytes after its last "
                            "key", (unsigned) (r.end - r.p));
    }

    s.squares = weight * s.mass;
    *out = s;

    return SHARD_OK;
}


static int
shard_spread_get_clusters(shard_spread_reader_t *r, shard_spread_t *s)
{
    uint64_t                 before, delta, middle, last;
    unsigned                 i;
    shard_spread_cluster_t  *c;

    for (i = 0, before = 0, last = 0; i < s->n; i++) {
        c = &s->clusters[i];

        delta = shard_spread_get_varint(r);
        before += delta >> 1 ^ (delta & 1 ? UINT64_MAX : 0);
        c->lo = before;
        c->hi = before + shard_spread_get_varint(r);
        c->mass = shard_spread_get_float(r);
        middle = c->lo + (c->hi - c->lo) / 2;

        if (r->p == NULL || c->hi < c->lo || middle < last
            || !shard_spread_good(c->mass))
        {
            return SHARD_ERROR;
        }

        last = middle;
        s->mass += c->mass;
    }

    return SHARD_OK;
}


static int
shard_spread_get_keys(shard_spread_reader_t *r, shard_spread_t *s)
{
    unsigned             i, j;
    shard_spread_key_t  *k;

    for (i = 0; i < s->nkeys; i++) {
        k = &s->keys[i];

        k->key = shard_spread_get(r, 8);
        k->position = shard_spread_get(r, 8);
        k->count = shard_spread_get_float(r);
        k->error = shard_spread_get_float(r);
        k->writes = shard_spread_get_float(r);

        if (r->p == NULL || !shard_spread_good(k->count)
            || !(k->error >= 0 && k->error <= k->count)
            || !(k->writes >= 0 && k->writes <= k->count))
        {
            return SHARD_ERROR;
        }

        for (j = 0; j < i; j++) {

            if (s->keys[j].key == k->key) {
                return SHARD_ERROR;
            }
        }
    }

    return SHARD_OK;
}


/* a load: sums of 256 of them stay finite */

static int
shard_spread_good(double value)
{
    return value >= 0 && value < 1e30;
}


static void
shard_spread_put(uint8_t **p, uint64_t value, unsigned bytes)
{
    for ( /* void */ ; bytes > 0; bytes--) {
        *(*p)++ = (uint8_t) value;
        value >>= 8;
    }
}


static void
shard_spread_put_float(uint8_t **p, double value)
{
    float     single;
    uint32_t  bits;

    single = (float) value;
    memcpy(&bits, &single, 4);
    shard_spread_put(p, bits, 4);
}


static void
shard_spread_put_varint(uint8_t **p, uint64_t value)
{
    while (value > 0x7f) {
        *(*p)++ = (uint8_t) (value | 0x80);
        value >>= 7;
    }

    *(*p)++ = (uint8_t) value;
}


static uint64_t
shard_spread_get(shard_spread_reader_t *r, unsigned bytes)
{
    unsigned  i;
    uint64_t  value;

    if (r->p == NULL || (size_t) (r->end - r->p) < bytes) {
        r->p = NULL;
        return 0;
    }

    for (i = 0, value = 0; i < bytes; i++) {
        value |= (uint64_t) *r->p++ << 8 * i;
    }

    return value;
}


static double
shard_spread_get_float(shard_spread_reader_t *r)
{
    float     value;
    uint32_t  bits;

    bits = (uint32_t) shard_spread_get(r, 4);
    memcpy(&value, &bits, 4);

    return (double) value;
}


static uint64_t
shard_spread_get_varint(shard_spread_reader_t *r)
{
    uint8_t   byte;
    uint64_t  value;
    unsigned  shift;

    for (shift = 0, value = 0; shift < 64; shift += 7) {
        byte = (uint8_t) shard_spread_get(r, 1);

        if (shift == 63 && byte > 1) {
            break;
        }

        value |= (uint64_t) (byte & 0x7f) << shift;

        if ((byte & 0x80) == 0) {
            return value;
        }
    }

    r->p = NULL;

    return 0;
}
