
/*
 * Cold start: what shards without a history of their own borrow.
 *
 *   table ───┐
 *            ├─ change ─▶ lines: who came from whom ──┐
 *   lineage ─┘   │                                    ├─ prepare ─▶ borrowed
 *      ▲         │        hours: who runs like whom ──┘   each hour    │
 *      └─────────┘                                                     ▼
 *                            outlook ◀── column: borrowed, then own ───┘
 *
 * The "lineage" hash keeps bounds and lines over restarts, so that a change
 * made while no predictor ran is seen as well.  Memory is from the heap; only
 * the store is written to, through the seam.
 */


#ifndef _PREDICTOR_COLD_H_INCLUDED_
#define _PREDICTOR_COLD_H_INCLUDED_


#include "io.h"
#include "lineage.h"
#include "schedule.h"


#define PREDICTOR_COLD_IDS   1000000    /* ids below it */
#define PREDICTOR_COLD_JSON  1536       /* of predictor_cold_report() */


typedef struct {
    char                 *bounds;       /* NULL: not in the table */
    predictor_line_t     *line;         /* NULL: nothing changed */
    predictor_borrow_t   *borrow;       /* NULL: it has its own history */
    long                  hour;         /* borrow was made after it */
} predictor_cold_shard_t;

typedef struct {
    long                     res_s;
    uint64_t                 version;   /* of the table compared last */
    uint32_t                 nids;
    predictor_cold_shard_t  *shards;    /* by id */
    predictor_similar_t      similar;
    void                    *memory;
    void                    *work;
    unsigned                 known:1;   /* bounds of some table */
} predictor_cold_t;


/* the stored lines; SHARDD_OK, also with none, or why not */

int predictor_cold_load(predictor_cold_t *c, const predictor_io_t *io,
    long res_s);
void predictor_cold_done(predictor_cold_t *c);

/* highest shard id that lines speak of, + 1 */

uint32_t predictor_cold_columns(const predictor_cold_t *c);

/* room for the hours of a history; SHARD_ERROR without memory */

int predictor_cold_room(predictor_cold_t *c, size_t window, uint32_t ncols);

/*
 * Compares the table with what is known, and writes what changed.  New
 * bounds count from slot "since" on.  On failure nothing is changed and the
 * next call does it again; SHARDD_OK or why not.
 */

int predictor_cold_change(predictor_cold_t *c, const predictor_io_t *io,
    const shardd_table_t *table, const predictor_history_t *h, long since);

/* before the shards ids[n] learn or are forecast: who borrows what.  One
 * that has begun to borrow learns anew: turns are by id */

void predictor_cold_prepare(predictor_cold_t *c, const predictor_history_t *h,
    predictor_turn_t *turns, const shard_id_t *ids, uint32_t n);

/* the outlook's hooks; data is the predictor_cold_t */

size_t predictor_cold_column(void *data, const predictor_history_t *h,
    shard_id_t id, double *y, uint32_t *own);
size_t predictor_cold_length(void *data, const predictor_history_t *h,
    shard_id_t id);

/* ',"borrowed":{...}' or nothing, at most PREDICTOR_COLD_JSON bytes with the
 * zero; the length without it */

size_t predictor_cold_report(const predictor_cold_t *c,
    const predictor_history_t *h, shard_id_t id, char *buf);

/* one line and its bounds as the text of a field, to be freed (NULL without
 * memory), and back: SHARD_ERROR when it is refused, nothing is touched */

char *predictor_line_encode(const char *bounds, const predictor_line_t *line,
    long res_s);
int predictor_line_decode(const char *text, long res_s, char *bounds,
    predictor_line_t *line);


#endif /* _PREDICTOR_COLD_H_INCLUDED_ */
