
/* The nodes of a new table: from YAML or --node, and the placement file. */


#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "shard_codec.h"
#include "init.h"


#define INIT_WHERE_MAX  512
#define INIT_LINE_MAX   256


static const char *const  init_keys[] = { "addr", "zone", "capacity", "state",
    NULL };


static int
init_copy(char *dst, size_t size, const char *src, size_t len)
{
    if (len == 0 || len >= size || memchr(src, '\0', len)) {
        return SHARD_ERROR;
    }

    memcpy(dst, src, len);
    dst[len] = '\0';

    return SHARD_OK;
}


int
init_node_add(shardctl_t *ctl, init_nodes_t *nodes, const shard_node_t *node,
    const char *where)
{
    char           err[SHARD_ERR_SIZE];
    size_t         i;
    shard_node_t  *grown;

    if (shardctl_node_check(node, err) != SHARD_OK) {
        return shardctl_fail(ctl, "%s: %s", where, err);
    }

    for (i = 0; i < nodes->n; i++) {

        if (strcmp(nodes->nodes[i].name, node->name) == 0
            || strcmp(nodes->nodes[i].addr, node->addr) == 0)
        {
            return shardctl_fail(ctl, "%s: node \"%s\" at %s has the name or "
                                 "address of node \"%s\" at %s", where,
                                 node->name, node->addr,
                                 nodes->nodes[i].name, nodes->nodes[i].addr);
        }
    }

    if (nodes->n == INIT_NODES_MAX) {
        return shardctl_fail(ctl, "%s: more than %d nodes", where,
                             INIT_NODES_MAX);
    }

    if (nodes->n == nodes->size) {
        grown = realloc(nodes->nodes,
                        (2 * nodes->size + 16) * sizeof(shard_node_t));
        if (grown == NULL) {
            return shardctl_fail(ctl, "out of memory");
        }

        nodes->nodes = grown;
        nodes->size = 2 * nodes->size + 16;
    }

    nodes->nodes[nodes->n++] = *node;

    return SHARDCTL_OK;
}


/* err gets what is wrong with it */

static int
init_node_set(shard_node_t *node, const char *key, size_t klen,
    const char *value, size_t vlen, char *err)
{
    int           i;
    char          number[32], *end;
    const char   *nearest;
    shard_str_t   text;

    if (klen == 4 && memcmp(key, "addr", 4) == 0
        && init_copy(node->addr, SHARD_ADDR_SIZE, value, vlen) == SHARD_OK)
    {
        return SHARD_OK;
    }

    if (klen == 4 && memcmp(key, "zone", 4) == 0
        && init_copy(node->zone, SHARD_NAME_SIZE, value, vlen) == SHARD_OK)
    {
        return SHARD_OK;
    }

    if (klen == 8 && memcmp(key, "capacity", 8) == 0
        && init_copy(number, sizeof(number), value, vlen) == SHARD_OK)
    {
        node->capacity = strtod(number, &end);

        if (end != number && *end == '\0' && node->capacity > 0
            && node->capacity < 1e12)
        {
            return SHARD_OK;
        }
    }

    for (i = SHARD_NODE_UP; i <= SHARD_NODE_DOWN; i++) {
        nearest = shard_node_state_name((shard_node_state_e) i);

        if (klen == 5 && memcmp(key, "state", 5) == 0
            && strlen(nearest) == vlen && memcmp(nearest, value, vlen) == 0)
        {
            node->state = (shard_node_state_e) i;
            return SHARD_OK;
        }
    }

    for (i = 0; init_keys[i]; i++) {

        if (strlen(init_keys[i]) == klen
            && memcmp(init_keys[i], key, klen) == 0)
        {
            snprintf(err, SHARD_ERR_SIZE, "\"%.*s\" is no good %s",
                     (int) (vlen < 80 ? vlen : 80), value, init_keys[i]);
            return SHARD_ERROR;
        }
    }

    text.data = key;
    text.len = klen;
    nearest = shard_nearest(text, init_keys);

    snprintf(err, SHARD_ERR_SIZE, "unknown key \"%.*s\", %s \"%s\"",
             (int) (klen < 80 ? klen : 80), key,
             nearest ? "nearest is" : "the first one is",
             nearest ? nearest : init_keys[0]);

    return SHARD_ERROR;
}


/* NAME=ADDR,zone=Z,capacity=C[,state=S] */

int
init_node_spec(shardctl_t *ctl, const char *spec, init_nodes_t *nodes)
{
    char           err[SHARD_ERR_SIZE], where[INIT_WHERE_MAX];
    size_t         len, klen;
    const char    *p;
    shard_node_t   node;

    memset(&node, 0, sizeof(shard_node_t));
    snprintf(where, sizeof(where), "--node %.200s", spec);

    len = strcspn(spec, "=");

    if (spec[len] != '='
        || init_copy(node.name, SHARD_NAME_SIZE, spec, len) != SHARD_OK
        || init_copy(node.addr, SHARD_ADDR_SIZE, spec + len + 1,
                     strcspn(spec + len + 1, ",")) != SHARD_OK)
    {
        return shardctl_usage(ctl, "%s: NAME=ADDR,zone=Z,capacity=C is needed",
                              where);
    }

    p = spec + len + 1;

    for (p += strcspn(p, ","); *p == ','; p += len) {
        p++;
        len = strcspn(p, ",");
        klen = strcspn(p, "=,");

        if (klen == len) {
            return shardctl_usage(ctl, "%s: \"%.*s\" has no value", where,
                                  (int) len, p);
        }

        if (init_node_set(&node, p, klen, p + klen + 1, len - klen - 1, err)
            != SHARD_OK)
        {
            return shardctl_usage(ctl, "%s: %s", where, err);
        }
    }

    return init_node_add(ctl, nodes, &node, where);
}


static void
init_where(char *where, const char *path, const yaml_node_t *node)
{
    snprintf(where, INIT_WHERE_MAX, "%.400s:%zu:%zu", path,
             node->start_mark.line + 1, node->start_mark.column + 1);
}


static int
init_yaml_node(shardctl_t *ctl, const char *path, yaml_document_t *doc,
    const yaml_node_pair_t *entry, init_nodes_t *nodes)
{
    char               err[SHARD_ERR_SIZE], where[INIT_WHERE_MAX];
    yaml_node_t       *name, *fields, *key, *value;
    shard_node_t       node;
    yaml_node_pair_t  *pair;

    memset(&node, 0, sizeof(shard_node_t));

    name = yaml_document_get_node(doc, entry->key);
    fields = yaml_document_get_node(doc, entry->value);

    init_where(where, path, name);

    if (name->type != YAML_SCALAR_NODE || fields->type != YAML_MAPPING_NODE
        || init_copy(node.name, SHARD_NAME_SIZE,
                     (char *) name->data.scalar.value,
                     name->data.scalar.length) != SHARD_OK)
    {
        return shardctl_fail(ctl, "%s: \"NAME: { addr: ..., zone: ..., "
                             "capacity: ... }\" is needed", where);
    }

    for (pair = fields->data.mapping.pairs.start;
         pair < fields->data.mapping.pairs.top;
         pair++)
    {
        key = yaml_document_get_node(doc, pair->key);
        value = yaml_document_get_node(doc, pair->value);

        if (key->type != YAML_SCALAR_NODE || value->type != YAML_SCALAR_NODE) {
            init_where(where, path, key);
            return shardctl_fail(ctl, "%s: a plain \"key: value\" is needed",
                                 where);
        }

        if (init_node_set(&node, (char *) key->data.scalar.value,
                          key->data.scalar.length,
                          (char *) value->data.scalar.value,
                          value->data.scalar.length, err)
            != SHARD_OK)
        {
            init_where(where, path, key);
            return shardctl_fail(ctl, "%s: %s", where, err);
        }
    }

    return init_node_add(ctl, nodes, &node, where);
}


static int
init_yaml_document(shardctl_t *ctl, const char *path, yaml_document_t *doc,
    init_nodes_t *nodes)
{
    int                rc;
    char               where[INIT_WHERE_MAX];
    yaml_node_t       *root, *key, *map;
    yaml_node_pair_t  *pair;

    root = yaml_document_get_root_node(doc);

    if (root == NULL || root->type != YAML_MAPPING_NODE
        || root->data.mapping.pairs.top - root->data.mapping.pairs.start != 1)
    {
        return shardctl_fail(ctl, "%s:1:1: one key \"nodes\" is needed", path);
    }

    pair = root->data.mapping.pairs.start;
    key = yaml_document_get_node(doc, pair->key);
    map = yaml_document_get_node(doc, pair->value);

    if (key->type != YAML_SCALAR_NODE
        || strcmp((char *) key->data.scalar.value, "nodes") != 0
        || map->type != YAML_MAPPING_NODE)
    {
        init_where(where, path, key);
        return shardctl_fail(ctl, "%s: the key \"nodes\" with a mapping of "
                             "names is needed", where);
    }

    for (pair = map->data.mapping.pairs.start;
         pair < map->data.mapping.pairs.top;
         pair++)
    {
        rc = init_yaml_node(ctl, path, doc, pair, nodes);

        if (rc != SHARDCTL_OK) {
            return rc;
        }
    }

    return SHARDCTL_OK;
}


int
init_nodes_yaml(shardctl_t *ctl, const char *path, init_nodes_t *nodes)
{
    int              rc;
    FILE            *file;
    yaml_parser_t    parser;
    yaml_document_t  doc;

    file = fopen(path, "r");

    if (file == NULL) {
        return shardctl_fail(ctl, "cannot open \"%s\": %m", path);
    }

    if (!yaml_parser_initialize(&parser)) {
        fclose(file);
        return shardctl_fail(ctl, "out of memory");
    }

    yaml_parser_set_input_file(&parser, file);

    if (yaml_parser_load(&parser, &doc)) {
        rc = init_yaml_document(ctl, path, &doc, nodes);
        yaml_document_delete(&doc);

    } else {
        rc = shardctl_fail(ctl, "%s:%zu:%zu: %s", path,
                           parser.problem_mark.line + 1,
                           parser.problem_mark.column + 1,
                           parser.problem ? parser.problem : "cannot be read");
    }

    yaml_parser_delete(&parser);
    fclose(file);

    return rc;
}


/* why the line is no good, NULL when it is */

static const char *
init_placement_line(char *line, const init_nodes_t *nodes, size_t nshards,
    uint32_t *owner, size_t *column)
{
    char         *comma;
    size_t        i;
    shard_id_t    id;
    shard_str_t   text;

    *column = 1;
    comma = strchr(line, ',');

    if (comma == NULL) {
        return "\"shard,node\" is needed";
    }

    text.data = line;
    text.len = (size_t) (comma - line);

    if (shard_id_decode(text, &id) != SHARD_OK || id >= nshards) {
        return "there is no such shard";
    }

    if (owner[id] != UINT32_MAX) {
        return "this shard was placed before";
    }

    *column = text.len + 2;

    for (i = 0; i < nodes->n; i++) {

        if (strcmp(nodes->nodes[i].name, comma + 1) == 0) {
            owner[id] = (uint32_t) i;
            return NULL;
        }
    }

    return "there is no such node";
}


int
init_placement_file(shardctl_t *ctl, const char *path,
    const init_nodes_t *nodes, size_t nshards, uint32_t *owner)
{
    char         line[INIT_LINE_MAX];
    FILE        *file;
    size_t       i, n, column;
    const char  *why;

    file = fopen(path, "r");

    if (file == NULL) {
        return shardctl_fail(ctl, "cannot open the placement \"%s\": %m",
                             path);
    }

    for (i = 0; i < nshards; i++) {
        owner[i] = UINT32_MAX;
    }

    for (n = 1; fgets(line, sizeof(line), file); n++) {
        line[strcspn(line, "\r\n")] = '\0';

        if (line[0] == '\0' || line[0] == '#'
            || (n == 1 && strcmp(line, "shard,node") == 0))
        {
            continue;
        }

        why = init_placement_line(line, nodes, nshards, owner, &column);

        if (why) {
            fclose(file);
            return shardctl_fail(ctl, "%s:%zu:%zu: %s: \"%s\"", path, n,
                                 column, why, line);
        }
    }

    fclose(file);

    for (i = 0; i < nshards; i++) {

        if (owner[i] == UINT32_MAX) {
            return shardctl_fail(ctl, "%s:%zu:1: shard %zu is placed nowhere",
                                 path, n, i);
        }
    }

    return SHARDCTL_OK;
}
