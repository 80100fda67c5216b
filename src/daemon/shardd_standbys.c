
#include <string.h>
#include <jansson.h>

#include "../core/shard_codec.h"
#include "shardd_standbys.h"


#define BLOCK      "block:"
#define BLOCK_LEN  (sizeof(BLOCK) - 1)


static int
shardd_standby_number(const json_t *object, const char *name, uint64_t *n)
{
    const json_t  *value;

    value = json_object_get(object, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        return SHARD_ERROR;
    }

    *n = (uint64_t) json_integer_value(value);

    return SHARD_OK;
}


static void
shardd_standbys_blocks(const shardd_entry_t *all, uint64_t *at_ms)
{
    size_t       i;
    shard_id_t   block;
    shard_str_t  name, value;

    for (i = 0; i < all->nfields; i++) {

        if (strncmp(all->fields[i].name, BLOCK, BLOCK_LEN) != 0) {
            continue;
        }

        name.data = all->fields[i].name + BLOCK_LEN;
        name.len = strlen(name.data);
        value.data = all->fields[i].value;
        value.len = strlen(value.data);

        if (shard_id_decode(name, &block) == SHARD_OK
            && block < SHARDD_STANDBY_BLOCKS
            && shard_uint64_decode(value, &at_ms[block]) != SHARD_OK)
        {
            at_ms[block] = 0;
        }
    }
}


static void
shardd_standbys_shard(shardd_standby_t *one, const char *text,
    uint64_t at_ms, shardd_standby_pt each, void *data)
{
    void      *i;
    json_t    *shard, *value;
    uint64_t   epoch;

    shard = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (shardd_standby_number(shard, "epoch", &epoch) == SHARD_OK
        && epoch <= UINT32_MAX)
    {
        one->epoch = (uint32_t) epoch;

        for (i = json_object_iter(shard); i;
             i = json_object_iter_next(shard, i))
        {
            value = json_object_iter_value(i);
            one->node = json_object_iter_key(i);
            one->state = json_string_value(json_object_get(value, "state"));

            if (one->state == NULL
                || shardd_standby_number(value, "position", &one->position)
                || shardd_standby_number(value, "lag", &one->lag)
                || shardd_standby_number(value, "level_ms", &one->level_ms))
            {
                continue;
            }

            if (strcmp(one->state, "level") == 0 && at_ms > one->level_ms) {
                one->level_ms = at_ms;
            }

            each(data, one);
        }
    }

    json_decref(shard);
}


void
shardd_standbys_each(const shardd_entry_t *all, shardd_standby_pt each,
    void *data)
{
    size_t            i;
    uint64_t          at_ms[SHARDD_STANDBY_BLOCKS];
    shard_str_t       name;
    shardd_standby_t  one;

    memset(at_ms, 0, sizeof(at_ms));
    memset(&one, 0, sizeof(one));
    shardd_standbys_blocks(all, at_ms);

    for (i = 0; i < all->nfields; i++) {
        name.data = all->fields[i].name;
        name.len = strlen(name.data);

        if (shard_id_decode(name, &one.shard) == SHARD_OK) {
            shardd_standbys_shard(&one, all->fields[i].value,
                                  at_ms[one.shard % SHARDD_STANDBY_BLOCKS],
                                  each, data);
        }
    }
}
