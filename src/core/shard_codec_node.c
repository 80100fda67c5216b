
#include <string.h>

#include "shard_codec.h"
#include "shard_json.h"
#include "shard_text.h"


/* capacity has six decimals at most: exact in a double up to this */

#define SHARD_CAPACITY_MAX    1e9
#define SHARD_CAPACITY_UNITS  1000000

#define shard_nelts(a)        (sizeof(a) / sizeof((a)[0]))


static int shard_node_set_capacity(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static int shard_node_set_addr(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
static void shard_node_add_capacity(shard_text_t *text, double capacity);


static const char *const  shard_node_states[] = {
    "up", "draining", "down", NULL
};


static const shard_json_field_t  shard_node_fields[] = {

    { "addr", 1, shard_node_set_addr,
      offsetof(shard_node_t, addr), 0, NULL },

    { "zone", 1, shard_json_set_name,
      offsetof(shard_node_t, zone), 0, NULL },

    { "capacity", 1, shard_node_set_capacity,
      offsetof(shard_node_t, capacity), 0, NULL },

    { "state", 1, shard_json_set_word,
      offsetof(shard_node_t, state), 0, shard_node_states },

    { NULL, 0, NULL, 0, 0, NULL }
};


const char *
shard_node_state_name(shard_node_state_e state)
{
    return (unsigned) state < shard_nelts(shard_node_states) - 1
           ? shard_node_states[state] : "unknown";
}


int
shard_node_decode(shard_str_t name, shard_str_t json, shard_node_t *out,
    char *err)
{
    shard_json_t  parsed;
    shard_node_t  node;

    memset(&node, 0, sizeof(node));

    if (!shard_name_valid(name)) {
        return shard_refuse(err, "not a node's name: %q", &name);
    }

    memcpy(node.name, name.data, name.len);

    if (shard_json_parse(&parsed, json, err) != SHARD_OK
        || shard_json_bind(&parsed, shard_node_fields, &node, err)
           != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    *out = node;

    return SHARD_OK;
}


static int
shard_node_set_addr(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    shard_str_t  addr;

    if (shard_json_string(json, value, field->name, &addr, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (!shard_addr_valid(addr)) {
        return shard_refuse(err, "field \"addr\" is not \"IPV4:PORT\", "
                            "\"[IPV6]:PORT\", \"HOST:PORT\" or "
                            "\"unix:/path\": %q", &addr);
    }

    memcpy(dst, addr.data, addr.len);
    ((char *) dst)[addr.len] = '\0';

    return SHARD_OK;
}


static int
shard_node_set_capacity(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err)
{
    double       capacity;
    shard_str_t  text;

    text = shard_json_text(json, value);
    capacity = -1;

    if (json->token[value].type == JSMN_PRIMITIVE) {
        capacity = shard_json_double(text);
    }

    if (!(capacity >= 1.0 / SHARD_CAPACITY_UNITS
          && capacity <= SHARD_CAPACITY_MAX))
    {
        return shard_refuse(err, "field \"%s\" is not a number from 0.000001 "
                            "to 1e9: %q", field->name, &text);
    }

    *(double *) dst = capacity;

    return SHARD_OK;
}


int
shard_node_encode(const shard_node_t *node, char *buf, size_t size)
{
    char          err[SHARD_ERR_SIZE];
    shard_str_t   json, name;
    shard_text_t  text;
    shard_node_t  check;

    if (!(node->capacity > 0 && node->capacity <= SHARD_CAPACITY_MAX)) {
        return SHARD_ERROR;
    }

    shard_text_open(&text, buf, size);

    shard_text_add(&text, "{");
    shard_text_add_field(&text, "addr", node->addr, SHARD_ADDR_SIZE);
    shard_text_add(&text, ",");
    shard_text_add_field(&text, "zone", node->zone, SHARD_NAME_SIZE);
    shard_node_add_capacity(&text, node->capacity);
    shard_text_add(&text, ",\"state\":\"");
    shard_text_add(&text, shard_node_state_name(node->state));
    shard_text_add(&text, "\"}");

    if (text.full) {
        return SHARD_AGAIN;
    }

    json.data = buf;
    json.len = (size_t) (text.pos - buf);
    name = shard_text_array(node->name, SHARD_NAME_SIZE);

    return shard_node_decode(name, json, &check, err) == SHARD_OK
           ? (int) json.len : SHARD_ERROR;
}


/* at least one decimal, at most six */

static void
shard_node_add_capacity(shard_text_t *text, double capacity)
{
    size_t       i;
    char         decimals[6];
    uint64_t     units;
    shard_str_t  str;

    units = (uint64_t) (capacity * SHARD_CAPACITY_UNITS + 0.5);

    shard_text_add(text, ",\"capacity\":");
    shard_text_add_uint(text, units / SHARD_CAPACITY_UNITS);
    shard_text_add(text, ".");

    units %= SHARD_CAPACITY_UNITS;

    for (i = sizeof(decimals); i > 0; i--) {
        decimals[i - 1] = (char) ('0' + units % 10);
        units /= 10;
    }

    str.data = decimals;

    for (str.len = sizeof(decimals); str.len > 1; str.len--) {
        if (decimals[str.len - 1] != '0') {
            break;
        }
    }

    shard_text_add_str(text, str);
}
