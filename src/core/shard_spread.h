
/*
 * How the load of one shard is spread over its keys: what is known from the
 * routers' samples, of which older ones count less.
 *
 *   sample ──▶ clusters: sorted pieces of the positions, each with its load;
 *     │                  at most 1/96 of all in a piece, but for a single
 *     │                  position, which may have any load
 *     └──────▶ keys:     the heaviest, by a space-saving sketch
 *
 *       clusters[SHARD_SPREAD_CLUSTERS]
 *       [ merged, by their middles ... | as they came ... | free ]
 *                                merged             n
 *
 * The pieces are fine where the load is, however wide the shard: the merging
 * digest of Dunning and Ertl ("Computing extremely accurate quantiles using
 * t-digests", 2019) with its uniform scale, each piece with the range it was
 * made of, so that a bound of what lies below a position is always known.
 *
 * The sketch is that of Metwally, Agrawal and El Abbadi ("Efficient
 * computation of frequent and top-k elements in data streams", 2005): a key's
 * load is in [count - error, count], one that is not there has at most
 * "floor".  Decay multiplies all of them, which keeps both true.
 *
 * Positions are the keyspace's, so that a shard's part goes with it when it
 * is split, and two are joined by adding.  Those of "range bytes" are made
 * of the bytes behind the first "skip" ones (shard_key_frame()).
 */


#ifndef _SHARD_SPREAD_H_INCLUDED_
#define _SHARD_SPREAD_H_INCLUDED_


#include "shard_types.h"


#define SHARD_SPREAD_CLUSTERS  256
#define SHARD_SPREAD_PARTS     96
#define SHARD_SPREAD_MERGED    (2 * SHARD_SPREAD_PARTS + 1)   /* at most */
#define SHARD_SPREAD_KEYS      32

/* bytes of one that is stored, at most */

#define SHARD_SPREAD_STORED                                                   \
    (4 + 4 + 8 + 4 + 4 + SHARD_SPREAD_MERGED * (10 + 10 + 4)                  \
     + SHARD_SPREAD_KEYS * (8 + 8 + 3 * 4))


/* load between two positions, both of them in it */

typedef struct {
    uint64_t                lo;
    uint64_t                hi;
    double                  mass;       /* requests, decayed */
} shard_spread_cluster_t;

typedef struct {
    uint64_t                key;        /* XXH3 of it, or its position */
    uint64_t                position;
    double                  count;      /* too high by "error" at most */
    double                  error;
    double                  writes;     /* of those counted */
} shard_spread_key_t;

typedef struct {
    double                  at_s;       /* decayed until then */
    double                  mass;       /* of all clusters */
    double                  squares;    /* of the samples' weights */
    double                  floor;
    uint16_t                n;
    uint16_t                merged;
    uint8_t                 nkeys;
    uint8_t                 skip;
    shard_spread_cluster_t  clusters[SHARD_SPREAD_CLUSTERS];
    shard_spread_key_t      keys[SHARD_SPREAD_KEYS];
} shard_spread_t;

_Static_assert(sizeof(shard_spread_t) <= 8192, "8 KB for a shard at most");


void shard_spread_init(shard_spread_t *s, unsigned skip, double at_s);

void shard_spread_add(shard_spread_t *s, uint64_t position, uint64_t key,
    double weight, int write);

/* all loads times "factor", from above 0 to 1; one that is next to nothing
 * then becomes empty */

void shard_spread_decay(shard_spread_t *s, double factor);

/* merges what has come, as far as the pieces stay small */

void shard_spread_settle(shard_spread_t *s);

/* what lies from lo to last, both of them in it, is left; of a piece across
 * an end so much as of its width */

void shard_spread_clip(shard_spread_t *s, uint64_t lo, uint64_t last);

/* what is mine(data, position) is left; a piece as its first position is */

typedef int (*shard_spread_mine_pt)(const void *data, uint64_t position);

void shard_spread_pick(shard_spread_t *s, shard_spread_mine_pt mine,
    const void *data);

/* adds "from", which must be of the same time and skip, and of other keys */

void shard_spread_join(shard_spread_t *s, const shard_spread_t *from);

/*
 * Positions behind other bytes of the keys: "text" has the bytes that all
 * keys begin with, of the longer one of both frames.  What does not begin
 * with them is left out.
 */

void shard_spread_frame(shard_spread_t *s, unsigned skip, shard_str_t text);

/* load below a position: the most likely, and surely between the others; but
 * where it was clipped, by a piece more or less */

typedef struct {
    double                  least;
    double                  load;
    double                  most;
} shard_spread_below_t;

void shard_spread_below(const shard_spread_t *s, uint64_t position,
    shard_spread_below_t *out);


/*
 * Stored: "SHS1" | u8 skip | u8 keys | u16 clusters | f64 at_s |
 * f32 weight of a sample (squares / mass) | f32 floor | clusters, by their
 * middles: varint zigzag(lo - lo before), varint hi - lo, f32 mass | keys:
 * u64 key, u64 position, f32 count, f32 error, f32 writes.  Little endian; a
 * varint has 7 bits a byte, the low ones first.
 */

/* settles it first; buf takes SHARD_SPREAD_STORED bytes; the length */

size_t shard_spread_encode(shard_spread_t *s, void *buf);

/* SHARD_ERROR and "err": "out" is untouched */

int shard_spread_decode(shard_str_t text, shard_spread_t *out, char *err);


#endif /* _SHARD_SPREAD_H_INCLUDED_ */
