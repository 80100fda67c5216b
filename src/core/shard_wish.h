
/*
 * What operators write through the HTTP API, checked before Redis sees it.
 *
 *     POST migrations  {"shard":42,"to":"n3"}              shard_wish_move
 *     PUT  migrations  {"wish":"pause"}                     shard_wish_order
 *     PUT  override    {"verb":"pin n3"}                    shard_wish_verb
 *     POST events      {"start":..,"end":..,"effect":..}    shard_wish_event
 *     If-Match         "17", W/"18", *                      shard_etag_next
 *
 * Decoding is strict, as for records, and a field that is not known is
 * refused here: a wish that was half understood would be half granted.
 */


#ifndef _SHARD_WISH_H_INCLUDED_
#define _SHARD_WISH_H_INCLUDED_


#include "shard_event.h"
#include "shard_override.h"


typedef struct {
    shard_id_t        shard;
    char              to[SHARD_NAME_SIZE];
} shard_move_t;


int shard_wish_move(shard_str_t body, shard_move_t *out, char *err);

/* "pause", "resume" or "rollback", for a migration; a constant */

int shard_wish_order(shard_str_t body, const char **out, char *err);

/* "text" is the verb as it stands in the body */

int shard_wish_verb(shard_str_t body, shard_override_t *out,
    shard_str_t *text, char *err);

int shard_wish_event(shard_str_t body, shard_event_t *out, char *err);


/*
 * The next entity tag of a list, without quotes; "*" for any.  SHARD_AGAIN:
 * no more, SHARD_ERROR: no list of tags.  A weak one is taken as it is: a
 * filter on the way to the client may have made it so.
 */

int shard_etag_next(shard_str_t *list, shard_str_t *tag);


#endif /* _SHARD_WISH_H_INCLUDED_ */
