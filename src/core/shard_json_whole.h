
/*
 * JSON of any size and shape, for texts that are passed on as they are.
 *
 * shard_json.h takes records apart and needs a token for each value; this
 * only tells, in one pass, whether a text is JSON as RFC 8259 has it, in
 * valid UTF-8, and writes what is not JSON as a string of it.
 */


#ifndef _SHARD_JSON_WHOLE_H_INCLUDED_
#define _SHARD_JSON_WHOLE_H_INCLUDED_


#include "shard_types.h"


#define SHARD_JSON_DEPTH_MAX  32


/* 1 when it is one JSON object, or any JSON value */

int shard_json_is_object(shard_str_t text);
int shard_json_is_value(shard_str_t text);

/*
 * "text" in quotes, escaped; bytes that are no UTF-8 become "?".  The end of
 * what was written, or NULL when it does not fit; without quotes for _escape.
 */

char *shard_json_quote(char *p, char *last, shard_str_t text);
char *shard_json_escape(char *p, char *last, shard_str_t text);


#endif /* _SHARD_JSON_WHOLE_H_INCLUDED_ */
