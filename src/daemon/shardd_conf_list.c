
/* Values of a key that are many: a list, a map of names, items with keys. */


#include <string.h>

#include "shardd_conf_parts.h"


/* NULL and the error; counted at once: what is in it is freed with the rest */

static shardd_conf_value_t *
shardd_conf_begin(shardd_conf_t *cf, const shardd_conf_key_t *key,
    int marked)
{
    shardd_conf_value_t  *value;

    if (marked || cf->nvalues == SHARDD_CONF_KEYS_MAX) {
        shardd_conf_error(cf, cf->event.start_mark, "\"%s\" has an anchor or "
                          "a tag, or there are more than %d keys", key->name,
                          SHARDD_CONF_KEYS_MAX);
        return NULL;
    }

    value = &cf->values[cf->nvalues++];
    shardd_conf_value_list(key, value);
    value->base = cf->base;

    return value;
}


/* the current event is one more of it; "needs": what it must be */

static int
shardd_conf_item(shardd_conf_t *cf, const shardd_conf_key_t *key,
    shardd_conf_value_t *value, const char *needs)
{
    char  why[SHARDD_ERR_SIZE];

    if (!shardd_conf_plain(&cf->event)) {
        return shardd_conf_error(cf, cf->event.start_mark, "an item of "
                                 "\"%s\" must be %s", key->name, needs);
    }

    if (shardd_conf_value_item((const char *) cf->event.data.scalar.value,
                               cf->event.data.scalar.length, value, why) != 0)
    {
        return shardd_conf_error(cf, cf->event.start_mark, "%.400s", why);
    }

    return 0;
}


int
shardd_conf_list(shardd_conf_t *cf, const shardd_conf_key_t *key)
{
    shardd_conf_value_t  *value;

    if (cf->event.type != YAML_SEQUENCE_START_EVENT) {
        return shardd_conf_error(cf, cf->event.start_mark, "\"%s\" needs a "
                                 "list, as [a, b]", key->name);
    }

    value = shardd_conf_begin(cf, key, cf->event.data.sequence_start.anchor
                                       || cf->event.data.sequence_start.tag);
    if (value == NULL) {
        return -1;
    }

    for ( ;; ) {
        if (shardd_conf_next(cf) != 0) {
            return -1;
        }

        if (cf->event.type == YAML_SEQUENCE_END_EVENT) {
            return 0;
        }

        if (shardd_conf_item(cf, key, value, "a plain value") != 0) {
            return -1;
        }
    }
}


/* the current event is a name, if it is not what shardd_conf_item() refuses */

static int
shardd_conf_map_has(const shardd_conf_value_t *value,
    const yaml_event_t *event)
{
    long  i;

    if (event->type != YAML_SCALAR_EVENT) {
        return 0;
    }

    for (i = 0; i < value->integer; i += 2) {
        if (strcmp(value->list[i], (const char *) event->data.scalar.value)
            == 0)
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Names that the program does not know, such as nodes', each with a value;
 * the same twice is refused.
 */

int
shardd_conf_map(shardd_conf_t *cf, const shardd_conf_key_t *key)
{
    shardd_conf_value_t  *value;

    if (cf->event.type != YAML_MAPPING_START_EVENT) {
        return shardd_conf_error(cf, cf->event.start_mark, "\"%s\" needs "
                                 "lines of \"name: value\" below it",
                                 key->name);
    }

    value = shardd_conf_begin(cf, key, cf->event.data.mapping_start.anchor
                                       || cf->event.data.mapping_start.tag);
    if (value == NULL) {
        return -1;
    }

    for ( ;; ) {
        if (shardd_conf_next(cf) != 0) {
            return -1;
        }

        if (cf->event.type == YAML_MAPPING_END_EVENT) {
            return 0;
        }

        if (value->integer % 2 == 0 && shardd_conf_map_has(value, &cf->event))
        {
            return shardd_conf_error(cf, cf->event.start_mark, "\"%.60s\" is "
                                     "given twice",
                                     cf->event.data.scalar.value);
        }

        if (shardd_conf_item(cf, key, value, "\"name: value\"") != 0) {
            return -1;
        }
    }
}


int
shardd_conf_items(shardd_conf_t *cf, const shardd_conf_key_t *key, int depth)
{
    size_t  n;

    if (cf->event.type != YAML_SEQUENCE_START_EVENT
        || cf->event.data.sequence_start.anchor
        || cf->event.data.sequence_start.tag || cf->base)
    {
        return shardd_conf_error(cf, cf->event.start_mark, "\"%s\" needs a "
                                 "list of items, each with keys of its own",
                                 key->name);
    }

    for (n = 0; /* void */ ; n++) {

        if (shardd_conf_next(cf) != 0) {
            return -1;
        }

        if (cf->event.type == YAML_SEQUENCE_END_EVENT) {
            return 0;
        }

        if (cf->event.type != YAML_MAPPING_START_EVENT || n >= key->max) {
            return shardd_conf_error(cf, cf->event.start_mark, "an item of "
                                     "\"%s\" must have keys, and there may "
                                     "be %.0f", key->name, key->max);
        }

        cf->base = key->offset + n * (size_t) key->min;

        if (shardd_conf_mapping(cf, key->section, key->name, depth) != 0) {
            return -1;
        }

        cf->base = 0;
    }
}
