
/* What the commands that move and cut shards share: cmd_move.c, cmd_cut.c,
 * cut_bounds.c, cmd_wish.c, wait.c. */


#ifndef _SHARDCTL_MOVE_H_INCLUDED_
#define _SHARDCTL_MOVE_H_INCLUDED_


#include "shard_bytes.h"
#include "shardctl.h"


#define MOVE_ID_SIZE   17
#define MOVE_SEQ_SIZE  24
#define CUT_TEXT       (SHARD_BYTES_TEXT + 1)


typedef struct {
    shard_id_t   shard;
    uint32_t     epoch;
    const char  *from;
    const char  *to;
    const char  *verb;        /* what the operator did, for the reason */
    const char  *decision;    /* move, promote, replicate, split, ... */
    const char  *cut;         /* split, isolate: as records have bounds */
    const char  *end;         /* isolate: behind the key */
    const char  *with;        /* merge: the shard that goes, and its epoch */
    const char  *with_epoch;
    const char  *then;        /* what follows the migration, or NULL */
    char         id[MOVE_ID_SIZE];
    char         stale[MOVE_SEQ_SIZE];    /* see move_finish() */
} move_t;


/* writes the decision, *again: it was made before; what is checked before */

int move_add(shardctl_t *ctl, const move_t *move, int *again);
int move_check_freeze(shardctl_t *ctl, shard_id_t shard);
int move_check_up(shardctl_t *ctl, const shard_node_t *node);
void move_stale(shardctl_t *ctl, move_t *move);

/* checks the move, decides it, and finishes as the options say */

int move_run(shardctl_t *ctl, shardd_table_t *table, move_t *move);

/*
 * Shows "out", which is taken; with --wait only when the migration has ended,
 * and fails when it did not end as "wanted".  "stale" is the sequence of an
 * earlier migration of the same id that has ended, "" when there is none.
 */

int move_finish(shardctl_t *ctl, const char *id, const char *wanted,
    const char *stale, json_t *out);

/*
 * dry_run.c: a migrator's verdicts on each precondition, NULL when there is
 * no migrator; a table of them; and the exit status: failed when refused
 */

int move_ask(shardctl_t *ctl, const move_t *move, json_t **answer);
int move_answer_show(shardctl_t *ctl, const json_t *answer);
int move_answer_rc(shardctl_t *ctl, const json_t *answer);

/*
 * cut_bounds.c: where the options have "rec" cut, within its bounds, as
 * records have bounds; "end" is "" unless a key is to be alone.  The other:
 * a bound as "shardctl shards" shows it, in "buf" where it is not "cut".
 */

int cut_bounds(shardctl_t *ctl, const shard_record_t *rec, char cut[CUT_TEXT],
    char end[CUT_TEXT]);
const char *cut_words(const shard_record_t *rec, const char *cut,
    char buf[CUT_TEXT]);

const char *move_phase(const shardd_entry_t *m);


#endif /* _SHARDCTL_MOVE_H_INCLUDED_ */
