
/* A node's record before it is written: the readers' rules, in words. */


#include <string.h>

#include "shard_codec.h"
#include "shardctl.h"


int
shardctl_node_check(const shard_node_t *node, char *err)
{
    char         json[1024];
    shard_str_t  name, zone, addr;

    name.data = node->name;
    name.len = strlen(node->name);

    zone.data = node->zone;
    zone.len = strlen(node->zone);

    addr.data = node->addr;
    addr.len = strlen(node->addr);

    if (!shard_name_valid(name)) {
        snprintf(err, SHARD_ERR_SIZE, "\"%s\" is no node's name: 1 to 63 of "
                 "A-Z a-z 0-9 _ . - are needed", node->name);

    } else if (addr.len == 0 || zone.len == 0 || !(node->capacity > 0)) {
        snprintf(err, SHARD_ERR_SIZE, "node \"%s\" has no \"%s\"", node->name,
                 addr.len == 0 ? "addr" : zone.len == 0 ? "zone" : "capacity");

    } else if (!shard_addr_valid(addr)) {
        snprintf(err, SHARD_ERR_SIZE, "node \"%.63s\": addr \"%.100s\" is not "
                 "IPV4:PORT, [IPV6]:PORT, HOST:PORT or unix:/path", node->name,
                 node->addr);

    } else if (!shard_name_valid(zone)) {
        snprintf(err, SHARD_ERR_SIZE, "node \"%s\": zone \"%s\" is not 1 to "
                 "63 of A-Z a-z 0-9 _ . -", node->name, node->zone);

    } else if (shard_node_encode(node, json, sizeof(json)) < 0) {
        snprintf(err, SHARD_ERR_SIZE, "node \"%s\": capacity %g requests/s is "
                 "out of range", node->name, node->capacity);

    } else {
        return SHARD_OK;
    }

    return SHARD_ERROR;
}
