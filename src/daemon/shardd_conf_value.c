
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shardd_conf_value.h"


#define SHARDD_CONF_STRING_MAX  4096


typedef struct {
    const char  *suffix;
    long         ms;
} shardd_conf_unit_t;

/* the largest first, as printing tries them */

static const shardd_conf_unit_t  shardd_conf_units[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
    { "ms", 1 }
};

#define SHARDD_CONF_UNITS  5


static int shardd_conf_string(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why);
static int shardd_conf_file(const shardd_conf_key_t *key, const char *path,
    shardd_conf_value_t *value, char *why);
static int shardd_conf_int(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why);
static int shardd_conf_number(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why);
static int shardd_conf_ms(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why);
static int shardd_conf_bool(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why);
static int shardd_conf_enum(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why);


typedef int (*shardd_conf_parse_pt)(const shardd_conf_key_t *key,
    const char *text, shardd_conf_value_t *value, char *why);

/* in the order of shardd_conf_type_e */

static const shardd_conf_parse_pt  shardd_conf_parsers[] = {
    shardd_conf_string,
    shardd_conf_file,
    shardd_conf_int,
    shardd_conf_number,
    shardd_conf_ms,
    shardd_conf_bool,
    shardd_conf_enum
};


int
shardd_conf_value_parse(const shardd_conf_key_t *key, const char *text,
    size_t len, int plain, shardd_conf_value_t *value, char *why)
{
    memset(value, 0, sizeof(shardd_conf_value_t));
    value->key = key;

    if (len == 0 && (plain || key->type != SHARDD_CONF_STRING)) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\" needs a value: %s", key->name,
                 key->doc);
        return -1;
    }

    if (len > SHARDD_CONF_STRING_MAX || memchr(text, '\0', len)) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\" is longer than %d bytes or "
                 "holds a zero byte", key->name, SHARDD_CONF_STRING_MAX);
        return -1;
    }

    return shardd_conf_parsers[key->type](key, text, value, why);
}


void
shardd_conf_value_list(const shardd_conf_key_t *key,
    shardd_conf_value_t *value)
{
    memset(value, 0, sizeof(shardd_conf_value_t));
    value->key = key;
}


int
shardd_conf_value_item(const char *text, size_t len,
    shardd_conf_value_t *value, char *why)
{
    size_t   n;
    char   **list;

    n = (size_t) value->integer;

    if ((double) n >= value->key->max) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\" has more than %.0f items",
                 value->key->name, value->key->max);
        return -1;
    }

    if (len == 0 || len > SHARDD_CONF_STRING_MAX || memchr(text, '\0', len)) {
        snprintf(why, SHARDD_ERR_SIZE, "an item of \"%s\" is empty, longer "
                 "than %d bytes or holds a zero byte", value->key->name,
                 SHARDD_CONF_STRING_MAX);
        return -1;
    }

    list = realloc(value->list, (n + 2) * sizeof(char *));

    if (list) {
        value->list = list;
        list[n] = strdup(text);
        list[n + 1] = NULL;
    }

    if (list == NULL || list[n] == NULL) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\": no memory",
                 value->key->name);
        return -1;
    }

    value->integer++;

    return 0;
}


void
shardd_conf_value_free(shardd_conf_value_t *value)
{
    size_t  i;

    for (i = 0; value->list && value->list[i]; i++) {
        free(value->list[i]);
    }

    free(value->list);
    free(value->string);
}


static int
shardd_conf_string(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why)
{
    value->string = strdup(text);

    if (value->string == NULL) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\": no memory", key->name);
        return -1;
    }

    return 0;
}


static int
shardd_conf_file(const shardd_conf_key_t *key, const char *path,
    shardd_conf_value_t *value, char *why)
{
    char   *line;
    FILE   *f;
    size_t  len;

    line = malloc(SHARDD_CONF_STRING_MAX);
    if (line == NULL) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\": no memory", key->name);
        return -1;
    }

    f = fopen(path, "re");

    if (f == NULL || fgets(line, SHARDD_CONF_STRING_MAX, f) == NULL) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\": %.200s: %s; its first line "
                 "must hold the value", key->name, path,
                 f == NULL || ferror(f) ? strerror(errno) : "is empty");
        goto failed;
    }

    len = strcspn(line, "\r\n");

    if (len == 0) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\": %.200s: the first line is "
                 "empty", key->name, path);
        goto failed;
    }

    line[len] = '\0';
    fclose(f);

    value->string = line;

    return 0;

failed:

    if (f) {
        fclose(f);
    }

    free(line);

    return -1;
}


static int
shardd_conf_int(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why)
{
    char  *end;

    errno = 0;
    value->integer = strtol(text, &end, 10);

    if (errno || *end != '\0' || end == text
        || strspn(text, "-0123456789") != strlen(text))
    {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\": \"%.60s\" is no whole "
                 "number", key->name, text);
        return -1;
    }

    if ((double) value->integer < key->min
        || (double) value->integer > key->max)
    {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\" is %.60s, must be %.0f to "
                 "%.0f", key->name, text, key->min, key->max);
        return -1;
    }

    return 0;
}


static int
shardd_conf_number(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why)
{
    char  *end;

    value->number = strtod(text, &end);

    if (*end != '\0' || end == text || !isfinite(value->number)
        || strspn(text, "+-0123456789.eE") != strlen(text))
    {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\": \"%.60s\" is no number",
                 key->name, text);
        return -1;
    }

    if (value->number < key->min || value->number > key->max) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\" is %.60s, must be %g to %g",
                 key->name, text, key->min, key->max);
        return -1;
    }

    return 0;
}


const char *
shardd_conf_time(double ms, char *buf)
{
    size_t  i;
    long    n;

    n = (long) ms;

    for (i = 0; i < SHARDD_CONF_UNITS - 1; i++) {
        if (n != 0 && n % shardd_conf_units[i].ms == 0) {
            break;
        }
    }

    snprintf(buf, SHARDD_CONF_TIME_SIZE, "%ld%s",
             n / shardd_conf_units[i].ms, shardd_conf_units[i].suffix);

    return buf;
}


static int
shardd_conf_ms(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why)
{
    char    min[SHARDD_CONF_TIME_SIZE], max[SHARDD_CONF_TIME_SIZE];
    long    n;
    size_t  i, digits;

    digits = strspn(text, "0123456789");

    for (i = 0; i < SHARDD_CONF_UNITS; i++) {
        if (strcmp(text + digits, shardd_conf_units[i].suffix) == 0) {
            break;
        }
    }

    if (digits == 0 || digits > 12 || i == SHARDD_CONF_UNITS) {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\": \"%.60s\" is no time: a "
                 "whole number and ms, s, m, h or d, as 250ms or 5s",
                 key->name, text);
        return -1;
    }

    n = strtol(text, NULL, 10);

    if (n > LONG_MAX / shardd_conf_units[i].ms
        || (double) n * (double) shardd_conf_units[i].ms < key->min
        || (double) n * (double) shardd_conf_units[i].ms > key->max)
    {
        snprintf(why, SHARDD_ERR_SIZE, "\"%s\" is %.60s, must be %s to %s",
                 key->name, text, shardd_conf_time(key->min, min),
                 shardd_conf_time(key->max, max));
        return -1;
    }

    value->integer = n * shardd_conf_units[i].ms;

    return 0;
}


static int
shardd_conf_bool(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why)
{
    if (strcmp(text, "on") == 0 || strcmp(text, "true") == 0) {
        value->integer = 1;
        return 0;
    }

    if (strcmp(text, "off") == 0 || strcmp(text, "false") == 0) {
        value->integer = 0;
        return 0;
    }

    snprintf(why, SHARDD_ERR_SIZE, "\"%s\": \"%.60s\" is none of on, off, "
             "true, false", key->name, text);

    return -1;
}


static int
shardd_conf_enum(const shardd_conf_key_t *key, const char *text,
    shardd_conf_value_t *value, char *why)
{
    int          n;
    size_t       i;
    const char  *nearest;
    shard_str_t  str;

    for (i = 0; key->words[i]; i++) {
        if (strcmp(key->words[i], text) == 0) {
            value->integer = (long) i;
            return 0;
        }
    }

    str.data = text;
    str.len = strlen(text);

    nearest = shard_nearest(str, key->words);

    n = snprintf(why, SHARDD_ERR_SIZE, "\"%s\": \"%.60s\" is none of",
                 key->name, text);

    for (i = 0; key->words[i] && n < SHARDD_ERR_SIZE - 100; i++) {
        n += snprintf(why + n, (size_t) (SHARDD_ERR_SIZE - n), "%s %.40s",
                      i ? "," : "", key->words[i]);
    }

    if (nearest) {
        snprintf(why + n, (size_t) (SHARDD_ERR_SIZE - n),
                 "; nearest is \"%.40s\"", nearest);
    }

    return -1;
}


void
shardd_conf_value_set(const shardd_conf_value_t *value, void *conf)
{
    void  *member;

    member = (char *) conf + value->base + value->key->offset;

    switch (value->key->type) {

    case SHARDD_CONF_STRING:
    case SHARDD_CONF_FILE:
        *(char **) member = value->string;
        break;

    case SHARDD_CONF_NUMBER:
        *(double *) member = value->number;
        break;

    case SHARDD_CONF_INT:
    case SHARDD_CONF_MS:
        *(long *) member = value->integer;
        break;

    case SHARDD_CONF_BOOL:
    case SHARDD_CONF_ENUM:
        *(int *) member = (int) value->integer;
        break;

    case SHARDD_CONF_LIST:
    case SHARDD_CONF_MAP:
        *(char ***) member = value->list;
        break;

    case SHARDD_CONF_ITEMS:
    case SHARDD_CONF_SECTION:
        break;
    }
}
