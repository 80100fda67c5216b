
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "hindsight_store.h"


#define PREDICTOR_FOLLOW_RECENT      256    /* decisions, in one tick */
#define PREDICTOR_FOLLOW_MIGRATIONS  512
#define PREDICTOR_COUNTED_ONE        40     /* bytes of "ID@MS " */


static void
predictor_counted_name(const predictor_pending_t *p, char *buf)
{
    snprintf(buf, PREDICTOR_COUNTED_ONE, "%s@%llu", p->id,
             (unsigned long long) p->decided_ms);
}


static int
predictor_counted(const char *counted, const predictor_pending_t *p)
{
    char  name[PREDICTOR_COUNTED_ONE];

    predictor_counted_name(p, name);

    return counted && strstr(counted, name) != NULL;
}


void
predictor_following_done(predictor_following_t *f)
{
    free(f->pending);
    free(f->seen);
    memset(f, 0, sizeof(predictor_following_t));
}


/* stream ids, "MS-SEQ": 1 when a is newer */

static int
predictor_stream_newer(const char *a, const char *b)
{
    unsigned long long  ms[2], seq[2];

    ms[0] = ms[1] = seq[0] = seq[1] = 0;
    (void) sscanf(a, "%llu-%llu", &ms[0], &seq[0]);
    (void) sscanf(b, "%llu-%llu", &ms[1], &seq[1]);

    return ms[0] > ms[1] || (ms[0] == ms[1] && seq[0] > seq[1]);
}


/* what is in the sums already is not followed again, but for those whose
 * score may not have been written yet */

static void
predictor_following_add(predictor_following_t *f,
    const predictor_hindsight_world_t *world, const shardd_entry_t *e,
    const char *counted)
{
    predictor_pending_t  *p;

    if (f->n == PREDICTOR_PENDING_MAX) {

        if (!f->full) {
            shardd_log(SHARDD_LOG_WARN, "more than %d decisions wait for their "
                       "score: further ones get none",
                       PREDICTOR_PENDING_MAX);
        }

        f->full = 1;
        return;
    }

    p = &f->pending[f->n];

    if (predictor_pending_read(world, e, p) != SHARDD_OK) {
        return;
    }

    p->summed = predictor_counted(counted, p);
    f->n += p->due_s >= f->upto_s || p->summed;
}


static int
predictor_following_read(predictor_following_t *f,
    const predictor_hindsight_world_t *world, size_t limit,
    const char *counted)
{
    int                    rc;
    size_t                 i;
    shardd_entries_t       decisions;
    const shardd_entry_t  *e;

    memset(&decisions, 0, sizeof(shardd_entries_t));
    rc = world->io->decisions(world->io->data, limit, &decisions);

    if (rc == SHARDD_NONE) {
        return SHARDD_OK;
    }

    if (rc != SHARDD_OK) {
        return rc;
    }

    for (i = 0; i < decisions.n; i++) {
        e = &decisions.entries[i];

        if (predictor_stream_newer(e->id, f->last)) {
            predictor_following_add(f, world, e, counted);
        }
    }

    if (decisions.n && predictor_stream_newer(decisions.entries[0].id,
                                              f->last))
    {
        memcpy(f->last, decisions.entries[0].id, sizeof(f->last));
    }

    shardd_entries_free(&decisions);

    return SHARDD_OK;
}


static int
predictor_following_load(predictor_following_t *f,
    const predictor_hindsight_world_t *world)
{
    int              i, rc;
    const char      *text;
    shardd_entry_t   sums;

    f->pending = f->pending ? f->pending
                 : malloc(PREDICTOR_PENDING_MAX * sizeof(predictor_pending_t));

    if (f->pending == NULL) {
        return SHARDD_BAD;
    }

    memset(&sums, 0, sizeof(shardd_entry_t));
    rc = world->io->hash_load(world->io->data, "regret", &sums);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    for (i = 0; i < PREDICTOR_REGRETS; i++) {
        predictor_regret_read(&f->regret[i],
                      shardd_entry_field(&sums, predictor_regret_words[i]));
    }

    text = shardd_entry_field(&sums, "upto");
    f->upto_s = text ? strtod(text, NULL) : 0;

    /* the clock was set back: what is ahead of it was another one's */

    if (!(f->upto_s <= world->now_s)) {
        f->upto_s = 0;
    }

    f->n = 0;
    f->last[0] = '\0';
    rc = predictor_following_read(f, world, PREDICTOR_PENDING_MAX,
                                  shardd_entry_field(&sums, "counted"));
    f->loaded = rc == SHARDD_OK;
    shardd_entry_free(&sums);

    return rc;
}


static int
predictor_pending_cmp(const void *one, const void *two)
{
    const predictor_pending_t  *a, *b;

    a = one;
    b = two;

    if (a->due_s != b->due_s) {
        return a->due_s < b->due_s ? -1 : 1;
    }

    return strcmp(a->id, b->id);
}


/* how many are due, the first ones of the list from here on */

static size_t
predictor_following_due(predictor_following_t *f,
    const predictor_hindsight_world_t *world)
{
    size_t  n;
    double  end_s;

    if (f->n == 0) {
        return 0;
    }

    qsort(f->pending, f->n, sizeof(predictor_pending_t),
          predictor_pending_cmp);

    end_s = (double) (world->history->last + 1) * world->res_s;

    for (n = 0; n < f->n && n < PREDICTOR_SCORED_MAX; n++) {

        if (ceil(f->pending[n].due_s / world->res_s) * world->res_s > end_s) {
            break;
        }
    }

    return n;
}


/* scores n decisions; texts[i] NULL: it has its score, or is gone */

static int
predictor_following_judge(const predictor_following_t *f,
    const predictor_hindsight_world_t *world,
    const shardd_entries_t *migrations, size_t n, predictor_judged_t *judged,
    char **texts)
{
    int                  rc;
    size_t               i;
    uint32_t             nchanges;
    predictor_change_t  *changes;

    rc = predictor_changes_read(world, f, migrations, &changes, &nchanges);

    for (i = 0; rc == SHARDD_OK && i < n; i++) {
        rc = predictor_judge(world, &f->pending[i], migrations, changes,
                             nchanges, &judged[i]);

        if (rc == SHARDD_OK) {
            texts[i] = predictor_score_json(&f->pending[i], &judged[i]);
            rc = texts[i] ? SHARDD_OK : SHARDD_BAD;
        }
    }

    free(changes);

    return rc;
}


/* names of the first n and of all others whose score is not written yet */

static char *
predictor_following_names(const predictor_following_t *f, size_t n)
{
    char    *names, *p;
    size_t   i;

    names = malloc(f->n * PREDICTOR_COUNTED_ONE + 1);
    p = names;

    for (i = 0; names && i < f->n; i++) {

        if (i < n || f->pending[i].summed) {
            predictor_counted_name(&f->pending[i], p);
            p += strlen(p);
            *p++ = ' ';
        }
    }

    if (names) {
        *p = '\0';
    }

    return names;
}


/* the sums with n more, in one step with whose they are */

static int
predictor_following_sum(predictor_following_t *f,
    const predictor_hindsight_world_t *world, size_t n,
    const predictor_judged_t *judged)
{
    int                  rc, i;
    char                *texts[PREDICTOR_REGRETS], *counted, upto[32];
    double               upto_s;
    size_t               j;
    predictor_regret_t   regret[PREDICTOR_REGRETS];

    memcpy(regret, f->regret, sizeof(regret));

    for (j = 0; j < n; j++) {

        if (!f->pending[j].operator && !f->pending[j].summed) {
            predictor_regret_add(&regret[f->pending[j].advice], &judged[j]);
        }
    }

    counted = predictor_following_names(f, n);

    for (i = 0; i < PREDICTOR_REGRETS; i++) {
        texts[i] = predictor_regret_json(&regret[i]);
    }

    upto_s = fmax(f->upto_s, f->pending[n - 1].due_s);
    snprintf(upto, sizeof(upto), "%.3f", upto_s);

    const shardd_field_t  fields[] = {
        { (char *) predictor_regret_words[0], texts[0] },
        { (char *) predictor_regret_words[1], texts[1] },
        { "upto", upto },
        { "counted", counted }
    };

    rc = texts[0] && texts[1] && counted
         ? world->io->hash_put(world->io->data, "regret", fields, 4)
         : SHARDD_BAD;

    free(texts[0]);
    free(texts[1]);
    free(counted);

    if (rc != SHARDD_OK) {
        return rc;
    }

    memcpy(f->regret, regret, sizeof(regret));
    f->upto_s = upto_s;

    for (j = 0; j < n; j++) {
        f->pending[j].summed = 1;
    }

    return SHARDD_OK;
}


/* beside its decision, while that is the one that was scored */

static int
predictor_following_put(const predictor_hindsight_world_t *world,
    const predictor_pending_t *p, char *text)
{
    int              rc, same;
    char             key[32], ms[24];
    const char      *decided;
    shardd_entry_t   e;

    snprintf(key, sizeof(key), "decision:%s", p->id);
    snprintf(ms, sizeof(ms), "%llu", (unsigned long long) p->decided_ms);
    memset(&e, 0, sizeof(shardd_entry_t));

    rc = world->io->hash_load(world->io->data, key, &e);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    decided = shardd_entry_field(&e, "decided_ms");
    same = decided && strcmp(decided, ms) == 0
           && predictor_score_decided_ms(shardd_entry_field(&e, "score"))
              != p->decided_ms;
    shardd_entry_free(&e);

    const shardd_field_t  field = { "score", text };

    return same ? world->io->hash_put(world->io->data, key, &field, 1)
                : SHARDD_OK;
}


static void
predictor_following_log(const predictor_pending_t *p,
    const predictor_judged_t *j)
{
    const predictor_toll_t  *toll;

    if (j->verdict == PREDICTOR_UNKNOWN) {
        shardd_log(SHARDD_LOG_INFO, "decision %s, shard %u from %s to %s, has "
                   "no score: %s", p->id, p->shard, p->from, p->to, j->why);
        return;
    }

    toll = j->score.toll;

    shardd_log(SHARDD_LOG_INFO, "decision %s, %s shard %u from %s to %s, %s: "
               "%.0f s above capacity%s, %.0f s without it, %.0f s by "
               "reacting", p->id, p->advice ? "advice to move" : "move",
               p->shard, p->from, p->to, predictor_verdict_words[j->verdict],
               toll[PREDICTOR_DECIDED].violation_s,
               p->advice ? " if it was taken" : j->carried
               ? "" : ", not carried out",
               toll[PREDICTOR_NOTHING].violation_s,
               toll[PREDICTOR_REACTING].violation_s);
}


/* n due ones, the first of the list */

static int
predictor_following_score(predictor_following_t *f,
    const predictor_hindsight_world_t *world, size_t n)
{
    int                  rc;
    char                *texts[PREDICTOR_SCORED_MAX];
    size_t               i;
    shardd_entries_t     migrations;
    predictor_judged_t   judged[PREDICTOR_SCORED_MAX];

    memset(texts, 0, sizeof(texts));
    memset(&migrations, 0, sizeof(shardd_entries_t));

    rc = world->io->migrations(world->io->data, PREDICTOR_FOLLOW_MIGRATIONS,
                               &migrations);

    if (rc == SHARDD_OK || rc == SHARDD_NONE) {
        rc = predictor_following_judge(f, world, &migrations, n, judged,
                                       texts);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_following_sum(f, world, n, judged);
    }

    for (i = 0; i < n; i++) {

        if (rc == SHARDD_OK) {
            rc = predictor_following_put(world, &f->pending[i], texts[i]);
        }

        free(texts[i]);
    }

    shardd_entries_free(&migrations);

    if (rc != SHARDD_OK) {
        return rc;
    }

    for (i = 0; i < n; i++) {
        predictor_following_log(&f->pending[i], &judged[i]);
    }

    f->n -= n;
    f->full = 0;
    memmove(f->pending, f->pending + n, f->n * sizeof(predictor_pending_t));

    return SHARDD_OK;
}


int
predictor_following(predictor_following_t *f,
    const predictor_hindsight_world_t *world)
{
    int     rc;
    size_t  n;

    rc = f->loaded ? predictor_following_read(f, world,
                                              PREDICTOR_FOLLOW_RECENT, NULL)
                   : predictor_following_load(f, world);

    if (rc != SHARDD_OK) {
        return rc;
    }

    n = predictor_following_due(f, world);

    return n ? predictor_following_score(f, world, n) : SHARDD_OK;
}


/* a table that was loaded anew has nothing to be compared with */

void
predictor_following_watch(predictor_following_t *f,
    const predictor_fleet_t *old, const predictor_fleet_t *new, double now_s)
{
    uint32_t           was;
    size_t             i;
    predictor_seen_t  *seen;

    if (f->seen == NULL) {
        f->seen = malloc(PREDICTOR_SEEN_MAX * sizeof(predictor_seen_t));
    }

    for (i = 0; f->seen && f->seen_s > 0 && i < new->table.nshards; i++) {
        was = new->ids[i] < old->ncols ? old->by_id[new->ids[i]]
                                       : SHARD_ID_NONE;

        if (was == SHARD_ID_NONE
            || strcmp(old->table.shards[was].primary,
                      new->table.shards[i].primary) == 0)
        {
            continue;
        }

        seen = &f->seen[f->nseen++ % PREDICTOR_SEEN_MAX];
        seen->shard = new->ids[i];
        seen->after_s = f->seen_s;
        seen->at_s = now_s;
        strcpy(seen->from, old->table.shards[was].primary);
        strcpy(seen->to, new->table.shards[i].primary);
    }

    f->seen_s = now_s;
}
