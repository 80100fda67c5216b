
/*
 * From what a node's exporter says to what the node does.  Pure.
 *
 *   text ──▶ predictor_reading_t ──▶ difference to the one before ──▶ figures
 *            counters, sums of        a counter that went back, another set
 *            them, gauges             of devices: unknown until the next one
 *
 *   cpu      share of all CPUs' time that was not idle nor waiting for a disk
 *   memory   share that is not available to new programs
 *   network  bytes per second, in and out, all real interfaces
 *   disk     share of the time that the busiest disk was at work
 *   gauges   as they are, the sum over their labels
 */


#ifndef _PREDICTOR_EXPORTER_H_INCLUDED_
#define _PREDICTOR_EXPORTER_H_INCLUDED_


#include "prometheus_text.h"


#define PREDICTOR_GAUGES_MAX  16
#define PREDICTOR_DISKS_MAX   64


typedef enum {
    PREDICTOR_NODE_CPU = 0,
    PREDICTOR_NODE_MEMORY,
    PREDICTOR_NODE_NETWORK,
    PREDICTOR_NODE_DISK,
    PREDICTOR_NODE_GAUGE,       /* the first of them */
    PREDICTOR_NODE_FIGURES = PREDICTOR_NODE_GAUGE + PREDICTOR_GAUGES_MAX
} predictor_node_figure_e;

extern const char *const predictor_node_words[];    /* without the gauges */


typedef struct {
    uint64_t          name;         /* hash of the device */
    double            seconds;
} predictor_disk_t;

typedef struct {
    double            at_ms;        /* when it was read, 0: never */

    double            cpu;          /* seconds of all modes */
    double            idle;         /* of which idle and iowait */
    double            memory;       /* total, bytes */
    double            available;
    double            loose;        /* free, buffers and cached */
    double            network;      /* bytes, in and out */
    uint64_t          cpus;         /* hashes of the sets they are sums of */
    uint64_t          interfaces;
    uint32_t          ncpu;         /* lines of it */
    uint32_t          nnetwork;

    uint32_t          ndisks;
    predictor_disk_t  disks[PREDICTOR_DISKS_MAX];

    double            gauge[PREDICTOR_GAUGES_MAX];      /* NaN: not there */
} predictor_reading_t;


void predictor_reading_init(predictor_reading_t *r);

/* adds a text's figures; gauges ends with NULL, at most
 * PREDICTOR_GAUGES_MAX; SHARD_ERROR and "err": the text is bad, "r" is as it
 * was */

int predictor_reading_add(predictor_reading_t *r, shard_str_t text,
    const char *const *gauges, char *err);

/* figures of the time from "before" to "now", NaN where they are unknown */

void predictor_reading_figures(const predictor_reading_t *before,
    const predictor_reading_t *now, double figures[PREDICTOR_NODE_FIGURES]);


#endif /* _PREDICTOR_EXPORTER_H_INCLUDED_ */
