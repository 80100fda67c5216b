
/*
 * One value of a configuration: from its text, into the struct, and back to
 * text.  For shardd_conf.c and shardd_conf_print.c alone.
 */


#ifndef _SHARDD_CONF_VALUE_H_INCLUDED_
#define _SHARDD_CONF_VALUE_H_INCLUDED_


#include "shardd_conf.h"


#define SHARDD_CONF_TIME_SIZE  32


typedef struct {
    const shardd_conf_key_t  *key;
    size_t                    base;       /* of an item: where it begins */
    char                     *string;     /* STRING, FILE: to be freed */
    double                    number;
    long                      integer;    /* INT, MS, BOOL, ENUM; of a LIST
                                             how many */
    char                    **list;       /* LIST: to be freed */
} shardd_conf_value_t;


/* 0, or -1 and why (SHARDD_ERR_SIZE); plain: written without quotes */

int shardd_conf_value_parse(const shardd_conf_key_t *key, const char *text,
    size_t len, int plain, shardd_conf_value_t *value, char *why);

/* one more of a list, which is empty first; the same */

void shardd_conf_value_list(const shardd_conf_key_t *key,
    shardd_conf_value_t *value);
int shardd_conf_value_item(const char *text, size_t len,
    shardd_conf_value_t *value, char *why);

void shardd_conf_value_free(shardd_conf_value_t *value);

/* the struct takes the string and the list over */

void shardd_conf_value_set(const shardd_conf_value_t *value, void *conf);

/* "5m"; buf takes SHARDD_CONF_TIME_SIZE bytes */

const char *shardd_conf_time(double ms, char *buf);


#endif /* _SHARDD_CONF_VALUE_H_INCLUDED_ */
