
/*
 * The order of the keyspace: places of all shards, sorted and checked in
 * steps, because a million of them take longer than a request may wait.
 */


#include "ngx_http_shard_model.h"


#define NGX_HTTP_SHARD_RUN  1024                 /* places sorted at once */


static ngx_uint_t ngx_http_shard_model_merge(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice);
static int ngx_libc_cdecl ngx_http_shard_model_by_place(const void *one,
    const void *two);
static ngx_int_t ngx_http_shard_model_check_next(ngx_http_shard_model_t *m,
    ngx_http_shard_place_t *prev, ngx_http_shard_place_t *place, char *err);
static ngx_int_t ngx_http_shard_model_check_end(ngx_http_shard_model_t *m,
    char *err);


/* qsort() has no argument of its own; one worker, one thread */

static ngx_http_shard_model_t  *ngx_http_shard_model_sorting;


int
ngx_http_shard_model_compare(const ngx_http_shard_model_t *m,
    const ngx_http_shard_place_t *a, const ngx_http_shard_entry_t *ea,
    const ngx_http_shard_place_t *b, const ngx_http_shard_entry_t *eb)
{
    int          rc;
    shard_str_t  x, y;

    if (a->lo != b->lo) {
        return a->lo < b->lo ? -1 : 1;
    }

    if (m->kind != SHARD_KIND_RANGE_BYTES) {

        /* the default shard's place before a unit whose hash is 0 */

        return m->kind == SHARD_KIND_LIST ? (a->unit != 0) - (b->unit != 0)
                                          : 0;
    }

    x = ngx_http_shard_model_lo_text(ea);
    y = ngx_http_shard_model_lo_text(eb);
    rc = ngx_memcmp(x.data, y.data, ngx_min(x.len, y.len));

    return rc ? rc : (x.len > y.len) - (x.len < y.len);
}


static int ngx_libc_cdecl
ngx_http_shard_model_by_place(const void *one, const void *two)
{
    ngx_http_shard_model_t        *m;
    const ngx_http_shard_place_t  *a = one, *b = two;

    m = ngx_http_shard_model_sorting;

    return ngx_http_shard_model_compare(m, a, &m->entries[a->entry],
                                        b, &m->entries[b->entry]);
}


/* for n places in all */

ngx_int_t
ngx_http_shard_model_room(ngx_http_shard_model_t *m, uint32_t n)
{
    uint32_t                 size;
    ngx_http_shard_place_t  *places, *spare;

    if (n <= m->places_size) {
        return NGX_OK;
    }

    size = n + n / 4 + 64;
    places = ngx_alloc(size * sizeof(ngx_http_shard_place_t), m->log);
    spare = ngx_alloc(size * sizeof(ngx_http_shard_place_t), m->log);

    if (places == NULL || spare == NULL) {
        ngx_free(places);
        ngx_free(spare);
        return NGX_ERROR;
    }

    if (m->nplaces) {
        ngx_memcpy(places, m->places,
                   m->nplaces * sizeof(ngx_http_shard_place_t));
    }

    ngx_free(m->places);
    ngx_free(m->spare);

    m->places = places;
    m->spare = spare;
    m->places_size = size;

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_model_fits(ngx_http_shard_model_t *m, uint32_t nplaces,
    size_t text, char *err)
{
    ngx_http_shard_sh_t  *sh;

    sh = m->keyspace->sh;

    if (m->nlive <= sh->nslots
        && shard_index_fits(&sh->arenas[0].index, m->kind, nplaces, text))
    {
        return NGX_OK;
    }

    return ngx_http_shard_model_too_big(m, ngx_max(nplaces, m->nlive), text,
                                        err);
}


/* refused with both sizes, in proportion to what a shard takes in this zone;
 * range bytes use half of the index for their bounds' text */

ngx_int_t
ngx_http_shard_model_too_big(ngx_http_shard_model_t *m, uint32_t n,
    size_t text, char *err)
{
    size_t                size;
    uint64_t              need;
    ngx_http_shard_sh_t  *sh;

    sh = m->keyspace->sh;
    size = m->keyspace->zone->shm.size;
    need = n;

    if (m->kind == SHARD_KIND_RANGE_BYTES) {
        need = ngx_max(2 * need, text / 6);
    }

    need = need * (size / sh->nslots + 1);

    ngx_http_shard_err(err, "%u shards need a zone of about %u MB, "
                       "\"shard_table\" gives %u MB: give it more",
                       (unsigned) n, (unsigned) (need / 1024 / 1024 + 1),
                       (unsigned) (size / 1024 / 1024));

    return NGX_ERROR;
}


ngx_int_t
ngx_http_shard_model_collect(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err)
{
    uint32_t                 n;
    ngx_http_shard_entry_t  *e;

    if (m->at == 0) {
        m->nplaces = 0;

        if (ngx_http_shard_model_room(m, m->nlive) != NGX_OK) {
            ngx_http_shard_err(err, "no memory");
            return NGX_ERROR;
        }
    }

    for ( /* void */ ; m->at < m->nentries; m->at++) {

        if (ngx_http_shard_slice_over(slice)) {
            return NGX_AGAIN;
        }

        e = &m->entries[m->at];

        if (!e->live) {
            continue;
        }

        n = ngx_http_shard_model_nplaces(m, e);

        if (ngx_http_shard_model_room(m, m->nplaces + n) != NGX_OK) {
            ngx_http_shard_err(err, "no memory");
            return NGX_ERROR;
        }

        ngx_http_shard_model_put_places(m, e, m->at, &m->places[m->nplaces]);
        m->nplaces += n;
    }

    m->width = 0;

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_model_sort(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err)
{
    ngx_http_shard_place_t  *swap;

    ngx_http_shard_model_sorting = m;

    while (m->width == 0) {

        if (m->at >= m->nplaces) {
            m->width = NGX_HTTP_SHARD_RUN;
            m->at = 0;
            m->left = 0;
            m->right = ngx_min(m->width, m->nplaces);
            break;
        }

        ngx_qsort(&m->places[m->at],
                  ngx_min(NGX_HTTP_SHARD_RUN, m->nplaces - m->at),
                  sizeof(ngx_http_shard_place_t),
                  ngx_http_shard_model_by_place);

        m->at += NGX_HTTP_SHARD_RUN;

        if (slice && ngx_http_shard_slice_late(slice)) {
            return NGX_AGAIN;
        }
    }

    while (m->width < m->nplaces) {

        if (!ngx_http_shard_model_merge(m, slice)) {
            return NGX_AGAIN;
        }

        /* this pair of runs is merged: the next one, or the next width */

        m->at += 2 * m->width;

        if (m->at >= m->nplaces) {
            swap = m->places;
            m->places = m->spare;
            m->spare = swap;
            m->width *= 2;
            m->at = 0;
        }

        m->left = m->at;
        m->right = ngx_min(m->at + m->width, m->nplaces);
    }

    return NGX_OK;
}


/* the runs at "at" into the spare array; 0: not to the end */

static ngx_uint_t
ngx_http_shard_model_merge(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice)
{
    uint32_t                 middle, end, to;
    ngx_http_shard_place_t  *p;

    p = m->places;
    middle = ngx_min(m->at + m->width, m->nplaces);
    end = ngx_min(m->at + 2 * m->width, m->nplaces);

    while (m->left < middle || m->right < end) {

        if (ngx_http_shard_slice_over(slice)) {
            return 0;
        }

        to = m->left + (m->right - middle);

        if (m->right == end
            || (m->left < middle
                && ngx_http_shard_model_by_place(&p[m->left], &p[m->right])
                   <= 0))
        {
            m->spare[to] = p[m->left++];

        } else {
            m->spare[to] = p[m->right++];
        }
    }

    return 1;
}


ngx_int_t
ngx_http_shard_model_check(ngx_http_shard_model_t *m,
    ngx_http_shard_slice_t *slice, char *err)
{
    ngx_http_shard_place_t  *place;

    if (m->at == 0) {
        m->text = 0;
    }

    for ( /* void */ ; m->at < m->nplaces; m->at++) {

        if (ngx_http_shard_slice_over(slice)) {
            return NGX_AGAIN;
        }

        place = &m->places[m->at];

        if (m->kind == SHARD_KIND_RANGE_BYTES) {
            m->text += ngx_http_shard_model_lo_text(&m->entries[place->entry])
                           .len;
        }

        if (ngx_http_shard_model_check_next(m, m->at ? place - 1 : NULL, place,
                                            err)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_http_shard_model_check_end(m, err);
}


static ngx_int_t
ngx_http_shard_model_check_next(ngx_http_shard_model_t *m,
    ngx_http_shard_place_t *prev, ngx_http_shard_place_t *place, char *err)
{
    shard_str_t              hi, lo;
    ngx_uint_t               good;
    ngx_http_shard_entry_t  *e, *before;

    e = &m->entries[place->entry];
    before = prev ? &m->entries[prev->entry] : NULL;

    switch (m->kind) {

    case SHARD_KIND_LIST:
        if (prev == NULL ? place->unit != 0 : place->unit == 0) {
            ngx_http_shard_err(err, "a list has exactly one shard with "
                               "\"default\", see shard %u", (unsigned) e->id);
            return NGX_ERROR;
        }

        if (prev && prev->unit && prev->lo == place->lo) {
            ngx_http_shard_err(err, "shards %u and %u have the same unit",
                               (unsigned) before->id, (unsigned) e->id);
            return NGX_ERROR;
        }

        return NGX_OK;

    case SHARD_KIND_RANGE_BYTES:
        lo = ngx_http_shard_model_lo_text(e);

        if (before == NULL) {
            good = lo.len == 0;
            break;
        }

        hi = ngx_http_shard_model_hi_text(before);
        good = hi.len && hi.len == lo.len
               && ngx_memcmp(hi.data, lo.data, lo.len) == 0;
        break;

    default:
        good = before ? before->hi == e->lo && before->hi != 0 : e->lo == 0;
    }

    if (!good) {
        ngx_http_shard_err(err, "positions before shard %u, which begins at "
                           "%016llx, belong to none or to two",
                           (unsigned) e->id, (unsigned long long) e->lo);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_model_check_end(ngx_http_shard_model_t *m, char *err)
{
    uint32_t                 i;
    ngx_http_shard_entry_t  *e;

    if (m->nplaces == 0) {
        ngx_http_shard_err(err, "no shard at all");
        return NGX_ERROR;
    }

    e = &m->entries[m->places[m->nplaces - 1].entry];

    if (m->kind != SHARD_KIND_LIST && e->hi != 0) {
        ngx_http_shard_err(err, "positions after shard %u belong to none",
                           (unsigned) e->id);
        return NGX_ERROR;
    }

    for (i = 0; i < m->nnodes; i++) {
        if (m->nodes[i].name[0] && !m->node_seen[i] && m->node_refs[i]) {
            ngx_http_shard_err(err, "%u shards name node \"%s\", which is not "
                               "there", (unsigned) m->node_refs[i],
                               m->nodes[i].name);
            return NGX_ERROR;
        }
    }

    return ngx_http_shard_model_fits(m, m->nplaces, m->text, err);
}


