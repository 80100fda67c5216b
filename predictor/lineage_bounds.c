
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_bytes.h"
#include "../src/core/shard_codec.h"
#include "../src/core/shard_key.h"
#include "lineage.h"


/* no byte of an encoded name */

#define PREDICTOR_BOUNDS_BETWEEN  '\t'

/* keys that are there, but not by the first bytes of their names */

#define PREDICTOR_BOUNDS_LEAST    0.001


static int predictor_bounds_cmp(const void *a, const void *b);
static double predictor_bounds_share(const predictor_bounds_t *before,
    const predictor_bounds_t *now);
static double predictor_bounds_share_units(const predictor_bounds_t *before,
    const predictor_bounds_t *now);


int
predictor_bounds_of(const shard_record_t *rec, predictor_bounds_t *out)
{
    shard_str_t    left;
    shard_bytes_t  unit;

    memset(out, 0, sizeof(predictor_bounds_t));

    out->id = rec->id;
    out->kind = rec->kind;
    out->lo = rec->lo;
    out->hi = rec->hi;
    out->lo_text = rec->lo_text;
    out->hi_text = rec->hi_text;

    if (rec->kind != SHARD_KIND_LIST) {
        return SHARD_OK;
    }

    left = rec->units;

    while (out->nunits < SHARD_UNITS_MAX
           && shard_units_next(&left, &unit) == SHARD_OK)
    {
        out->unit[out->nunits++] = shard_key_position(unit.data, unit.len);
    }

    return out->nunits == rec->nunits ? SHARD_OK : SHARD_ERROR;
}


void
predictor_bounds_text(const predictor_bounds_t *b, char *buf)
{
    uint32_t  i;

    switch (b->kind) {

    case SHARD_KIND_RANGE_BYTES:
        buf += shard_bytes_encode(&b->lo_text, buf);
        *buf++ = PREDICTOR_BOUNDS_BETWEEN;
        (void) shard_bytes_encode(&b->hi_text, buf);
        return;

    case SHARD_KIND_LIST:
        *buf = '\0';

        for (i = 0; i < b->nunits; i++) {
            shard_hex_encode(b->unit[i], buf + 16 * i);
        }

        return;

    default:
        shard_hex_encode(b->lo, buf);
        buf[16] = PREDICTOR_BOUNDS_BETWEEN;
        shard_hex_encode(b->hi, buf + 17);
    }
}


static int
predictor_bounds_units(shard_str_t text, predictor_bounds_t *out)
{
    shard_str_t  one;

    if (text.len % 16 != 0 || text.len / 16 > SHARD_UNITS_MAX) {
        return SHARD_ERROR;
    }

    one.len = 16;

    for (one.data = text.data; one.data < text.data + text.len; one.data += 16)
    {
        if (shard_hex_decode(one, &out->unit[out->nunits++]) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


int
predictor_bounds_parse(shard_kind_e kind, shard_id_t id, const char *text,
    predictor_bounds_t *out)
{
    char         err[SHARD_ERR_SIZE];
    shard_str_t  lo, hi;
    const char  *between;

    memset(out, 0, sizeof(predictor_bounds_t));
    out->id = id;
    out->kind = kind;

    lo.data = text;
    lo.len = strlen(text);

    if (kind == SHARD_KIND_LIST) {
        return predictor_bounds_units(lo, out);
    }

    between = strchr(text, PREDICTOR_BOUNDS_BETWEEN);

    if (between == NULL) {
        return SHARD_ERROR;
    }

    lo.len = (size_t) (between - text);
    hi.data = between + 1;
    hi.len = strlen(hi.data);

    if (kind == SHARD_KIND_RANGE_BYTES) {

        if (shard_bytes_decode(lo, "lo", &out->lo_text, err) != SHARD_OK
            || shard_bytes_decode(hi, "hi", &out->hi_text, err) != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        return SHARD_OK;
    }

    if (shard_hex_decode(lo, &out->lo) != SHARD_OK
        || shard_hex_decode(hi, &out->hi) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


static int
predictor_bounds_compare(const shard_bytes_t *a, const shard_bytes_t *b)
{
    return shard_bytes_compare(a->data, a->len, b->data, b->len);
}


static int
predictor_bounds_cmp(const void *a, const void *b)
{
    const predictor_bounds_t  *left, *right;

    left = a;
    right = b;

    if (left->kind == SHARD_KIND_RANGE_BYTES) {
        return predictor_bounds_compare(&left->lo_text, &right->lo_text);
    }

    return left->lo < right->lo ? -1 : left->lo > right->lo;
}


/* "a" ends where "b" begins, or before; no end is behind everything */

static int
predictor_bounds_before(const predictor_bounds_t *a,
    const predictor_bounds_t *b)
{
    if (a->kind == SHARD_KIND_RANGE_BYTES) {
        return a->hi_text.len
               && predictor_bounds_compare(&a->hi_text, &b->lo_text) <= 0;
    }

    return a->hi && a->hi <= b->lo;
}


static uint32_t
predictor_overlaps_units(const predictor_bounds_t *before, uint32_t nbefore,
    const predictor_bounds_t *now, uint32_t nnow, predictor_overlap_t *out,
    uint32_t room)
{
    double    share;
    uint32_t  i, j, n;

    n = 0;

    for (j = 0; j < nnow; j++) {

        for (i = 0; i < nbefore; i++) {
            share = predictor_bounds_share_units(&before[i], &now[j]);

            if (share <= 0) {
                continue;
            }

            if (n == room) {
                return room + 1;
            }

            out[n].before = i;
            out[n].now = j;
            out[n++].share = share;
        }
    }

    return n;
}


uint32_t
predictor_overlaps(predictor_bounds_t *before, uint32_t nbefore,
    predictor_bounds_t *now, uint32_t nnow, predictor_overlap_t *out,
    uint32_t room)
{
    uint32_t  i, j, n, first;

    if (nbefore == 0 || nnow == 0) {
        return 0;
    }

    if (now[0].kind == SHARD_KIND_LIST) {
        return predictor_overlaps_units(before, nbefore, now, nnow, out,
                                        room);
    }

    qsort(before, nbefore, sizeof(predictor_bounds_t), predictor_bounds_cmp);
    qsort(now, nnow, sizeof(predictor_bounds_t), predictor_bounds_cmp);

    n = 0;
    first = 0;

    for (j = 0; j < nnow; j++) {

        while (first < nbefore
               && predictor_bounds_before(&before[first], &now[j]))
        {
            first++;
        }

        for (i = first;
             i < nbefore && !predictor_bounds_before(&now[j], &before[i]);
             i++)
        {
            if (n == room) {
                return room + 1;
            }

            out[n].before = i;
            out[n].now = j;
            out[n++].share = predictor_bounds_share(&before[i], &now[j]);
        }
    }

    return n;
}


/* the 8 bytes behind "skip" as a fraction; behind the end, "end" says what
 * follows: nothing below all names, or everything above them */

static double
predictor_bounds_fraction(const shard_bytes_t *name, size_t skip)
{
    size_t  i;
    double  v, unit;

    v = 0;
    unit = 1;

    for (i = skip; i < skip + 8; i++) {
        unit /= 256;
        v += i < name->len ? unit * (unsigned char) name->data[i] : 0;
    }

    return v;
}


static double
predictor_bounds_share(const predictor_bounds_t *before,
    const predictor_bounds_t *now)
{
    double  lo, hi, from, to, share;
    size_t  skip;

    if (before->kind == SHARD_KIND_RANGE_BYTES) {
        skip = 0;

        while (skip < before->lo_text.len && skip < before->hi_text.len
               && before->lo_text.data[skip] == before->hi_text.data[skip])
        {
            skip++;
        }

        lo = predictor_bounds_fraction(&before->lo_text, skip);
        hi = before->hi_text.len
             ? predictor_bounds_fraction(&before->hi_text, skip) : 1;
        from = lo;
        to = hi;

        if (predictor_bounds_compare(&now->lo_text, &before->lo_text) > 0) {
            from = predictor_bounds_fraction(&now->lo_text, skip);
        }

        if (now->hi_text.len
            && (before->hi_text.len == 0
                || predictor_bounds_compare(&now->hi_text, &before->hi_text)
                   < 0))
        {
            to = predictor_bounds_fraction(&now->hi_text, skip);
        }

    } else {
        lo = (double) before->lo;
        hi = before->hi ? (double) before->hi : 18446744073709551616.0;
        from = now->lo > before->lo ? (double) now->lo : lo;
        to = now->hi ? (double) now->hi : 18446744073709551616.0;
        to = to < hi ? to : hi;
    }

    share = hi > lo ? (to - from) / (hi - lo) : 1;

    if (!(share > PREDICTOR_BOUNDS_LEAST)) {
        return PREDICTOR_BOUNDS_LEAST;
    }

    return share < 1 ? share : 1;
}


static double
predictor_bounds_share_units(const predictor_bounds_t *before,
    const predictor_bounds_t *now)
{
    uint32_t  i, j, n;

    n = 0;

    for (i = 0; i < before->nunits; i++) {

        for (j = 0; j < now->nunits; j++) {
            n += before->unit[i] == now->unit[j];
        }
    }

    return n ? (double) n / before->nunits : 0;
}
