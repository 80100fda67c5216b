
/*
 * nginx's combined log (or one with more fields after it): every request
 * counts for the shard of its key in the slot of its time.
 */


#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shard_key.h"
#include "import.h"


#define ACCESS_FIELDS_MAX  64


typedef struct {
    char    *data;            /* without quotes or brackets */
    size_t   len;
    char     quote;           /* '"', '[' or 0 */
} access_field_t;

typedef struct {
    access_field_t  fields[ACCESS_FIELDS_MAX];
    size_t          n;
    int64_t         start;
    int64_t         first_slot;
    int64_t         last_slot;
} access_t;


static int
access_split(import_t *im, import_file_t *f, access_t *a)
{
    char            *p, *end;
    access_field_t  *field;

    a->n = 0;

    for (p = f->line; *p && a->n < ACCESS_FIELDS_MAX; /* void */ ) {

        if (*p == ' ') {
            p++;
            continue;
        }

        field = &a->fields[a->n++];
        field->quote = (*p == '"' || *p == '[') ? *p : '\0';

        if (field->quote == '\0') {
            field->data = p;
            field->len = strcspn(p, " ");
            p += field->len;
            continue;
        }

        end = p + 1;

        while (*end && *end != (field->quote == '[' ? ']' : '"')) {
            end += (*end == '\\' && end[1]) ? 2 : 1;
        }

        if (*end == '\0') {
            return import_bad(im, f, (size_t) (p - f->line) + 1, "the %s that "
                              "begins here does not end",
                              field->quote == '[' ? "bracket" : "quote");
        }

        field->data = p + 1;
        field->len = (size_t) (end - p - 1);
        p = end + 1;
    }

    return SHARDCTL_OK;
}


static access_field_t *
access_first(access_t *a, char quote)
{
    size_t  i;

    for (i = 0; i < a->n; i++) {

        if (a->fields[i].quote == quote) {
            return &a->fields[i];
        }
    }

    return NULL;
}


/* 21/Nov/2026:08:25:00 +0000 */

static int
access_time(const access_field_t *field, int64_t *epoch)
{
    int         n, zone, offset, hours;
    char        text[32], month[4];
    const char *found;
    struct tm   tm;

    static const char  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    if (field->len != 26) {
        return SHARD_ERROR;
    }

    memcpy(text, field->data, field->len);
    text[field->len] = '\0';
    memset(&tm, 0, sizeof(tm));
    n = 0;

    if (sscanf(text, "%2d/%3[A-Za-z]/%4d:%2d:%2d:%2d %5d%n", &tm.tm_mday,
               month, &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &zone,
               &n) != 7
        || n != 26)
    {
        return SHARD_ERROR;
    }

    found = strstr(months, month);

    if (found == NULL || strlen(month) != 3 || (found - months) % 3
        || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_year < 1970
        || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0
        || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
    {
        return SHARD_ERROR;
    }

    tm.tm_mon = (int) (found - months) / 3;
    tm.tm_year -= 1900;

    hours = zone / 100;
    offset = hours * 3600 + (zone % 100) * 60;

    *epoch = (int64_t) timegm(&tm) - offset;

    return (*epoch >= 0) ? SHARD_OK : SHARD_ERROR;
}


/* the value of NAME in "GET /path?NAME=value&... HTTP/1.1" */

static int
access_argument(const access_field_t *request, const char *name,
    access_field_t *key)
{
    char    *p, *end;
    size_t   len, n;

    p = memchr(request->data, '?', request->len);

    if (p == NULL) {
        return SHARD_AGAIN;
    }

    end = memchr(p, ' ', (size_t) (request->data + request->len - p));
    end = end ? end : request->data + request->len;
    n = strlen(name);

    for (p++; p < end; p += len + 1) {
        len = 0;

        while (p + len < end && p[len] != '&') {
            len++;
        }

        if (len > n && p[n] == '=' && strncasecmp(p, name, n) == 0) {
            key->data = p + n + 1;
            key->len = len - n - 1;
            return SHARD_OK;
        }
    }

    return SHARD_AGAIN;
}


static int
access_hex(char c)
{
    return (c >= '0' && c <= '9') ? c - '0'
           : (c >= 'A' && c <= 'F') ? c - 'A' + 10
           : (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


/* nginx writes '"', '\' and control characters as \xHH */

static void
access_unescape(access_field_t *key)
{
    char    *to;
    size_t   i;

    to = key->data;

    for (i = 0; i < key->len; i++) {

        if (i + 3 < key->len && key->data[i] == '\\'
            && key->data[i + 1] == 'x' && access_hex(key->data[i + 2]) >= 0
            && access_hex(key->data[i + 3]) >= 0)
        {
            *to++ = (char) (access_hex(key->data[i + 2]) * 16
                            + access_hex(key->data[i + 3]));
            i += 3;
            continue;
        }

        *to++ = key->data[i];
    }

    key->len = (size_t) (to - key->data);
}


/* SHARD_AGAIN: the request has none */

static int
access_key(import_t *im, import_file_t *f, access_t *a, access_field_t *key)
{
    int              rc;
    long             n;
    size_t           i;
    access_field_t  *request;

    rc = SHARD_OK;
    request = access_first(a, '"');

    if (strncmp(im->key_field, "arg:", 4) == 0) {
        rc = request ? access_argument(request, im->key_field + 4, key)
                     : SHARD_AGAIN;

    } else if (strcmp(im->key_field, "last") == 0) {

        for (i = a->n; i > 0 && a->fields[i - 1].quote != '"'; i--) {
            /* void */
        }

        if (i == 0 || &a->fields[i - 1] == request) {
            import_bad(im, f, strlen(f->line), "there is no quoted field "
                       "after the request that could be the key");
            return SHARD_ERROR;
        }

        *key = a->fields[i - 1];

    } else {
        n = strtol(im->key_field, NULL, 10);

        if ((size_t) n > a->n) {
            import_bad(im, f, strlen(f->line), "there is no field %ld (the "
                       "key), only %zu", n, a->n);
            return SHARD_ERROR;
        }

        *key = a->fields[n - 1];
    }

    if (rc == SHARD_OK) {
        access_unescape(key);

        if (key->len == 0 || (key->len == 1 && key->data[0] == '-')) {
            rc = SHARD_AGAIN;
        }
    }

    return rc;
}


static int
access_one(import_t *im, import_file_t *f, access_t *a)
{
    int                    rc;
    int64_t                epoch, slot;
    access_field_t        *when, key;
    const shard_record_t  *rec;

    if (access_split(im, f, a) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    when = access_first(a, '[');

    if (when == NULL || access_time(when, &epoch) != SHARD_OK) {
        return import_bad(im, f, when ? (size_t) (when->data - f->line) + 1
                          : 1, "there is no time as [21/Nov/2026:08:25:00 "
                          "+0000]: nginx's combined log is needed");
    }

    rc = access_key(im, f, a, &key);

    if (rc == SHARD_ERROR) {
        return SHARDCTL_FAILED;
    }

    im->lines++;
    a->start = (a->start < 0) ? epoch : a->start;

    if (!import_wanted(im, a->start, epoch)) {
        return SHARDCTL_OK;
    }

    slot = epoch / im->res_s;
    a->first_slot = (a->first_slot < 0 || slot < a->first_slot)
                    ? slot : a->first_slot;
    a->last_slot = (slot > a->last_slot) ? slot : a->last_slot;

    if (rc == SHARD_AGAIN) {
        im->keyless++;
        return SHARDCTL_OK;
    }

    rec = shardd_table_locate(&im->table, key.data, key.len);

    /* routers answer 400 to what is no key of the keyspace's kind */

    if (rec == NULL) {
        im->keyless++;
        return SHARDCTL_OK;
    }

    return import_add(im, (long) slot, rec->id, 1, 0);
}


/* a shard nobody asked in the log's time had no load, not an unknown one */

static int
access_fill(import_t *im, const access_t *a)
{
    size_t      i;
    int64_t     slot;
    shard_id_t  id;

    for (slot = a->first_slot; slot >= 0 && slot <= a->last_slot; slot++) {

        for (i = 0; i < im->table.nshards; i++) {
            id = im->table.shards[i].id;

            if (import_add(im, (long) slot, id, 0, 0) != SHARDCTL_OK) {
                return SHARDCTL_FAILED;
            }

            /* set, not added: a slot may lie in two rotated files */

            im->rows[slot - im->first][id].weight = (float) im->res_s;
        }
    }

    return SHARDCTL_OK;
}


int
import_access(import_t *im, import_file_t *f)
{
    int        rc;
    size_t     i;
    access_t   a;

    a.start = -1;
    a.first_slot = -1;
    a.last_slot = -1;

    for (i = 0; i < im->table.nshards; i++) {

        if (im->table.shards[i].id >= im->width) {
            im->width = (size_t) im->table.shards[i].id + 1;
        }
    }

    while ((rc = import_line(im, f)) == 1) {

        if (access_one(im, f, &a) != SHARDCTL_OK) {
            return SHARDCTL_FAILED;
        }
    }

    if (rc == 0 && a.start < 0) {
        return import_bad(im, f, 1, "the file holds no data");
    }

    if (rc == 0 && access_fill(im, &a) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    return (rc == 0) ? SHARDCTL_OK : SHARDCTL_FAILED;
}
