
/*
 * Answers of shards become one answer.  Each part is fed as it arrives, in
 * pieces of any size; what is kept of it is written where it was read, never
 * longer.  The frame around the parts comes from here, too:
 *
 *     json     [ part , part , part ]
 *     object   { "3": part , "17": part }
 *     ndjson   part \n part \n           a value a line
 *     concat   part part part
 *
 * A part of the JSON kinds is checked against RFC 8259, UTF-8 included: one
 * part that is none would spoil the answers of all others.
 */


#ifndef _SHARD_MERGE_H_INCLUDED_
#define _SHARD_MERGE_H_INCLUDED_


#include "shard_types.h"


#define SHARD_MERGE_DEPTH       256  /* of containers in a part */
#define SHARD_MERGE_FRAME_SIZE  16   /* holds every piece of the frame */


typedef enum {
    SHARD_MERGE_JSON = 0,
    SHARD_MERGE_OBJECT,
    SHARD_MERGE_NDJSON,
    SHARD_MERGE_CONCAT
} shard_merge_kind_e;


/* a part half read; plain data */

typedef struct {
    uint8_t   kind;             /* shard_merge_kind_e */
    uint8_t   state;
    uint8_t   bad;              /* no such part: nothing of it counts */
    uint8_t   open;             /* kept bytes end within a line */
    uint8_t   step;             /* within a literal or an escape */
    uint8_t   utf_left;         /* bytes of a character to come */
    uint8_t   utf_lo;           /* bounds of the next of them */
    uint8_t   utf_hi;
    uint16_t  depth;
    uint32_t  values;           /* at the top, begun; sticks at its end */
    uint64_t  objects[SHARD_MERGE_DEPTH / 64];
} shard_merge_t;


void shard_merge_init(shard_merge_t *part, shard_merge_kind_e kind);

/* keeps some of "data", moved to its front: their number */

size_t shard_merge_feed(shard_merge_t *part, char *data, size_t len);

/* SHARD_OK when the part is whole and good */

int shard_merge_end(shard_merge_t *part);

/*
 * What stands before a part, "first" being the first one of the answer, and
 * behind it, and behind all of them: the bytes written to "frame".
 */

size_t shard_merge_before(shard_merge_kind_e kind, int first, shard_id_t id,
    char frame[SHARD_MERGE_FRAME_SIZE]);
size_t shard_merge_behind(const shard_merge_t *part,
    char frame[SHARD_MERGE_FRAME_SIZE]);
size_t shard_merge_close(shard_merge_kind_e kind, int none,
    char frame[SHARD_MERGE_FRAME_SIZE]);


/*
 * "3,17,41" as much as fits, then ",..." for the rest.  Returns the bytes
 * written, without a terminating zero; "size" is at least 16.
 */

size_t shard_merge_ids(const shard_id_t *ids, size_t n, char *buf,
    size_t size);

/*
 * The next key of a list "a,b%2Cc": taken off its front and percent-decoded
 * to "buf", which has room for all of the list.  Empty ones are left out.
 * SHARD_AGAIN at the end, SHARD_ERROR for a bad "%".
 */

int shard_merge_key(shard_str_t *list, char *buf, shard_str_t *key);


#endif /* _SHARD_MERGE_H_INCLUDED_ */
