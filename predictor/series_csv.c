
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "series_csv_parts.h"


static int predictor_csv_lines(predictor_csv_reader_t *r,
    uint32_t columns_max);
static void predictor_csv_survey(predictor_csv_reader_t r, uint32_t *columns,
    uint32_t *usual);
static int predictor_csv_header(predictor_csv_reader_t *r);
static int predictor_csv_line(predictor_csv_reader_t *r);
static int predictor_csv_row(predictor_csv_reader_t *r);
static int predictor_csv_step(predictor_csv_reader_t *r, uint64_t epoch,
    uint32_t *gap);
static int predictor_csv_grow(predictor_csv_reader_t *r, uint32_t rows);
static int predictor_csv_turn(predictor_csv_reader_t *r);
static int predictor_csv_memory(predictor_csv_reader_t *r);


int
predictor_csv_read(FILE *in, uint32_t interval_s, uint32_t columns_max,
    predictor_csv_t *out, char *err)
{
    int      rc;
    char    *text, *more;
    size_t   len, room;

    memset(out, 0, sizeof(predictor_csv_t));

    text = NULL;
    len = 0;
    room = 0;

    do {
        if (len == room) {
            room = room ? 2 * room : 65536;
            more = realloc(text, room);

            if (more == NULL) {
                free(text);
                snprintf(err, SHARD_ERR_SIZE, "out of memory");
                return SHARD_AGAIN;
            }

            text = more;
        }

        len += fread(text + len, 1, room - len, in);

    } while (!feof(in) && !ferror(in) && len <= PREDICTOR_CSV_BYTES_MAX);

    if (ferror(in)) {
        snprintf(err, SHARD_ERR_SIZE, "reading failed after %zu bytes: %s",
                 len, strerror(errno));
        rc = SHARD_AGAIN;

    } else if (len > PREDICTOR_CSV_BYTES_MAX) {
        snprintf(err, SHARD_ERR_SIZE, "more than %d MB: take fewer days or "
                 "fewer series", PREDICTOR_CSV_BYTES_MAX >> 20);
        rc = SHARD_ERROR;

    } else {
        rc = predictor_csv_text(text, len, interval_s, columns_max, out, err);
    }

    free(text);

    return rc;
}


int
predictor_csv_text(const char *text, size_t len, uint32_t interval_s,
    uint32_t columns_max, predictor_csv_t *out, char *err)
{
    int                     rc;
    predictor_csv_reader_t  r;

    static const char  mark[] = "\xef\xbb\xbf";

    memset(out, 0, sizeof(predictor_csv_t));
    memset(&r, 0, sizeof(predictor_csv_reader_t));

    r.next = text;
    r.end = text + len;
    r.err = err;
    r.out = out;

    if (len >= 3 && memcmp(text, mark, 3) == 0) {
        r.next += 3;
    }

    predictor_csv_survey(r, &out->columns, &r.usual);

    out->interval_s = interval_s ? interval_s : r.usual;

    rc = predictor_csv_lines(&r, columns_max);

    if (rc == SHARD_OK) {
        rc = predictor_csv_turn(&r);
    }

    if (rc != SHARD_OK) {
        predictor_csv_free(out);
    }

    return rc;
}


void
predictor_csv_free(predictor_csv_t *csv)
{
    free(csv->y);
    free(csv->name);
    memset(csv, 0, sizeof(predictor_csv_t));
}


static int
predictor_csv_lines(predictor_csv_reader_t *r, uint32_t columns_max)
{
    int          rc;
    const char  *p;

    for ( ;; ) {
        rc = predictor_csv_line(r);

        if (rc != SHARD_OK) {
            return rc == SHARD_AGAIN ? SHARD_OK : rc;
        }

        if (r->line == 1) {

            if (r->out->columns > columns_max) {
                p = predictor_csv_comma(r, r->text) + 1;

                return predictor_csv_error(r, predictor_csv_comma(r, p),
                                           columns_max == 1
                                           ? "more than one value in a line "
                                             "(expected \"epoch,value\")"
                                           : "more than 10000 series");
            }

            rc = predictor_csv_header(r);

            if (rc == SHARD_OK) {
                continue;
            }

            if (rc == SHARD_ERROR) {
                return predictor_csv_memory(r);
            }
        }

        rc = predictor_csv_row(r);

        if (rc != SHARD_OK) {
            return rc;
        }
    }
}


/*
 * What the whole text tells before any of it is taken: how many values a
 * line has, and the step that most lines have (majority vote of Boyer and
 * Moore).  Lines that cannot be read end it: they are told about later.
 */

static void
predictor_csv_survey(predictor_csv_reader_t r, uint32_t *columns,
    uint32_t *usual)
{
    char         ignored[SHARD_ERR_SIZE];
    uint64_t     epoch, step, votes;
    const char  *p;

    r.err = ignored;
    votes = 0;
    *columns = 0;
    *usual = 0;

    while (predictor_csv_line(&r) == SHARD_OK) {
        if (r.line == 1) {
            for (p = r.text; p < r.last; p++) {
                *columns += *p == ',';
            }
        }

        p = r.text;

        if (predictor_csv_epoch(&r, &p, &epoch) != SHARD_OK) {
            if (r.line == 1) {
                continue;
            }

            break;
        }

        step = epoch > r.before ? epoch - r.before : 0;

        if (r.before && step && step <= UINT32_MAX) {
            if (votes == 0) {
                *usual = (uint32_t) step;
            }

            votes += step == *usual ? 1 : (uint64_t) -1;
        }

        r.before = epoch;
    }

    *columns = *columns ? *columns : 1;
}


/* the names of the series, when the first line has some; SHARD_AGAIN: none */

static int
predictor_csv_header(predictor_csv_reader_t *r)
{
    size_t       len;
    uint32_t     i;
    const char  *p, *comma;

    r->out->name = calloc(r->out->columns, SHARD_NAME_SIZE);

    if (r->out->name == NULL) {
        return SHARD_ERROR;
    }

    p = predictor_csv_blanks(r, r->text);

    if (p == r->last || !(isalpha((unsigned char) *p) || *p == '"'
                          || *p == '#' || *p == '_'))
    {
        return SHARD_AGAIN;
    }

    p = predictor_csv_comma(r, p);

    for (i = 0; i < r->out->columns && p < r->last; i++, p = comma) {
        comma = predictor_csv_comma(r, p + 1);
        len = (size_t) (comma - p - 1);

        memcpy(r->out->name[i], p + 1,
               len < SHARD_NAME_SIZE ? len : SHARD_NAME_SIZE - 1);
    }

    return SHARD_OK;
}


/* SHARD_AGAIN when there is none, or only empty ones */

static int
predictor_csv_line(predictor_csv_reader_t *r)
{
    const char  *p, *end;

    if (r->next == r->end) {
        return SHARD_AGAIN;
    }

    r->text = r->next;
    r->line++;

    end = memchr(r->text, '\n', (size_t) (r->end - r->text));
    r->next = end ? end + 1 : r->end;
    r->last = end ? end : r->end;

    if (r->last > r->text && r->last[-1] == '\r') {
        r->last--;
    }

    if (predictor_csv_blanks(r, r->text) < r->last) {
        return SHARD_OK;
    }

    for (p = r->next; p < r->end; p++) {
        if (!isspace((unsigned char) *p)) {
            return predictor_csv_error(r, r->text, "an empty line "
                                       "(a gap is \"epoch,\")");
        }
    }

    return SHARD_AGAIN;
}


static int
predictor_csv_row(predictor_csv_reader_t *r)
{
    int          rc;
    double      *row;
    uint32_t     i, gap;
    uint64_t     epoch;
    const char  *p;

    p = r->text;

    if (predictor_csv_epoch(r, &p, &epoch) != SHARD_OK
        || predictor_csv_step(r, epoch, &gap) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    rc = predictor_csv_grow(r, gap + 1);

    if (rc != SHARD_OK) {
        return rc;
    }

    row = r->out->y + (size_t) (r->out->n - 1) * r->out->columns;

    for (i = 0; i < r->out->columns; i++) {

        if (p == r->last) {
            return predictor_csv_error(r, p, "fewer values than in the first "
                                       "line (a gap is an empty value)");
        }

        p++;

        if (predictor_csv_value(r, &p, &row[i]) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    if (p != r->last) {
        return predictor_csv_error(r, p, r->out->columns == 1
                                   ? "more than one value in a line (expected "
                                     "\"epoch,value\")"
                                   : "more values than in the first line");
    }

    r->out->known += !isnan(row[0]);
    r->before = epoch;

    return SHARD_OK;
}


/* how many steps were left out since the line before */

static int
predictor_csv_step(predictor_csv_reader_t *r, uint64_t epoch, uint32_t *gap)
{
    char      why[SHARD_ERR_SIZE - 32], hint[48];
    uint64_t  passed, steps;

    *gap = 0;

    if (r->out->n == 0) {
        r->out->start = epoch;
        return SHARD_OK;
    }

    if (epoch <= r->before) {
        return predictor_csv_error(r, r->text, epoch == r->before
                  ? "time does not grow: the same epoch as the line before "
                    "(keep one of them)"
                  : "time does not grow: the epoch is before the line before "
                    "(sort the lines)");
    }

    passed = epoch - r->before;

    if (r->out->interval_s == 0) {
        return predictor_csv_error(r, r->text, "the gap before this line is "
                                   "longer than a series may be");
    }

    if (passed % r->out->interval_s != 0) {
        hint[0] = '\0';

        if (r->usual && passed % r->usual == 0) {
            snprintf(hint, sizeof(hint), "; is --interval %u meant?",
                     r->usual);
        }

        snprintf(why, sizeof(why), "irregular step: %llu s after the line "
                 "before, which is no multiple of the interval of %u s%s",
                 (unsigned long long) passed, r->out->interval_s, hint);

        return predictor_csv_error(r, r->text, why);
    }

    steps = passed / r->out->interval_s - 1;

    if (steps >= PREDICTOR_SERIES_MAX) {
        return predictor_csv_error(r, r->text, "the gap before this line is "
                                   "longer than a series may be");
    }

    *gap = (uint32_t) steps;

    return SHARD_OK;
}


/* more rows, as gaps */

static int
predictor_csv_grow(predictor_csv_reader_t *r, uint32_t rows)
{
    double  *y;
    size_t   i, n, room;

    n = (size_t) r->out->n + rows;

    if (n > PREDICTOR_SERIES_MAX) {
        return predictor_csv_error(r, r->text,
                                   "the series has more than 1048576 steps");
    }

    if (n * r->out->columns > PREDICTOR_CSV_VALUES_MAX) {
        return predictor_csv_error(r, r->text, "more than 33554432 values in "
                                   "all: take fewer days or fewer series");
    }

    if (n > r->rows) {
        room = 2 * n < 1024 ? 1024 : 2 * n;

        if (room > PREDICTOR_CSV_VALUES_MAX / r->out->columns) {
            room = PREDICTOR_CSV_VALUES_MAX / r->out->columns;
        }

        y = realloc(r->out->y, room * r->out->columns * sizeof(double));

        if (y == NULL) {
            return predictor_csv_memory(r);
        }

        r->out->y = y;
        r->rows = (uint32_t) room;
    }

    for (i = (size_t) r->out->n * r->out->columns; i < n * r->out->columns;
         i++)
    {
        r->out->y[i] = NAN;
    }

    r->out->n = (uint32_t) n;

    return SHARD_OK;
}


/* rows of a time become columns of a series */

static int
predictor_csv_turn(predictor_csv_reader_t *r)
{
    double           *y;
    size_t            i, k;
    predictor_csv_t  *out;

    out = r->out;

    if (out->columns == 1 || out->n == 0) {
        return SHARD_OK;
    }

    y = malloc((size_t) out->n * out->columns * sizeof(double));

    if (y == NULL) {
        return predictor_csv_memory(r);
    }

    for (i = 0; i < out->n; i++) {
        for (k = 0; k < out->columns; k++) {
            y[k * out->n + i] = out->y[i * out->columns + k];
        }
    }

    free(out->y);
    out->y = y;

    return SHARD_OK;
}


static int
predictor_csv_memory(predictor_csv_reader_t *r)
{
    snprintf(r->err, SHARD_ERR_SIZE, "out of memory at line %u", r->line);

    return SHARD_AGAIN;
}
