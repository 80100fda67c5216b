
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

#include "../src/core/shard_bytes.h"
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


static int
predictor_report_resize_decides(const predictor_resize_t *a)
{
    return a->verb == PREDICTOR_RESIZE_SPLIT
           || a->verb == PREDICTOR_RESIZE_ISOLATE
           || a->verb == PREDICTOR_RESIZE_MERGE;
}


/* a bound as a record has it: a position, or a name of what all keys begin
 * with and the position's bytes, but for zeros at its end */

static json_t *
predictor_report_bound(const shard_record_t *rec, unsigned skip,
    uint64_t position)
{
    char           text[SHARD_BYTES_TEXT + 1];
    size_t         n;
    unsigned       i;
    shard_bytes_t  bytes;

    if (rec->kind != SHARD_KIND_RANGE_BYTES) {
        snprintf(text, sizeof(text), "%016llx",
                 (unsigned long long) position);
        return json_string(text);
    }

    n = skip < SHARD_BOUND_MAX ? skip : SHARD_BOUND_MAX;
    memcpy(bytes.data, rec->lo_text.data, n);

    for (i = 0; i < 8 && n < SHARD_BOUND_MAX && position << 8 * i; i++) {
        bytes.data[n++] = (char) (position >> (56 - 8 * i));
    }

    bytes.len = (uint8_t) n;
    text[shard_bytes_encode(&bytes, text)] = '\0';

    return json_string(text);
}


/* of a list: the units that are the first part, or the isolated one */

static json_t *
predictor_report_units(const shard_record_t *rec, const predictor_resize_t *a)
{
    int            mine;
    char           text[SHARD_BYTES_TEXT + 1];
    json_t        *list;
    uint64_t       at;
    shard_str_t    left;
    shard_bytes_t  unit;

    list = json_array();
    left = rec->units;

    while (shard_units_next(&left, &unit) == SHARD_OK) {
        at = shard_key_position(unit.data, unit.len);
        mine = a->verb == PREDICTOR_RESIZE_SPLIT
               ? at < a->cut
               : at >= a->cut && (a->end == 0 || at < a->end);

        if (mine) {
            text[shard_bytes_encode(&unit, text)] = '\0';
            json_array_append_new(list, json_string(text));
        }
    }

    return list;
}


static void
predictor_report_resize_cut(const shard_record_t *rec,
    const predictor_resize_t *a, json_t *reason)
{
    unsigned  skip;

    (void) predictor_spread_range(rec, &skip);

    if (rec->kind == SHARD_KIND_LIST) {
        json_object_set_new(reason, "units", predictor_report_units(rec, a));

    } else if (a->cut) {
        json_object_set_new(reason, "cut",
                            predictor_report_bound(rec, skip, a->cut));
    }

    if (rec->kind != SHARD_KIND_LIST && a->end) {
        json_object_set_new(reason, "end",
                            predictor_report_bound(rec, skip, a->end));
    }
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
        predictor_report_resize_cut(rec, a, reason);
    }

    return reason;
}


/*
 * Of verb, shard, epoch, the other one of a merge, and the season: samples
 * move the cut a little with every slot, and the wish is the same.
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


static void
predictor_report_resize_log(const predictor_resizes_report_t *rep,
    const predictor_resize_t *a, const json_t *reason)
{
    const char                      *cut;
    const shard_record_t            *recs;
    const predictor_resize_limits_t *l;

    l = &rep->r->limits;
    recs = rep->view->fleet->table.shards;

    if (a->verb == PREDICTOR_RESIZE_MERGE) {
        shardd_log(SHARDD_LOG_INFO, "recommended: merge shards %u and %u: "
                   "together at most %.2f/s in a season, below %.2f/s (%g of "
                   "a node)", recs[a->shard].id, recs[a->with].id, a->peak,
                   l->lo * l->capacity, l->lo);
        return;
    }

    cut = json_string_value(json_object_get(reason, "cut"));

    shardd_log(SHARDD_LOG_INFO, "recommended: %s shard %u on %s%s%s: its peak "
               "is %.1f/s, above %.1f/s (%g of a node); %.1f %% (+- %.1f) of "
               "the load are %s, at most %.1f/s in one part then",
               predictor_resize_verbs[a->verb], recs[a->shard].id,
               recs[a->shard].primary, cut ? " at " : "", cut ? cut : "",
               a->peak, l->hi * l->capacity, l->hi, 100 * a->left,
               100 * a->error, a->verb == PREDICTOR_RESIZE_ISOLATE
               ? "one key's" : "below it", a->after);
}


static int
predictor_report_resize_decision(const predictor_resizes_report_t *rep,
    const predictor_resize_t *a, const char *id, const char *text)
{
    predictor_report_entry_t  e;

    e.id = id;
    e.verb = predictor_resize_verbs[a->verb];
    e.rec = &rep->view->fleet->table.shards[a->shard];
    e.from = e.rec->primary;
    e.to = "";                  /* who looks for moves finds none */
    e.mode = PREDICTOR_RECOMMEND;
    e.reason = text;

    return predictor_report_entry(rep->io, &e);
}


/* its entry, and its decision if there is none yet */

static int
predictor_report_resize(predictor_resizes_report_t *rep,
    const predictor_resize_t *a, uint64_t *decisions)
{
    int              rc;
    char             id[17], name[16], *text;
    json_t          *reason;
    shardd_field_t  *field;

    reason = predictor_report_resize_reason(rep, a);
    text = reason ? json_dumps(reason, JSON_COMPACT | JSON_REAL_PRECISION(
                                       PREDICTOR_RESIZES_DIGITS)) : NULL;
    rc = text ? SHARDD_OK : SHARDD_BAD;

    if (rc == SHARDD_OK && predictor_report_resize_decides(a)) {
        predictor_report_resize_id(rep, a, id);
        rc = predictor_report_resize_decision(rep, a, id, text);

        if (rc == SHARDD_OK) {
            (*decisions)++;
            predictor_report_resize_log(rep, a, reason);
        }

        rc = rc == SHARDD_CONFLICT ? SHARDD_OK : rc;
        json_object_set_new(reason, "decision", json_string(id));
        free(text);
        text = json_dumps(reason, JSON_COMPACT | JSON_REAL_PRECISION(
                                  PREDICTOR_RESIZES_DIGITS));
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
