
/*
 * Whether a change leaves the keyspace whole, and its order after it.  The
 * table was good before, so it is enough that what the changed shards give
 * up is exactly what the changed shards take:
 *
 *     before   [ 7 ......... )[ 8 .. )        given up  [7 ... 8)
 *     after    [ 7 .. )[ 9 ......... )        taken     [7 ... 9)   the same
 *
 * Of a list: no unit twice, and one default shard as before.
 */


#include "ngx_http_shard_model.h"


typedef struct {
    ngx_http_shard_place_t         place;
    const ngx_http_shard_entry_t  *entry;        /* as it was, or is */
} ngx_http_shard_moved_t;


static ngx_uint_t ngx_http_shard_model_firsts(ngx_http_shard_model_t *m,
    ngx_http_shard_undo_t **firsts);
static int ngx_libc_cdecl ngx_http_shard_model_by_number(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_http_shard_model_by_moved(const void *one,
    const void *two);
static ngx_uint_t ngx_http_shard_model_put_moved(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *e, uint32_t number,
    ngx_http_shard_moved_t *moved);
static ngx_int_t ngx_http_shard_model_moves(ngx_http_shard_model_t *m,
    ngx_http_shard_undo_t **firsts, ngx_uint_t n, char *err);
static ngx_int_t ngx_http_shard_model_moved(ngx_http_shard_model_t *m,
    ngx_http_shard_moved_t *gone, ngx_uint_t ngone,
    ngx_http_shard_moved_t *come, ngx_uint_t ncome, char *err);
static ngx_int_t ngx_http_shard_model_same_cover(ngx_http_shard_model_t *m,
    ngx_http_shard_moved_t *gone, ngx_uint_t ngone,
    ngx_http_shard_moved_t *come, ngx_uint_t ncome, char *err);
static ngx_uint_t ngx_http_shard_model_run(ngx_http_shard_model_t *m,
    ngx_http_shard_moved_t *moved, ngx_uint_t n, ngx_uint_t from);
static ngx_uint_t ngx_http_shard_model_adjoin(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *a, const ngx_http_shard_entry_t *b);
static ngx_uint_t ngx_http_shard_model_same_end(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *a, const ngx_http_shard_entry_t *b);
static uint32_t ngx_http_shard_model_reach(ngx_http_shard_model_t *m,
    uint32_t from, ngx_http_shard_moved_t *moved);
static ngx_int_t ngx_http_shard_model_check_list(ngx_http_shard_model_t *m,
    uint32_t n, char *err);
static ngx_int_t ngx_http_shard_model_replace(ngx_http_shard_model_t *m,
    ngx_http_shard_moved_t *gone, ngx_uint_t ngone,
    ngx_http_shard_moved_t *come, ngx_uint_t ncome, char *err);


static ngx_http_shard_model_t  *ngx_http_shard_model_moving;


static int ngx_libc_cdecl
ngx_http_shard_model_by_number(const void *one, const void *two)
{
    const ngx_http_shard_undo_t  *a, *b;

    a = *(ngx_http_shard_undo_t *const *) one;
    b = *(ngx_http_shard_undo_t *const *) two;

    if (a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }

    return a->age < b->age ? -1 : a->age > b->age;
}


/* of each entry that was changed, how it was before all of it */

static ngx_uint_t
ngx_http_shard_model_firsts(ngx_http_shard_model_t *m,
    ngx_http_shard_undo_t **firsts)
{
    ngx_uint_t              i, k, n;
    ngx_http_shard_undo_t  *undo;

    for (undo = m->undo, n = 0; undo; undo = undo->next) {
        if (!undo->is_node) {
            firsts[n++] = undo;
        }
    }

    ngx_qsort(firsts, n, sizeof(ngx_http_shard_undo_t *),
              ngx_http_shard_model_by_number);

    for (i = 0, k = 0; i < n; i++) {
        if (k == 0 || firsts[i]->number != firsts[k - 1]->number) {
            firsts[k++] = firsts[i];
        }
    }

    return k;
}


static int ngx_libc_cdecl
ngx_http_shard_model_by_moved(const void *one, const void *two)
{
    const ngx_http_shard_moved_t  *a = one, *b = two;

    return ngx_http_shard_model_compare(ngx_http_shard_model_moving,
                                        &a->place, a->entry,
                                        &b->place, b->entry);
}


static ngx_uint_t
ngx_http_shard_model_put_moved(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *e, uint32_t number,
    ngx_http_shard_moved_t *moved)
{
    ngx_uint_t              i, n;
    ngx_http_shard_place_t  places[SHARD_UNITS_MAX + 1];

    if (!e->live) {
        return 0;
    }

    n = ngx_http_shard_model_nplaces(m, e);
    ngx_http_shard_model_put_places(m, e, number, places);

    for (i = 0; i < n; i++) {
        moved[i].place = places[i];
        moved[i].entry = e;
    }

    return n;
}


ngx_int_t
ngx_http_shard_model_move(ngx_http_shard_model_t *m, char *err)
{
    ngx_int_t                rc;
    ngx_http_shard_undo_t  **firsts;

    firsts = ngx_alloc((m->nundo + 1) * sizeof(ngx_http_shard_undo_t *),
                       m->log);
    if (firsts == NULL) {
        ngx_http_shard_err(err, "no memory");
        return NGX_ERROR;
    }

    rc = ngx_http_shard_model_moves(m, firsts,
                                    ngx_http_shard_model_firsts(m, firsts),
                                    err);

    ngx_free(firsts);

    return rc;
}


static ngx_int_t
ngx_http_shard_model_moves(ngx_http_shard_model_t *m,
    ngx_http_shard_undo_t **firsts, ngx_uint_t n, char *err)
{
    ngx_int_t                rc;
    ngx_uint_t               i, ngone, ncome, most;
    ngx_http_shard_moved_t  *gone, *come;

    most = n * (m->kind == SHARD_KIND_LIST ? SHARD_UNITS_MAX + 1 : 1) + 1;

    gone = ngx_alloc(2 * most * sizeof(ngx_http_shard_moved_t), m->log);

    if (gone == NULL
        || ngx_http_shard_model_room(m, m->nplaces + most) != NGX_OK)
    {
        ngx_free(gone);
        ngx_http_shard_err(err, "no memory");
        return NGX_ERROR;
    }

    come = gone + most;

    for (i = 0, ngone = 0, ncome = 0; i < n; i++) {
        ngone += ngx_http_shard_model_put_moved(m, &firsts[i]->was.entry,
                                                firsts[i]->number,
                                                &gone[ngone]);
        ncome += ngx_http_shard_model_put_moved(m,
                                           &m->entries[firsts[i]->number],
                                           firsts[i]->number, &come[ncome]);
    }

    ngx_http_shard_model_moving = m;
    ngx_qsort(gone, ngone, sizeof(ngx_http_shard_moved_t),
              ngx_http_shard_model_by_moved);
    ngx_qsort(come, ncome, sizeof(ngx_http_shard_moved_t),
              ngx_http_shard_model_by_moved);

    rc = ngx_http_shard_model_moved(m, gone, ngone, come, ncome, err);

    if (rc == NGX_OK) {
        ngx_http_shard_handover(m, firsts, n);
    }

    ngx_free(gone);

    return rc;
}


static ngx_int_t
ngx_http_shard_model_moved(ngx_http_shard_model_t *m,
    ngx_http_shard_moved_t *gone, ngx_uint_t ngone,
    ngx_http_shard_moved_t *come, ngx_uint_t ncome, char *err)
{
    size_t      text;
    ngx_uint_t  i;

    if (m->kind != SHARD_KIND_LIST
        && ngx_http_shard_model_same_cover(m, gone, ngone, come, ncome, err)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    text = m->text;

    if (m->kind == SHARD_KIND_RANGE_BYTES) {

        for (i = 0; i < ncome; i++) {
            text += ngx_http_shard_model_lo_text(come[i].entry).len;
        }

        for (i = 0; i < ngone; i++) {
            text -= ngx_http_shard_model_lo_text(gone[i].entry).len;
        }
    }

    if (ngx_http_shard_model_fits(m, m->nplaces + ncome - ngone, text, err)
        != NGX_OK
        || ngx_http_shard_model_replace(m, gone, ngone, come, ncome, err)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    m->text = text;

    return NGX_OK;
}


/* whether b begins where a ends */

static ngx_uint_t
ngx_http_shard_model_adjoin(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *a, const ngx_http_shard_entry_t *b)
{
    shard_str_t  hi, lo;

    if (a->hi == 0) {
        return 0;
    }

    if (m->kind != SHARD_KIND_RANGE_BYTES) {
        return a->hi == b->lo;
    }

    hi = ngx_http_shard_model_hi_text(a);
    lo = ngx_http_shard_model_lo_text(b);

    return hi.len == lo.len && ngx_memcmp(hi.data, lo.data, hi.len) == 0;
}


/* one behind the last of those that adjoin each other */

static ngx_uint_t
ngx_http_shard_model_run(ngx_http_shard_model_t *m,
    ngx_http_shard_moved_t *moved, ngx_uint_t n, ngx_uint_t from)
{
    ngx_uint_t  i;

    for (i = from + 1;
         i < n && ngx_http_shard_model_adjoin(m, moved[i - 1].entry,
                                              moved[i].entry);
         i++)
    {
        /* void */
    }

    return i;
}


static ngx_uint_t
ngx_http_shard_model_same_end(ngx_http_shard_model_t *m,
    const ngx_http_shard_entry_t *a, const ngx_http_shard_entry_t *b)
{
    shard_str_t  x, y;

    if (m->kind != SHARD_KIND_RANGE_BYTES) {
        return a->hi == b->hi;
    }

    x = ngx_http_shard_model_hi_text(a);
    y = ngx_http_shard_model_hi_text(b);

    return x.len == y.len && ngx_memcmp(x.data, y.data, x.len) == 0;
}


static ngx_int_t
ngx_http_shard_model_same_cover(ngx_http_shard_model_t *m,
    ngx_http_shard_moved_t *gone, ngx_uint_t ngone,
    ngx_http_shard_moved_t *come, ngx_uint_t ncome, char *err)
{
    ngx_uint_t               g, c, gend, cend;
    ngx_http_shard_moved_t  *where;

    g = 0;
    c = 0;

    while (g < ngone && c < ncome) {
        gend = ngx_http_shard_model_run(m, gone, ngone, g);
        cend = ngx_http_shard_model_run(m, come, ncome, c);

        if (ngx_http_shard_model_compare(m, &gone[g].place, gone[g].entry,
                                         &come[c].place, come[c].entry)
            != 0
            || !ngx_http_shard_model_same_end(m, gone[gend - 1].entry,
                                              come[cend - 1].entry))
        {
            break;
        }

        g = gend;
        c = cend;
    }

    if (g == ngone && c == ncome) {
        return NGX_OK;
    }

    where = c < ncome ? &come[c] : &gone[g];

    ngx_http_shard_err(err, "positions from %016llx on, at shard %u, belong "
                       "to none or to two",
                       (unsigned long long) where->place.lo,
                       (unsigned) where->entry->id);

    return NGX_ERROR;
}


/* the first place from "from" on that does not stand before "moved"; bounds
 * of bytes are looked at one by one: a changed one may be no guide */

static uint32_t
ngx_http_shard_model_reach(ngx_http_shard_model_t *m, uint32_t from,
    ngx_http_shard_moved_t *moved)
{
    uint32_t                 low, high, middle;
    ngx_http_shard_place_t  *place;

    low = from;
    high = m->nplaces;

    while (low < high) {
        middle = m->kind == SHARD_KIND_RANGE_BYTES ? low
                                                   : low + (high - low) / 2;
        place = &m->places[middle];

        if (place->entry == moved->place.entry
            && place->unit == moved->place.unit
            && place->lo == moved->place.lo)
        {
            return middle;
        }

        if (ngx_http_shard_model_compare(m, place, &m->entries[place->entry],
                                         &moved->place, moved->entry)
            < 0)
        {
            low = middle + 1;

        } else if (m->kind == SHARD_KIND_RANGE_BYTES) {
            return middle;

        } else {
            high = middle;
        }
    }

    return low;
}


/* places without those that went, with those that came */

static ngx_int_t
ngx_http_shard_model_replace(ngx_http_shard_model_t *m,
    ngx_http_shard_moved_t *gone, ngx_uint_t ngone,
    ngx_http_shard_moved_t *come, ngx_uint_t ncome, char *err)
{
    uint32_t                 i, k, n;
    ngx_uint_t               g, c, goes;
    ngx_http_shard_place_t  *swap;

    for (i = 0, n = 0, g = 0, c = 0; g < ngone || c < ncome; i = k) {

        /* what goes before what comes to the same place */

        goes = g < ngone
               && (c == ncome
                   || ngx_http_shard_model_compare(m, &gone[g].place,
                                                   gone[g].entry,
                                                   &come[c].place,
                                                   come[c].entry)
                      <= 0);

        k = ngx_http_shard_model_reach(m, i, goes ? &gone[g] : &come[c]);

        ngx_memcpy(&m->spare[n], &m->places[i],
                   (k - i) * sizeof(ngx_http_shard_place_t));
        n += k - i;

        if (goes) {
            g++;
            k++;

        } else {
            m->spare[n++] = come[c++].place;
        }
    }

    ngx_memcpy(&m->spare[n], &m->places[i],
               (m->nplaces - i) * sizeof(ngx_http_shard_place_t));
    n += m->nplaces - i;

    if (ngx_http_shard_model_check_list(m, n, err) != NGX_OK) {
        return NGX_ERROR;
    }

    swap = m->places;
    m->places = m->spare;
    m->spare = swap;
    m->nplaces = n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_model_check_list(ngx_http_shard_model_t *m, uint32_t n,
    char *err)
{
    uint32_t  i;

    if (n == 0) {
        ngx_http_shard_err(err, "no shard at all");
        return NGX_ERROR;
    }

    for (i = 0; m->kind == SHARD_KIND_LIST && i < n; i++) {

        if (i == 0 ? m->spare[0].unit != 0
                   : m->spare[i].unit == 0
                     || (i > 1 && m->spare[i].lo == m->spare[i - 1].lo))
        {
            ngx_http_shard_err(err, "shard %u: a unit twice, or not exactly "
                               "one shard with \"default\"",
                               (unsigned) m->entries[m->spare[i].entry].id);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
