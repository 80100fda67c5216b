
/*
 * A scheduled event, the JSON of a field of "events" (docs/redis-keys.md):
 *
 *     {"start":"2026-11-27T08:00Z","end":"2026-11-27T20:00Z",
 *      "repeat":"yearly","shards":[1,2],"nodes":["n1"],"effect":"x2.5"}
 *
 * It concerns its shards and what its nodes serve; with neither, all.  Its
 * effect on their load is a factor, a number of requests per second more or
 * less of all of them together, or to be learned from how it was before;
 * "drain" asks for nodes to be emptied.  "repeat" goes by the clock of the
 * time zone that "offsets" describes, UTC without them; "except" are starts
 * that do not take place.
 */


#ifndef _SHARD_EVENT_H_INCLUDED_
#define _SHARD_EVENT_H_INCLUDED_


#include "shard_repeat.h"


#define SHARD_EVENT_SHARDS_MAX   256
#define SHARD_EVENT_NODES_MAX    32
#define SHARD_EVENT_OFFSETS_MAX  48
#define SHARD_EVENT_EXCEPT_MAX   128
#define SHARD_EVENT_SIZE         8192        /* of the encoded JSON */
#define SHARD_EVENT_TOKENS       1024


typedef enum {
    SHARD_EFFECT_LEARNED = 0,
    SHARD_EFFECT_FACTOR,
    SHARD_EFFECT_ADD,
    SHARD_EFFECT_DRAIN
} shard_effect_e;


/* texts point into the JSON */

typedef struct {
    char            id[SHARD_NAME_SIZE];     /* "": to be chosen */
    uint64_t        start_ms;                /* since 1970 */
    uint64_t        end_ms;                  /* behind start */
    shard_str_t     start;
    shard_str_t     end;
    shard_str_t     name;                    /* for people */
    shard_str_t     effect;                  /* x2.5, +300, -300, drain, "" */
    shard_str_t     rule;                    /* of repeat, as it stands */
    shard_effect_e  kind;
    double          size;                    /* factor, or requests/s */
    shard_repeat_t  repeat;
    uint16_t        nshards;                 /* neither: it is of */
    uint16_t        nnodes;                  /* all shards */
    uint16_t        noffsets;
    uint16_t        nexcept;
    shard_id_t      shards[SHARD_EVENT_SHARDS_MAX];
    char            nodes[SHARD_EVENT_NODES_MAX][SHARD_NAME_SIZE];
    shard_offset_t  offsets[SHARD_EVENT_OFFSETS_MAX];
    int64_t         except_s[SHARD_EVENT_EXCEPT_MAX];
} shard_event_t;

typedef struct {
    int64_t         start_s;
    int64_t         end_s;
} shard_span_t;


/* unknown fields are skipped, as in any record */

int shard_event_decode(shard_str_t json, shard_event_t *out, char *err);

/* the same, and a field that is not known is refused: see shard_wish.h */

int shard_event_decode_strict(shard_str_t json, shard_event_t *out,
    char *err);

/* length without the terminating zero, or SHARD_AGAIN; the id is no part */

int shard_event_encode(const shard_event_t *event, char *buf, size_t size);

/*
 * Its occurrences that touch [from_s, before_s), at most "max" of them, the
 * earliest first; one that would last into the next is cut there.  Returns
 * how many.
 */

unsigned shard_event_spans(const shard_event_t *event, int64_t from_s,
    int64_t before_s, shard_span_t *spans, unsigned max);


#endif /* _SHARD_EVENT_H_INCLUDED_ */
