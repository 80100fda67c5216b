
/*
 * The scheduled events of a fleet, and what was learnt of each.
 *
 *   "events" ──put──▶ planned ──prepare──▶ spans, cells ──┐  every tick
 *                                                        ▼
 *     column ──▶ clean: measure what ended, remove ──▶ models   per shard,
 *                                                        │      in threads
 *   forecast ◀── return: put the coming ones on ◀─────────┘
 *                                                        ▼
 *   "effects" ◀──report── pool: all shards' sums of each occurrence
 *
 * A cell holds what one of the latest occurrences was for one shard; it is
 * filled when the occurrence has ended, and again a day later, when there are
 * days behind it to compare with.  _clean() and _return() of different shards
 * may run in several threads, everything else in one.  Memory is from the
 * heap.
 */


#ifndef _PREDICTOR_CALENDAR_H_INCLUDED_
#define _PREDICTOR_CALENDAR_H_INCLUDED_


#include <jansson.h>

#include "effect.h"


#define PREDICTOR_CALENDAR_MAX    1000      /* events */
#define PREDICTOR_CALENDAR_SPANS  512       /* of one event, in the window */
#define PREDICTOR_CALENDAR_CELLS  6         /* latest ones, by shard */
#define PREDICTOR_CALENDAR_CAME   16        /* latest ones, all shards */
#define PREDICTOR_CALENDAR_MB     256       /* of cells */


/* an occurrence as it was, of all its shards together */

typedef struct {
    shard_span_t             span;
    predictor_measure_t      sum;
    uint32_t                 shards;
} predictor_came_t;

typedef struct {
    predictor_measure_t      measure;
    uint32_t                 round;         /* 0: not yet */
} predictor_cell_t;

typedef struct {
    char                    *json;          /* the texts of "event" */
    shard_event_t            event;
    unsigned                 there:1;
    unsigned                 active:1;      /* concerns a load in the window */
    unsigned                 dirty:1;       /* cells are to be summed up */
    unsigned                 news:1;        /* not reported yet */

    uint8_t                 *shards;        /* a bit each; NULL: all */
    uint32_t                 nshards;
    double                   load;          /* of them */

    shard_span_t            *spans;
    uint32_t                 nspans;
    uint32_t                 nended;        /* the first ones */

    shard_span_t             latest[PREDICTOR_CALENDAR_CELLS];
    uint32_t                 round[PREDICTOR_CALENDAR_CELLS];
    predictor_cell_t        *cells;         /* by shard */

    uint32_t                 ncame;         /* oldest first */
    predictor_came_t         came[PREDICTOR_CALENDAR_CAME];
    predictor_learned_t      learned;
} predictor_planned_t;

typedef struct {
    uint32_t                 nshards;
    uint32_t                 interval_s;
    uint32_t                 day;
    uint32_t                 week;
    int64_t                  until_s;       /* the history's end */
    size_t                   cells;         /* bytes */
    size_t                   n;
    size_t                   room;
    predictor_planned_t    **events;        /* by id */
    size_t                   nactive;
    predictor_planned_t    **active;
    float                   *load;          /* by shard: shares of "+N" */
} predictor_calendar_t;


/* all int: SHARD_OK, or SHARD_ERROR without memory */

int predictor_calendar_init(predictor_calendar_t *c, uint32_t nshards,
    uint32_t interval_s, uint32_t day, uint32_t week);
void predictor_calendar_done(predictor_calendar_t *c);

/*
 * begin, put each, end: events that were not put are forgotten, those that
 * are the same keep what was learnt.  put() returns SHARD_ERROR and "err" for
 * a malformed one and when there are too many.
 */

void predictor_calendar_begin(predictor_calendar_t *c);
int predictor_calendar_put(predictor_calendar_t *c, const char *id,
    const char *json, char *err);
void predictor_calendar_end(predictor_calendar_t *c);
predictor_planned_t *predictor_calendar_find(const predictor_calendar_t *c,
    const char *id);

/* the event's nodes have this name */

int predictor_calendar_on(const predictor_planned_t *p, const char *node);

/* back to the shards that it names; and one more */

void predictor_calendar_named(predictor_calendar_t *c,
    predictor_planned_t *p);

int predictor_calendar_touch(predictor_calendar_t *c, predictor_planned_t *p,
    shard_id_t id);
int predictor_calendar_touches(const predictor_planned_t *p, shard_id_t id);

/* c->load is to be filled where it is wanted; the forecast's steps begin at
 * until_s */

int predictor_calendar_wants_load(const predictor_calendar_t *c);
int predictor_calendar_prepare(predictor_calendar_t *c, int64_t from_s,
    int64_t until_s, uint32_t horizon);

/* removes the events from n values that end at end_s; busy: n bytes of
 * scratch */

void predictor_calendar_clean(const predictor_calendar_t *c, shard_id_t id,
    int64_t end_s, double *y, uint32_t n, uint8_t *busy);
void predictor_calendar_return(const predictor_calendar_t *c, shard_id_t id,
    const predictor_ask_t *ask, double *out);

/* sums up what the cells of all shards say */

void predictor_calendar_pool(predictor_calendar_t *c);
void predictor_calendar_learn(predictor_planned_t *p);
void predictor_calendar_keep(predictor_planned_t *p,
    const predictor_came_t *came);

/* the size of the next occurrence; n 0: nothing is known */

void predictor_calendar_size(const predictor_calendar_t *c,
    const predictor_planned_t *p, shard_id_t id, predictor_learned_t *size);

/* the event for which the node is to be empty at some moment of
 * [from_s, before_s), or NULL */

const char *predictor_calendar_drains(const predictor_calendar_t *c, const char *node,
    int64_t from_s, int64_t before_s);


/* calendar_json.c: what is told of them */

/* the events in a shard's forecast: a JSON array, NULL when there is none */

json_t *predictor_calendar_events(const predictor_calendar_t *c,
    shard_id_t id);

/* a field of "effects", and back after a restart; hostile text is ignored */

char *predictor_calendar_save(const predictor_calendar_t *c,
    const predictor_planned_t *p);
void predictor_calendar_restore(predictor_calendar_t *c, const char *id,
    const char *json);


#endif /* _PREDICTOR_CALENDAR_H_INCLUDED_ */
