
/*
 * The list follows the table: standbys that the table names are in it, those
 * that it does not name any more are not.  What a worker has in its hands
 * stays until it is given back.
 */


#include <stdlib.h>
#include <string.h>

#include "keep.h"


/* for the publication; without memory a stale field stays, which no reader
 * believes, since the table does not name that standby */

static void
migrator_keep_dropped(migrator_keep_list_t *list, shard_id_t shard)
{
    uint32_t     size;
    shard_id_t  *more;

    if (list->ndropped == list->dropped_size) {
        size = list->dropped_size ? list->dropped_size * 2 : 64;
        more = realloc(list->dropped, size * sizeof(shard_id_t));

        if (more == NULL) {
            return;
        }

        list->dropped = more;
        list->dropped_size = size;
    }

    list->dropped[list->ndropped++] = shard;
}


static void
migrator_keep_drop(migrator_keep_list_t *list, migrator_kept_t *kept)
{
    migrator_keep_pull(list, kept);
    migrator_keep_dropped(list, kept->shard);

    if (kept->granted) {
        kept->granted = 0;
        list->copying--;
    }

    if (kept->busy) {
        kept->gone = 1;
        return;
    }

    free(kept->err);
    free(kept);
}


/* numbers of the table's nodes in the list, which keeps those it knows */

static uint32_t *
migrator_keep_nodes(migrator_keep_list_t *list, const shardd_table_t *table)
{
    size_t                 i;
    uint32_t               k, *map;
    migrator_keep_node_t  *nodes;

    nodes = realloc(list->nodes, (list->nnodes + table->nnodes + 1)
                                 * sizeof(migrator_keep_node_t));
    if (nodes == NULL) {
        return NULL;
    }

    list->nodes = nodes;
    map = malloc((table->nnodes + 1) * sizeof(uint32_t));

    for (i = 0; map && i < table->nnodes; i++) {

        for (k = 0; k < list->nnodes; k++) {
            if (strcmp(nodes[k].node.name, table->nodes[i].name) == 0) {
                break;
            }
        }

        if (k == list->nnodes) {
            memset(&nodes[k], 0, sizeof(migrator_keep_node_t));
            list->nnodes++;
        }

        /* at another address it may be another one, and answer */

        if (strcmp(nodes[k].node.addr, table->nodes[i].addr) != 0) {
            nodes[k].retry_ms = 0;
        }

        nodes[k].node = table->nodes[i];
        map[i] = k;
    }

    return map;
}


static int
migrator_keep_wants(const shard_record_t *rec, uint32_t blocks)
{
    return rec->nstandbys && rec->strategy != SHARD_STATELESS
           && (blocks >> rec->id % MIGRATOR_KEEP_BLOCKS & 1);
}


/* shards by id, as the list has them */

static const shard_record_t *
migrator_keep_shard(const shardd_table_t *table, size_t i)
{
    return &table->shards[table->by_id ? table->by_id[i] : i];
}


/* another primary or epoch: what was told counts for nothing */

static void
migrator_keep_renew(migrator_keep_list_t *list, migrator_kept_t *kept,
    const shard_record_t *rec, uint32_t primary, uint64_t now_ms)
{
    kept->seen = list->generation;

    if (kept->epoch == rec->epoch && kept->primary == primary) {
        return;
    }

    kept->epoch = rec->epoch;
    kept->primary = primary;
    kept->told = 0;
    kept->reset = 0;

    if (kept->granted) {
        kept->granted = 0;
        list->copying--;
    }

    if (kept->slot) {
        migrator_keep_pull(list, kept);
        migrator_keep_push(list, kept, now_ms);
    }
}


static migrator_kept_t *
migrator_keep_find(const migrator_keep_list_t *list, uint32_t *at,
    shard_id_t shard, uint32_t standby)
{
    uint32_t  i;

    while (*at < list->n && list->kept[*at]->shard < shard) {
        (*at)++;
    }

    for (i = *at; i < list->n && list->kept[i]->shard == shard; i++) {
        if (list->kept[i]->standby == standby) {
            return list->kept[i];
        }
    }

    return NULL;
}


static uint32_t
migrator_keep_node(const shardd_table_t *table, const uint32_t *map,
    const char *name)
{
    const shard_node_t  *node;

    node = shardd_table_node((shardd_table_t *) table, name);

    return node ? map[node - table->nodes] : SHARD_ID_NONE;
}


static migrator_kept_t *
migrator_keep_add(migrator_keep_list_t *list, const shard_record_t *rec,
    uint32_t primary, uint32_t standby)
{
    migrator_kept_t  *kept;

    kept = calloc(1, sizeof(migrator_kept_t));

    if (kept) {
        kept->shard = rec->id;
        kept->epoch = rec->epoch;
        kept->primary = primary;
        kept->standby = standby;
        kept->seen = list->generation;
        kept->dirty = 1;
    }

    return kept;
}


/* "next" gets those that the table names; new ones are in no heap yet */

static int
migrator_keep_collect(migrator_keep_list_t *list,
    const shardd_table_t *table, const uint32_t *map, uint32_t blocks,
    uint64_t now_ms, migrator_kept_t **next, uint32_t *n)
{
    size_t                 i;
    uint32_t               k, at, primary, standby;
    migrator_kept_t       *kept;
    const shard_record_t  *rec;

    at = 0;

    for (i = 0; i < table->nshards; i++) {
        rec = migrator_keep_shard(table, i);

        if (!migrator_keep_wants(rec, blocks)) {
            continue;
        }

        primary = migrator_keep_node(table, map, rec->primary);

        for (k = 0; k < rec->nstandbys; k++) {
            standby = migrator_keep_node(table, map, rec->standbys[k]);

            if (standby == SHARD_ID_NONE || primary == SHARD_ID_NONE) {
                continue;
            }

            kept = migrator_keep_find(list, &at, rec->id, standby);

            if (kept) {
                migrator_keep_renew(list, kept, rec, primary, now_ms);

            } else {
                kept = migrator_keep_add(list, rec, primary, standby);
            }

            if (kept == NULL) {
                return -1;
            }

            next[(*n)++] = kept;
        }
    }

    return 0;
}


/* the new ones are spread over an interval: a start is no burst */

static void
migrator_keep_replace(migrator_keep_list_t *list, migrator_kept_t **next,
    uint32_t n, uint64_t now_ms)
{
    uint32_t          i;
    migrator_kept_t  *kept;

    for (i = 0; i < list->n; i++) {
        if (list->kept[i]->seen != list->generation) {
            migrator_keep_drop(list, list->kept[i]);
        }
    }

    free(list->kept);
    list->kept = next;
    list->n = n;

    for (i = 0; i < n; i++) {
        kept = next[i];

        if (kept->slot == 0 && !kept->busy) {
            migrator_keep_push(list, kept, now_ms
                               + i % (uint64_t) list->conf->interval_ms);
        }
    }
}


int
migrator_keep_update(migrator_keep_list_t *list, const shardd_table_t *table,
    uint32_t blocks, uint64_t now_ms)
{
    int                rc;
    size_t             i, most;
    uint32_t           n, *map;
    migrator_kept_t  **next, **heap;

    most = 1;

    for (i = 0; i < table->nshards; i++) {
        most += table->shards[i].nstandbys;
    }

    map = migrator_keep_nodes(list, table);
    next = malloc(most * sizeof(migrator_kept_t *));

    /* those that are in it and go are in it until the new ones are */

    heap = realloc(list->heap, (list->n + most + 1)
                               * sizeof(migrator_kept_t *));
    if (heap) {
        list->heap = heap;
    }

    n = 0;
    list->generation++;

    rc = map && next && heap
         ? migrator_keep_collect(list, table, map, blocks, now_ms, next, &n)
         : -1;

    if (rc == 0) {
        migrator_keep_replace(list, next, n, now_ms);

    } else {
        for (i = 0; next && i < n; i++) {
            if (next[i]->slot == 0 && !next[i]->busy) {
                free(next[i]);
            }
        }

        free(next);
    }

    free(map);

    return rc;
}


void
migrator_keep_free(migrator_keep_list_t *list)
{
    uint32_t  i;

    for (i = 0; i < list->n; i++) {
        free(list->kept[i]->err);
        free(list->kept[i]);
    }

    free(list->kept);
    free(list->heap);
    free(list->nodes);
    free(list->dropped);
    memset(list, 0, sizeof(migrator_keep_list_t));
}
