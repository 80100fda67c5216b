
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


void
migrator_keep_push(migrator_keep_list_t *list, migrator_kept_t *kept,
    uint64_t due_ms)
{
    kept->due_ms = due_ms;
    migrator_keep_up(list, kept, ++list->nheap);
}


void
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
