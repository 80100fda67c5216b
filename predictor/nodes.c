
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "nodes.h"


/* longer without a reading, and the time between counts as unknown */

#define PREDICTOR_NODES_GAP  3          /* intervals */


static void predictor_nodes_answer(void *data, uint64_t id, shard_str_t text,
    const char *why);


void
predictor_nodes_init(predictor_nodes_t *n, const predictor_conf_t *conf,
    const predictor_io_t *io, const predictor_clock_t *clock, long res_s)
{
    memset(n, 0, sizeof(predictor_nodes_t));

    n->conf = conf;
    n->io = io;
    n->clock = *clock;
    n->res_s = res_s;
}


void
predictor_nodes_done(predictor_nodes_t *n)
{
    free(n->nodes);
    memset(n, 0, sizeof(predictor_nodes_t));
}


const char *
predictor_nodes_word(const predictor_conf_t *conf, uint32_t i)
{
    uint32_t  k;

    if (i < PREDICTOR_NODE_GAUGE) {
        return predictor_node_words[i];
    }

    for (k = 0; conf->gauges && conf->gauges[k]; k++) {

        if (k == i - PREDICTOR_NODE_GAUGE) {
            return conf->gauges[k];
        }
    }

    return NULL;
}


const predictor_node_t *
predictor_nodes_find(const predictor_nodes_t *n, const char *name)
{
    uint32_t  i;

    for (i = 0; i < n->n; i++) {

        if (strcmp(n->nodes[i].name, name) == 0) {
            return &n->nodes[i];
        }
    }

    return NULL;
}


static void
predictor_nodes_forget(predictor_nodes_t *n, predictor_node_t *node)
{
    uint32_t  i;

    node->there = 0;

    for (i = 0; n->names && i < PREDICTOR_NODE_FIGURES; i++) {

        if (node->number[i] != PREDICTOR_NAMED_NONE) {
            predictor_names_drop(n->names, node->number[i]);
            node->number[i] = PREDICTOR_NAMED_NONE;
        }
    }
}


static void
predictor_nodes_begin(predictor_node_t *node)
{
    uint32_t  i;

    for (i = 0; i < PREDICTOR_NODE_FIGURES; i++) {
        node->number[i] = PREDICTOR_NAMED_NONE;
        node->now[i] = NAN;
    }

    for (i = 0; i < PREDICTOR_SOURCES; i++) {
        predictor_reading_init(&node->source[i].last);
        snprintf(node->source[i].why, sizeof(node->source[i].why),
                 "no answer yet");
    }
}


/* numbers of its series, as far as there are any left */

static void
predictor_nodes_number(predictor_nodes_t *n, predictor_node_t *node, long slot)
{
    uint32_t     i;
    const char  *word;

    for (i = 0; i < PREDICTOR_NODE_FIGURES; i++) {
        word = predictor_nodes_word(n->conf, i);

        if (word == NULL || n->names == NULL) {
            node->number[i] = PREDICTOR_NAMED_NONE;
            continue;
        }

        node->number[i] = predictor_names_find(n->names, PREDICTOR_NAMED_NODE,
                                               node->name, word);

        if (node->number[i] == PREDICTOR_NAMED_NONE) {
            node->number[i] = predictor_names_take(n->names,
                                                   PREDICTOR_NAMED_NODE,
                                                   node->name, word, slot);
        }
    }
}


void
predictor_nodes_names(predictor_nodes_t *n, predictor_names_t *names)
{
    uint32_t  i, k;

    n->names = names;

    for (i = 0; i < n->n; i++) {

        for (k = 0; k < PREDICTOR_NODE_FIGURES; k++) {
            n->nodes[i].number[k] = PREDICTOR_NAMED_NONE;
        }
    }
}


/* room for the table's nodes; places stay as they are: ids of transfers.  One
 * whose stored forecast is still to be deleted keeps its place */

static predictor_node_t *
predictor_nodes_place(predictor_nodes_t *n)
{
    uint32_t           i;
    predictor_node_t  *grown;

    for (i = 0; i < n->n; i++) {

        if (!n->nodes[i].there && !n->nodes[i].said
            && !n->nodes[i].source[0].asked && !n->nodes[i].source[1].asked)
        {
            memset(&n->nodes[i], 0, sizeof(predictor_node_t));
            return &n->nodes[i];
        }
    }

    if (n->n == PREDICTOR_NODES_MAX) {
        return NULL;
    }

    grown = realloc(n->nodes, (n->n + 1) * sizeof(predictor_node_t));

    if (grown == NULL) {
        return NULL;
    }

    n->nodes = grown;
    memset(&n->nodes[n->n], 0, sizeof(predictor_node_t));

    return &n->nodes[n->n++];
}


void
predictor_nodes_table(predictor_nodes_t *n, const shardd_table_t *table,
    long slot)
{
    size_t             i;
    predictor_node_t  *node;

    if (n->conf->scrape_url == NULL && n->conf->scrape_backend == NULL) {
        return;
    }

    for (i = 0; i < n->n; i++) {
        n->nodes[i].there = 0;
    }

    for (i = 0; i < table->nnodes; i++) {
        node = (predictor_node_t *) predictor_nodes_find(n,
                                                   table->nodes[i].name);

        if (node) {
            node->there = 1;
        }
    }

    for (i = 0; i < n->n; i++) {

        if (!n->nodes[i].there) {
            predictor_nodes_forget(n, &n->nodes[i]);
        }
    }

    for (i = 0; i < table->nnodes; i++) {
        node = (predictor_node_t *) predictor_nodes_find(n,
                                                   table->nodes[i].name);

        if (node == NULL) {
            node = predictor_nodes_place(n);

            if (node == NULL) {
                break;
            }

            memcpy(node->name, table->nodes[i].name, SHARD_NAME_SIZE);
            predictor_nodes_begin(node);
        }

        node->there = 1;
        memcpy(node->addr, table->nodes[i].addr, SHARD_ADDR_SIZE);
        memcpy(node->zone, table->nodes[i].zone, SHARD_NAME_SIZE);
        predictor_nodes_number(n, node, slot);
    }
}


static void
predictor_nodes_trouble(predictor_node_t *node, predictor_source_t *source,
    const char *why)
{
    uint32_t  i;

    snprintf(source->why, sizeof(source->why), "%s", why);

    if (!source->told) {
        source->told = 1;
        shardd_log(SHARDD_LOG_WARN, "node %s: %s: %s; its figures are "
                   "unknown", node->name, source == node->source ? "exporter"
                   : "backend", why);
    }

    for (i = 0; i < PREDICTOR_NODE_FIGURES; i++) {

        if (source == node->source || i >= PREDICTOR_NODE_GAUGE) {
            node->now[i] = NAN;
        }
    }
}


/* figures that held from "begin" to "end" (ms), to the slots they lie in */

static void
predictor_nodes_keep(predictor_nodes_t *n, const predictor_node_t *node,
    const double *figures, double begin, double end)
{
    long      slot, last;
    double    from, to;
    uint32_t  i;

    last = (long) floor(predictor_clock_s(&n->clock, end) / (double) n->res_s);
    slot = (long) floor(predictor_clock_s(&n->clock, begin)
                        / (double) n->res_s);
    slot = slot < last - PREDICTOR_SLOTS_OPEN / 2
           ? last - PREDICTOR_SLOTS_OPEN / 2 : slot;

    for ( /* void */ ; n->names && slot <= last; slot++) {
        from = fmax(begin, predictor_clock_ms(&n->clock,
                                           (double) slot * (double) n->res_s));
        to = fmin(end, predictor_clock_ms(&n->clock, (double) (slot + 1)
                                                     * (double) n->res_s));

        for (i = 0; to > from && i < PREDICTOR_NODE_FIGURES; i++) {

            if (isfinite(figures[i])
                && node->number[i] != PREDICTOR_NAMED_NONE)
            {
                predictor_names_add(n->names, slot, node->number[i],
                                    figures[i] * (to - from), to - from);
            }
        }
    }
}


/* one exporter may be read for gauges and another for all else */

static void
predictor_nodes_take(predictor_nodes_t *n, predictor_node_t *node,
    predictor_source_t *source, const predictor_reading_t *reading)
{
    double    figures[PREDICTOR_NODE_FIGURES], begin;
    uint32_t  i;

    begin = source->last.at_ms;

    if (reading->at_ms - begin > (double) n->conf->scrape_interval_ms
                                 * PREDICTOR_NODES_GAP)
    {
        predictor_reading_init(&source->last);
        begin = reading->at_ms - (double) n->conf->scrape_interval_ms;
    }

    predictor_reading_figures(&source->last, reading, figures);
    predictor_nodes_keep(n, node, figures, begin, reading->at_ms);

    for (i = 0; i < PREDICTOR_NODE_FIGURES; i++) {

        if (isfinite(figures[i])) {
            node->now[i] = (float) figures[i];
        }
    }

    source->last = *reading;
    source->why[0] = '\0';

    if (source->told) {
        source->told = 0;
        shardd_log(SHARDD_LOG_INFO, "node %s answers again", node->name);
    }
}


static void
predictor_nodes_answer(void *data, uint64_t id, shard_str_t text,
    const char *why)
{
    char                  err[SHARD_ERR_SIZE];
    predictor_node_t     *node;
    predictor_nodes_t    *n = data;
    predictor_source_t   *source;
    predictor_reading_t   reading;

    if (id / PREDICTOR_SOURCES >= n->n) {
        return;
    }

    node = &n->nodes[id / PREDICTOR_SOURCES];
    source = &node->source[id % PREDICTOR_SOURCES];
    source->asked = 0;

    if (!node->there) {
        return;
    }

    if (text.data == NULL) {
        predictor_nodes_trouble(node, source, why);
        return;
    }

    predictor_reading_init(&reading);
    reading.at_ms = (double) n->io->now_ms(n->io->data);

    if (predictor_reading_add(&reading, text,
                              (const char *const *) n->conf->gauges, err)
        != SHARD_OK)
    {
        predictor_nodes_trouble(node, source, err);
        return;
    }

    predictor_nodes_take(n, node, source, &reading);
}


static void
predictor_nodes_ask(predictor_nodes_t *n, predictor_node_t *node, uint32_t i,
    const char *template)
{
    char                 url[PREDICTOR_URL_SIZE], why[SHARD_ERR_SIZE];
    predictor_source_t  *source;

    source = &node->source[i];

    if (template == NULL || source->asked) {
        return;
    }

    if (predictor_nodes_url(template, node->name, node->addr, node->zone, url,
                            why)
        != SHARD_OK)
    {
        predictor_nodes_trouble(node, source, why);
        return;
    }

    if (n->io->scrape_ask(n->io->data, url, n->conf->scrape_timeout_ms,
                          (uint64_t) (node - n->nodes) * PREDICTOR_SOURCES + i)
        != SHARD_OK)
    {
        predictor_nodes_trouble(node, source, "no memory to ask it, or a bad "
                                "url");
        return;
    }

    source->asked = 1;
}


void
predictor_nodes_step(predictor_nodes_t *n)
{
    double    now;
    uint32_t  i;

    if (n->io->scrape_ask == NULL || n->n == 0) {
        return;
    }

    now = (double) n->io->now_ms(n->io->data);

    for (i = 0; i < n->n; i++) {

        if (!n->nodes[i].there || now < n->nodes[i].next_ms) {
            continue;
        }

        n->nodes[i].next_ms = now + (double) n->conf->scrape_interval_ms;
        predictor_nodes_ask(n, &n->nodes[i], 0, n->conf->scrape_url);
        predictor_nodes_ask(n, &n->nodes[i], 1, n->conf->scrape_backend);
    }

    n->io->scrape_step(n->io->data, predictor_nodes_answer, n);
}
