
/*
 * The last good table on disk, for a start without Redis:
 *
 *     nginx-shard-state 2 KEYSPACE VERSION KIND
 *     node NAME JSON
 *     shard ID JSON
 *     sum HEX              XXH3-64 of all bytes above
 *
 * Written by the leader beside its place and renamed (_state_write); read in
 * init_zone, whole or not at all.
 */


#include "ngx_http_shard_model.h"


#define NGX_HTTP_SHARD_STATE_MAX  (1024 * 1024 * 1024)
#define NGX_HTTP_SHARD_STATE_SUM  21              /* "sum ", 16 digits, \n */


static ngx_int_t ngx_http_shard_state_parse(ngx_http_shard_keyspace_t *ks,
    char *text, size_t len, ngx_http_shard_model_t **model, char *err);
static ngx_int_t ngx_http_shard_state_sum(char *text, size_t len, char *err);
static char *ngx_http_shard_state_head(ngx_str_t *keyspace, char *text,
    char *end, uint64_t *version, shard_kind_e *kind, char *err);
static ngx_int_t ngx_http_shard_state_model(ngx_http_shard_keyspace_t *ks,
    shard_kind_e kind, char *text, char *end, ngx_http_shard_model_t **model,
    char *err);
static ngx_int_t ngx_http_shard_state_line(ngx_http_shard_model_t *m,
    char *line, size_t len, char *err);


ngx_int_t
ngx_http_shard_state_read(ngx_http_shard_keyspace_t *ks, ngx_log_t *log)
{
    char                     err[SHARD_ERR_SIZE], *text;
    size_t                   size;
    ngx_int_t                rc;
    ngx_file_t               file;
    ngx_file_info_t          fi;
    ngx_http_shard_model_t  *m;

    ngx_memzero(&file, sizeof(ngx_file_t));
    file.name = ks->state_file;
    file.log = log;
    file.fd = ngx_open_file(file.name.data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        if (ngx_errno != NGX_ENOENT) {
            ngx_log_error(NGX_LOG_WARN, log, ngx_errno,
                          ngx_open_file_n " \"%V\" failed", &file.name);
        }

        return NGX_DECLINED;
    }

    rc = NGX_ERROR;
    text = NULL;
    m = NULL;
    (void) snprintf(err, SHARD_ERR_SIZE, "it cannot be read");

    if (ngx_fd_info(file.fd, &fi) != NGX_FILE_ERROR) {
        size = ngx_file_size(&fi);
        text = size && size < NGX_HTTP_SHARD_STATE_MAX
               ? ngx_alloc(size + 1, log) : NULL;

        if (text
            && ngx_read_file(&file, (u_char *) text, size, 0)
               == (ssize_t) size)
        {
            text[size] = '\0';
            rc = ngx_http_shard_state_parse(ks, text, size, &m, err);
        }
    }

    (void) ngx_close_file(file.fd);

    if (rc == NGX_OK) {
        (void) ngx_http_shard_publish(m, NULL, 0);
        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "keyspace \"%V\": table of version %uL with %uD shards "
                      "from \"%V\"", &ks->name, (uint64_t) m->version,
                      m->nlive, &file.name);

    } else {
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "keyspace \"%V\": state file \"%V\" not used: %s",
                      &ks->name, &file.name, err);
    }

    ngx_http_shard_model_destroy(m);
    ngx_free(text);

    return rc;
}


static ngx_int_t
ngx_http_shard_state_parse(ngx_http_shard_keyspace_t *ks, char *text,
    size_t len, ngx_http_shard_model_t **model, char *err)
{
    char          *lines, *end;
    uint64_t       version;
    shard_kind_e   kind;

    if (ngx_http_shard_state_sum(text, len, err) != NGX_OK) {
        return NGX_ERROR;
    }

    end = text + len - NGX_HTTP_SHARD_STATE_SUM;
    lines = ngx_http_shard_state_head(&ks->name, text, end, &version, &kind,
                                      err);

    if (lines == NULL
        || ngx_http_shard_state_model(ks, kind, lines, end, model, err)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    (*model)->version = version;

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_state_sum(char *text, size_t len, char *err)
{
    char         *end;
    uint64_t      sum;
    shard_str_t   hex;

    end = text + len - NGX_HTTP_SHARD_STATE_SUM;

    if (len < NGX_HTTP_SHARD_STATE_SUM || text[len - 1] != '\n'
        || ngx_strncmp(end, "sum ", 4) != 0)
    {
        (void) snprintf(err, SHARD_ERR_SIZE, "it was not written to its end");
        return NGX_ERROR;
    }

    hex.data = end + 4;
    hex.len = 16;

    if (shard_hex_decode(hex, &sum) != SHARD_OK
        || sum != shard_key_position(text, end - text))
    {
        (void) snprintf(err, SHARD_ERR_SIZE, "its checksum is wrong");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/*
 * The line behind the first one; NULL when that is not good.  Format 1, of
 * nginx-shard 0.1, has no kind: there was only one.
 */

static char *
ngx_http_shard_state_head(ngx_str_t *keyspace, char *text, char *end,
    uint64_t *version, shard_kind_e *kind, char *err)
{
    char         *eol, *space, head[128];
    size_t        len;
    ngx_uint_t    format;
    shard_str_t   number, name;

    eol = memchr(text, '\n', end - text);
    format = eol && eol - text > 18 && text[18] == '1' ? 1 : 2;
    len = ngx_sprintf((u_char *) head, "nginx-shard-state %ui %V ", format,
                      keyspace)
          - (u_char *) head;

    if (eol == NULL || (size_t) (eol - text) < len
        || ngx_strncmp(text, head, len) != 0)
    {
        (void) snprintf(err, SHARD_ERR_SIZE, "it is of another keyspace or "
                        "format");
        return NULL;
    }

    number.data = text + len;
    space = format == 1 ? eol : memchr(number.data, ' ', eol - number.data);
    number.len = space ? (size_t) (space - number.data) : 0;

    name.data = format == 1 ? "hash" : space ? space + 1 : "";
    name.len = format == 1 ? 4 : space ? (size_t) (eol - name.data) : 0;

    if (shard_uint64_decode(number, version) != SHARD_OK
        || shard_kind_parse(name, kind) != SHARD_OK)
    {
        (void) snprintf(err, SHARD_ERR_SIZE, "its first line has no version "
                        "and kind");
        return NULL;
    }

    return eol + 1;
}


static ngx_int_t
ngx_http_shard_state_model(ngx_http_shard_keyspace_t *ks, shard_kind_e kind,
    char *text, char *end, ngx_http_shard_model_t **model, char *err)
{
    char                    *p, *eol;
    uint32_t                 n;
    ngx_http_shard_model_t  *base, *m;

    for (p = text, n = 0; p < end && (p = memchr(p, '\n', end - p)); p++) {
        n++;
    }

    base = ngx_http_shard_model_create(ks, NULL, kind, 0, ks->cycle->log);
    m = base ? ngx_http_shard_model_create(ks, base, kind, n, ks->cycle->log)
             : NULL;

    if (m == NULL
        || ngx_http_shard_model_take_over(base, NULL) != NGX_OK)
    {
        goto failed;
    }

    for (p = text; p < end; p = eol + 1) {
        eol = memchr(p, '\n', end - p);

        if (eol == NULL) {
            (void) snprintf(err, SHARD_ERR_SIZE, "its last line is cut");
            goto failed;
        }

        if (ngx_http_shard_state_line(m, p, eol - p, err) != NGX_OK) {
            goto failed;
        }
    }

    if (ngx_http_shard_model_settle(m, NULL, err) != NGX_OK) {
        goto failed;
    }

    ngx_http_shard_model_destroy(base);
    *model = m;

    return NGX_OK;

failed:

    ngx_http_shard_model_destroy(m);
    ngx_http_shard_model_destroy(base);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_shard_state_line(ngx_http_shard_model_t *m, char *line, size_t len,
    char *err)
{
    char         *word, *json;
    shard_id_t    id;
    shard_str_t   name, text;

    word = memchr(line, ' ', len);
    json = word ? memchr(word + 1, ' ', line + len - word - 1) : NULL;

    if (json == NULL) {
        (void) snprintf(err, SHARD_ERR_SIZE, "it has a broken line");
        return NGX_ERROR;
    }

    name.data = word + 1;
    name.len = json - name.data;
    text.data = json + 1;
    text.len = line + len - text.data;

    if (word - line == 4 && ngx_strncmp(line, "node", 4) == 0) {
        return ngx_http_shard_model_node(m, name, text, err);
    }

    if (shard_id_decode(name, &id) != SHARD_OK) {
        (void) snprintf(err, SHARD_ERR_SIZE, "it has a bad shard id");
        return NGX_ERROR;
    }

    return ngx_http_shard_model_shard(m, id, text, err);
}
