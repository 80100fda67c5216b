
/*
 * From routers' metrics entries to rows of history.
 *
 *   entry of a router        slots being counted          history
 *   [ begin ... end ] ─────▶ │ base │ +1 │ ... │ ──row──▶ oldest ... last
 *   by its overlap with        counts, time covered        time-major floats
 *   each slot, on our clock    and time lost per router    NaN = unknown
 *
 * Entries count once by (router, instance, sequence), in any order within a
 * window of 64.  A slot that no router covers by half, or of which a router
 * lost more than a fifth (a hole in its sequence), is unknown: never zero.
 * Its value is requests per second of real time over the time covered, so
 * that a virtual clock leaves the unit of a node's capacity alone.
 *
 * Nothing here reads a clock, logs, or does I/O; memory is from the heap.
 */


#ifndef _PREDICTOR_SERIES_H_INCLUDED_
#define _PREDICTOR_SERIES_H_INCLUDED_


#include "../src/core/shard_load.h"


#define PREDICTOR_SHARDS_MAX    1000000       /* ids below it */
#define PREDICTOR_SLOTS_OPEN    64
#define PREDICTOR_ROUTERS_MAX   256
#define PREDICTOR_CURSOR_SIZE   48
#define PREDICTOR_AHEAD_MS      60000         /* a router's clock may be */


/* epoch seconds = epoch_s + (now_ms - real_ms) / 1000 * speed */

typedef struct {
    double    speed;
    double    real_ms;
    double    epoch_s;
} predictor_clock_t;


static inline double
predictor_clock_s(const predictor_clock_t *c, double now_ms)
{
    return c->epoch_s + (now_ms - c->real_ms) / 1000 * c->speed;
}


static inline double
predictor_clock_ms(const predictor_clock_t *c, double epoch_s)
{
    return c->real_ms + (epoch_s - c->epoch_s) / c->speed * 1000;
}


/* sequences seen of one run of a router: bit i stands for last - i */

typedef struct {
    uint64_t  instance;
    uint64_t  last;
    uint64_t  seen;             /* 0: the window is unused */
    double    end_ms;
} predictor_window_t;

/* two runs, so that a new one may overlap the entries of the old one */

typedef struct {
    char                name[SHARD_NAME_SIZE];
    predictor_window_t  window[2];
    double              end_ms;
    double              interval_ms;
} predictor_router_t;

typedef struct {
    double   *counts;           /* ncols x nmetrics, NULL: nothing yet */
    float     covered_ms[PREDICTOR_ROUTERS_MAX];
    float     lost_ms[PREDICTOR_ROUTERS_MAX];

    /* reading on from here sees all of the slot again; "" = not begun */
    char      cursor[PREDICTOR_CURSOR_SIZE];
} predictor_slot_t;

typedef struct {
    predictor_clock_t   clock;
    long                res_s;
    long                base;           /* first open slot, -1: none yet */
    long                first;          /* slots before it are not ours */
    double              newest_ms;      /* end of the latest entry */
    double              grace_ms;       /* entries may be so late */
    uint32_t            ncols;
    uint32_t            nmetrics;
    uint32_t            nrouters;
    shard_metric_e      metrics[SHARD_METRICS];
    predictor_router_t  routers[PREDICTOR_ROUTERS_MAX];
    predictor_slot_t    open[PREDICTOR_SLOTS_OPEN];

    /* entries counted, and left out */
    uint64_t            entries;
    uint64_t            duplicates;
    uint64_t            late;
} predictor_slots_t;


/* clock, res_s, grace_ms and first are the caller's to set afterwards */

predictor_slots_t *predictor_slots_create(void);
void predictor_slots_destroy(predictor_slots_t *s);

/* what to count besides requests, bits of shard_load.h; before any is counted */

void predictor_slots_metrics(predictor_slots_t *s, unsigned metrics);

/* more shards; SHARD_ERROR without memory, nothing is changed then */

int predictor_slots_columns(predictor_slots_t *s, uint32_t ncols);

/*
 * Counts an entry read after "cursor".  SHARD_OK also for a duplicate or a
 * late one; SHARD_AGAIN when the oldest open slot must be closed first;
 * SHARD_ERROR and "err" when it is refused.
 */

int predictor_slots_add(predictor_slots_t *s, const shard_metrics_entry_t *e,
    const char *cursor, double now_ms, char *err);

/* the oldest open slot may be closed: all routers are past it, or it is late;
 * "mark_ms" is now, or newest_ms while there are entries to be read */

int predictor_slots_ready(const predictor_slots_t *s, double mark_ms);

/* per second by shard; 1, or 0 and NaN when the slot is unknown */

int predictor_slots_row(const predictor_slots_t *s, shard_metric_e metric,
    float *row);

/* seconds of real time that the oldest open slot is covered, 0: unknown */

double predictor_slots_seconds(const predictor_slots_t *s);

/* the oldest open slot is done with */

void predictor_slots_close(predictor_slots_t *s);

/* where reading must begin after a restart: "cursor" when no slot is open */

const char *predictor_slots_cursor(const predictor_slots_t *s,
    const char *cursor);


#endif /* _PREDICTOR_SERIES_H_INCLUDED_ */
