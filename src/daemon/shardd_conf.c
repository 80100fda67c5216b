
/*
 *   file ──▶ libyaml events ──▶ table of keys ──▶ settings ──▶ struct
 *                                    │               (all at once, at the end)
 *                                    ▼
 *                     FILE:LINE:COL: what is wrong
 *
 * Only mappings, scalars and lists of scalars are known: no anchors, aliases,
 * tags or second documents.  Lists are in shardd_conf_list.c, values are
 * converted by shardd_conf_value.c.
 */


#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shardd_conf_parts.h"


#define SHARDD_CONF_FILE_MAX   262144
#define SHARDD_CONF_DEPTH_MAX  8


static int shardd_conf_document(shardd_conf_t *cf,
    const shardd_conf_key_t *keys);
static int shardd_conf_pair(shardd_conf_t *cf, const shardd_conf_key_t *keys,
    uint8_t *seen, int depth);
static int shardd_conf_lacks(shardd_conf_t *cf,
    const shardd_conf_key_t *keys, const char *name, const uint8_t *seen,
    yaml_mark_t mark);


static char *
shardd_conf_read(const char *path, size_t *len, char *err)
{
    FILE  *f;
    char  *text;

    f = fopen(path, "re");
    if (f == NULL) {
        snprintf(err, SHARDD_ERR_SIZE, "%.200s: %s", path, strerror(errno));
        return NULL;
    }

    text = malloc(SHARDD_CONF_FILE_MAX + 1);

    if (text == NULL) {
        snprintf(err, SHARDD_ERR_SIZE, "%.200s: no memory", path);
        fclose(f);
        return NULL;
    }

    *len = fread(text, 1, SHARDD_CONF_FILE_MAX + 1, f);

    if (ferror(f)) {
        snprintf(err, SHARDD_ERR_SIZE, "%.200s: %s", path, strerror(errno));
        free(text);
        text = NULL;

    } else if (*len > SHARDD_CONF_FILE_MAX) {
        snprintf(err, SHARDD_ERR_SIZE, "%.200s: larger than %d bytes", path,
                 SHARDD_CONF_FILE_MAX);
        free(text);
        text = NULL;
    }

    fclose(f);

    return text;
}


int
shardd_conf_load(const char *path, const shardd_conf_key_t *keys,
    void *conf, char err[SHARDD_ERR_SIZE])
{
    int             rc;
    char           *text;
    size_t          i, len;
    shardd_conf_t  *cf;

    text = shardd_conf_read(path, &len, err);
    if (text == NULL) {
        return -1;
    }

    cf = calloc(1, sizeof(shardd_conf_t));

    if (cf == NULL || !yaml_parser_initialize(&cf->parser)) {
        snprintf(err, SHARDD_ERR_SIZE, "%.200s: no memory", path);
        free(cf);
        free(text);
        return -1;
    }

    cf->path = path;
    cf->err = err;

    yaml_parser_set_input_string(&cf->parser, (unsigned char *) text, len);

    rc = shardd_conf_document(cf, keys);

    for (i = 0; i < cf->nvalues; i++) {
        if (rc == 0) {
            shardd_conf_value_set(&cf->values[i], conf);
        } else {
            shardd_conf_value_free(&cf->values[i]);
        }
    }

    yaml_event_delete(&cf->event);
    yaml_parser_delete(&cf->parser);
    free(cf);
    free(text);

    return rc;
}


int
shardd_conf_error(shardd_conf_t *cf, yaml_mark_t mark, const char *fmt, ...)
{
    int      n;
    va_list  args;

    n = snprintf(cf->err, SHARDD_ERR_SIZE, "%.200s:%zu:%zu: ", cf->path,
                 mark.line + 1, mark.column + 1);

    va_start(args, fmt);
    vsnprintf(cf->err + n, SHARDD_ERR_SIZE - (size_t) n, fmt, args);
    va_end(args);

    return -1;
}


int
shardd_conf_next(shardd_conf_t *cf)
{
    yaml_event_delete(&cf->event);

    if (!yaml_parser_parse(&cf->parser, &cf->event)) {
        yaml_mark_t  mark = cf->parser.problem_mark;

        memset(&cf->event, 0, sizeof(yaml_event_t));

        return shardd_conf_error(cf, mark, "%s",
                                 cf->parser.problem ? cf->parser.problem
                                                    : "no YAML");
    }

    return 0;
}


int
shardd_conf_plain(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT && !event->data.scalar.anchor
           && !event->data.scalar.tag;
}


static int
shardd_conf_document(shardd_conf_t *cf, const shardd_conf_key_t *keys)
{
    uint8_t  seen[SHARDD_CONF_KEYS_MAX];

    do {
        if (shardd_conf_next(cf) != 0) {
            return -1;
        }

    } while (cf->event.type == YAML_STREAM_START_EVENT
             || cf->event.type == YAML_DOCUMENT_START_EVENT);

    if (cf->event.type == YAML_STREAM_END_EVENT) {
        memset(seen, 0, sizeof(seen));
        return shardd_conf_lacks(cf, keys, NULL, seen,
                                 cf->event.start_mark);
    }

    if (cf->event.type != YAML_MAPPING_START_EVENT) {
        return shardd_conf_error(cf, cf->event.start_mark,
                                 "the file must be lines of \"key: value\"");
    }

    if (shardd_conf_mapping(cf, keys, NULL, 0) != 0
        || shardd_conf_next(cf) != 0         /* end of the document */
        || shardd_conf_next(cf) != 0)
    {
        return -1;
    }

    if (cf->event.type != YAML_STREAM_END_EVENT) {
        return shardd_conf_error(cf, cf->event.start_mark,
                                 "a second document, one is right");
    }

    return 0;
}


int
shardd_conf_mapping(shardd_conf_t *cf, const shardd_conf_key_t *keys,
    const char *name, int depth)
{
    uint8_t      seen[SHARDD_CONF_KEYS_MAX];
    yaml_mark_t  mark;

    mark = cf->event.start_mark;
    memset(seen, 0, sizeof(seen));

    if (cf->event.data.mapping_start.anchor
        || cf->event.data.mapping_start.tag)
    {
        return shardd_conf_error(cf, mark, "anchors and tags are not known "
                                 "here");
    }

    if (depth > SHARDD_CONF_DEPTH_MAX) {
        return shardd_conf_error(cf, mark, "more than %d levels",
                                 SHARDD_CONF_DEPTH_MAX);
    }

    for ( ;; ) {
        if (shardd_conf_next(cf) != 0) {
            return -1;
        }

        if (cf->event.type == YAML_MAPPING_END_EVENT) {
            return shardd_conf_lacks(cf, keys, name, seen, mark);
        }

        if (shardd_conf_pair(cf, keys, seen, depth) != 0) {
            return -1;
        }
    }
}


static int
shardd_conf_unknown(shardd_conf_t *cf, const shardd_conf_key_t *keys,
    const char *text, size_t len)
{
    size_t       i;
    const char  *words[SHARDD_CONF_KEYS_MAX + 1], *nearest;
    shard_str_t  str;

    for (i = 0; keys[i].name && i < SHARDD_CONF_KEYS_MAX; i++) {
        words[i] = keys[i].name;
    }

    words[i] = NULL;

    str.len = len;
    str.data = text;

    nearest = shard_nearest(str, words);

    if (nearest) {
        return shardd_conf_error(cf, cf->event.start_mark, "unknown key "
                                 "\"%.60s\", nearest is \"%s\"", text,
                                 nearest);
    }

    return shardd_conf_error(cf, cf->event.start_mark, "unknown key "
                             "\"%.60s\"", text);
}


/* the table's entry of the current scalar, or NULL and the error */

static const shardd_conf_key_t *
shardd_conf_key(shardd_conf_t *cf, const shardd_conf_key_t *keys,
    uint8_t *seen)
{
    size_t       i, len;
    const char  *text;

    if (cf->event.type != YAML_SCALAR_EVENT) {
        shardd_conf_error(cf, cf->event.start_mark, "a key must be a word");
        return NULL;
    }

    text = (const char *) cf->event.data.scalar.value;
    len = cf->event.data.scalar.length;

    for (i = 0; keys[i].name && i < SHARDD_CONF_KEYS_MAX; i++) {
        if (strlen(keys[i].name) != len
            || memcmp(keys[i].name, text, len) != 0)
        {
            continue;
        }

        if (seen[i]) {
            shardd_conf_error(cf, cf->event.start_mark,
                              "\"%s\" is given twice", text);
            return NULL;
        }

        seen[i] = 1;

        return &keys[i];
    }

    shardd_conf_unknown(cf, keys, text, len);

    return NULL;
}


static int
shardd_conf_not_plain(shardd_conf_t *cf, const shardd_conf_key_t *key)
{
    return shardd_conf_error(cf, cf->event.start_mark, "\"%s\" needs a "
                             "plain value: no list, anchor, alias or tag",
                             key->name);
}


/* one without a line below it may yet lack what is required */

static int
shardd_conf_section(shardd_conf_t *cf, const shardd_conf_key_t *key,
    int depth)
{
    uint8_t  none[SHARDD_CONF_KEYS_MAX];

    if (cf->event.type == YAML_MAPPING_START_EVENT) {
        return shardd_conf_mapping(cf, key->section, key->name, depth + 1);
    }

    if (!shardd_conf_plain(&cf->event)) {
        return shardd_conf_not_plain(cf, key);
    }

    if (cf->event.data.scalar.length != 0) {
        return shardd_conf_error(cf, cf->event.start_mark, "\"%s\" is a "
                                 "section: its keys belong on lines below it",
                                 key->name);
    }

    memset(none, 0, sizeof(none));

    return shardd_conf_lacks(cf, key->section, key->name, none,
                             cf->event.start_mark);
}


static int
shardd_conf_scalar(shardd_conf_t *cf, const shardd_conf_key_t *key)
{
    char                  why[SHARDD_ERR_SIZE];
    yaml_mark_t           mark;
    shardd_conf_value_t  *value;

    mark = cf->event.start_mark;

    if (cf->event.type == YAML_MAPPING_START_EVENT) {
        return shardd_conf_error(cf, mark, "\"%s\" needs one value, not a "
                                 "section", key->name);
    }

    if (!shardd_conf_plain(&cf->event)) {
        return shardd_conf_not_plain(cf, key);
    }

    if (cf->nvalues == SHARDD_CONF_KEYS_MAX) {
        return shardd_conf_error(cf, mark, "more than %d keys",
                                 SHARDD_CONF_KEYS_MAX);
    }

    value = &cf->values[cf->nvalues];

    if (shardd_conf_value_parse(key,
                                (const char *) cf->event.data.scalar.value,
                                cf->event.data.scalar.length,
                                cf->event.data.scalar.style
                                == YAML_PLAIN_SCALAR_STYLE, value, why) != 0)
    {
        return shardd_conf_error(cf, mark, "%.400s", why);
    }

    value->base = cf->base;
    cf->nvalues++;

    return 0;
}


static int
shardd_conf_pair(shardd_conf_t *cf, const shardd_conf_key_t *keys,
    uint8_t *seen, int depth)
{
    const shardd_conf_key_t  *key;

    key = shardd_conf_key(cf, keys, seen);

    if (key == NULL || shardd_conf_next(cf) != 0) {
        return -1;
    }

    switch (key->type) {

    case SHARDD_CONF_ITEMS:
        return shardd_conf_items(cf, key, depth + 1);

    case SHARDD_CONF_MAP:
        return shardd_conf_map(cf, key);

    case SHARDD_CONF_LIST:
        return shardd_conf_list(cf, key);

    case SHARDD_CONF_SECTION:
        return shardd_conf_section(cf, key, depth);

    default:
        return shardd_conf_scalar(cf, key);
    }
}


static int
shardd_conf_lacks(shardd_conf_t *cf, const shardd_conf_key_t *keys,
    const char *name, const uint8_t *seen, yaml_mark_t mark)
{
    size_t  i;

    for (i = 0; keys[i].name && i < SHARDD_CONF_KEYS_MAX; i++) {
        if (keys[i].required && !seen[i]) {
            return shardd_conf_error(cf, mark, "%s%s%s lacks \"%s\": %s",
                                     name ? "section \"" : "the file",
                                     name ? name : "", name ? "\"" : "",
                                     keys[i].name, keys[i].doc);
        }
    }

    return 0;
}
