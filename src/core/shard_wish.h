
/*
 * What operators write through the HTTP API, checked before Redis sees it.
 *
 *     POST migrations  {"shard":42,"to":"n3"}              shard_wish_move
 *     PUT  override    {"verb":"pin n3"}                    shard_wish_verb
 *     POST events      {"start":..,"end":..,"effect":..}    shard_wish_event
 *     If-Match         "17", W/"18", *                      shard_etag_next
 *
 * Decoding is strict, as for records, and a field that is not known is
 * refused here: a wish that was half understood would be half granted.
 */


#ifndef _SHARD_WISH_H_INCLUDED_
#define _SHARD_WISH_H_INCLUDED_


#include "shard_override.h"


#define SHARD_EVENT_SHARDS_MAX  256
#define SHARD_EVENT_NODES_MAX   32
#define SHARD_EVENT_SIZE        8192         /* of the encoded JSON */


typedef struct {
    shard_id_t        shard;
    char              to[SHARD_NAME_SIZE];
} shard_move_t;


typedef enum {
    SHARD_EVENT_ONCE = 0,
    SHARD_EVENT_DAILY,
    SHARD_EVENT_WEEKLY,
    SHARD_EVENT_MONTHLY,
    SHARD_EVENT_YEARLY
} shard_repeat_e;


/* texts point into the body */

typedef struct {
    char              id[SHARD_NAME_SIZE];   /* "": to be chosen */
    uint64_t          start_ms;              /* since 1970 */
    uint64_t          end_ms;                /* behind start */
    shard_str_t       start;
    shard_str_t       end;
    shard_str_t       effect;                /* x2.5, +300, -300, drain */
    shard_repeat_e    repeat;
    uint16_t          nshards;               /* neither: it is of */
    uint16_t          nnodes;                /* all shards */
    shard_id_t        shards[SHARD_EVENT_SHARDS_MAX];
    char              nodes[SHARD_EVENT_NODES_MAX][SHARD_NAME_SIZE];
} shard_event_t;


int shard_wish_move(shard_str_t body, shard_move_t *out, char *err);

/* "text" is the verb as it stands in the body */

int shard_wish_verb(shard_str_t body, shard_override_t *out,
    shard_str_t *text, char *err);

int shard_wish_event(shard_str_t body, shard_event_t *out, char *err);

/* length without the terminating zero, or SHARD_AGAIN; the id is no part */

int shard_event_encode(const shard_event_t *event, char *buf, size_t size);


/*
 * The next entity tag of a list, without quotes; "*" for any.  SHARD_AGAIN:
 * no more, SHARD_ERROR: no list of tags.  A weak one is taken as it is: a
 * filter on the way to the client may have made it so.
 */

int shard_etag_next(shard_str_t *list, shard_str_t *tag);


#endif /* _SHARD_WISH_H_INCLUDED_ */
