
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_bytes.h"
#include "../src/core/shard_key.h"
#include "spread_units.h"


/* what a pick asks for */

typedef struct {
    const predictor_units_t  *units;
    shard_id_t                id;
} predictor_units_mine_t;


static int
predictor_units_cmp(const void *one, const void *two)
{
    const predictor_unit_t  *a = one, *b = two;

    return a->position < b->position ? -1 : a->position > b->position;
}


int
predictor_units_init(predictor_units_t *u, const shardd_table_t *table)
{
    size_t                 i, n;
    shard_str_t            left;
    shard_bytes_t          unit;
    const shard_record_t  *rec;

    memset(u, 0, sizeof(predictor_units_t));
    u->others = SHARD_ID_NONE;

    for (i = 0, n = 0; i < table->nshards; i++) {
        u->list |= table->shards[i].kind == SHARD_KIND_LIST;
        n += table->shards[i].nunits;
    }

    if (!u->list) {
        return SHARD_OK;
    }

    u->units = malloc((n + 1) * sizeof(predictor_unit_t));

    if (u->units == NULL) {
        return SHARD_ERROR;
    }

    for (i = 0; i < table->nshards; i++) {
        rec = &table->shards[i];
        left = rec->units;
        u->others = rec->is_default ? rec->id : u->others;

        while (u->n < n && shard_units_next(&left, &unit) == SHARD_OK) {
            u->units[u->n].position = shard_key_position(unit.data, unit.len);
            u->units[u->n++].id = rec->id;
        }
    }

    qsort(u->units, u->n, sizeof(predictor_unit_t), predictor_units_cmp);

    return SHARD_OK;
}


void
predictor_units_done(predictor_units_t *u)
{
    free(u->units);
    memset(u, 0, sizeof(predictor_units_t));
}


shard_id_t
predictor_units_owner(const predictor_units_t *u, uint64_t position)
{
    predictor_unit_t         one;
    const predictor_unit_t  *unit;

    one.position = position;
    unit = bsearch(&one, u->units, u->n, sizeof(predictor_unit_t),
                   predictor_units_cmp);

    return unit ? unit->id : u->others;
}


static int
predictor_units_mine(const void *data, uint64_t position)
{
    const predictor_units_mine_t  *m = data;

    return predictor_units_owner(m->units, position) == m->id;
}


void
predictor_units_pick(const predictor_units_t *u, shard_id_t id,
    shard_spread_t *s)
{
    predictor_units_mine_t  mine;

    mine.units = u;
    mine.id = id;

    shard_spread_pick(s, predictor_units_mine, &mine);
}
