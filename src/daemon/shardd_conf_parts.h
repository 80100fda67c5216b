
/* Between shardd_conf.c and shardd_conf_list.c, of one file that is read. */


#ifndef _SHARDD_CONF_PARTS_H_INCLUDED_
#define _SHARDD_CONF_PARTS_H_INCLUDED_


#include <yaml.h>

#include "shardd_conf_value.h"


#define SHARDD_CONF_KEYS_MAX  256


typedef struct {
    yaml_parser_t        parser;
    yaml_event_t         event;       /* the current one; deleted by next() */
    const char          *path;
    char                *err;
    size_t               base;        /* of the item it is in */
    size_t               nvalues;
    shardd_conf_value_t  values[SHARDD_CONF_KEYS_MAX];
} shardd_conf_t;


/* returns -1 */

int shardd_conf_error(shardd_conf_t *cf, yaml_mark_t mark, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* 0, or -1 and the error, as all below */

int shardd_conf_next(shardd_conf_t *cf);

/* 1: a scalar without an anchor or a tag */

int shardd_conf_plain(const yaml_event_t *event);

/* these enter with the first event of the value, and leave with its last */

int shardd_conf_mapping(shardd_conf_t *cf, const shardd_conf_key_t *keys,
    const char *name, int depth);
int shardd_conf_list(shardd_conf_t *cf, const shardd_conf_key_t *key);
int shardd_conf_map(shardd_conf_t *cf, const shardd_conf_key_t *key);
int shardd_conf_items(shardd_conf_t *cf, const shardd_conf_key_t *key,
    int depth);


#endif /* _SHARDD_CONF_PARTS_H_INCLUDED_ */
