
/*
 * Nodes of the model, by number and by name.
 */


#include "ngx_http_shard_model.h"


static void ngx_http_shard_model_map_node(ngx_http_shard_model_t *m,
    uint32_t n);
static ngx_int_t ngx_http_shard_model_new_node(ngx_http_shard_model_t *m,
    uint16_t *n, char *err);


void
ngx_http_shard_model_map_nodes(ngx_http_shard_model_t *m)
{
    uint32_t  n;

    ngx_memzero(m->node_map, NGX_HTTP_SHARD_NODE_MAP * sizeof(uint16_t));

    for (n = 0; n < m->nnodes; n++) {
        if (m->nodes[n].name[0]) {
            ngx_http_shard_model_map_node(m, n);
        }
    }
}


static void
ngx_http_shard_model_map_node(ngx_http_shard_model_t *m, uint32_t n)
{
    uint32_t  i;

    i = shard_key_position(m->nodes[n].name, ngx_strlen(m->nodes[n].name))
        & (NGX_HTTP_SHARD_NODE_MAP - 1);

    while (m->node_map[i]) {
        i = (i + 1) & (NGX_HTTP_SHARD_NODE_MAP - 1);
    }

    m->node_map[i] = n + 1;
}


uint16_t
ngx_http_shard_model_node_number(ngx_http_shard_model_t *m, const char *name)
{
    uint32_t  i;

    i = shard_key_position(name, ngx_strlen(name))
        & (NGX_HTTP_SHARD_NODE_MAP - 1);

    while (m->node_map[i]) {
        if (ngx_strcmp(m->nodes[m->node_map[i] - 1].name, name) == 0) {
            return m->node_map[i] - 1;
        }

        i = (i + 1) & (NGX_HTTP_SHARD_NODE_MAP - 1);
    }

    return SHARD_NODE_NONE;
}


/* a number is used again only when there is no other */

static ngx_int_t
ngx_http_shard_model_new_node(ngx_http_shard_model_t *m, uint16_t *n,
    char *err)
{
    uint32_t  i;

    i = m->nnodes;

    if (i == m->keyspace->sh->nnodes_max) {
        for (i = 0; i < m->nnodes && m->nodes[i].name[0]; i++) { /* void */ }

        if (i == m->nnodes) {
            ngx_http_shard_err(err, "more than %d nodes do not fit the zone, "
                               "give \"shard_table\" more",
                               (int) m->keyspace->sh->nnodes_max);
            return NGX_ERROR;
        }

    } else {
        m->nnodes++;
    }

    *n = (uint16_t) i;

    return NGX_OK;
}


ngx_int_t
ngx_http_shard_model_node(ngx_http_shard_model_t *m, shard_str_t name,
    shard_str_t json, char *err)
{
    uint16_t      n;
    ngx_uint_t    known;
    shard_node_t  node;

    if (!shard_name_valid(name)) {
        ngx_http_shard_err(err, "bad node name");
        return NGX_ERROR;
    }

    ngx_memzero(&node, sizeof(node));
    ngx_memcpy(node.name, name.data, name.len);

    n = ngx_http_shard_model_node_number(m, node.name);
    known = n != SHARD_NODE_NONE;

    if (json.len == 0) {
        if (!known) {
            return NGX_OK;
        }

        node.name[0] = '\0';

    } else if (shard_node_decode(name, json, &node, err) != SHARD_OK) {
        return NGX_ERROR;
    }

    if (!known && ngx_http_shard_model_new_node(m, &n, err) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_http_shard_model_remember(m, 1, n) != NGX_OK) {
        ngx_http_shard_err(err, "no memory");
        return NGX_ERROR;
    }

    m->nodes[n] = node;
    m->node_seen[n] = node.name[0] != '\0';
    m->structure = 1;

    if (!known) {
        ngx_http_shard_model_map_node(m, n);

    } else if (node.name[0] == '\0') {
        ngx_http_shard_model_map_nodes(m);
    }

    return NGX_OK;
}
