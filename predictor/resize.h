
/*
 * How many shards there should be: which are to be split and where, which
 * joined, and of which one key is to be parted from the rest.  Pure: arrays
 * in, a list out; the same input gives the same list.
 *
 *      peak, of the smallest node's capacity
 *       ▲
 *    hi ┤─ ─ ─ ─ ─ ─ above it: split, where the cut halves the load
 *       │            between: as it is
 *    lo ┤─ ─ ─ ─ ─ ─ two neighbours together below it: merge
 *       └────────▶ season
 *
 * The peak of a shard is what its load exceeds for "hold" in a season, or
 * will by the forecast (predictor_resize_peak()): an outlier does not count,
 * and what lasts counts at once.  For a merge the highest load of a whole
 * season counts, of both shards as if they had it together.
 *
 * Never back and forth: who was split is not merged within a season, and who
 * was merged is split within one only when no node could bear it.  As hi is
 * well above lo a shard that a merge made is far from being split.
 *
 * Never for nothing: a cut counts with its error.  When the larger part may
 * be most of the load, one key is parted from the rest if its share is
 * certain and enough is left without it; else it is for read replicas where
 * reads dominate, else nothing is done.  "why" says which.
 */


#ifndef _PREDICTOR_RESIZE_H_INCLUDED_
#define _PREDICTOR_RESIZE_H_INCLUDED_


#include "spread_cut.h"


#define PREDICTOR_RESIZE_NONE_NEXT  0xffffffff
#define PREDICTOR_RESIZE_HOLD_MAX   256     /* steps of a hold */


typedef enum {
    PREDICTOR_RESIZE_NOTHING = 0,   /* is due, but see "why" */
    PREDICTOR_RESIZE_SPLIT,
    PREDICTOR_RESIZE_ISOLATE,
    PREDICTOR_RESIZE_MERGE,
    PREDICTOR_RESIZE_REPLICAS
} predictor_resize_e;

typedef enum {
    PREDICTOR_RESIZE_HIGH = 0,      /* peak above hi */
    PREDICTOR_RESIZE_COLD,          /* both together below lo */
    PREDICTOR_RESIZE_HOT_KEY,       /* one key makes a cut useless */
    PREDICTOR_RESIZE_READS,         /* of it, next to all of the load */
    PREDICTOR_RESIZE_WRITES,        /* same, and replicas are of no use */
    PREDICTOR_RESIZE_UNEVEN,        /* the cut may leave most on one side */
    PREDICTOR_RESIZE_UNKNOWN,       /* no samples of its keys */
    PREDICTOR_RESIZE_WHOLE,         /* one position or unit, or units that
                                       nobody named */
    PREDICTOR_RESIZE_RESTS,         /* was merged within a season */
    PREDICTOR_RESIZE_FULL           /* there are shards_max */
} predictor_resize_why_e;

typedef enum {
    PREDICTOR_RESIZE_OLD = 0,
    PREDICTOR_RESIZE_BY_SPLIT,
    PREDICTOR_RESIZE_BY_MERGE
} predictor_resize_born_e;

typedef struct {
    double                   peak;      /* exceeded for "hold" */
    double                   most;      /* highest; NaN: no whole season */
    double                   age_s;     /* of its bounds */
    predictor_resize_born_e  born;
    uint32_t                 next;      /* it ends where that one begins, and
                                           both may be one */
    unsigned                 fixed:1;   /* overridden, moving or at rest */
    unsigned                 whole:1;   /* nothing to be cut */
    unsigned                 known:1;   /* the cut */

    predictor_range_t        range;
    predictor_cut_t          cut;
    predictor_share_t        key;       /* the heaviest one, 0: none */
    uint64_t                 key_at;    /* its position */
} predictor_resize_shard_t;

typedef struct {
    double                   capacity;  /* of the smallest node */
    double                   hi;        /* of it */
    double                   lo;
    uint32_t                 min;       /* shards */
    uint32_t                 max;
    double                   season_s;
} predictor_resize_limits_t;

typedef struct {
    predictor_resize_e       verb;
    predictor_resize_why_e   why;
    uint32_t                 shard;
    uint32_t                 with;      /* the one behind it, of a merge */
    uint64_t                 cut;       /* keys below it are a part, ... */
    uint64_t                 end;       /* ... those from here on another one;
                                           0: there is none */
    double                   left;      /* share of the load below the cut, of
                                           the key where it is isolated */
    double                   error;     /* half width of 95 % */
    double                   peak;      /* of the shard, or of both */
    double                   after;     /* largest part's, at worst */
    uint32_t                 parts;     /* it needs in the end */
} predictor_resize_t;

typedef struct {
    predictor_resize_limits_t        limits;
    uint32_t                         nshards;
    const predictor_resize_shard_t  *shards;

    /* nshards bytes, the caller's */
    uint8_t                         *taken;

    /* out */
    uint32_t                         wanted;    /* shards, by all loads */
} predictor_resizing_t;


extern const char *const predictor_resize_verbs[];
extern const char *const predictor_resize_whys[];


/* what y exceeds in at least "hold" of its n values, which need not be one
 * after the other; NaN does not count; 0 when there are fewer */

double predictor_resize_peak(const double *y, size_t n, uint32_t hold);

/*
 * What to do, at most "max" of them: the highest peaks first, then the
 * coldest pairs.  Those of verb NOTHING are among them.
 */

uint32_t predictor_resize(predictor_resizing_t *r, predictor_resize_t *out,
    uint32_t max);

/* shard i alone: 1 when it is due, whatever comes of that */

int predictor_resize_one(const predictor_resizing_t *r, uint32_t i,
    predictor_resize_t *out);


#endif /* _PREDICTOR_RESIZE_H_INCLUDED_ */
