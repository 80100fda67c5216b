
/*
 * Requests of client groups, per shard: counted by all workers without
 * locks, taken by one at each flush.  All memory is the caller's, shared
 * between processes and zeroed at first.
 *
 *   client ─▶ clean ─▶ name's place ─┬▶ its total, cumulative
 *                                    └▶ (shard, place) in counts[live]
 *   flush: takes counts[!live], which nobody writes since the last flush,
 *          leaves it empty, and swaps the two
 *
 * A name's place is claimed by its hash; whoever finds a name there that is
 * not whole writes it, too: the same bytes.  So a worker killed half-way
 * takes nothing with it.  A worker that slept through two flushes counts into
 * a table that is being taken: that count goes astray, no other.
 */


#ifndef _SHARD_CLIENTS_H_INCLUDED_
#define _SHARD_CLIENTS_H_INCLUDED_


#include "shard_types.h"


#define SHARD_CLIENT_NAMES   255            /* beyond: "other" */
#define SHARD_CLIENT_PLACES  512
#define SHARD_CLIENT_OTHER   0              /* its place */
#define SHARD_CLIENT_SIZE    64             /* with the terminating zero */


typedef struct {
    uint64_t               hash;            /* 0: free */
    uint64_t               requests;
    uint32_t               ready;           /* the name is whole */
    uint32_t               len;
    char                   name[SHARD_CLIENT_SIZE];
} shard_client_name_t;

typedef struct {
    uint64_t               key;             /* shard and place, 0: free */
    uint64_t               bytes;
    uint32_t               offered;
    uint32_t               errors;
} shard_client_count_t;

typedef struct {
    uint32_t               capacity;        /* of each table, 2^n */
    uint32_t               nnames;          /* places taken */
    uint64_t               live;            /* counts[live & 1] */
    uint64_t               overflows;       /* counted in no table */
    uint32_t               used[2];
    shard_client_name_t   *names;           /* [SHARD_CLIENT_PLACES] */
    shard_client_count_t  *counts[2];
} shard_clients_t;


/* memory must be aligned to 8 and zeroed; capacity is a power of two */

size_t shard_clients_size(uint32_t capacity);
void shard_clients_place(shard_clients_t *clients, void *memory,
    uint32_t capacity);

/*
 * Printable ASCII but for blanks, quotes and backslashes, everything else
 * "_", cut to 63 bytes; "-" for nothing.  The length.
 */

size_t shard_client_clean(char buf[SHARD_CLIENT_SIZE], shard_str_t text);

/* the place of a name, cleaned first; SHARD_CLIENT_OTHER when all are taken */

uint32_t shard_clients_name(shard_clients_t *clients, shard_str_t text);

/* empty: no name there */

shard_str_t shard_clients_name_at(const shard_clients_t *clients,
    uint32_t place);

void shard_clients_count(shard_clients_t *clients, uint32_t place,
    shard_id_t shard, int error, uint64_t bytes);


/* one taker at a time */

uint32_t shard_clients_taken_most(const shard_clients_t *clients);

/* entry i < capacity of the closed table: 1, and it is empty then, or 0 */

int shard_clients_take(shard_clients_t *clients, uint32_t i,
    shard_id_t *shard, uint32_t *place, shard_client_count_t *count);
void shard_clients_swap(shard_clients_t *clients);


#endif /* _SHARD_CLIENTS_H_INCLUDED_ */
