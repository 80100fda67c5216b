
/*
 * Where shards come from: what a change of the table made of whose keys.
 *
 *   before   ├── 4 ───────────┤├── 7 ──┤├─ 8 ─┤      bounds as they were
 *   now      ├── 4 ──┤├─ 12 ──┤├── 13 ────────┤      bounds of the table
 *
 *   overlaps   4 ◀ half of 4    12 ◀ half of 4    13 ◀ all of 7, all of 8
 *
 * A line says of a shard since when its bounds are what they are, of which
 * shards it had how much before, and what to add up for the time before:
 * pieces of their columns, and of their parents' columns, and so on.
 *
 * Pure.  Slots are those of the history.
 */


#ifndef _PREDICTOR_LINEAGE_H_INCLUDED_
#define _PREDICTOR_LINEAGE_H_INCLUDED_


#include "borrow.h"


#define PREDICTOR_LINEAGE_PARENTS   8
#define PREDICTOR_LINEAGE_SIBLINGS  8       /* itself among them */
#define PREDICTOR_LINEAGE_PIECES    16
#define PREDICTOR_BOUNDS_TEXT       (2 * SHARD_BOUND_MAX * 3 + 32 * 16 + 8)


/* what a shard holds, of any kind; a list's units by their hashes */

typedef struct {
    shard_id_t                  id;
    shard_kind_e                kind;
    uint64_t                    lo;
    uint64_t                    hi;
    shard_bytes_t               lo_text;
    shard_bytes_t               hi_text;
    uint32_t                    nunits;
    uint64_t                    unit[SHARD_UNITS_MAX];
} predictor_bounds_t;

typedef struct {
    uint32_t                    before;     /* numbers in both lists */
    uint32_t                    now;
    double                      share;      /* of the one before, 0 .. 1 */
} predictor_overlap_t;

typedef struct {
    shard_id_t                  id;
    float                       share;      /* of its keys */
} predictor_parent_t;

typedef struct {
    predictor_borrow_e          how;        /* NOTHING, SPLIT or MERGED */
    long                        since;      /* slot */
    uint32_t                    nparents;
    uint32_t                    nsiblings;
    uint32_t                    npieces;
    predictor_parent_t          parent[PREDICTOR_LINEAGE_PARENTS];
    shard_id_t                  sibling[PREDICTOR_LINEAGE_SIBLINGS];
    predictor_borrow_piece_t    piece[PREDICTOR_LINEAGE_PIECES];
} predictor_line_t;


/*
 * Bounds as one text, equal for equal bounds; buf takes
 * PREDICTOR_BOUNDS_TEXT bytes.  Reading it back: SHARD_ERROR when it is no
 * bounds of that kind.
 */

int predictor_bounds_of(const shard_record_t *rec, predictor_bounds_t *out);
void predictor_bounds_text(const predictor_bounds_t *b, char *buf);
int predictor_bounds_parse(shard_kind_e kind, shard_id_t id,
    const char *text, predictor_bounds_t *out);

/*
 * Who of "now" holds how much of whom of "before"; both are of one kind,
 * neither overlaps itself, and are sorted here.  Returns how many overlaps
 * there are, or "room" + 1 when there are more than that.
 */

uint32_t predictor_overlaps(predictor_bounds_t *before, uint32_t nbefore,
    predictor_bounds_t *now, uint32_t nnow, predictor_overlap_t *out,
    uint32_t room);

/* begins a line at slot "since"; parents are then added, each with its own
 * line as it was (NULL: none).  SHARD_AGAIN when they are too many */

void predictor_line_begin(predictor_line_t *line, long since);
int predictor_line_parent(predictor_line_t *line, shard_id_t id,
    double share, const predictor_line_t *parent);

/* a shard that came from the same parent in the same change, or itself;
 * with more of them than there is room for, none is known */

void predictor_line_sibling(predictor_line_t *line, shard_id_t id);

/*
 * What it borrows.  Its share of the load since the change counts, with the
 * share of the keys as if that had been seen for an hour.
 */

void predictor_line_borrow(const predictor_line_t *line, shard_id_t id,
    const predictor_history_t *h, const predictor_similar_t *s,
    predictor_borrow_t *b);

/* the share is what it is now, as a sibling is about to change */

void predictor_line_settle(predictor_line_t *line, shard_id_t id,
    const predictor_history_t *h, long res_s);


#endif /* _PREDICTOR_LINEAGE_H_INCLUDED_ */
