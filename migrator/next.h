
/*
 * What follows a migration, as a decision of its own: stored before the
 * migration is done, so that whoever ends it makes it, and under an id that
 * is known when it is planned, so that it is made once.
 *
 *    isolate c .. e         split at e ──▶ split at c
 *    in place: split to n2  split where it lies ──▶ move to n2
 *    in place: merge of B   move of B to A's node ──▶ merge
 *        into A elsewhere
 *
 * In place: copy-on-write frees a node of its writes at once, and a cut that
 * copies to another node first would not; and there are drivers that cut
 * within a node only.  What leaves the node does so by a move of the shard's
 * own strategy.
 */


#ifndef _MIGRATOR_NEXT_H_INCLUDED_
#define _MIGRATOR_NEXT_H_INCLUDED_


#include "cut.h"


/*
 * Turns a planned split or merge that is to be in place into the first of the
 * two; in any case "next" is what follows, or "".
 */

void migrator_next_plan(migrator_state_t *state, int in_place);

/* 0: nothing follows.  A merge as in a state: of the shard that goes. */

int migrator_next_wish(const migrator_state_t *state, migrator_state_t *wish);

/* what comes in the end is a move of the new shard; is a merge */

int migrator_next_moves(const migrator_state_t *state);
int migrator_next_merges(const migrator_state_t *state);

/*
 * "n1 n2", a state's: the first name into "name" and what is behind it, NULL
 * when there is none.  Valid: names, no more than a shard has standbys.
 */

const char *migrator_others_next(const char *others,
    char name[SHARD_NAME_SIZE]);
int migrator_others_valid(const char *others);

/*
 * Steps.  The wish is made, however long the store takes; standbys of
 * "shard" at nodes that had some of what it was cut from, but for those that
 * have the shard already.
 */

migrator_result_e migrator_next_decide(migrator_t *m);
migrator_result_e migrator_next_standbys(migrator_t *m, shard_id_t shard,
    uint32_t epoch);


#endif /* _MIGRATOR_NEXT_H_INCLUDED_ */
