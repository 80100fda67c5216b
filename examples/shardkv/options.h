
/*
 * The command line of shardkv.
 */


#ifndef _SHARDKV_OPTIONS_H_INCLUDED_
#define _SHARDKV_OPTIONS_H_INCLUDED_


#include <stdint.h>


/* strings are argv's */

typedef struct {
    const char  *listen;
    const char  *dir;
    const char  *store;
    const char  *password_file;
    const char  *name;
    double       capacity;
    uint64_t     map_size;      /* bytes */
    uint64_t     log_keep;      /* entries per shard */
    unsigned     sync;
    unsigned     threads;
    unsigned     connections;   /* to the store */
} shardkv_options_t;


/* -1: go on; else the exit status */

int shardkv_options(int argc, char **argv, shardkv_options_t *o);

/* says what is wrong on stderr; 2, the exit status of it */

#if (__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
int shardkv_usage(const char *fmt, ...);


#endif /* _SHARDKV_OPTIONS_H_INCLUDED_ */
