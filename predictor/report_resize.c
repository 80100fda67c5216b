
/*
 * What is said of splits and merges: hash "resize" with an entry for each
 * shard that is due, whatever comes of it, and a decision for each that is
 * to be split, parted from one key, or joined.
 */


#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/core/shard_key.h"
#include "../src/daemon/shardd_log.h"
#include "report.h"
#include "resizes.h"


#define PREDICTOR_RESIZES_DIGITS  6


typedef struct {
    const predictor_io_t            *io;
    const predictor_resizes_view_t  *view;
    const predictor_resizing_t      *r;
    size_t                           n;
    shardd_field_t                   fields[2 * PREDICTOR_RESIZES_MAX];
} predictor_resizes_report_t;

/* of a decision: its id, and the fields that are its verb's alone */

typedef struct {
    char            id[17];
    char            with[16];
    char            epoch[16];
    size_t          n;
    shardd_field_t  fields[PREDICTOR_REPORT_MORE];
} predictor_report_resize_where_t;


static int
predictor_report_resize_decides(const predictor_resize_t *a)
{
    return a->verb == PREDICTOR_RESIZE_SPLIT
           || a->verb == PREDICTOR_RESIZE_ISOLATE
           || a->verb == PREDICTOR_RESIZE_MERGE;
}


static json_t *
predictor_report_resize_reason(const predictor_resizes_report_t *rep,
    const predictor_resize_t *a)
{
    json_t                *reason;
    const shard_record_t  *rec;

    rec = &rep->view->fleet->table.shards[a->shard];

    reason = json_pack("{ss ss sI sf sf sf sf sI sI sI}",
                       "verb", predictor_resize_verbs[a->verb],
                       "why", predictor_resize_whys[a->why],
                       "at", (json_int_t) llround(rep->view->now_s),
                       "peak", a->peak,
                       "after", a->after,
                       "limit", rep->r->limits.capacity
                       * (a->verb == PREDICTOR_RESIZE_MERGE
                          ? rep->r->limits.lo : rep->r->limits.hi),
                       "capacity", rep->r->limits.capacity,
                       "parts", (json_int_t) a->parts,
                       "shards", (json_int_t) rep->r->nshards,
                       "wanted", (json_int_t) rep->r->wanted);

    if (reason == NULL) {
        return NULL;
    }

    if (a->verb == PREDICTOR_RESIZE_MERGE) {
        json_object_set_new(reason, "with", json_integer(
                            rep->view->fleet->table.shards[a->with].id));
        return reason;
    }

    if (a->left > 0) {
        json_object_set_new(reason, "left", json_real(a->left));
        json_object_set_new(reason, "error", json_real(a->error));
    }

    if (a->verb == PREDICTOR_RESIZE_SPLIT
        || a->verb == PREDICTOR_RESIZE_ISOLATE)
    {
        predictor_report_cut(rec, a, reason);
    }

    return reason;
}


/*
 * Of advice it is of verb, shard, epoch, the other one of a merge, and the
 * season: samples move the cut a little with every slot, and the wish is the
 * same.
 */

static void
predictor_report_resize_id(const predictor_resizes_report_t *rep,
    const predictor_resize_t *a, char id[17])
{
    char                   with[64];
    const shard_record_t  *recs;

    recs = rep->view->fleet->table.shards;
    snprintf(with, sizeof(with), "%.0f|%u|%u",
             floor(rep->view->now_s / rep->r->limits.season_s),
             a->verb == PREDICTOR_RESIZE_MERGE ? recs[a->with].id : 0,
             a->verb == PREDICTOR_RESIZE_MERGE ? recs[a->with].epoch : 0);

    shard_hex_encode(shard_decision_id(recs[a->shard].id,
                                       recs[a->shard].epoch,
                                       predictor_resize_verbs[a->verb], with),
                     id);
}


/*
 * What is carried out says where, in fields of its own, and has the id that
 * the same wish of an operator has.  A key at the shard's lower bound needs
 * the cut above it only.
 */

static void
predictor_report_resize_act(const predictor_resizes_report_t *rep,
    const predictor_resize_t *a, json_t *reason,
    predictor_report_resize_where_t *w)
{
    char                   what[40];
    const char            *cut, *end;
    const shard_record_t  *rec, *with;

    rec = &rep->view->fleet->table.shards[a->shard];

    if (a->verb == PREDICTOR_RESIZE_MERGE) {
        with = &rep->view->fleet->table.shards[a->with];
        snprintf(w->with, sizeof(w->with), "%u", with->id);
        snprintf(w->epoch, sizeof(w->epoch), "%u", with->epoch);
        snprintf(what, sizeof(what), "%s.%s", w->with, w->epoch);
        w->fields[0] = (shardd_field_t) { (char *) "with", w->with };
        w->fields[1] = (shardd_field_t) { (char *) "with_epoch", w->epoch };
        w->n = 2;
        shard_hex_encode(shard_cut_id(rec->id, rec->epoch, "merge", what,
                                      rec->primary), w->id);
        return;
    }

    cut = json_string_value(json_object_get(reason, "cut"));
    end = json_string_value(json_object_get(reason, "end"));

    if (cut == NULL) {
        cut = end ? end : "";
        end = NULL;
    }

    w->fields[0] = (shardd_field_t) { (char *) "cut", (char *) cut };
    w->fields[1] = (shardd_field_t) { (char *) "end", (char *) end };
    w->n = end ? 2 : 1;
    shard_hex_encode(shard_cut_id(rec->id, rec->epoch,
                                  predictor_resize_verbs[a->verb], cut,
                                  rec->primary), w->id);
}


static void
predictor_report_resize_log(const predictor_resizes_report_t *rep,
    const predictor_resize_t *a, const json_t *reason, int act)
{
    const char                      *cut, *made;
    const shard_record_t            *recs;
    const predictor_resize_limits_t *l;

    l = &rep->r->limits;
    recs = rep->view->fleet->table.shards;
    made = act ? "decided" : "recommended";

    if (a->verb == PREDICTOR_RESIZE_MERGE) {
        shardd_log(SHARDD_LOG_INFO, "%s: merge shards %u and %u: "
                   "together at most %.2f/s in a season, below %.2f/s (%g of "
                   "a node)", made, recs[a->shard].id, recs[a->with].id,
                   a->peak, l->lo * l->capacity, l->lo);
        return;
    }

    cut = json_string_value(json_object_get(reason, "cut"));

    shardd_log(SHARDD_LOG_INFO, "%s: %s shard %u on %s%s%s: its peak "
               "is %.1f/s, above %.1f/s (%g of a node); %.1f %% (+- %.1f) of "
               "the load are %s, at most %.1f/s in one part then", made,
               predictor_resize_verbs[a->verb], recs[a->shard].id,
               recs[a->shard].primary, cut ? " at " : "", cut ? cut : "",
               a->peak, l->hi * l->capacity, l->hi, 100 * a->left,
               100 * a->error, a->verb == PREDICTOR_RESIZE_ISOLATE
               ? "one key's" : "below it", a->after);
}


/* "w" is filled; SHARDD_CONFLICT: it was made before */

static int
predictor_report_resize_decision(predictor_resizes_report_t *rep,
    const predictor_resize_t *a, int act, json_t *reason, const char *text,
    predictor_report_resize_where_t *w)
{
    int                       rc;
    predictor_report_entry_t  e;

    if (act) {
        predictor_report_resize_act(rep, a, reason, w);

    } else {
        predictor_report_resize_id(rep, a, w->id);
        w->n = 0;
    }

    e.id = w->id;
    e.verb = predictor_resize_verbs[a->verb];
    e.rec = &rep->view->fleet->table.shards[a->shard];
    e.from = e.rec->primary;
    e.to = act ? e.from : "";   /* who looks for moves finds none */
    e.mode = act ? PREDICTOR_ACT : PREDICTOR_RECOMMEND;
    e.reason = text;
    e.more = w->fields;
    e.nmore = w->n;

    rc = predictor_report_entry(rep->io, &e);

    if (rc == SHARDD_OK) {
        predictor_report_resize_log(rep, a, reason, act);
    }

    if (rc == SHARDD_OK && act) {
        predictor_resize_begin(rep->view, a);
    }

    return rc;
}


/* its decision, if there is none yet and its time has come; *text is the
 * reason, and what is said of the shard then */

static int
predictor_report_resize_decide(predictor_resizes_report_t *rep,
    const predictor_resize_t *a, json_t *reason, char **text,
    uint64_t *decisions)
{
    int                               rc;
    predictor_resize_act_e            act;
    predictor_report_resize_where_t   w;

    act = predictor_resize_act(rep->view, rep->r, a);

    if (act == PREDICTOR_RESIZE_LATER) {
        return SHARDD_OK;
    }

    rc = predictor_report_resize_decision(rep, a, act == PREDICTOR_RESIZE_NOW,
                                          reason, *text, &w);

    if (rc == SHARDD_OK) {
        (*decisions)++;

    } else if (rc != SHARDD_CONFLICT) {
        return rc;
    }

    json_object_set_new(reason, "decision", json_string(w.id));
    free(*text);
    *text = json_dumps(reason, JSON_COMPACT | JSON_REAL_PRECISION(
                               PREDICTOR_RESIZES_DIGITS));

    return SHARDD_OK;
}


/* its entry, and its decision */

static int
predictor_report_resize(predictor_resizes_report_t *rep,
    const predictor_resize_t *a, uint64_t *decisions)
{
    int              rc;
    char             name[16], *text;
    json_t          *reason;
    shardd_field_t  *field;

    reason = predictor_report_resize_reason(rep, a);
    text = reason ? json_dumps(reason, JSON_COMPACT | JSON_REAL_PRECISION(
                                       PREDICTOR_RESIZES_DIGITS)) : NULL;
    rc = text ? SHARDD_OK : SHARDD_BAD;

    if (rc == SHARDD_OK && predictor_report_resize_decides(a)) {
        rc = predictor_report_resize_decide(rep, a, reason, &text, decisions);
    }

    json_decref(reason);

    if (rc != SHARDD_OK || text == NULL) {
        free(text);
        return rc == SHARDD_OK ? SHARDD_BAD : rc;
    }

    snprintf(name, sizeof(name), "%u",
             rep->view->fleet->table.shards[a->shard].id);
    field = &rep->fields[rep->n];
    field->name = strdup(name);
    field->value = text;

    if (field->name == NULL) {
        free(text);
        return SHARDD_BAD;
    }

    rep->n++;

    return SHARDD_OK;
}


/* entries of shards that are not due any more are deleted */

static int
predictor_report_resize_forget(predictor_resizes_report_t *rep)
{
    int             rc;
    size_t          i, k, n;
    shardd_entry_t  old;

    memset(&old, 0, sizeof(old));
    rc = rep->io->hash_load(rep->io->data, "resize", &old);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    n = rep->n;
    rc = SHARDD_OK;

    for (i = 0; i < old.nfields && rep->n < 2 * PREDICTOR_RESIZES_MAX; i++) {

        for (k = 0; k < n; k++) {
            if (strcmp(rep->fields[k].name, old.fields[i].name) == 0) {
                break;
            }
        }

        if (k < n) {
            continue;
        }

        rep->fields[rep->n].name = strdup(old.fields[i].name);
        rep->fields[rep->n].value = NULL;

        if (rep->fields[rep->n].name == NULL) {
            rc = SHARDD_BAD;
            break;
        }

        rep->n++;
    }

    shardd_entry_free(&old);

    return rc;
}


/* how many there are and should be */

static int
predictor_report_shards(const predictor_resizes_report_t *rep)
{
    char  text[160];

    snprintf(text, sizeof(text), "{\"now\":%u,\"wanted\":%u,\"min\":%u,"
             "\"max\":%u,\"capacity\":%.6g}", rep->r->nshards, rep->r->wanted,
             rep->r->limits.min, rep->r->limits.max, rep->r->limits.capacity);

    const shardd_field_t  field = { "shards", text };

    return rep->io->hash_put(rep->io->data, "predictor", &field, 1);
}


int
predictor_report_resizes(const predictor_io_t *io,
    const predictor_resizes_view_t *view, const predictor_resizing_t *r,
    const predictor_resize_t *list, uint32_t n, uint64_t *decisions)
{
    int                          rc;
    size_t                       k;
    uint32_t                     i;
    predictor_resizes_report_t  *rep;

    rep = calloc(1, sizeof(predictor_resizes_report_t));

    if (rep == NULL) {
        return SHARDD_BAD;
    }

    rep->io = io;
    rep->view = view;
    rep->r = r;
    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < n; i++) {
        rc = predictor_report_resize(rep, &list[i], decisions);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_report_resize_forget(rep);
    }

    if (rc == SHARDD_OK && rep->n) {
        rc = io->hash_put(io->data, "resize", rep->fields, rep->n);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_report_shards(rep);
    }

    for (k = 0; k < rep->n; k++) {
        free(rep->fields[k].name);
        free(rep->fields[k].value);
    }

    free(rep);

    return rc;
}
