
/*
 * What range bytes and list keep beside positions, in the model's pool:
 *
 *     range bytes   length of the lower bound, the lower bound, the upper one
 *     list          the units as their record has them, percent-encoded
 */


#include "ngx_http_shard_model.h"

#include "../core/shard_bytes.h"


static size_t ngx_http_shard_model_bounds(const shard_record_t *rec,
    u_char *buf);


static size_t
ngx_http_shard_model_bounds(const shard_record_t *rec, u_char *buf)
{
    buf[0] = rec->lo_text.len;
    ngx_memcpy(buf + 1, rec->lo_text.data, rec->lo_text.len);
    ngx_memcpy(buf + 1 + rec->lo_text.len, rec->hi_text.data,
               rec->hi_text.len);

    return 1 + rec->lo_text.len + rec->hi_text.len;
}


/* a text that stays as it is costs nothing; others stay in the pool until
 * the next whole load */

ngx_int_t
ngx_http_shard_model_set_text(ngx_http_shard_model_t *m,
    ngx_http_shard_entry_t *e, const shard_record_t *rec)
{
    size_t         len;
    u_char         buf[1 + 2 * SHARD_BOUND_MAX];
    const u_char  *text;

    switch (m->kind) {

    case SHARD_KIND_RANGE_BYTES:
        len = ngx_http_shard_model_bounds(rec, buf);
        text = buf;
        break;

    case SHARD_KIND_LIST:
        len = rec->units.len;
        text = (const u_char *) rec->units.data;
        break;

    default:
        return NGX_OK;
    }

    e->nunits = rec->nunits;
    e->is_default = rec->is_default;

    if (e->text && e->text_len == len
        && (len == 0 || ngx_memcmp(e->text, text, len) == 0))
    {
        return NGX_OK;
    }

    e->text = ngx_pnalloc(m->texts, len + 1);
    if (e->text == NULL) {
        return NGX_ERROR;
    }

    /* a list's default shard need not name a unit */

    if (len) {
        ngx_memcpy(e->text, text, len);
    }

    e->text_len = (uint16_t) len;

    return NGX_OK;
}


/* both live, of the same kind */

ngx_uint_t
ngx_http_shard_model_same_keys(const ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *a, const ngx_http_shard_entry_t *b)
{
    if (m->kind == SHARD_KIND_HASH || m->kind == SHARD_KIND_RANGE_UINT64) {
        return a->lo == b->lo && a->hi == b->hi;
    }

    return a->is_default == b->is_default
           && a->text_len == b->text_len
           && (a->text_len == 0
               || ngx_memcmp(a->text, b->text, a->text_len) == 0);
}


shard_str_t
ngx_http_shard_model_lo_text(const ngx_http_shard_entry_t *e)
{
    shard_str_t  s;

    s.data = (const char *) e->text + 1;
    s.len = e->text[0];

    return s;
}


shard_str_t
ngx_http_shard_model_hi_text(const ngx_http_shard_entry_t *e)
{
    shard_str_t  s;

    s.data = (const char *) e->text + 1 + e->text[0];
    s.len = e->text_len - 1 - e->text[0];

    return s;
}


uint32_t
ngx_http_shard_model_nplaces(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *e)
{
    return m->kind == SHARD_KIND_LIST ? e->nunits + e->is_default : 1;
}


void
ngx_http_shard_model_put_places(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *e, uint32_t number,
    ngx_http_shard_place_t *place)
{
    uint32_t       i, n, lowest;
    shard_key_t    key;
    shard_str_t    left;
    shard_bytes_t  unit;

    n = ngx_http_shard_model_nplaces(m, e);
    ngx_memzero(place, n * sizeof(ngx_http_shard_place_t));

    left.data = (const char *) e->text;
    left.len = e->text_len;
    lowest = 0;

    for (i = 0; i < n; i++) {
        place[i].entry = number;
        place[i].again = 1;

        if (m->kind != SHARD_KIND_LIST) {
            place[i].lo = e->lo;

        } else if (i >= e->is_default
                   && shard_units_next(&left, &unit) == SHARD_OK
                   && shard_key_locate(m->kind, unit.data, unit.len, &key)
                      == SHARD_OK)
        {
            place[i].lo = key.position;
            place[i].unit = i + 1 - e->is_default;

            /* the default shard's own place is the first of all */

            if (!e->is_default && place[i].lo < place[lowest].lo) {
                lowest = i;
            }
        }
    }

    if (n) {
        place[lowest].again = 0;
    }
}
