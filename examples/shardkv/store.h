
/*
 * What a node keeps: the databases (their layout is in store.c), the records
 * of shards and of their parts (part.c), and one write of them (change.c).
 *
 * Functions with a txn are called within one that the caller began, and
 * return 0 or an error of LMDB; what they read points into its pages and
 * lasts until it writes or ends.  Only the writer has one that writes.
 */


#ifndef _SHARDKV_STORE_H_INCLUDED_
#define _SHARDKV_STORE_H_INCLUDED_


#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include <lmdb.h>

#include "shard_types.h"

#include "items.h"


#define SHARDKV_META_VERSION   2                 /* of the layout: store.c */
#define SHARDKV_KEY_BUF        (4 + 4 + 8 + 1 + SHARDKV_KEY_MAX + 8)
#define SHARDKV_PARTS          64                /* of a shard, part.c */
#define SHARDKV_TAKEN_N        UINT64_MAX        /* as index of SHARDKV_TAKEN */

/* map beyond --map-size, so that a full node can still be sealed, deleted
 * from and cleaned up */

#define SHARDKV_RESERVE        (16 * 1024 * 1024)
#define SHARDKV_FULL_MARGIN    (256 * 1024)      /* bytes left: full */


typedef enum {
    SHARDKV_NONE = 0,
    SHARDKV_STANDBY,
    SHARDKV_PRIMARY,
    SHARDKV_TARGET              /* only as what a sender takes us for */
} shardkv_role_e;


/* a shard in two pieces while it is moved copy-on-write: fill.c */

typedef enum {
    SHARDKV_WHOLE = 0,
    SHARDKV_FILLING,            /* the target: what was written since */
    SHARDKV_FALLBACK            /* the source: reads of the rest */
} shardkv_mode_e;


/* the durable record of a shard; an unknown shard is all zero, log_first 1 */

typedef struct {
    shardkv_role_e   role;
    shardkv_mode_e   mode;
    unsigned         held;          /* queues are not delivered */
    uint32_t         epoch;
    uint32_t         generation;    /* of its log, and of parts without one */
    uint64_t         awaited;       /* bits of parts still to be copied */
    uint64_t         settled;       /* data are of one position from here on */
    uint64_t         position;      /* of its last write */
    uint64_t         log_first;     /* log holds log_first .. position */
    uint64_t         items;         /* values and queue entries */
    uint64_t         bytes;         /* keys and values of those */
    uint64_t         queued;        /* queue entries */
    uint64_t         rate_ms;       /* when "rate" was true, since 1970 */
    double           rate;          /* writes per second, decaying */
} shardkv_shard_t;


/* one part of a shard; one without a record is empty */

typedef struct {
    uint32_t         generation;    /* prefix of its data and queues */
    uint64_t         floor;         /* entries up to here are in them */
    uint64_t         items;
    uint64_t         bytes;
    uint64_t         queued;
    uint64_t         hash;          /* sum of its items', see part.c */
} shardkv_part_t;

/* where a key's value or queue is */

typedef struct {
    uint64_t         mix;
    unsigned         n;             /* of the part */
    shardkv_part_t   part;
} shardkv_place_t;


typedef struct {
    MDB_env         *env;
    MDB_dbi          meta;          /* shard -> shardkv_shard_t */
    MDB_dbi          part;          /* shard, number -> shardkv_part_t */
    MDB_dbi          data;          /* generation, shard, mix, key -> value */
    MDB_dbi          queue;         /* ..., key length, key, n -> value */
    MDB_dbi          log;           /* ..., position -> entry */
    MDB_dbi          gone;          /* as data: deleted while filling */
    MDB_dbi          kept;          /* shard[, part] -> of a range: kept.c */
    MDB_dbi          garbage;       /* generation, shard[, part] -> nothing */
    uint64_t         map_size;      /* without the reserve */
    uint64_t         log_keep;      /* entries per shard */
    unsigned         full;          /* writer's: nothing may be added */
    int              lock_fd;
    char            *dir;
    pthread_mutex_t  mutex;         /* of the idle read transactions */
    size_t           nidle;
    MDB_txn         *idle[64];
} shardkv_store_t;


/* store.c */

int shardkv_store_open(shardkv_store_t *store, const char *dir,
    uint64_t map_size, unsigned sync, char err[SHARD_ERR_SIZE]);
void shardkv_store_close(shardkv_store_t *store);
int shardkv_read_begin(shardkv_store_t *store, MDB_txn **txn);
void shardkv_read_end(shardkv_store_t *store, MDB_txn *txn);

/* one of that very size; MDB_NOTFOUND, of another one MDB_CORRUPTED */

int shardkv_record_get(MDB_txn *txn, MDB_dbi dbi, MDB_val key, void *record,
    size_t size);
int shardkv_record_put(MDB_txn *txn, MDB_dbi dbi, MDB_val key,
    const void *record, size_t size);

/* a number that no data have had */

int shardkv_generation_next(shardkv_store_t *store, MDB_txn *txn,
    uint32_t *generation);

/* shard.c: begins *txn and reads the record; without *txn on an error */

int shardkv_read_shard(shardkv_store_t *store, shard_id_t id, MDB_txn **txn,
    shardkv_shard_t *s);
int shardkv_shard_get(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s);
int shardkv_shard_put(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_shard_t *s);
int shardkv_shard_only(shardkv_store_t *store, MDB_txn *txn, shard_id_t *id,
    unsigned *n);

/* keys.c: of a shard's records, which are few; "buf" takes 8 bytes, of
 * meta_key() as many more as the name has */

MDB_val shardkv_shard_key(char *buf, shard_id_t id);
MDB_val shardkv_shard_part_key(char *buf, shard_id_t id, unsigned n);
MDB_val shardkv_meta_key(char *buf, const char *name, shard_id_t id);

/* of all else */

MDB_val shardkv_prefix(char *buf, shard_id_t id, uint32_t generation);
MDB_val shardkv_data_key(char *buf, shard_id_t id,
    const shardkv_place_t *place, const char *key, size_t klen);
MDB_val shardkv_queue_key(char *buf, shard_id_t id,
    const shardkv_place_t *place, const char *key, size_t klen, uint64_t n);
MDB_val shardkv_log_key(char *buf, shard_id_t id, uint32_t generation,
    uint64_t position);
uint64_t shardkv_get64(const void *p);
void shardkv_put64(void *p, uint64_t value);

/* where a part begins, and whether a key that follows belongs to it */

MDB_val shardkv_part_key(char *buf, shard_id_t id, uint32_t generation,
    unsigned n);
int shardkv_part_holds(MDB_val part, MDB_val key);

/* a key of "data" or "queue": its own key and index; 0, or MDB_CORRUPTED */

int shardkv_key_decode(MDB_val key, unsigned queue, shardkv_item_t *item);

/* a log entry as it is stored; -1: corrupt */

int shardkv_entry_decode(MDB_val key, MDB_val data, shardkv_item_t *item);

/* part.c */

uint64_t shardkv_mix(const char *key, size_t klen);
uint64_t shardkv_item_hash(const char *key, size_t klen, uint64_t n,
    const void *value, size_t vlen);
int shardkv_part_get(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_shard_t *s, unsigned n, shardkv_part_t *part);
int shardkv_part_put(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    unsigned n, const shardkv_part_t *part);
int shardkv_part_forget(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    unsigned n);
int shardkv_place(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_shard_t *s, const char *key, size_t klen,
    shardkv_place_t *place);

/* an entry at "position" changes nothing of the part's data any more */

int shardkv_part_ahead(const shardkv_shard_t *s, const shardkv_place_t *place,
    uint64_t position);

/* it may be owner and source: all parts are there, and of one position */

int shardkv_shard_whole(const shardkv_shard_t *s);

/* one item more, or less, of the part */

void shardkv_part_count(shardkv_part_t *part, const shardkv_item_t *item,
    uint64_t n);
void shardkv_part_uncount(shardkv_part_t *part, const shardkv_item_t *item,
    uint64_t n);

/* space.c, rate.c */

int shardkv_store_free(shardkv_store_t *store, MDB_txn *txn,
    uint64_t *bytes);
int shardkv_store_full(shardkv_store_t *store, unsigned *full);
double shardkv_rate(const shardkv_shard_t *s, uint64_t now_ms);
void shardkv_rate_add(shardkv_shard_t *s, uint64_t now_ms);
uint64_t shardkv_now_ms(void);
uint64_t shardkv_monotonic_ns(void);

/* change.c: one write; an append's index becomes item->n */

int shardkv_change(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    shardkv_shard_t *s, shardkv_item_t *item);

/* how far a queue was taken, and the index of its last entry; 0: none */

int shardkv_queue_ends(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_place_t *place, const shardkv_item_t *item,
    uint64_t *taken, uint64_t *last);

/* fill.c: keys that were deleted since */

int shardkv_gone_add(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_place_t *place, const shardkv_item_t *item);

/* 0: it was deleted, MDB_NOTFOUND: it was not */

int shardkv_gone(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_place_t *place, const char *key, size_t klen);

/* kept.c: sums of a range that change with each write; was: the key's part
 * before it.  forget: there are none any more */

int shardkv_kept_change(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    const shardkv_item_t *item, const shardkv_place_t *place,
    const shardkv_part_t *was);
int shardkv_kept_forget(shardkv_store_t *store, MDB_txn *txn, shard_id_t id);

/* garbage.c: a generation, or one part of it */

#define SHARDKV_ALL_PARTS  (-1)

int shardkv_garbage_add(shardkv_store_t *store, MDB_txn *txn, shard_id_t id,
    uint32_t generation, int part);
int shardkv_garbage_remove(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, uint32_t generation);

/* all that the shard has; its parts have no records any more */

int shardkv_garbage_add_shard(shardkv_store_t *store, MDB_txn *txn,
    shard_id_t id, const shardkv_shard_t *s);


#endif /* _SHARDKV_STORE_H_INCLUDED_ */
