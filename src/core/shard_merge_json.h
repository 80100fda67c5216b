
/* one byte of a JSON part; a file of its own only because of its length */


#ifndef _SHARD_MERGE_JSON_H_INCLUDED_
#define _SHARD_MERGE_JSON_H_INCLUDED_


#include "shard_merge.h"


typedef enum {
    SHARD_MERGE_VALUE = 0,      /* one must come; at the top: may come */
    SHARD_MERGE_VALUE_OR_END,
    SHARD_MERGE_KEY,
    SHARD_MERGE_KEY_OR_END,
    SHARD_MERGE_COLON,
    SHARD_MERGE_COMMA_OR_END,
    SHARD_MERGE_STRING,
    SHARD_MERGE_KEY_STRING,
    SHARD_MERGE_TRUE,
    SHARD_MERGE_FALSE,
    SHARD_MERGE_NULL,
    SHARD_MERGE_MINUS,          /* numbers, by what was read last */
    SHARD_MERGE_ZERO,
    SHARD_MERGE_DIGITS,
    SHARD_MERGE_POINT,
    SHARD_MERGE_FRACTION,
    SHARD_MERGE_E,
    SHARD_MERGE_E_SIGN,
    SHARD_MERGE_EXPONENT,
    SHARD_MERGE_DONE            /* behind a value of the top */
} shard_merge_state_e;


/* SHARD_ERROR: no JSON */

int shard_merge_json_byte(shard_merge_t *part, unsigned char c);

/* a number at the top ends only with what comes behind it */

int shard_merge_json_whole(const shard_merge_t *part);

#define shard_merge_json_space(c)                                             \
    ((c) == ' ' || (c) == '\t' || (c) == '\n' || (c) == '\r')

#define shard_merge_json_in_string(part)                                      \
    ((part)->state == SHARD_MERGE_STRING                                      \
     || (part)->state == SHARD_MERGE_KEY_STRING)


#endif /* _SHARD_MERGE_JSON_H_INCLUDED_ */
