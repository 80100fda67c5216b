
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "series_csv.h"


#define PREDICTOR_CSV_LINE     128      /* bytes, with line feed and zero */
#define PREDICTOR_CSV_DIGITS   12       /* of an epoch in seconds */


typedef struct {
    FILE             *in;
    char             *err;
    uint32_t          interval_s;
    uint32_t          line;             /* number, from 1 */
    uint32_t          room;             /* values that fit into out->y */
    uint64_t          last;             /* epoch of the line before */
    predictor_csv_t  *out;
    char              text[PREDICTOR_CSV_LINE];
} predictor_csv_reader_t;


static int predictor_csv_lines(predictor_csv_reader_t *r);
static int predictor_csv_line(predictor_csv_reader_t *r);
static int predictor_csv_parse(predictor_csv_reader_t *r, uint64_t *epoch,
    double *value);
static int predictor_csv_value(predictor_csv_reader_t *r, const char *p,
    double *value);
static int predictor_csv_step(predictor_csv_reader_t *r, uint64_t epoch,
    uint32_t *gap);
static int predictor_csv_push(predictor_csv_reader_t *r, double value);
static int predictor_csv_error(predictor_csv_reader_t *r, const char *at,
    const char *why);


int
predictor_csv_read(FILE *in, uint32_t interval_s, predictor_csv_t *out,
    char *err)
{
    int                     rc;
    predictor_csv_reader_t  r;

    memset(out, 0, sizeof(predictor_csv_t));
    memset(&r, 0, sizeof(predictor_csv_reader_t));

    r.in = in;
    r.err = err;
    r.interval_s = interval_s;
    r.out = out;

    rc = predictor_csv_lines(&r);

    if (rc != SHARD_OK) {
        free(out->y);
        memset(out, 0, sizeof(predictor_csv_t));
    }

    return rc;
}


static int
predictor_csv_lines(predictor_csv_reader_t *r)
{
    int       rc;
    double    value;
    uint32_t  gap;
    uint64_t  epoch;

    for ( ;; ) {
        rc = predictor_csv_line(r);

        if (rc != SHARD_OK) {
            return rc == SHARD_AGAIN ? SHARD_OK : rc;
        }

        if (r->line == 1 && isalpha((unsigned char) r->text[0])) {
            continue;
        }

        if (predictor_csv_parse(r, &epoch, &value) != SHARD_OK
            || predictor_csv_step(r, epoch, &gap) != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        while (gap--) {
            if (predictor_csv_push(r, NAN) != SHARD_OK) {
                return SHARD_ERROR;
            }
        }

        if (predictor_csv_push(r, value) != SHARD_OK) {
            return SHARD_ERROR;
        }

        r->last = epoch;
    }
}


/* the next line without its end; SHARD_AGAIN when there is none */

static int
predictor_csv_line(predictor_csv_reader_t *r)
{
    size_t  len;

    if (fgets(r->text, PREDICTOR_CSV_LINE, r->in) == NULL) {
        if (ferror(r->in)) {
            snprintf(r->err, SHARD_ERR_SIZE, "reading after line %u failed: "
                     "%s", r->line, strerror(errno));
            return SHARD_ERROR;
        }

        return SHARD_AGAIN;
    }

    r->line++;
    len = strlen(r->text);

    if (len == 0 || (r->text[len - 1] != '\n' && !feof(r->in))) {
        return predictor_csv_error(r, r->text + len,
                                   len == PREDICTOR_CSV_LINE - 1
                                   ? "the line is too long"
                                   : "the line has a zero byte");
    }

    while (len && (r->text[len - 1] == '\n' || r->text[len - 1] == '\r')) {
        r->text[--len] = '\0';
    }

    return SHARD_OK;
}


static int
predictor_csv_parse(predictor_csv_reader_t *r, uint64_t *epoch,
    double *value)
{
    const char  *p;

    *epoch = 0;

    for (p = r->text; isdigit((unsigned char) *p); p++) {
        if (p - r->text >= PREDICTOR_CSV_DIGITS) {
            return predictor_csv_error(r, p, "the epoch has too many digits "
                                       "(seconds are expected)");
        }

        *epoch = *epoch * 10 + (uint64_t) (*p - '0');
    }

    if (p == r->text) {
        return predictor_csv_error(r, p, "an epoch in seconds is missing "
                                   "(expected \"epoch,value\")");
    }

    if (*p != ',') {
        return predictor_csv_error(r, p, "a comma is missing after the epoch "
                                   "(expected \"epoch,value\")");
    }

    return predictor_csv_value(r, p + 1, value);
}


static int
predictor_csv_value(predictor_csv_reader_t *r, const char *p, double *value)
{
    char    *end;
    size_t   good;

    if (*p == '\0') {
        *value = NAN;
        return SHARD_OK;
    }

    /* strtod() alone would also take blanks, "inf", "nan" and hex */

    good = strspn(p, "0123456789+-.eE");

    if (p[good] != '\0') {
        return predictor_csv_error(r, p + good, "the value is not a number "
                                   "(a gap is an empty value)");
    }

    *value = strtod(p, &end);

    if (*end != '\0') {
        return predictor_csv_error(r, end, "the value is not a number "
                                   "(a gap is an empty value)");
    }

    if (!(fabs(*value) <= PREDICTOR_VALUE_MAX)) {
        return predictor_csv_error(r, p, "the value is beyond 1e15");
    }

    return SHARD_OK;
}


/* how many steps were left out since the line before */

static int
predictor_csv_step(predictor_csv_reader_t *r, uint64_t epoch, uint32_t *gap)
{
    char      why[SHARD_ERR_SIZE / 2];
    uint64_t  steps;

    *gap = 0;

    if (r->out->n == 0) {
        r->out->start = epoch;
        return SHARD_OK;
    }

    if (epoch <= r->last) {
        return predictor_csv_error(r, r->text, "time does not grow: the "
                                   "epoch is not after the line before");
    }

    if ((epoch - r->last) % r->interval_s != 0) {
        snprintf(why, sizeof(why), "irregular step: %llu s after the line "
                 "before, which is no multiple of the interval of %u s",
                 (unsigned long long) (epoch - r->last), r->interval_s);

        return predictor_csv_error(r, r->text, why);
    }

    steps = (epoch - r->last) / r->interval_s - 1;

    if (steps >= PREDICTOR_SERIES_MAX) {
        return predictor_csv_error(r, r->text, "the gap before this line is "
                                   "longer than a series may be");
    }

    *gap = (uint32_t) steps;

    return SHARD_OK;
}


static int
predictor_csv_push(predictor_csv_reader_t *r, double value)
{
    double    *y;
    uint32_t   room;

    if (r->out->n == PREDICTOR_SERIES_MAX) {
        return predictor_csv_error(r, r->text,
                                   "the series has more than 1048576 steps");
    }

    if (r->out->n == r->room) {
        room = r->room ? 2 * r->room : 1024;
        y = realloc(r->out->y, room * sizeof(double));

        if (y == NULL) {
            return predictor_csv_error(r, r->text, "out of memory");
        }

        r->out->y = y;
        r->room = room;
    }

    r->out->y[r->out->n++] = value;
    r->out->known += !isnan(value);

    return SHARD_OK;
}


static int
predictor_csv_error(predictor_csv_reader_t *r, const char *at,
    const char *why)
{
    snprintf(r->err, SHARD_ERR_SIZE, "line %u, column %d: %s", r->line,
             (int) (at - r->text) + 1, why);

    return SHARD_ERROR;
}
