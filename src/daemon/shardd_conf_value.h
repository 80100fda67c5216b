
/*
 * One value of a configuration: from its text, into the struct, and back to
 * text.  Only shardd_conf.c parses with it.
 */


#ifndef _SHARDD_CONF_VALUE_H_INCLUDED_
#define _SHARDD_CONF_VALUE_H_INCLUDED_


#include "shardd_conf.h"


typedef struct {
    const shardd_conf_key_t  *key;
    char                     *string;     /* STRING, FILE: to be freed */
    double                    number;
    long                      integer;    /* INT, MS, BOOL, ENUM */
} shardd_conf_value_t;


/* 0, or -1 and why (SHARDD_ERR_SIZE); plain: written without quotes */

int shardd_conf_value_parse(const shardd_conf_key_t *key, const char *text,
    size_t len, int plain, shardd_conf_value_t *value, char *why);

/* the struct takes the string over */

void shardd_conf_value_set(const shardd_conf_value_t *value, void *conf);


#endif /* _SHARDD_CONF_VALUE_H_INCLUDED_ */
