
/*
 * Which standbys are kept, and which one is next: a heap by the time when
 * each is due.  One that was looked at goes behind all that are due, so that
 * the order is fair; one whose node is silent waits for the node, which a
 * single one of them asks at a time.
 */


#include <stdlib.h>
#include <string.h>

#include "keep.h"


#define BACKOFF_MIN_MS  200
#define BACKOFF_MAX_MS  10000
#define BEHIND_MS       1               /* a batch of others comes first */
#define IDLE_WAIT_MS    250


static const char *const  migrator_keep_names[] = {
    "new", "level", "behind", "copy", "down", "refused"
};


const char *
migrator_keep_name(migrator_keep_e state)
{
    return migrator_keep_names[state];
}


/* heap */

static void
migrator_keep_place(migrator_keep_list_t *list, migrator_kept_t *kept,
    uint32_t slot)
{
    list->heap[slot] = kept;
    kept->slot = slot;
}


static void
migrator_keep_up(migrator_keep_list_t *list, migrator_kept_t *kept,
    uint32_t slot)
{
    while (slot > 1 && list->heap[slot / 2]->due_ms > kept->due_ms) {
        migrator_keep_place(list, list->heap[slot / 2], slot);
        slot /= 2;
    }

    migrator_keep_place(list, kept, slot);
}


static void
migrator_keep_down(migrator_keep_list_t *list, migrator_kept_t *kept,
    uint32_t slot)
{
    uint32_t  child;

    while ((child = slot * 2) <= list->nheap) {

        if (child < list->nheap
            && list->heap[child + 1]->due_ms < list->heap[child]->due_ms)
        {
            child++;
        }

        if (list->heap[child]->due_ms >= kept->due_ms) {
            break;
        }

        migrator_keep_place(list, list->heap[child], slot);
        slot = child;
    }

    migrator_keep_place(list, kept, slot);
}


/* there is room: the heap is as large as the list and its busy ones */

static void
migrator_keep_push(migrator_keep_list_t *list, migrator_kept_t *kept,
    uint64_t due_ms)
{
    kept->due_ms = due_ms;
    migrator_keep_up(list, kept, ++list->nheap);
}


static void
migrator_keep_pull(migrator_keep_list_t *list, migrator_kept_t *kept)
{
    uint32_t          slot;
    migrator_kept_t  *last;

    slot = kept->slot;

    if (slot == 0) {
        return;
    }

    kept->slot = 0;
    last = list->heap[list->nheap--];

    if (last == kept) {
        return;
    }

    if (slot > 1 && list->heap[slot / 2]->due_ms > last->due_ms) {
        migrator_keep_up(list, last, slot);

    } else {
        migrator_keep_down(list, last, slot);
    }
}


/* update */

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


/* a silent node's standbys wait for it; the first one then asks for all */

static int
migrator_keep_silent(migrator_keep_list_t *list, migrator_kept_t *kept,
    uint64_t now_ms)
{
    uint32_t               i, number[2];
    migrator_keep_node_t  *node;

    number[0] = kept->primary;
    number[1] = kept->standby;

    for (i = 0; i < 2; i++) {
        node = &list->nodes[number[i]];

        if (node->backoff_ms == 0) {
            continue;
        }

        if (node->retry_ms > now_ms) {

            if (kept->state != MIGRATOR_KEEP_DOWN) {
                kept->state = MIGRATOR_KEEP_DOWN;
                kept->dirty = 1;
            }

            migrator_keep_push(list, kept, node->retry_ms + 1);
            return 1;
        }

        node->retry_ms = now_ms + (uint64_t) node->backoff_ms;
    }

    return 0;
}


migrator_kept_t *
migrator_keep_take(migrator_keep_list_t *list, uint64_t now_ms,
    migrator_keep_job_t *job, long *wait_ms)
{
    migrator_kept_t  *kept;

    *wait_ms = IDLE_WAIT_MS;

    while (list->nheap) {
        kept = list->heap[1];

        if (kept->due_ms > now_ms) {

            if (kept->due_ms - now_ms < IDLE_WAIT_MS) {
                *wait_ms = (long) (kept->due_ms - now_ms);
            }

            return NULL;
        }

        migrator_keep_pull(list, kept);

        if (migrator_keep_silent(list, kept, now_ms)) {
            continue;
        }

        memset(job, 0, sizeof(migrator_keep_job_t));
        job->shard = kept->shard;
        job->epoch = kept->epoch;
        job->primary = list->nodes[kept->primary].node;
        job->standby = list->nodes[kept->standby].node;
        job->position = kept->position;
        job->told = kept->told;
        job->reset = kept->reset;
        job->copy = kept->granted;
        job->state = kept->state;
        job->lag = kept->lag;
        kept->busy = 1;

        return kept;
    }

    return NULL;
}


static void
migrator_keep_answered(migrator_keep_list_t *list, uint32_t number, int down,
    uint64_t now_ms)
{
    migrator_keep_node_t  *node;

    node = &list->nodes[number];

    if (!down) {
        node->backoff_ms = 0;
        return;
    }

    node->backoff_ms = node->backoff_ms ? node->backoff_ms * 2
                                        : BACKOFF_MIN_MS;

    if (node->backoff_ms > BACKOFF_MAX_MS) {
        node->backoff_ms = BACKOFF_MAX_MS;
    }

    node->retry_ms = now_ms + (uint64_t) node->backoff_ms;
}


/* ms to the next look */

static uint32_t
migrator_keep_wait(const migrator_keep_list_t *list,
    const migrator_kept_t *kept, const migrator_keep_job_t *job)
{
    uint32_t  most;

    switch (job->state) {

    case MIGRATOR_KEEP_BEHIND:
        return BEHIND_MS;

    case MIGRATOR_KEEP_LEVEL:
        most = (uint32_t) list->conf->idle_ms;

        if (job->moved || kept->wait_ms == 0) {
            return (uint32_t) list->conf->interval_ms;
        }

        break;

    case MIGRATOR_KEEP_COPY:
        return job->copy ? BEHIND_MS : (uint32_t) list->conf->idle_ms;

    default:
        most = BACKOFF_MAX_MS;

        if (kept->state != job->state) {
            return BACKOFF_MIN_MS;
        }

        break;
    }

    return kept->wait_ms >= most / 2 ? most : kept->wait_ms * 2;
}


void
migrator_keep_done(migrator_keep_list_t *list, migrator_kept_t *kept,
    const migrator_keep_job_t *job, uint64_t now_ms)
{
    kept->busy = 0;

    migrator_keep_answered(list, kept->standby, job->standby_down, now_ms);

    if (kept->gone) {
        free(kept->err);
        free(kept);
        return;
    }

    /* the table has another epoch since: nothing of this round counts */

    if (kept->epoch != job->epoch) {
        kept->dirty = 1;
        migrator_keep_push(list, kept, now_ms);
        return;
    }

    migrator_keep_answered(list, kept->primary, job->primary_down, now_ms);

    if (kept->granted) {
        kept->granted = 0;
        list->copying--;
    }

    kept->wait_ms = migrator_keep_wait(list, kept, job);

    kept->dirty |= kept->state != job->state || kept->lag != job->lag
                   || kept->position != job->position;
    kept->state = (uint8_t) job->state;
    kept->told = job->told;
    kept->reset = job->reset;
    kept->position = job->position;
    kept->lag = job->lag;

    if (job->level_ms || job->lost) {
        kept->level_ms = job->level_ms;
    }

    if (job->err[0] || kept->err) {
        kept->dirty |= kept->err == NULL || strcmp(kept->err, job->err) != 0;
        free(kept->err);
        kept->err = job->err[0] ? strndup(job->err, MIGRATOR_KEEP_ERR) : NULL;
    }

    migrator_keep_push(list, kept, now_ms + kept->wait_ms);
}


void
migrator_keep_grant(migrator_keep_list_t *list, migrator_kept_t *kept,
    uint64_t now_ms)
{
    if (kept->granted || kept->busy || kept->state != MIGRATOR_KEEP_COPY
        || list->copying >= list->conf->copies)
    {
        return;
    }

    kept->granted = 1;
    list->copying++;
    migrator_keep_pull(list, kept);
    migrator_keep_push(list, kept, now_ms);
}
