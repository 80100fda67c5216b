
/*
 * The hash "standbys", docs/redis-keys.md: what is known of each shard's
 * standbys, written when it changes, and one time per block, up to which all
 * that are said to be level were level.  So a standby at rest costs nothing.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "keep.h"


#define PUBLISH_FIELDS  1000            /* in one command */


typedef struct {
    size_t           n;
    shardd_field_t   fields[PUBLISH_FIELDS];
    char             names[PUBLISH_FIELDS][16];
} migrator_publish_t;


static json_t *
migrator_publish_one(const migrator_kept_t *kept)
{
    json_t  *one;

    one = json_pack("{s:s, s:I, s:I, s:I}", "state",
                    migrator_keep_name((migrator_keep_e) kept->state),
                    "position", (json_int_t) kept->position, "lag",
                    (json_int_t) kept->lag, "level_ms",
                    (json_int_t) kept->level_ms);

    if (one && kept->err) {
        json_object_set_new(one, "error", json_stringn_nocheck(kept->err,
                                                        strlen(kept->err)));
    }

    return one;
}


/* all standbys of the shard that begins at *i, which moves behind them */

static int
migrator_publish_shard(migrator_keep_list_t *list, uint32_t *i,
    migrator_publish_t *out)
{
    char                  *text;
    json_t                *shard;
    uint32_t               first, k;
    unsigned               dirty;
    const migrator_kept_t *kept;

    first = *i;
    dirty = 0;

    for (k = first; k < list->n
         && list->kept[k]->shard == list->kept[first]->shard; k++)
    {
        dirty |= list->kept[k]->dirty;
    }

    *i = k;

    if (!dirty) {
        return 0;
    }

    shard = json_pack("{s:I}", "epoch",
                      (json_int_t) list->kept[first]->epoch);

    for (k = first; shard && k < *i; k++) {
        kept = list->kept[k];
        json_object_set_new(shard, list->nodes[kept->standby].node.name,
                            migrator_publish_one(kept));
        list->kept[k]->dirty = 0;
    }

    text = shard ? json_dumps(shard, JSON_COMPACT) : NULL;
    json_decref(shard);

    if (text == NULL) {
        return -1;
    }

    snprintf(out->names[out->n], sizeof(out->names[0]), "%u",
             (unsigned) list->kept[first]->shard);
    out->fields[out->n].name = out->names[out->n];
    out->fields[out->n].value = text;
    out->n++;

    return 0;
}


/* the oldest time at which a level one was seen to be so, by block */

static void
migrator_publish_blocks(const migrator_keep_list_t *list, uint32_t blocks,
    uint64_t wall_ms, migrator_publish_t *out)
{
    char                   text[64];
    uint32_t               i, block;
    uint64_t               at[MIGRATOR_KEEP_BLOCKS];
    const migrator_kept_t *kept;

    for (i = 0; i < MIGRATOR_KEEP_BLOCKS; i++) {
        at[i] = wall_ms;
    }

    for (i = 0; i < list->n; i++) {
        kept = list->kept[i];
        block = kept->shard % MIGRATOR_KEEP_BLOCKS;

        if (kept->state == MIGRATOR_KEEP_LEVEL && kept->level_ms < at[block]) {
            at[block] = kept->level_ms;
        }
    }

    for (i = 0; i < MIGRATOR_KEEP_BLOCKS; i++) {

        if (!(blocks >> i & 1)) {
            continue;
        }

        snprintf(out->names[out->n], sizeof(out->names[0]), "block:%u", i);
        snprintf(text, sizeof(text), "%llu", (unsigned long long) at[i]);
        out->fields[out->n].name = out->names[out->n];
        out->fields[out->n].value = strdup(text);
        out->n++;
    }
}


static int
migrator_publish_find(const void *id, const void *kept)
{
    shard_id_t  a, b;

    a = *(const shard_id_t *) id;
    b = (*(migrator_kept_t *const *) kept)->shard;

    return (a > b) - (a < b);
}


/* of a shard that lost one of several the rest is written anew */

static void
migrator_publish_dropped(migrator_keep_list_t *list, uint32_t blocks,
    migrator_publish_t *out)
{
    shard_id_t         id;
    migrator_kept_t  **found;

    while (list->ndropped && out->n < PUBLISH_FIELDS) {
        id = list->dropped[--list->ndropped];
        found = list->n ? bsearch(&id, list->kept, list->n,
                                  sizeof(migrator_kept_t *),
                                  migrator_publish_find)
                        : NULL;

        if (found) {
            (*found)->dirty = 1;

        } else if (blocks >> id % MIGRATOR_KEEP_BLOCKS & 1) {
            snprintf(out->names[out->n], sizeof(out->names[0]), "%u",
                     (unsigned) id);
            out->fields[out->n].name = out->names[out->n];
            out->fields[out->n].value = NULL;
            out->n++;
        }
    }
}


static int
migrator_publish_send(migrator_publish_t *out, shardd_store_t *store)
{
    int     rc;
    size_t  i;

    rc = out->n ? shardd_hash_put(store, "standbys", out->fields, out->n)
                : SHARDD_OK;

    for (i = 0; i < out->n; i++) {
        free(out->fields[i].value);
    }

    out->n = 0;

    return rc;
}


/*
 * The blocks' times come last: they speak for what says that it is level.
 * Building is done under the list's lock, sending is not.
 */

int
migrator_keep_publish(migrator_keep_list_t *list, shardd_store_t *store,
    uint32_t blocks, uint64_t wall_ms, pthread_mutex_t *mutex)
{
    int                  rc;
    uint32_t             i;
    migrator_publish_t  *out;

    out = malloc(sizeof(migrator_publish_t));

    if (out == NULL) {
        return SHARDD_BAD;
    }

    out->n = 0;
    i = 0;
    rc = SHARDD_OK;

    /* the list is changed by the thread that is in here, and by no other */

    do {
        pthread_mutex_lock(mutex);
        migrator_publish_dropped(list, blocks, out);

        while (i < list->n && out->n < PUBLISH_FIELDS) {
            if (migrator_publish_shard(list, &i, out) != 0) {
                rc = SHARDD_BAD;
                break;
            }
        }

        if (i == list->n && out->n + MIGRATOR_KEEP_BLOCKS <= PUBLISH_FIELDS) {
            migrator_publish_blocks(list, blocks, wall_ms, out);
            i++;
        }

        pthread_mutex_unlock(mutex);

        if (rc == SHARDD_OK) {
            rc = migrator_publish_send(out, store);
        }

    } while (rc == SHARDD_OK && i <= list->n);

    /* what was not written is to be written again */

    pthread_mutex_lock(mutex);

    for (i = 0; rc != SHARDD_OK && i < list->n; i++) {
        list->kept[i]->dirty = 1;
    }

    pthread_mutex_unlock(mutex);
    free(out);

    return rc;
}


/* what another migrator, or this one before, knew of those not seen yet */

static void
migrator_recall_one(void *data, const shardd_standby_t *one)
{
    migrator_keep_list_t  *list = data;

    migrator_kept_t  **found, **end;

    found = list->n ? bsearch(&one->shard, list->kept, list->n,
                              sizeof(migrator_kept_t *),
                              migrator_publish_find)
                    : NULL;

    if (found == NULL) {
        return;
    }

    while (found > list->kept && found[-1]->shard == one->shard) {
        found--;
    }

    end = list->kept + list->n;

    for ( /* void */ ; found < end && (*found)->shard == one->shard; found++)
    {
        if ((*found)->state == MIGRATOR_KEEP_NEW && (*found)->level_ms == 0
            && (*found)->epoch == one->epoch
            && strcmp(list->nodes[(*found)->standby].node.name, one->node)
               == 0)
        {
            (*found)->level_ms = one->level_ms;
        }
    }
}


void
migrator_keep_recall(migrator_keep_list_t *list, shardd_store_t *store,
    pthread_mutex_t *mutex)
{
    shardd_entry_t  all;

    if (shardd_hash_load(store, "standbys", &all) != SHARDD_OK) {
        return;
    }

    pthread_mutex_lock(mutex);
    shardd_standbys_each(&all, migrator_recall_one, list);
    pthread_mutex_unlock(mutex);

    shardd_entry_free(&all);
}
