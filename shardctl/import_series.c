
/*
 * "timestamp,value" of one shard and "epoch,shard,shard,..." of a fleet.
 *
 * A point holds for the file's step, the median distance of two lines: in an
 * hourly file it fills twelve slots of 5 minutes, in a finer one the points
 * of a slot are averaged.  So a file is read twice.
 */


#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "import.h"


#define SERIES_VALUE_MAX  1e12


typedef struct {
    size_t    fields;         /* of every line, with the time */
    int64_t   start;          /* the first time */
    int64_t   last;
    int64_t  *deltas;
    size_t    ndeltas;
    size_t    size;
    int64_t   step_s;
    int       place;          /* the second reading */
} series_t;


static int
series_time(import_t *im, import_file_t *f, series_t *s, int64_t *epoch,
    char **rest)
{
    size_t  len;

    errno = 0;
    len = strcspn(f->line, ",");
    *epoch = strtoll(f->line, rest, 10);

    if (*rest == f->line || errno || **rest != ',') {
        return import_bad(im, f, 1, "\"%.*s\" is no time: whole seconds since "
                          "1970 are needed",
                          (int) (len < 40 ? len : 40), f->line);
    }

    if (*epoch < 0 || *epoch > IMPORT_EPOCH_MAX) {
        return import_bad(im, f, 1, "%lld is no time in seconds since 1970",
                          (long long) *epoch);
    }

    if (s->last >= 0 && *epoch <= s->last) {
        return import_bad(im, f, 1, "the time %lld is not after the line "
                          "before (%lld)", (long long) *epoch,
                          (long long) s->last);
    }

    return SHARDCTL_OK;
}


static int
series_value(import_t *im, import_file_t *f, char *p, char **end, double *v)
{
    size_t  len;

    len = strcspn(p, ",");
    *end = p + len;

    if (len == 0 || (len == 3 && strncasecmp(p, "nan", 3) == 0)) {
        *v = NAN;
        return SHARDCTL_OK;
    }

    *v = strtod(p, end);

    if (*end != p + len || !isfinite(*v)) {
        return import_bad(im, f, (size_t) (p - f->line) + 1, "\"%.*s\" is no "
                          "number", (int) (len < 40 ? len : 40), p);
    }

    if (*v < 0 || *v > SERIES_VALUE_MAX) {
        return import_bad(im, f, (size_t) (p - f->line) + 1, "%.*s requests/s "
                          "are no load: 0 to %g are",
                          (int) (len < 40 ? len : 40), p, SERIES_VALUE_MAX);
    }

    return SHARDCTL_OK;
}


static int
series_place(import_t *im, const series_t *s, int64_t epoch, size_t shard,
    double v)
{
    long  slot, end;

    slot = (long) (epoch / im->res_s);
    end = slot + 1;

    if (s->step_s > im->res_s) {
        end = (long) ((epoch + s->step_s) / im->res_s);
    }

    for ( /* void */ ; slot < end; slot++) {

        if (import_add(im, slot, shard, v, 1) != SHARDCTL_OK) {
            return SHARDCTL_FAILED;
        }
    }

    return SHARDCTL_OK;
}


static int
series_delta(import_t *im, series_t *s, int64_t delta)
{
    int64_t  *grown;

    if (s->ndeltas == s->size) {
        s->size = 2 * s->size + 1024;
        grown = realloc(s->deltas, s->size * sizeof(int64_t));

        if (grown == NULL) {
            return shardctl_fail(im->ctl, "out of memory");
        }

        s->deltas = grown;
    }

    s->deltas[s->ndeltas++] = delta;

    return SHARDCTL_OK;
}


static int
series_data(import_t *im, import_file_t *f, series_t *s)
{
    char     *p;
    double    v;
    size_t    i;
    int64_t   epoch;

    if (series_time(im, f, s, &epoch, &p) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    for (i = 1; *p == ','; i++) {

        if (series_value(im, f, p + 1, &p, &v) != SHARDCTL_OK) {
            return SHARDCTL_FAILED;
        }

        if (i >= s->fields) {
            continue;
        }

        if (s->place && isfinite(v) && import_wanted(im, s->start, epoch)
            && series_place(im, s, epoch, im->format == IMPORT_TRACE
                            ? 0 : i - 1, v)
               != SHARDCTL_OK)
        {
            return SHARDCTL_FAILED;
        }
    }

    if (i != s->fields) {
        return import_bad(im, f, (size_t) (p - f->line) + 1, "%zu fields "
                          "where the first line has %zu", i, s->fields);
    }

    if (!s->place) {

        if (s->last < 0) {
            s->start = epoch;

        } else if (series_delta(im, s, epoch - s->last) != SHARDCTL_OK) {
            return SHARDCTL_FAILED;
        }

        im->lines++;
    }

    s->last = epoch;

    return SHARDCTL_OK;
}


static size_t
series_fields(const char *line)
{
    size_t  n;

    for (n = 1; *line; line++) {
        n += *line == ',';
    }

    return n;
}


/* every column of a fleet is a shard; the table must have it */

static int
series_width(import_t *im, import_file_t *f, series_t *s)
{
    size_t  shards;

    shards = s->fields - 1;

    if (im->format == IMPORT_TRACE) {

        if (s->fields != 2) {
            return import_bad(im, f, 1, "\"timestamp,value\" is needed, this "
                              "line has %zu fields (--format fleet?)",
                              s->fields);
        }

        shards = 1;
    }

    if (shards == 0) {
        return import_bad(im, f, 1, "\"epoch,shard,shard,...\" is needed");
    }

    if (im->format == IMPORT_FLEET && im->table.nshards
        && shardd_table_shard(&im->table, (shard_id_t) (shards - 1)) == NULL)
    {
        return import_bad(im, f, 1, "column %zu would be shard %zu, which "
                          "keyspace \"%s\" does not have: it has %zu",
                          s->fields, shards - 1, im->ctl->keyspace,
                          im->table.nshards);
    }

    if (im->rows && shards > im->width) {
        return import_bad(im, f, 1, "%zu shards, the files before have %zu",
                          shards, im->width);
    }

    im->width = (shards > im->width) ? shards : im->width;

    return SHARDCTL_OK;
}


static int
series_read(import_t *im, import_file_t *f, series_t *s)
{
    int  rc;

    s->last = -1;
    f->number = 0;
    rewind(f->file);

    while ((rc = import_line(im, f)) == 1) {

        if (s->fields == 0) {
            s->fields = series_fields(f->line);

            if (series_width(im, f, s) != SHARDCTL_OK) {
                return SHARDCTL_FAILED;
            }
        }

        /* a head is a first line that does not begin with a number */

        if (f->number == 1 && (f->line[0] < '0' || f->line[0] > '9')
            && f->line[0] != '-')
        {
            continue;
        }

        if (series_data(im, f, s) != SHARDCTL_OK) {
            return SHARDCTL_FAILED;
        }
    }

    if (rc == 0 && s->last < 0) {
        return import_bad(im, f, 1, "the file holds no data");
    }

    return (rc == 0) ? SHARDCTL_OK : SHARDCTL_FAILED;
}


static int
series_compare(const void *one, const void *two)
{
    int64_t  a, b;

    a = *(const int64_t *) one;
    b = *(const int64_t *) two;

    return (a > b) - (a < b);
}


int
import_series(import_t *im, import_file_t *f)
{
    int       rc;
    series_t  s;

    memset(&s, 0, sizeof(series_t));

    rc = series_read(im, f, &s);

    if (rc == SHARDCTL_OK) {

        if (s.ndeltas) {
            qsort(s.deltas, s.ndeltas, sizeof(int64_t), series_compare);
            s.step_s = s.deltas[s.ndeltas / 2];
        }

        s.place = 1;
        rc = series_read(im, f, &s);
    }

    free(s.deltas);

    return rc;
}
