
/*
 * A node's capacity as a leaky bucket: requests start one interval apart, in
 * the order of arrival, never more than "capacity" in a second.  Pure: time
 * is passed in, monotonic nanoseconds.
 */


#ifndef _SHARDKV_CAPACITY_H_INCLUDED_
#define _SHARDKV_CAPACITY_H_INCLUDED_


#include <stdint.h>

#include "shard_types.h"


#define SHARDKV_CAPACITY_MAX  1000000.0


typedef struct {
    uint64_t  interval_ns;      /* between two starts; 0: no limit */
    uint64_t  queue_ns;         /* the longest wait */
    uint64_t  next_ns;          /* the next free slot */
} shardkv_capacity_t;


void shardkv_capacity_init(shardkv_capacity_t *c, double per_s,
    uint64_t queue_ns);

/* SHARD_OK and when it may start (not before "now_ns"), or SHARD_AGAIN: the
 * queue is full and *start_ns is when to ask again; no slot was taken */

int shardkv_capacity_take(shardkv_capacity_t *c, uint64_t now_ns,
    uint64_t *start_ns);


#endif /* _SHARDKV_CAPACITY_H_INCLUDED_ */
