
/*
 * What nodes say of themselves: asked every "interval" through io.h, read by
 * exporter.h, kept as named series.
 *
 *   table's nodes ──url──▶ scrape ──text──▶ reading ─┐
 *   every interval         (io.h)           before ──┴▶ figures x time ──▶
 *                                                       names.h, open slots
 *
 * A node that does not answer, or not in time, or nonsense, is unknown from
 * its last good reading on, and said so: never zero.
 */


#ifndef _PREDICTOR_NODES_H_INCLUDED_
#define _PREDICTOR_NODES_H_INCLUDED_


#include "conf.h"
#include "exporter.h"
#include "io.h"
#include "names.h"


#define PREDICTOR_NODES_MAX   4096
#define PREDICTOR_URL_SIZE    512
#define PREDICTOR_SOURCES     2          /* exporter and backend */


typedef struct {
    predictor_reading_t  last;
    char                 why[120];      /* "" while it answers */
    unsigned             asked:1;
    unsigned             told:1;        /* trouble was logged */
} predictor_source_t;

typedef struct {
    char                 name[SHARD_NAME_SIZE];
    char                 addr[SHARD_ADDR_SIZE];
    char                 zone[SHARD_NAME_SIZE];
    double               next_ms;
    uint32_t             number[PREDICTOR_NODE_FIGURES];    /* of names.h */
    float                now[PREDICTOR_NODE_FIGURES];
    predictor_source_t   source[PREDICTOR_SOURCES];
    unsigned             there:1;       /* in the table */
    unsigned             said:1;        /* its forecast is stored */
} predictor_node_t;

typedef struct {
    const predictor_conf_t  *conf;
    const predictor_io_t    *io;
    predictor_clock_t        clock;
    long                     res_s;
    predictor_names_t       *names;     /* NULL: nothing is kept now */
    uint32_t                 n;
    predictor_node_t        *nodes;
} predictor_nodes_t;


void predictor_nodes_init(predictor_nodes_t *n, const predictor_conf_t *conf,
    const predictor_io_t *io, const predictor_clock_t *clock, long res_s);
void predictor_nodes_done(predictor_nodes_t *n);

/* the table's nodes; those that left it are asked no more, their series are
 * given back */

void predictor_nodes_table(predictor_nodes_t *n, const shardd_table_t *table,
    long slot);

/* where figures go from now on; numbers are taken anew */

void predictor_nodes_names(predictor_nodes_t *n, predictor_names_t *names);

/* asks those that are due, takes what has come; never waits */

void predictor_nodes_step(predictor_nodes_t *n);

const predictor_node_t *predictor_nodes_find(const predictor_nodes_t *n,
    const char *name);

/* the word of a figure, NULL beyond the configured gauges */

const char *predictor_nodes_word(const predictor_conf_t *conf, uint32_t i);

/* "why" when the template is bad: SHARD_ERROR */

int predictor_nodes_url(const char *template, const char *name,
    const char *addr, const char *zone, char *url, char *why);


#endif /* _PREDICTOR_NODES_H_INCLUDED_ */
