
/*
 * The last good table on disk, for a start without Redis:
 *
 *     nginx-shard-state 1 KEYSPACE VERSION
 *     node NAME JSON
 *     shard ID JSON
 *     sum HEX              XXH3-64 of all bytes above
 *
 * Written by the leader beside its place and renamed; read in init_zone, whole
 * or not at all.
 */


#include "ngx_http_shard_model.h"


#define NGX_HTTP_SHARD_STATE_MAX  (1024 * 1024 * 1024)


static ngx_int_t ngx_http_shard_state_put(ngx_buf_t *b,
    const char *line, size_t len);
static ngx_int_t ngx_http_shard_state_lines(ngx_http_shard_model_t *m,
    ngx_str_t *keyspace, char *text, size_t len, char *err);
static ngx_int_t ngx_http_shard_state_line(ngx_http_shard_model_t *m,
    char *line, size_t len, char *err);


ngx_int_t
ngx_http_shard_state_read(ngx_http_shard_keyspace_t *ks, ngx_log_t *log)
{
    char                     err[SHARD_ERR_SIZE], *text;
    size_t                   size;
    ssize_t                  n;
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
        n = text ? ngx_read_file(&file, (u_char *) text, size, 0) : -1;
        m = n == (ssize_t) size ? ngx_http_shard_model_create(ks, log) : NULL;

        if (m) {
            text[size] = '\0';
            ngx_http_shard_model_begin_load(m);
            rc = ngx_http_shard_state_lines(m, &ks->name, text, size, err);

            if (rc == NGX_OK) {
                rc = ngx_http_shard_model_end(m, err);
            }
        }
    }

    (void) ngx_close_file(file.fd);

    if (rc == NGX_OK) {
        (void) ngx_http_shard_publish(m, 0);
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
ngx_http_shard_state_lines(ngx_http_shard_model_t *m, ngx_str_t *keyspace,
    char *text, size_t len, char *err)
{
    char         *p, *eol, *end, head[128];
    size_t        head_len;
    uint64_t      sum;
    shard_str_t   hex;

    /* "sum " + 16 digits + newline end it */

    if (len < 21 || text[len - 1] != '\n'
        || ngx_strncmp(text + len - 21, "sum ", 4) != 0)
    {
        (void) snprintf(err, SHARD_ERR_SIZE, "it was not written to its end");
        return NGX_ERROR;
    }

    end = text + len - 21;
    hex.data = end + 4;
    hex.len = 16;

    if (shard_hex_decode(hex, &sum) != SHARD_OK
        || sum != shard_key_position(text, end - text))
    {
        (void) snprintf(err, SHARD_ERR_SIZE, "its checksum is wrong");
        return NGX_ERROR;
    }

    head_len = ngx_sprintf((u_char *) head, "nginx-shard-state 1 %V ",
                           keyspace) - (u_char *) head;

    if ((size_t) (end - text) < head_len
        || ngx_strncmp(text, head, head_len) != 0)
    {
        (void) snprintf(err, SHARD_ERR_SIZE, "it is of another keyspace or "
                        "version");
        return NGX_ERROR;
    }

    hex.data = text + head_len;
    eol = memchr(text, '\n', end - text);

    if (eol == NULL || eol < hex.data) {
        return NGX_ERROR;
    }

    hex.len = eol - hex.data;

    if (shard_uint64_decode(hex, &m->version) != SHARD_OK) {
        (void) snprintf(err, SHARD_ERR_SIZE, "its version is not a number");
        return NGX_ERROR;
    }

    for (p = eol + 1; p < end; p = eol + 1) {
        eol = memchr(p, '\n', end - p);

        if (eol == NULL
            || ngx_http_shard_state_line(m, p, eol - p, err) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_http_shard_model_sweep(m);

    return NGX_OK;
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


/* "b" grows as it must */

static ngx_int_t
ngx_http_shard_state_put(ngx_buf_t *b, const char *line,
    size_t len)
{
    size_t   size;
    u_char  *p;

    if ((size_t) (b->end - b->last) < len) {
        size = 2 * (b->end - b->start) + len;

        p = ngx_alloc(size, ngx_cycle->log);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, b->start, b->last - b->start);
        b->last = p + (b->last - b->start);
        b->end = p + size;
        ngx_free(b->start);
        b->start = p;
    }

    b->last = ngx_cpymem(b->last, line, len);

    return NGX_OK;
}


static ngx_int_t
ngx_http_shard_state_body(ngx_http_shard_model_t *m, ngx_buf_t *b)
{
    int                      n;
    char                     line[SHARD_JSON_MAX + SHARD_NAME_SIZE + 32];
    u_char                  *p;
    uint32_t                 i;
    shard_record_t           rec;

    p = ngx_sprintf((u_char *) line, "nginx-shard-state 1 %V %uL\n",
                    &m->keyspace->name, (uint64_t) m->version);

    if (ngx_http_shard_state_put(b, line, p - (u_char *) line) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < m->nnodes + m->nentries; i++) {

        if (i < m->nnodes) {
            if (m->nodes[i].name[0] == '\0') {
                continue;
            }

            p = ngx_sprintf((u_char *) line, "node %s ", m->nodes[i].name);
            n = shard_node_encode(&m->nodes[i], (char *) p, SHARD_JSON_MAX);

        } else {
            if (!m->entries[i - m->nnodes].live) {
                continue;
            }

            ngx_http_shard_model_record(m, &m->entries[i - m->nnodes], &rec);
            p = ngx_sprintf((u_char *) line, "shard %uD ", rec.id);
            n = shard_record_encode(&rec, (char *) p, SHARD_JSON_MAX);
        }

        if (n < 0) {
            return NGX_ERROR;
        }

        p += n;
        *p++ = '\n';

        if (ngx_http_shard_state_put(b, line, p - (u_char *) line)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_state_write(ngx_http_shard_keyspace_t *ks,
    ngx_http_shard_model_t *m, ngx_log_t *log)
{
    char        sum[17], line[32], temp[NGX_MAX_PATH];
    ngx_fd_t    fd;
    ngx_buf_t   b;
    ngx_int_t   rc;

    ngx_memzero(&b, sizeof(ngx_buf_t));
    rc = ngx_http_shard_state_body(m, &b);

    if (rc == NGX_OK) {
        shard_hex_encode(shard_key_position(b.start, b.last - b.start), sum);
        (void) ngx_sprintf((u_char *) line, "sum %s\n", sum);
        rc = ngx_http_shard_state_put(&b, line, 21);
    }

    if (rc != NGX_OK) {
        ngx_free(b.start);
        return NGX_ERROR;
    }

    *ngx_snprintf((u_char *) temp, sizeof(temp) - 1, "%V.%P", &ks->state_file,
                  ngx_pid) = '\0';

    fd = ngx_open_file(temp, NGX_FILE_WRONLY, NGX_FILE_TRUNCATE, 0600);

    if (fd == NGX_INVALID_FILE) {
        if (log) {
            ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                          ngx_open_file_n " \"%s\" failed, the table is not "
                          "kept on disk: the folder of \"state=\" must be "
                          "writable for the workers' user", temp);
        }

        ngx_free(b.start);
        return NGX_ERROR;
    }

    if (ngx_write_fd(fd, b.start, b.last - b.start) != b.last - b.start
        || fsync(fd) == -1
        || ngx_rename_file(temp, ks->state_file.data) == NGX_FILE_ERROR)
    {
        if (log) {
            ngx_log_error(NGX_LOG_ERR, log, ngx_errno,
                          "writing state file \"%s\" failed", temp);
        }

        (void) ngx_delete_file(temp);
        rc = NGX_ERROR;
    }

    (void) ngx_close_file(fd);
    ngx_free(b.start);

    return rc;
}
