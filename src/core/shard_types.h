
/*
 * Words and shapes of the whole project: shard and node records as Redis
 * holds them.  Plain data: a record may be copied with "=".  Only the units
 * of a list's shard lie in the memory of the JSON it was decoded from.
 * Nothing below src/core allocates, does I/O, reads a clock, logs, or keeps
 * state.
 */


#ifndef _SHARD_TYPES_H_INCLUDED_
#define _SHARD_TYPES_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define SHARD_OK             0
#define SHARD_ERROR         -1
#define SHARD_AGAIN         -2       /* not enough room, or not found */

#define SHARD_NAME_SIZE      64      /* with the terminating zero */
#define SHARD_ADDR_SIZE      128
#define SHARD_ERR_SIZE       256     /* for every "err" argument */
#define SHARD_STANDBYS_MAX   3
#define SHARD_BOUND_MAX      64      /* bytes of a bound, or of a unit's name */
#define SHARD_UNITS_MAX      32      /* units of one shard */
#define SHARD_ID_NONE        0xffffffff
#define SHARD_BP_ALL         10000   /* basis points: all keys */


typedef uint32_t  shard_id_t;


/* a counted string that somebody else owns; not zero terminated */

typedef struct {
    size_t       len;
    const char  *data;
} shard_str_t;

#define shard_string(s)     { sizeof(s) - 1, s }


typedef enum {
    SHARD_KIND_HASH = 0,
    SHARD_KIND_RANGE_UINT64,
    SHARD_KIND_RANGE_BYTES,
    SHARD_KIND_LIST
} shard_kind_e;

typedef enum {
    SHARD_STEADY = 0,
    SHARD_SHIFTING,
    SHARD_HELD
} shard_phase_e;

typedef enum {
    SHARD_STRONG = 0,
    SHARD_EVENTUAL
} shard_consistency_e;

typedef enum {
    SHARD_STATELESS = 0,
    SHARD_COPY_ON_WRITE,
    SHARD_LOG_SHIPPING,
    SHARD_QUEUE
} shard_strategy_e;

typedef enum {
    SHARD_NODE_UP = 0,
    SHARD_NODE_DRAINING,
    SHARD_NODE_DOWN
} shard_node_state_e;


/* a bound of a "range bytes" keyspace, or a unit's name of a "list" */

typedef struct {
    uint8_t              len;
    char                 data[SHARD_BOUND_MAX];
} shard_bytes_t;


/*
 * hash, range uint64: positions [lo, hi); hi == 0 is 2^64, the end of the
 * keyspace.  range bytes: [lo_text, hi_text), an empty hi_text is the end.
 * list: the named units, and all names that no shard has when is_default.
 * What is not of the kind is 0.
 */

typedef struct {
    shard_id_t           id;
    uint32_t             epoch;
    uint64_t             lo;
    uint64_t             hi;
    uint64_t             migration;     /* id of it, 0 = none */
    uint16_t             shift_bp;      /* 0 .. SHARD_BP_ALL */
    uint8_t              nstandbys;
    uint8_t              nunits;
    uint8_t              is_default;
    shard_kind_e         kind;
    shard_phase_e        phase;
    shard_consistency_e  consistency;
    shard_strategy_e     strategy;
    char                 primary[SHARD_NAME_SIZE];
    char                 target[SHARD_NAME_SIZE];      /* "" = none */
    char                 standbys[SHARD_STANDBYS_MAX][SHARD_NAME_SIZE];
    shard_bytes_t        lo_text;
    shard_bytes_t        hi_text;
    shard_str_t          units;         /* of the JSON: shard_units_next() */
} shard_record_t;


typedef struct {
    shard_node_state_e   state;
    double               capacity;      /* load units per second, > 0 */
    char                 name[SHARD_NAME_SIZE];
    char                 zone[SHARD_NAME_SIZE];
    char                 addr[SHARD_ADDR_SIZE];
} shard_node_t;


#endif /* _SHARD_TYPES_H_INCLUDED_ */
