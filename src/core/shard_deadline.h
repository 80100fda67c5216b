
/*
 * The time a client still has when its request arrives, as a header says it:
 *
 *     250         milliseconds
 *     250ms  2s   with a unit
 *     2S  250m    grpc-timeout: H hours, M minutes, S seconds, m milliseconds,
 *                 u microseconds, n nanoseconds
 *
 * Less than a millisecond is none.
 */


#ifndef _SHARD_DEADLINE_H_INCLUDED_
#define _SHARD_DEADLINE_H_INCLUDED_


#include "shard_types.h"


#define SHARD_DEADLINE_DIGITS  10


/* SHARD_ERROR when the text is none of these; "ms" is then untouched */

int shard_deadline_decode(shard_str_t text, uint64_t *ms);


#endif /* _SHARD_DEADLINE_H_INCLUDED_ */
