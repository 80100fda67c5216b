
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/daemon/shardd_log.h"
#include "cold.h"


#define PREDICTOR_COLD_BATCH  256       /* fields of one command */

/* of a list every pair is looked at: not of more overlaps than this */

#define PREDICTOR_COLD_PAIRS  2000


/* one comparison of the table with what is known; all memory is its own */

typedef struct {
    predictor_cold_t       *cold;
    const predictor_io_t   *io;
    uint32_t                nbefore;
    uint32_t                nnow;
    uint32_t                noverlaps;
    predictor_bounds_t     *before;     /* of shards that are not as now */
    predictor_bounds_t     *now;        /* of the ones that are new so */
    predictor_overlap_t    *overlaps;
    predictor_line_t       *lines;      /* of now */
    uint8_t                *seen;       /* by id: 1 in the table, 2 changed */
} predictor_cold_diff_t;


static int predictor_cold_grow(predictor_cold_t *c, uint32_t n);
static int predictor_cold_take(predictor_cold_t *c, const char *id,
    const char *text);
static int predictor_cold_compare(predictor_cold_diff_t *d,
    const shardd_table_t *table);
static int predictor_cold_before(predictor_cold_diff_t *d, shard_kind_e kind);
static int predictor_cold_lines(predictor_cold_diff_t *d, long since);
static void predictor_cold_siblings(predictor_cold_diff_t *d, uint32_t at,
    int all);
static void predictor_cold_settle(predictor_cold_diff_t *d,
    const predictor_history_t *h);
static int predictor_cold_write(predictor_cold_diff_t *d);
static int predictor_cold_swap(predictor_cold_diff_t *d);


static int
predictor_cold_grow(predictor_cold_t *c, uint32_t n)
{
    uint32_t                 i;
    predictor_cold_shard_t  *shards;

    if (n <= c->nids) {
        return SHARDD_OK;
    }

    n += n / 8;
    shards = realloc(c->shards, n * sizeof(predictor_cold_shard_t));

    if (shards == NULL) {
        return SHARDD_BAD;
    }

    memset(shards + c->nids, 0,
           (n - c->nids) * sizeof(predictor_cold_shard_t));

    for (i = c->nids; i < n; i++) {
        shards[i].hour = -1;
    }

    c->shards = shards;
    c->nids = n;

    return SHARDD_OK;
}


/* one stored field; one that is refused is as if it were not there */

static int
predictor_cold_take(predictor_cold_t *c, const char *id, const char *text)
{
    char                     bounds[PREDICTOR_BOUNDS_TEXT];
    shard_id_t               number;
    shard_str_t              name;
    predictor_line_t         line;
    predictor_cold_shard_t  *s;

    name.data = id;
    name.len = strlen(id);

    if (shard_id_decode(name, &number) != SHARD_OK
        || number >= PREDICTOR_COLD_IDS
        || predictor_line_decode(text, c->res_s, bounds, &line) != SHARD_OK)
    {
        shardd_log(SHARDD_LOG_WARN, "lineage of shard \"%.16s\" is malformed: "
                   "it is left out", id);
        return SHARDD_OK;
    }

    if (predictor_cold_grow(c, number + 1) != SHARDD_OK) {
        return SHARDD_BAD;
    }

    s = &c->shards[number];
    free(s->bounds);
    s->bounds = strdup(bounds);

    if (line.npieces) {
        s->line = s->line ? s->line : malloc(sizeof(predictor_line_t));

        if (s->line == NULL) {
            return SHARDD_BAD;
        }

        *s->line = line;
    }

    c->known = 1;

    return s->bounds ? SHARDD_OK : SHARDD_BAD;
}


int
predictor_cold_load(predictor_cold_t *c, const predictor_io_t *io, long res_s)
{
    int             rc;
    size_t          i;
    shardd_entry_t  e;

    predictor_cold_done(c);
    c->res_s = res_s;

    memset(&e, 0, sizeof(shardd_entry_t));
    rc = io->hash_load(io->data, "lineage", &e);

    if (rc == SHARDD_NONE) {
        rc = SHARDD_OK;
    }

    for (i = 0; rc == SHARDD_OK && i < e.nfields; i++) {
        rc = predictor_cold_take(c, e.fields[i].name, e.fields[i].value);
    }

    shardd_entry_free(&e);

    return rc;
}


/* fills "now" and "seen" */

static int
predictor_cold_compare(predictor_cold_diff_t *d, const shardd_table_t *table)
{
    char                     text[PREDICTOR_BOUNDS_TEXT];
    size_t                   i;
    shard_id_t               id;
    predictor_bounds_t      *b;
    predictor_cold_shard_t  *s;

    for (i = 0; i < table->nshards; i++) {
        id = table->shards[i].id;

        if (id >= PREDICTOR_COLD_IDS) {
            continue;
        }

        if (predictor_cold_grow(d->cold, id + 1) != SHARDD_OK) {
            return SHARDD_BAD;
        }
    }

    d->seen = calloc(d->cold->nids + 1, 1);
    d->now = malloc((table->nshards + 1) * sizeof(predictor_bounds_t));

    if (d->seen == NULL || d->now == NULL) {
        return SHARDD_BAD;
    }

    for (i = 0; i < table->nshards; i++) {
        id = table->shards[i].id;
        b = &d->now[d->nnow];

        if (id >= PREDICTOR_COLD_IDS
            || predictor_bounds_of(&table->shards[i], b) != SHARD_OK)
        {
            continue;
        }

        predictor_bounds_text(b, text);
        s = &d->cold->shards[id];
        d->seen[id] = 1;

        if (s->bounds == NULL || strcmp(s->bounds, text) != 0) {
            d->seen[id] = 2;
            d->nnow++;
        }
    }

    return SHARDD_OK;
}


/* bounds of another kind of keyspace are no one's any more */

static int
predictor_cold_before(predictor_cold_diff_t *d, shard_kind_e kind)
{
    uint32_t           i;
    predictor_cold_t  *c;

    c = d->cold;

    for (i = 0; i < c->nids; i++) {
        d->nbefore += c->shards[i].bounds && d->seen[i] != 1;
    }

    d->before = malloc((d->nbefore + 1) * sizeof(predictor_bounds_t));

    if (d->before == NULL) {
        return SHARDD_BAD;
    }

    d->nbefore = 0;

    for (i = 0; i < c->nids; i++) {

        if (c->shards[i].bounds && d->seen[i] != 1
            && predictor_bounds_parse(kind, i, c->shards[i].bounds,
                                      &d->before[d->nbefore]) == SHARD_OK)
        {
            d->nbefore++;
        }
    }

    return SHARDD_OK;
}


/* shards that came from the same one as overlap "at"; of an ordered kind they
 * are its neighbours */

static void
predictor_cold_siblings(predictor_cold_diff_t *d, uint32_t at, int all)
{
    uint32_t                    i, first, end;
    predictor_line_t           *line;
    const predictor_overlap_t  *o;

    o = &d->overlaps[at];
    line = &d->lines[o->now];
    first = all ? 0 : at;
    end = all ? d->noverlaps : at + 1;

    while (first && d->overlaps[first - 1].before == o->before) {
        first--;
    }

    while (end < d->noverlaps && d->overlaps[end].before == o->before) {
        end++;
    }

    for (i = first; i < end; i++) {

        if (d->overlaps[i].before == o->before) {
            predictor_line_sibling(line, d->now[d->overlaps[i].now].id);
        }
    }
}


static int
predictor_cold_lines(predictor_cold_diff_t *d, long since)
{
    int                         list;
    uint32_t                    i, room;
    shard_id_t                  id;
    const predictor_overlap_t  *o;

    d->lines = malloc((d->nnow + 1) * sizeof(predictor_line_t));
    room = 4 * (d->nbefore + d->nnow);
    d->overlaps = malloc((room + 1) * sizeof(predictor_overlap_t));

    if (d->lines == NULL || d->overlaps == NULL) {
        return SHARDD_BAD;
    }

    list = d->nnow && d->now[0].kind == SHARD_KIND_LIST;

    d->noverlaps = predictor_overlaps(d->before, d->nbefore, d->now, d->nnow,
                                      d->overlaps, room);
    if (d->noverlaps > room) {
        d->noverlaps = 0;
    }

    for (i = 0; i < d->nnow; i++) {
        predictor_line_begin(&d->lines[i], since);
    }

    for (i = 0; i < d->noverlaps; i++) {
        o = &d->overlaps[i];
        id = d->before[o->before].id;

        if (predictor_line_parent(&d->lines[o->now], id, o->share,
                                  d->cold->shards[id].line) != SHARD_OK)
        {
            predictor_line_begin(&d->lines[o->now], since);
        }

        if (!list || d->noverlaps <= PREDICTOR_COLD_PAIRS) {
            predictor_cold_siblings(d, i, list);
        }
    }

    return SHARDD_OK;
}


/* lines whose siblings change or go take their share as it is now */

static void
predictor_cold_settle(predictor_cold_diff_t *d, const predictor_history_t *h)
{
    uint32_t           i, k;
    shard_id_t         sibling;
    predictor_cold_t  *c;
    predictor_line_t  *line;

    c = d->cold;

    for (i = 0; i < c->nids; i++) {
        line = c->shards[i].line;

        for (k = 0; line && k < line->nsiblings
                    && k < PREDICTOR_LINEAGE_SIBLINGS; k++)
        {
            sibling = line->sibling[k];

            if (sibling >= c->nids || d->seen[sibling] != 1) {
                predictor_line_settle(line, i, h, c->res_s);
                d->seen[i] |= 4;
                break;
            }
        }
    }
}


static int
predictor_cold_put(predictor_cold_diff_t *d, shardd_field_t *fields, size_t *n)
{
    int     rc;
    size_t  i;

    rc = SHARDD_OK;

    if (*n) {
        rc = d->io->hash_put(d->io->data, "lineage", fields, *n);
    }

    for (i = 0; i < *n; i++) {
        free(fields[i].name);
        free(fields[i].value);
    }

    *n = 0;

    return rc;
}


/* a value of NULL deletes */

static int
predictor_cold_field(predictor_cold_diff_t *d, shardd_field_t *fields,
    size_t *n, shard_id_t id, char *value)
{
    char  name[16];

    snprintf(name, sizeof(name), "%u", id);
    fields[*n].name = strdup(name);
    fields[*n].value = value;

    if (fields[*n].name == NULL) {
        free(value);
        return SHARDD_BAD;
    }

    ++*n;

    return *n < PREDICTOR_COLD_BATCH ? SHARDD_OK
                                     : predictor_cold_put(d, fields, n);
}


static int
predictor_cold_write(predictor_cold_diff_t *d)
{
    int                      rc, last;
    char                    *text, bounds[PREDICTOR_BOUNDS_TEXT];
    size_t                   n;
    uint32_t                 i;
    shardd_field_t           fields[PREDICTOR_COLD_BATCH];
    predictor_cold_shard_t  *s;

    n = 0;
    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < d->nnow; i++) {
        predictor_bounds_text(&d->now[i], bounds);
        text = predictor_line_encode(bounds, &d->lines[i], d->cold->res_s);
        rc = text ? predictor_cold_field(d, fields, &n, d->now[i].id, text)
                  : SHARDD_BAD;
    }

    for (i = 0; rc == SHARDD_OK && i < d->cold->nids; i++) {
        s = &d->cold->shards[i];

        if (s->bounds && !(d->seen[i] & 3)) {
            rc = predictor_cold_field(d, fields, &n, i, NULL);

        } else if (s->bounds && d->seen[i] == (1 | 4)) {
            text = predictor_line_encode(s->bounds, s->line, d->cold->res_s);
            rc = text ? predictor_cold_field(d, fields, &n, i, text)
                      : SHARDD_BAD;
        }
    }

    last = predictor_cold_put(d, fields, &n);

    return rc == SHARDD_OK ? last : rc;
}


/* what was written is what is known */

static int
predictor_cold_swap(predictor_cold_diff_t *d)
{
    char                     bounds[PREDICTOR_BOUNDS_TEXT];
    uint32_t                 i;
    predictor_cold_shard_t  *s;

    for (i = 0; i < d->cold->nids; i++) {
        s = &d->cold->shards[i];

        if (s->bounds && (d->seen[i] & 3) != 1) {
            free(s->bounds);
            free(s->line);
            free(s->borrow);
            memset(s, 0, sizeof(predictor_cold_shard_t));
            s->hour = -1;
        }
    }

    for (i = 0; i < d->nnow; i++) {
        s = &d->cold->shards[d->now[i].id];
        predictor_bounds_text(&d->now[i], bounds);
        s->bounds = strdup(bounds);

        if (s->bounds == NULL) {
            return SHARDD_BAD;
        }

        if (d->lines[i].npieces) {
            s->line = malloc(sizeof(predictor_line_t));

            if (s->line == NULL) {
                return SHARDD_BAD;
            }

            *s->line = d->lines[i];
        }
    }

    return SHARDD_OK;
}


int
predictor_cold_change(predictor_cold_t *c, const predictor_io_t *io,
    const shardd_table_t *table, const predictor_history_t *h, long since)
{
    int                    rc;
    predictor_cold_diff_t  d;

    if (c->known && c->version == table->version) {
        return SHARDD_OK;
    }

    memset(&d, 0, sizeof(predictor_cold_diff_t));
    d.cold = c;
    d.io = io;

    rc = predictor_cold_compare(&d, table);

    if (rc == SHARDD_OK) {
        rc = predictor_cold_before(&d, table->kind);
    }

    if (rc == SHARDD_OK) {
        predictor_cold_settle(&d, h);
        rc = predictor_cold_lines(&d, since);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_cold_write(&d);
    }

    if (rc == SHARDD_OK) {
        rc = predictor_cold_swap(&d);
    }

    if (rc == SHARDD_OK) {
        c->version = table->version;
        c->known = 1;
    }

    free(d.before);
    free(d.now);
    free(d.overlaps);
    free(d.lines);
    free(d.seen);

    return rc;
}
