
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shardd_store_redis.h"


int
shardd_store_fail(shardd_store_t *s, int rc, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    vsnprintf(s->err, SHARDD_ERR_SIZE, fmt, args);
    va_end(args);

    return rc;
}


const char *
shardd_store_key(shardd_store_t *s, char *buf, const char *fmt, ...)
{
    int      n;
    va_list  args;

    n = snprintf(buf, SHARDD_KEY_SIZE, "shard:{%s}:", s->keyspace);

    va_start(args, fmt);
    vsnprintf(buf + n, SHARDD_KEY_SIZE - (size_t) n, fmt, args);
    va_end(args);

    return buf;
}


/* errors that pass by themselves: Redis starts, fails over, runs a script */

static int
shardd_store_passing(const char *error)
{
    size_t  i;

    static const char *const  words[] = {
        "LOADING", "BUSY ", "MASTERDOWN", "CLUSTERDOWN", "READONLY",
        "NOREPLICAS", "MISCONF", "OOM", "TRYAGAIN", NULL
    };

    for (i = 0; words[i]; i++) {
        if (strncmp(error, words[i], strlen(words[i])) == 0) {
            return 1;
        }
    }

    return 0;
}


redisReply *
shardd_store_checked(shardd_store_t *s, redisReply *reply, int *rc)
{
    if (reply == NULL) {
        *rc = shardd_store_fail(s, SHARDD_DOWN, "%s", s->redis.err);
        return NULL;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        *rc = shardd_store_fail(s, shardd_store_passing(reply->str)
                                   ? SHARDD_DOWN : SHARDD_BAD,
                                "redis %s: %.300s", s->redis.conf.addr,
                                reply->str);
        freeReplyObject(reply);
        return NULL;
    }

    *rc = SHARDD_OK;

    return reply;
}


redisReply *
shardd_store_argv(shardd_store_t *s, int *rc, int argc, const char **argv,
    const size_t *lens)
{
    return shardd_store_checked(s, shardd_redis_argv(&s->redis, argc, argv,
                                                     lens), rc);
}


int
shardd_store_is_string(const redisReply *reply)
{
    return reply && (reply->type == REDIS_REPLY_STRING
                     || reply->type == REDIS_REPLY_STATUS);
}


shard_str_t
shardd_store_str(const redisReply *reply)
{
    shard_str_t  str = { 0, "" };

    if (shardd_store_is_string(reply)) {
        str.len = (size_t) reply->len;
        str.data = reply->str;
    }

    return str;
}


char *
shardd_store_strdup(const char *data, size_t len)
{
    char  *copy;

    copy = malloc(len + 1);

    if (copy) {
        memcpy(copy, data, len);
        copy[len] = '\0';
    }

    return copy;
}


/* values with a zero byte are cut there: none of ours has one */

int
shardd_store_entry(shardd_store_t *s, const char *id,
    const redisReply *fields, shardd_entry_t *entry)
{
    size_t           i, n;
    shard_str_t      name, value;
    shardd_field_t  *f;

    memset(entry, 0, sizeof(shardd_entry_t));
    snprintf(entry->id, sizeof(entry->id), "%s", id);

    /* an entry trimmed from its stream comes without fields */
    n = fields->type == REDIS_REPLY_ARRAY ? fields->elements / 2 : 0;

    if (n == 0) {
        return SHARDD_OK;
    }

    entry->fields = calloc(n, sizeof(shardd_field_t));
    if (entry->fields == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    for (i = 0; i < n; i++) {
        name = shardd_store_str(fields->element[i * 2]);
        value = shardd_store_str(fields->element[i * 2 + 1]);

        f = &entry->fields[entry->nfields++];
        f->name = shardd_store_strdup(name.data, name.len);
        f->value = shardd_store_strdup(value.data, value.len);

        if (f->name == NULL || f->value == NULL) {
            shardd_entry_free(entry);
            return shardd_store_fail(s, SHARDD_BAD, "no memory");
        }
    }

    return SHARDD_OK;
}


/* stream entries: [[id, [name, value, ...]], ...], added to "out" */

int
shardd_store_entries(shardd_store_t *s, const redisReply *list,
    shardd_entries_t *out)
{
    size_t           i, n;
    redisReply      *e;
    shardd_entry_t  *grown;

    if (list->type != REDIS_REPLY_ARRAY || list->elements == 0) {
        return SHARDD_OK;
    }

    n = list->elements;

    if (n > SHARDD_ENTRIES_MAX) {
        return shardd_store_fail(s, SHARDD_BAD, "%zu entries in one answer",
                                 n);
    }

    grown = realloc(out->entries,
                    (out->n + n) * sizeof(shardd_entry_t));
    if (grown == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    out->entries = grown;

    for (i = 0; i < n; i++) {
        e = list->element[i];

        if (e->type != REDIS_REPLY_ARRAY || e->elements < 2
            || !shardd_store_is_string(e->element[0]))
        {
            continue;
        }

        if (shardd_store_entry(s, e->element[0]->str, e->element[1],
                               &out->entries[out->n]) != SHARDD_OK)
        {
            return SHARDD_BAD;
        }

        out->n++;
    }

    return SHARDD_OK;
}


void
shardd_entry_free(shardd_entry_t *entry)
{
    size_t  i;

    for (i = 0; i < entry->nfields; i++) {
        free(entry->fields[i].name);
        free(entry->fields[i].value);
    }

    free(entry->fields);

    entry->fields = NULL;
    entry->nfields = 0;
}


void
shardd_entries_free(shardd_entries_t *entries)
{
    size_t  i;

    for (i = 0; i < entries->n; i++) {
        shardd_entry_free(&entries->entries[i]);
    }

    free(entries->entries);

    entries->entries = NULL;
    entries->n = 0;
}


/* NULL when there is none */

const char *
shardd_entry_field(const shardd_entry_t *entry, const char *name)
{
    size_t  i;

    for (i = 0; i < entry->nfields; i++) {
        if (strcmp(entry->fields[i].name, name) == 0) {
            return entry->fields[i].value;
        }
    }

    return NULL;
}
