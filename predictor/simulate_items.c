
/* What a scenario lists, a line of words each: nodes, and shards' bytes. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate_items.h"


static int predictor_item_nodes(predictor_sim_t *s);
static int predictor_item_node(predictor_sim_t *s, const char *text);
static int predictor_item_bytes(predictor_sim_t *s);
static int predictor_item_bytes_file(predictor_sim_t *s);


int
predictor_item_wrong(const predictor_item_t *item, const char *why)
{
    char  where[SHARDD_ERR_SIZE];

    fprintf(stderr, "shard-predictor: %s: \"%.200s\": %s\n",
            predictor_scenario_where(&item->s->conf, item->key, item->item,
                                     where, sizeof(where)),
            item->item, why);

    return 2;
}


void
predictor_item_words(predictor_item_t *item, const predictor_sim_t *s,
    const char *key, const char *text)
{
    char  *p, *rest;

    item->s = s;
    item->key = key;
    item->item = text;
    item->n = 0;

    snprintf(item->text, sizeof(item->text), "%s", text);

    for (p = strtok_r(item->text, " \t", &rest);
         p && item->n < PREDICTOR_ITEM_WORDS;
         p = strtok_r(NULL, " \t", &rest))
    {
        item->word[item->n++] = p;
    }
}


int
predictor_sim_items(predictor_sim_t *s)
{
    int     rc;
    size_t  i;

    rc = predictor_item_nodes(s);

    if (rc == 0) {
        rc = predictor_item_bytes(s);
    }

    for (i = 0; rc == 0 && s->conf.failures && s->conf.failures[i]; i++) {
        rc = predictor_item_failure(s, s->conf.failures[i]);
    }

    for (i = 0; rc == 0 && s->conf.events && s->conf.events[i]; i++) {
        rc = predictor_item_event(s, s->conf.events[i]);
    }

    return rc;
}


static int
predictor_item_nodes(predictor_sim_t *s)
{
    int     rc;
    long    i;
    double  capacity;

    rc = 0;
    s->nodes = calloc(s->conf.nodes ? 10000 : (size_t) s->conf.count,
                      sizeof(predictor_sim_node_t));

    if (s->nodes == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    for (i = 0; rc == 0 && s->conf.nodes && s->conf.nodes[i]; i++) {
        rc = predictor_item_node(s, s->conf.nodes[i]);
    }

    if (s->conf.nodes) {
        return rc;
    }

    capacity = s->conf.capacity;

    if (capacity == 0) {
        capacity = predictor_sim_capacity(s, s->first, s->nsteps,
                                          (uint32_t) s->conf.count,
                                          s->conf.peak);
    }

    if (!(capacity > 0)) {
        fprintf(stderr, "shard-predictor: %s: the fleet has no load in what "
                "is judged: nodes cannot be as large as its peak wants; say "
                "\"capacity\" in \"nodes\"\n", s->conf.path);
        return 2;
    }

    s->nnodes = (uint32_t) s->conf.count;

    for (i = 0; i < s->conf.count; i++) {
        snprintf(s->nodes[i].name, SHARD_NAME_SIZE, "n%ld", i);
        snprintf(s->nodes[i].zone, SHARD_NAME_SIZE, "z%ld",
                 i % s->conf.zones);
        s->nodes[i].capacity = capacity;
        s->nodes[i].cost = s->conf.cost;
    }

    return 0;
}


static int
predictor_item_node(predictor_sim_t *s, const char *text)
{
    char                   *end, *cost;
    uint32_t                i;
    predictor_item_t        item;
    predictor_sim_node_t   *node;

    predictor_item_words(&item, s, "list", text);

    if (item.n < 3 || item.n > 4) {
        return predictor_item_wrong(&item, "a name, a zone, a capacity, and "
                                    "maybe a cost of an hour are expected");
    }

    node = &s->nodes[s->nnodes];
    node->capacity = strtod(item.word[2], &end);
    node->cost = item.n == 4 ? strtod(item.word[3], &cost) : s->conf.cost;

    if (*end || !(node->capacity > 0) || !isfinite(node->capacity)
        || (item.n == 4 && (*cost || !(node->cost >= 0)
                            || !isfinite(node->cost))))
    {
        return predictor_item_wrong(&item, "capacity must be a number above "
                                    "0, cost one from 0 on");
    }

    snprintf(node->name, SHARD_NAME_SIZE, "%s", item.word[0]);
    snprintf(node->zone, SHARD_NAME_SIZE, "%s", item.word[1]);

    for (i = 0; i < s->nnodes; i++) {

        if (strcmp(s->nodes[i].name, node->name) == 0) {
            return predictor_item_wrong(&item, "there is a node of this "
                                        "name already");
        }
    }

    s->nnodes++;

    return 0;
}


static int
predictor_item_bytes(predictor_sim_t *s)
{
    double    sum;
    uint32_t  i, t;

    s->bytes = calloc(s->ncols, sizeof(double));

    if (s->bytes == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    for (i = 0; i < s->ncols; i++) {
        sum = 0;

        for (t = 0; t < s->first && s->conf.gb_per_load > 0; t++) {
            sum += predictor_sim_value(s, t, i) / s->first;
        }

        s->bytes[i] = 1e9 * (s->conf.gb + s->conf.gb_per_load * sum);
    }

    return s->conf.bytes ? predictor_item_bytes_file(s) : 0;
}


/* a first line of words is passed over; shards left out have what "gb" says */

static int
predictor_item_bytes_file(predictor_sim_t *s)
{
    int        rc;
    char       line[256], *path, *comma, *end;
    FILE      *in;
    double     v;
    uint32_t   i, number;

    path = predictor_scenario_file(&s->conf, s->conf.bytes);
    in = path ? fopen(path, "r") : NULL;

    if (in == NULL) {
        fprintf(stderr, "shard-predictor: bytes %s: %s\n",
                path ? path : s->conf.bytes, strerror(errno));
        free(path);
        return 2;
    }

    rc = 0;

    for (number = 1; rc == 0 && fgets(line, sizeof(line), in); number++) {
        line[strcspn(line, "\r\n")] = '\0';
        comma = strrchr(line, ',');
        v = comma ? strtod(comma + 1, &end) : -1;

        if (number == 1 && comma && end == comma + 1) {
            continue;
        }

        if (comma) {
            *comma = '\0';
        }

        for (i = 0; i < s->ncols && strcmp(s->name[i], line) != 0; i++) {
            /* void */
        }

        if (comma == NULL || *end || !(v >= 0) || !isfinite(v)
            || i == s->ncols)
        {
            fprintf(stderr, "shard-predictor: bytes %s: line %u: a shard of "
                    "the fleet, a comma and its bytes are expected\n", path,
                    number);
            rc = 2;
            break;
        }

        s->bytes[i] = v;
    }

    fclose(in);
    free(path);

    return rc;
}
