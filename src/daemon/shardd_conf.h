
/*
 * YAML configuration by tables: a program describes its keys once, this
 * binds a file (libyaml) to a struct, or refuses the file whole with
 * "FILE:LINE:COLUMN: what is wrong, what would be right".
 *
 * Strings are allocated and live as long as the process.  Secrets are never
 * in the file: a key of type SHARDD_CONF_FILE names a file whose first line
 * is the value.
 */


#ifndef _SHARDD_CONF_H_INCLUDED_
#define _SHARDD_CONF_H_INCLUDED_


#include <stddef.h>


#define SHARDD_ERR_SIZE  512


typedef enum {
    SHARDD_CONF_STRING,         /* char *                                */
    SHARDD_CONF_FILE,           /* char *: first line of the named file  */
    SHARDD_CONF_INT,            /* long, min .. max                      */
    SHARDD_CONF_NUMBER,         /* double, min .. max                    */
    SHARDD_CONF_MS,             /* long ms: 250ms 5s 10m 2h 21d, min .. max */
    SHARDD_CONF_BOOL,           /* int: on, off, true, false             */
    SHARDD_CONF_ENUM,           /* int: index into words                 */
    SHARDD_CONF_LIST,           /* char **, NULL-terminated, at most max  */
    SHARDD_CONF_MAP,            /* char **: name, value, ..., NULL; at most
                                   max of both together                  */
    SHARDD_CONF_ITEMS,          /* structs in the top one, one behind the
                                   other: a list of mappings, keys (offsets
                                   in one of them) in "section", at most max,
                                   min is the size of one; all zero before */
    SHARDD_CONF_SECTION         /* nested mapping, keys in "section"     */
} shardd_conf_type_e;


typedef struct shardd_conf_key_s  shardd_conf_key_t;

struct shardd_conf_key_s {
    const char               *name;         /* NULL ends a table */
    shardd_conf_type_e        type;
    size_t                    offset;       /* in the top struct */
    double                    min;
    double                    max;
    int                       required;
    const char *const        *words;        /* ENUM, NULL-terminated */
    const shardd_conf_key_t  *section;      /* SECTION */
    const char               *doc;          /* one line, for --help and docs */
};


/* "conf" holds the defaults before; 0, or -1 with "err" and "conf" as it was */

int shardd_conf_load(const char *path, const shardd_conf_key_t *keys,
    void *conf, char err[SHARDD_ERR_SIZE]);

/* the keys as commented YAML with their defaults, to stdout */

void shardd_conf_print(const shardd_conf_key_t *keys, const void *conf);


#endif /* _SHARDD_CONF_H_INCLUDED_ */
