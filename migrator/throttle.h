
/*
 * How fast a copy may be, so that the nodes' other requests do not notice:
 * a bound of the operator's, and a rate that gives way when they wait longer
 * than before the copy.
 *
 *     probes of source and target ──▶ window of 8: its upper quartile
 *                                         │ more than before?
 *           rate * 0.7, not below least ◀─┤ yes
 *           rate * 1.1, up to most      ◀─┘ no
 *                 │
 *                 ▼
 *     bytes are taken from a bucket that fills at the rate; an empty one
 *     (a debt is allowed, once) pauses the source
 *
 * A key costs as much time as some hundred bytes of a value, so it counts
 * item_bytes beside its own: one rate bounds copies of small values, too.
 *
 * As long as nothing has risen there is no rate, only the bound.  Pure: the
 * caller brings the time, in microseconds of any monotonic clock.
 */


#ifndef _MIGRATOR_THROTTLE_H_INCLUDED_
#define _MIGRATOR_THROTTLE_H_INCLUDED_


#include <stdint.h>


#define MIGRATOR_THROTTLE_WINDOW  8
#define MIGRATOR_THROTTLE_BASE    16        /* probes of a node before */


typedef struct {
    uint32_t   n;
    uint32_t   base_us;                     /* 0: not known yet */
    uint32_t   us[MIGRATOR_THROTTLE_BASE];
    uint32_t   last_us;                     /* of the last window */
} migrator_throttle_node_t;

typedef struct {
    uint64_t   most;                        /* bytes/s, 0: no bound */
    uint64_t   least;                       /* bytes/s; not above most */
    uint32_t   item_bytes;                  /* of a key beside its own */
    double     ratio;                       /* that is borne, 0: any */
    uint32_t   slack_us;                    /* and a rise of so much */

    uint64_t   rate;                        /* bytes/s, 0: no bound */
    double     bucket;                      /* bytes */
    uint64_t   filled_us;
    uint64_t   since_us;                    /* of the measured speed */
    uint64_t   bytes;                       /* since then */
    uint64_t   counted;                     /* the same, with item_bytes */
    uint64_t   speed;                       /* bytes/s, as measured last */
    uint64_t   pace;                        /* the same, with item_bytes */
    uint32_t   backoffs;

    migrator_throttle_node_t  node[2];      /* source, target */
} migrator_throttle_t;


/* the settings are in, the rest is zero */

void migrator_throttle_init(migrator_throttle_t *t, uint64_t now_us);

/* 0: bytes may move now; else so many microseconds later */

uint64_t migrator_throttle_wait(migrator_throttle_t *t, uint64_t now_us);
void migrator_throttle_moved(migrator_throttle_t *t, uint64_t bytes,
    uint64_t items, uint64_t now_us);

/* one probe of a node; the first ones are from before the copy */

void migrator_throttle_probe(migrator_throttle_t *t, int node, uint32_t us);

/* 1: what was before is known of both nodes */

int migrator_throttle_based(const migrator_throttle_t *t);


#endif /* _MIGRATOR_THROTTLE_H_INCLUDED_ */
