
#include <stdio.h>
#include <string.h>

#include "shard_bytes.h"
#include "shard_codec.h"
#include "cut.h"


static int migrator_cut_bound(shard_kind_e kind, const char *text,
    uint64_t *number, shard_bytes_t *bytes, char *err);
static int migrator_cut_inside(const shard_record_t *rec, uint64_t number,
    const shard_bytes_t *bytes);
static int migrator_cut_begins(const shard_range_t *range,
    const shard_record_t *rec);
static int migrator_cut_ends(const shard_range_t *range,
    const shard_record_t *rec);
static void migrator_cut_write(migrator_state_t *state,
    const shard_range_t *range);


int
migrator_cut_range(const migrator_state_t *state, shard_range_t *range)
{
    char         err[SHARD_ERR_SIZE];
    shard_str_t  order, lo, hi;

    order.data = state->order;
    order.len = strlen(state->order);
    lo.data = state->lo[0] ? state->lo : NULL;
    lo.len = strlen(state->lo);
    hi.data = state->hi[0] ? state->hi : NULL;
    hi.len = strlen(state->hi);

    return shard_range_decode(order, lo, hi, range, err);
}


/* a bound as records have it */

static int
migrator_cut_bound(shard_kind_e kind, const char *text, uint64_t *number,
    shard_bytes_t *bytes, char *err)
{
    shard_str_t  str;

    str.data = text;
    str.len = strlen(text);

    if (kind == SHARD_KIND_RANGE_BYTES) {
        return shard_bytes_decode(str, "cut", bytes, err);
    }

    if (shard_hex_decode(str, number) != SHARD_OK) {
        snprintf(err, SHARD_ERR_SIZE, "cut \"%.40s\" is not 16 lower-case "
                 "hex digits", text);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/* both sides of it have keys */

static int
migrator_cut_inside(const shard_record_t *rec, uint64_t number,
    const shard_bytes_t *bytes)
{
    if (rec->kind != SHARD_KIND_RANGE_BYTES) {
        return number > rec->lo && (rec->hi == 0 || number < rec->hi);
    }

    return shard_bytes_compare(bytes->data, bytes->len, rec->lo_text.data,
                               rec->lo_text.len)
           > 0
           && (rec->hi_text.len == 0
               || shard_bytes_compare(bytes->data, bytes->len,
                                      rec->hi_text.data, rec->hi_text.len)
                  < 0);
}


int
migrator_cut_plan(migrator_state_t *state, const shard_record_t *rec,
    const char *cut, const char *next, char *err)
{
    unsigned       i;
    uint64_t       number;
    shard_bytes_t  bytes;
    shard_range_t  range;

    if (shard_range_of(rec, &range) != SHARD_OK) {
        snprintf(err, SHARD_ERR_SIZE, "the keys of a list have no order");
        return SHARD_ERROR;
    }

    memset(&bytes, 0, sizeof(bytes));
    number = 0;

    if (next[0] && (migrator_cut_bound(rec->kind, next, &number, &bytes, err)
                    != SHARD_OK
                    || strlen(next) >= sizeof(state->next_cut)))
    {
        return SHARD_ERROR;
    }

    snprintf(state->next_cut, sizeof(state->next_cut), "%s", next);

    if (cut) {

        if (migrator_cut_bound(rec->kind, cut, &range.lo, &range.lo_text, err)
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        if (!migrator_cut_inside(rec, range.lo, &range.lo_text)) {
            snprintf(err, SHARD_ERR_SIZE, "cut \"%.80s\" is not between the "
                     "bounds of the shard", cut);
            return SHARD_ERROR;
        }
    }

    migrator_cut_write(state, &range);

    for (i = 0; i < rec->nstandbys; i++) {
        if (i) {
            strcat(state->others, " ");
        }

        strncat(state->others, rec->standbys[i], SHARD_NAME_SIZE - 1);
    }

    return SHARD_OK;
}


/* "order=X&lo=Y&hi=Z" is the only text of a range there is */

static void
migrator_cut_write(migrator_state_t *state, const shard_range_t *range)
{
    char        text[SHARD_RANGE_TEXT];
    const char *lo, *hi;

    (void) shard_range_encode(range, text);

    lo = strstr(text, "&lo=");
    hi = strstr(text, "&hi=");

    snprintf(state->order, sizeof(state->order), "%.*s",
             (int) strcspn(text + 6, "&"), text + 6);

    state->lo[0] = '\0';
    state->hi[0] = '\0';

    if (lo) {
        snprintf(state->lo, sizeof(state->lo), "%.*s",
                 (int) strcspn(lo + 4, "&"), lo + 4);
    }

    if (hi) {
        snprintf(state->hi, sizeof(state->hi), "%s", hi + 4);
    }
}


static int
migrator_cut_begins(const shard_range_t *range, const shard_record_t *rec)
{
    return range->lo == rec->lo
           && shard_bytes_compare(range->lo_text.data, range->lo_text.len,
                                  rec->lo_text.data, rec->lo_text.len)
              == 0;
}


static int
migrator_cut_ends(const shard_range_t *range, const shard_record_t *rec)
{
    return range->hi == rec->hi
           && shard_bytes_compare(range->hi_text.data, range->hi_text.len,
                                  rec->hi_text.data, rec->hi_text.len)
              == 0;
}


/* the record ends where the range begins */

static int
migrator_cut_behind(const shard_range_t *range, const shard_record_t *rec)
{
    if (range->order == SHARD_KIND_RANGE_BYTES) {
        return rec->hi_text.len
               && shard_bytes_compare(range->lo_text.data,
                                      range->lo_text.len, rec->hi_text.data,
                                      rec->hi_text.len)
                  == 0;
    }

    return rec->hi && range->lo == rec->hi;
}


/* and the other way round */

static int
migrator_cut_before(const shard_range_t *range, const shard_record_t *rec)
{
    if (range->order == SHARD_KIND_RANGE_BYTES) {
        return range->hi_text.len
               && shard_bytes_compare(range->hi_text.data,
                                      range->hi_text.len, rec->lo_text.data,
                                      rec->lo_text.len)
                  == 0;
    }

    return range->hi && range->hi == rec->lo;
}


int
migrator_cut_splits(const migrator_state_t *state, const shard_record_t *rec,
    char *err)
{
    shard_range_t  range;

    if (migrator_cut_range(state, &range) != SHARD_OK
        || range.order != rec->kind)
    {
        snprintf(err, SHARD_ERR_SIZE, "its keys have no such order");
        return SHARD_ERROR;
    }

    if (!migrator_cut_ends(&range, rec)
        || !migrator_cut_inside(rec, range.lo, &range.lo_text))
    {
        snprintf(err, SHARD_ERR_SIZE, "the shard's bounds have changed since "
                 "this was planned");
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


int
migrator_cut_joins(const migrator_state_t *state, const shard_record_t *rec,
    const shard_record_t *into, char *err)
{
    shard_range_t  range;

    if (migrator_cut_range(state, &range) != SHARD_OK
        || range.order != rec->kind || !migrator_cut_begins(&range, rec)
        || !migrator_cut_ends(&range, rec))
    {
        snprintf(err, SHARD_ERR_SIZE, "the shard's bounds have changed since "
                 "this was planned");
        return SHARD_ERROR;
    }

    if (!migrator_cut_behind(&range, into)
        && !migrator_cut_before(&range, into))
    {
        snprintf(err, SHARD_ERR_SIZE, "shards %u and %u are no neighbours",
                 (unsigned) rec->id, (unsigned) into->id);
        return SHARD_ERROR;
    }

    if (rec->consistency != into->consistency
        || rec->strategy != into->strategy)
    {
        snprintf(err, SHARD_ERR_SIZE, "shards %u and %u differ in consistency "
                 "or strategy", (unsigned) rec->id, (unsigned) into->id);
        return SHARD_ERROR;
    }

    if (into->epoch != state->into_epoch
        || strcmp(into->primary, state->to) != 0)
    {
        snprintf(err, SHARD_ERR_SIZE, "shard %u is on %s at epoch %u, decided "
                 "for %s at epoch %u", (unsigned) into->id, into->primary,
                 into->epoch, state->to, state->into_epoch);
        return SHARD_ERROR;
    }

    if ((into->migration && into->migration != state->id)
        || (into->phase != SHARD_STEADY && into->migration != state->id))
    {
        snprintf(err, SHARD_ERR_SIZE, "migration %016llx moves shard %u",
                 (unsigned long long) into->migration, (unsigned) into->id);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


/*
 * A merged shard has no record any more: migrator_look() hands in one with
 * the id of the shard that has its keys.
 */

migrator_owner_e
migrator_cut_owner(const migrator_state_t *state, const shard_record_t *rec)
{
    shard_range_t  range;

    if (state->verb == MIGRATOR_MERGE && rec->id == state->into) {
        return MIGRATOR_COMMITTED;
    }

    if (rec->migration != 0 && rec->migration != state->id) {
        return MIGRATOR_FOREIGN;
    }

    if (strcmp(rec->primary, state->from) != 0
        || migrator_cut_range(state, &range) != SHARD_OK
        || range.order != rec->kind)
    {
        return MIGRATOR_FOREIGN;
    }

    if (rec->epoch == state->epoch) {
        return migrator_cut_ends(&range, rec)
               && (rec->phase == SHARD_STEADY || rec->migration == state->id)
               ? MIGRATOR_OURS : MIGRATOR_FOREIGN;
    }

    if (rec->epoch != state->epoch + 1) {
        return MIGRATOR_FOREIGN;
    }

    if (migrator_cut_ends(&range, rec)) {
        return MIGRATOR_RETURNED;
    }

    return migrator_cut_behind(&range, rec) ? MIGRATOR_COMMITTED
                                            : MIGRATOR_FOREIGN;
}


void
migrator_cut_parts(const migrator_state_t *state, shard_record_t *rec,
    shard_record_t *child)
{
    unsigned       i, n;
    shard_range_t  range;

    (void) migrator_cut_range(state, &range);

    rec->epoch = state->epoch + 1;
    rec->shift_bp = 0;
    memset(rec->target, 0, sizeof(rec->target));
    *child = *rec;

    rec->hi = range.lo;
    rec->hi_text = range.lo_text;

    child->id = state->into;
    child->lo = range.lo;
    child->lo_text = range.lo_text;

    memset(child->primary, 0, sizeof(child->primary));
    memcpy(child->primary, state->to, SHARD_NAME_SIZE);
    memset(child->standbys, 0, sizeof(child->standbys));
    n = 0;

    /* whoever serves a stateless one needs no data of it */

    for (i = 0; state->strategy == SHARD_STATELESS && i < rec->nstandbys; i++)
    {
        if (strcmp(rec->standbys[i], state->to) != 0) {
            memcpy(child->standbys[n++], rec->standbys[i], SHARD_NAME_SIZE);
        }
    }

    child->nstandbys = (uint8_t) n;
}


void
migrator_cut_joined(const migrator_state_t *state, shard_record_t *into)
{
    shard_range_t  range;

    (void) migrator_cut_range(state, &range);

    if (migrator_cut_behind(&range, into)) {
        into->hi = range.hi;
        into->hi_text = range.hi_text;

    } else {
        into->lo = range.lo;
        into->lo_text = range.lo_text;
    }

    into->epoch = state->into_epoch + 1;
}
