
/*
 * Which shards a scatter goes to: all of the table, or those of the keys.
 * What was read while the table was made anew is read again.
 */


#include "ngx_http_shard_scatter.h"


typedef struct {
    shard_str_t                 text;
    shard_key_t                 located;
    uint32_t                    entry;
    uint32_t                    slot;
    shard_id_t                  id;
} ngx_http_shard_scatter_key_t;


static ngx_int_t ngx_http_shard_scatter_all(ngx_http_shard_scatter_t *s);
static ngx_int_t ngx_http_shard_scatter_keys(ngx_http_shard_scatter_t *s,
    ngx_array_t *keys, ngx_str_t *refusal);
static ngx_int_t ngx_http_shard_scatter_of_keys(ngx_http_shard_scatter_t *s,
    ngx_array_t *keys);
static ngx_int_t ngx_http_shard_scatter_room(ngx_http_shard_scatter_t *s,
    ngx_uint_t *room, ngx_uint_t n);
static void ngx_http_shard_scatter_part(ngx_http_shard_scatter_t *s,
    ngx_uint_t n, uint64_t structure, uint32_t slot, shard_id_t id,
    const shard_key_t *located);
static ngx_int_t ngx_http_shard_scatter_find(const shard_index_t *index,
    ngx_http_shard_scatter_key_t *key);
static ngx_int_t ngx_http_shard_scatter_too_many(ngx_http_shard_scatter_t *s,
    ngx_str_t *refusal);
static int ngx_libc_cdecl ngx_http_shard_scatter_by_id(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_http_shard_scatter_by_entry(const void *one,
    const void *two);


/* NGX_OK, or a status; with "refusal" the body that goes with it */

ngx_int_t
ngx_http_shard_scatter_shards(ngx_http_shard_scatter_t *s, ngx_str_t *refusal)
{
    ngx_int_t    rc;
    ngx_array_t  keys;

    keys.nelts = 0;

    if (s->conf->keys) {
        rc = ngx_http_shard_scatter_keys(s, &keys, refusal);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    rc = keys.nelts ? ngx_http_shard_scatter_of_keys(s, &keys)
                    : ngx_http_shard_scatter_all(s);

    if (rc == NGX_ABORT) {
        ngx_str_set(refusal, "{\"error\":{\"code\":\"bad_keys\",\"message\":"
                    "\"a key is none of this keyspace's kind\"}}\n");
        return NGX_HTTP_BAD_REQUEST;
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (s->n == 0) {
        ngx_log_error(NGX_LOG_ERR, s->request->connection->log, 0,
                      "keyspace \"%V\" has no table: none came from Redis yet "
                      "and no state file was there",
                      &s->conf->shard->keyspace->name);
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    if (s->n > s->conf->max) {
        return ngx_http_shard_scatter_too_many(s, refusal);
    }

    return NGX_OK;
}


/* s->n is counted to the end, parts are made as far as they are allowed */

static ngx_int_t
ngx_http_shard_scatter_all(ngx_http_shard_scatter_t *s)
{
    uint32_t              i, n;
    uint64_t              structure;
    ngx_uint_t            room;
    shard_key_t           located;
    shard_index_t        *index;
    ngx_http_shard_sh_t  *sh;
    shard_index_entry_t  *entry;

    sh = s->conf->shard->keyspace->sh;
    room = 0;

    do {
        structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
        index = &sh->arenas[structure & 1].index;
        n = __atomic_load_n(&index->n, __ATOMIC_RELAXED);

        if (ngx_http_shard_scatter_room(s, &room, ngx_min(n, s->conf->max))
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        s->n = 0;

        for (i = 0; i < n; i++) {
            entry = &index->entries[i];

            if (entry->slot & SHARD_ENTRY_AGAIN) {
                continue;
            }

            if (s->n < room) {
                located.position = entry->lo;
                located.sticky = shard_key_position(&located.position, 8);

                ngx_http_shard_scatter_part(s, s->n, structure, entry->slot,
                                            entry->id, &located);
            }

            s->n++;
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_scatter_keys(ngx_http_shard_scatter_t *s, ngx_array_t *keys,
    ngx_str_t *refusal)
{
    int                            rc;
    char                          *buf;
    ngx_str_t                      value;
    shard_str_t                    list, text;
    ngx_http_request_t            *r;
    ngx_http_shard_scatter_key_t  *key;

    r = s->request;

    if (ngx_http_complex_value(r, s->conf->keys, &value) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    buf = ngx_pnalloc(r->pool, value.len + 1);

    if (buf == NULL
        || ngx_array_init(keys, r->pool, 16,
                          sizeof(ngx_http_shard_scatter_key_t))
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    list.data = (const char *) value.data;
    list.len = value.len;

    while ((rc = shard_merge_key(&list, buf, &text)) == SHARD_OK) {

        key = ngx_array_push(keys);
        if (key == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        key->text = text;
        buf += text.len;
    }

    if (rc == SHARD_ERROR) {
        ngx_str_set(refusal, "{\"error\":{\"code\":\"bad_keys\",\"message\":"
                    "\"a % in the list of keys has no two hex digits "
                    "behind it\"}}\n");
        return NGX_HTTP_BAD_REQUEST;
    }

    if (keys->nelts == 0 && !s->conf->empty_is_all) {
        ngx_str_set(refusal, "{\"error\":{\"code\":\"no_keys\",\"message\":"
                    "\"the list of keys is empty, give some: a,b,c\"}}\n");
        return NGX_HTTP_BAD_REQUEST;
    }

    return NGX_OK;
}


/* each shard once, in order of position */

static ngx_int_t
ngx_http_shard_scatter_of_keys(ngx_http_shard_scatter_t *s, ngx_array_t *keys)
{
    uint32_t                       n;
    uint64_t                       structure;
    ngx_int_t                      rc;
    ngx_uint_t                     i, room;
    shard_index_t                 *index;
    ngx_http_shard_sh_t           *sh;
    ngx_http_shard_scatter_key_t  *key;

    sh = s->conf->shard->keyspace->sh;
    key = keys->elts;

    do {
        structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
        index = &sh->arenas[structure & 1].index;
        n = __atomic_load_n(&index->n, __ATOMIC_RELAXED);

        rc = NGX_OK;

        for (i = 0; n && rc == NGX_OK && i < keys->nelts; i++) {
            rc = ngx_http_shard_scatter_find(index, &key[i]);
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));

    if (n == 0 || rc != NGX_OK) {
        return rc;
    }

    ngx_qsort(key, keys->nelts, sizeof(ngx_http_shard_scatter_key_t),
              ngx_http_shard_scatter_by_id);

    for (i = 0, n = 0; i < keys->nelts; i++) {
        if (i == 0 || key[i].id != key[n - 1].id) {
            key[n++] = key[i];
        }
    }

    ngx_qsort(key, n, sizeof(ngx_http_shard_scatter_key_t),
              ngx_http_shard_scatter_by_entry);

    room = 0;
    s->n = n;

    if (ngx_http_shard_scatter_room(s, &room, ngx_min(n, s->conf->max))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < room; i++) {
        ngx_http_shard_scatter_part(s, i, structure, key[i].slot, key[i].id,
                                    &key[i].located);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_scatter_find(const shard_index_t *index,
    ngx_http_shard_scatter_key_t *key)
{
    uint32_t  i;

    if (shard_key_locate(index->kind, key->text.data, key->text.len,
                         &key->located)
        != SHARD_OK)
    {
        return NGX_ABORT;
    }

    i = shard_index_find_key(index, key->located.position, key->text);

    key->slot = shard_index_slot(index, i);
    key->id = index->entries[i].id;

    /* a list's shards stand where the first of their units does */

    key->entry = index->entries[i].slot & SHARD_ENTRY_AGAIN
                 ? shard_index_by_id(index, key->id) : i;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_scatter_room(ngx_http_shard_scatter_t *s, ngx_uint_t *room,
    ngx_uint_t n)
{
    if (n > *room) {
        s->parts = ngx_pcalloc(s->request->pool,
                               n * sizeof(ngx_http_shard_part_t));
        *room = n;
    }

    return n && s->parts == NULL ? NGX_ERROR : NGX_OK;
}


static void
ngx_http_shard_scatter_part(ngx_http_shard_scatter_t *s, ngx_uint_t n,
    uint64_t structure, uint32_t slot, shard_id_t id,
    const shard_key_t *located)
{
    ngx_http_shard_part_t  *part;

    part = &s->parts[n];

    part->scatter = s;
    part->structure = (uint32_t) structure;
    part->slot = slot;
    part->id = id;
    part->located = *located;
}


static ngx_int_t
ngx_http_shard_scatter_too_many(ngx_http_shard_scatter_t *s,
    ngx_str_t *refusal)
{
    refusal->data = ngx_pnalloc(s->request->pool, 256);
    if (refusal->data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    refusal->len = ngx_sprintf(refusal->data,
                               "{\"error\":{\"code\":\"too_many_shards\","
                               "\"message\":\"%ui shards are more than %ui at "
                               "once: give keys (keys=), or raise max= of "
                               "shard_scatter\"}}\n",
                               s->n, s->conf->max)
                   - refusal->data;

    return NGX_HTTP_SERVICE_UNAVAILABLE;
}


/*
 * Where a part's shard is by now, when the table was made anew while it
 * waited.  One that is no longer there has no id: its part is missing.
 */

ngx_int_t
ngx_http_shard_scatter_locate(ngx_http_shard_ctx_t *ctx)
{
    uint32_t              i;
    uint64_t              structure;
    shard_index_t        *index;
    ngx_http_shard_sh_t  *sh;

    sh = ngx_http_shard_keyspace(ctx)->sh;

    do {
        structure = __atomic_load_n(&sh->structure, __ATOMIC_ACQUIRE);
        index = &sh->arenas[structure & 1].index;

        i = shard_index_by_id(index, ctx->id);

        if (i != SHARD_SLOT_NONE) {
            ctx->slot = shard_index_slot(index, i);
        }

        __atomic_thread_fence(__ATOMIC_ACQUIRE);

    } while (structure != __atomic_load_n(&sh->structure, __ATOMIC_RELAXED));

    if (i == SHARD_SLOT_NONE) {
        ctx->id = SHARD_ID_NONE;
    }

    ctx->structure = (uint32_t) structure;

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_http_shard_scatter_by_id(const void *one, const void *two)
{
    const ngx_http_shard_scatter_key_t *first = one;
    const ngx_http_shard_scatter_key_t *second = two;

    if (first->id != second->id) {
        return first->id < second->id ? -1 : 1;
    }

    return (first->entry > second->entry) - (first->entry < second->entry);
}


static int ngx_libc_cdecl
ngx_http_shard_scatter_by_entry(const void *one, const void *two)
{
    const ngx_http_shard_scatter_key_t *first = one;
    const ngx_http_shard_scatter_key_t *second = two;

    return (first->entry > second->entry) - (first->entry < second->entry);
}
