
/* The shards of a new list: one for each --unit, and the default one. */


#include <stdlib.h>
#include <string.h>

#include "shard_bytes.h"
#include "init.h"


static int init_units(shardctl_t *ctl, init_kind_t *k, const char *spec,
    const char *option);
static int init_units_once(shardctl_t *ctl, const init_kind_t *k);


int
init_name(shard_str_t text, shard_bytes_t *name)
{
    char    hex[3], *end;
    size_t  i;

    memset(name, 0, sizeof(shard_bytes_t));

    for (i = 0; i < text.len; i++) {

        if (name->len == SHARD_BOUND_MAX) {
            return SHARD_ERROR;
        }

        if (text.data[i] != '%') {
            name->data[name->len++] = text.data[i];
            continue;
        }

        if (text.len - i < 3) {
            return SHARD_ERROR;
        }

        memcpy(hex, text.data + i + 1, 2);
        hex[2] = '\0';
        name->data[name->len++] = (char) strtoul(hex, &end, 16);

        if (strspn(hex, "0123456789abcdefABCDEF") != 2) {
            return SHARD_ERROR;
        }

        i += 2;
    }

    return name->len ? SHARD_OK : SHARD_ERROR;
}


int
init_list(shardctl_t *ctl, init_kind_t *k)
{
    size_t       n;
    unsigned     i;
    const char  *spec, *fallback;

    n = 1;

    for (i = 0; shardctl_option_next(ctl, "unit", &i) != NULL; ) {
        n++;
    }

    k->units = calloc(n + 1, sizeof(char *));
    k->nunits = calloc(n, sizeof(uint8_t));

    if (k->units == NULL || k->nunits == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    for (i = 0; (spec = shardctl_option_next(ctl, "unit", &i)) != NULL; ) {

        if (init_units(ctl, k, spec, "unit") != SHARDCTL_OK) {
            return SHARDCTL_USAGE;
        }

        k->nshards++;
    }

    fallback = shardctl_option(ctl, "default");

    if (fallback && init_units(ctl, k, fallback, "default") != SHARDCTL_OK) {
        return SHARDCTL_USAGE;
    }

    k->nshards++;

    return init_units_once(ctl, k);
}


/* the units of shard k->nshards, as JSON has them between [ and ] */

static int
init_units(shardctl_t *ctl, init_kind_t *k, const char *spec,
    const char *option)
{
    char           *out, text[SHARD_BYTES_TEXT];
    uint8_t        *n;
    shard_str_t     name;
    shard_bytes_t   unit;

    out = malloc(SHARD_UNITS_MAX * (SHARD_BYTES_TEXT + 3));

    if (out == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    k->units[k->nshards] = out;
    n = &k->nunits[k->nshards];

    for (name.data = spec; /* void */ ; name.data += name.len + 1) {
        name.len = strcspn(name.data, ",");

        if (*n == SHARD_UNITS_MAX) {
            return shardctl_usage(ctl, "--%s: more than %d units of one "
                                  "shard", option, SHARD_UNITS_MAX);
        }

        if (init_name(name, &unit) != SHARD_OK) {
            return shardctl_usage(ctl, "--%s: \"%.*s\" is no name of 1 to %d "
                                  "bytes; %%xx is a byte", option,
                                  (int) name.len, name.data, SHARD_BOUND_MAX);
        }

        shard_bytes_encode(&unit, text);
        out += sprintf(out, "%s\"%s\"", *n ? "," : "", text);
        (*n)++;

        if (name.data[name.len] == '\0') {
            return SHARDCTL_OK;
        }
    }
}


static int
init_unit_compare(const void *one, const void *two)
{
    const shard_bytes_t  *a = one, *b = two;

    return shard_bytes_compare(a->data, a->len, b->data, b->len);
}


static int
init_units_once(shardctl_t *ctl, const init_kind_t *k)
{
    int             rc;
    char            text[SHARD_BYTES_TEXT];
    size_t          i, n;
    shard_str_t     left;
    shard_bytes_t  *units;

    units = malloc(k->nshards * SHARD_UNITS_MAX * sizeof(shard_bytes_t));

    if (units == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    n = 0;

    for (i = 0; i < k->nshards; i++) {
        left.data = k->units[i] ? k->units[i] : "";
        left.len = strlen(left.data);

        while (shard_units_next(&left, &units[n]) == SHARD_OK) {
            n++;
        }
    }

    qsort(units, n, sizeof(shard_bytes_t), init_unit_compare);

    rc = SHARDCTL_OK;

    for (i = 1; rc == SHARDCTL_OK && i < n; i++) {

        if (init_unit_compare(&units[i - 1], &units[i]) == 0) {
            shard_bytes_encode(&units[i], text);
            rc = shardctl_usage(ctl, "unit \"%s\" is given twice", text);
        }
    }

    free(units);

    return rc;
}
