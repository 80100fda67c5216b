
/*
 * Splits and merges: which keys change their shard, and what the records of
 * both shards become.
 *
 *   split of S at c       S [lo, hi) ──▶ S [lo, c)  +  a new shard [c, hi)
 *   merge of B into A     A [lo, b), B [b, hi) ──▶ A [lo, hi), or B below A
 *   isolate c .. e of S   a split of S at e, then one at c
 *
 * A split's state is of S, a merge's of B, which goes; "into" is the other
 * one.  Its range, [c, hi) or all that B has, is in the state in the words
 * of the data contract.
 */


#ifndef _MIGRATOR_CUT_H_INCLUDED_
#define _MIGRATOR_CUT_H_INCLUDED_


#include "machine.h"


/* the state's range; SHARD_ERROR: its keys have no order */

int migrator_cut_range(const migrator_state_t *state, shard_range_t *range);

/*
 * Fills the state of a split (at "cut") or of a merge (cut NULL) by the
 * record of its shard.  cut, and next: of an isolation, or "": as bounds of
 * records are written.  SHARD_ERROR and "err" when they are none.
 */

int migrator_cut_plan(migrator_state_t *state, const shard_record_t *rec,
    const char *cut, const char *next, char *err);

/* nothing but the keys stands against it; "err" says what does */

int migrator_cut_splits(const migrator_state_t *state,
    const shard_record_t *rec, char *err);
int migrator_cut_joins(const migrator_state_t *state,
    const shard_record_t *rec, const shard_record_t *into, char *err);

/* migrator_owner() of them */

migrator_owner_e migrator_cut_owner(const migrator_state_t *state,
    const shard_record_t *rec);

/* what they are after the commit, held */

void migrator_cut_parts(const migrator_state_t *state, shard_record_t *rec,
    shard_record_t *child);
void migrator_cut_joined(const migrator_state_t *state,
    shard_record_t *into);


#endif /* _MIGRATOR_CUT_H_INCLUDED_ */
