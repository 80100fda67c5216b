
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "series_csv_parts.h"


#define PREDICTOR_CSV_DIGITS   12       /* of an epoch in seconds */
#define PREDICTOR_CSV_NUMBER   64       /* bytes of a value, with its zero */


static int predictor_csv_number(predictor_csv_reader_t *r, const char *p,
    size_t len, double *value);


int
predictor_csv_epoch(predictor_csv_reader_t *r, const char **pos,
    uint64_t *epoch)
{
    const char  *p, *first;

    *epoch = 0;
    first = predictor_csv_blanks(r, *pos);

    for (p = first; p < r->last && isdigit((unsigned char) *p); p++) {
        if (p - first >= PREDICTOR_CSV_DIGITS) {
            return predictor_csv_error(r, p, "the epoch has too many digits "
                                       "(seconds are expected, no "
                                       "milliseconds)");
        }

        *epoch = *epoch * 10 + (uint64_t) (*p - '0');
    }

    if (p == first) {
        return predictor_csv_error(r, p, "an epoch in seconds is missing "
                                   "(expected \"epoch,value\")");
    }

    if (p < r->last && (*p == '-' || *p == '/' || *p == 'T')) {
        return predictor_csv_error(r, p, "dates are not read: make them "
                                   "seconds since 1970 (\"date +%s -d DATE\")"
                                   );
    }

    /* as spreadsheets and pandas write it */

    if (p < r->last && *p == '.') {
        do { p++; } while (p < r->last && *p == '0');
    }

    p = predictor_csv_blanks(r, p);

    if (p == r->last || *p != ',') {
        return predictor_csv_error(r, p, "a comma is missing after the epoch "
                                   "(expected \"epoch,value\")");
    }

    *pos = p;

    return SHARD_OK;
}


int
predictor_csv_value(predictor_csv_reader_t *r, const char **pos,
    double *value)
{
    size_t       i, len;
    const char  *p, *end, *next;

    static const char *const  gaps[] = { "", "nan", "na", "null" };

    p = predictor_csv_blanks(r, *pos);
    next = predictor_csv_comma(r, p);

    for (end = next; end > p && (end[-1] == ' ' || end[-1] == '\t'); end--) {
        /* void */
    }

    len = (size_t) (end - p);
    *pos = next;

    for (i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
        if (len == strlen(gaps[i]) && strncasecmp(p, gaps[i], len) == 0) {
            *value = NAN;
            return SHARD_OK;
        }
    }

    return predictor_csv_number(r, p, len, value);
}


static int
predictor_csv_number(predictor_csv_reader_t *r, const char *p, size_t len,
    double *value)
{
    char    number[PREDICTOR_CSV_NUMBER], *end;
    size_t  good;

    if (len >= PREDICTOR_CSV_NUMBER) {
        return predictor_csv_error(r, p, "the value is longer than 63 bytes");
    }

    memcpy(number, p, len);
    number[len] = '\0';

    /* strtod() alone would also take blanks, "inf" and hex */

    good = strspn(number, "0123456789+-.eE");

    if (good == len) {
        *value = strtod(number, &end);
        good = (size_t) (end - number);
    }

    if (good < len) {
        return predictor_csv_error(r, p + good, "the value is not a number "
                                   "(a gap is an empty value)");
    }

    if (!(fabs(*value) <= PREDICTOR_VALUE_MAX)) {
        return predictor_csv_error(r, p, "the value is beyond 1e15");
    }

    return SHARD_OK;
}


const char *
predictor_csv_blanks(const predictor_csv_reader_t *r, const char *p)
{
    while (p < r->last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p;
}


const char *
predictor_csv_comma(const predictor_csv_reader_t *r, const char *p)
{
    while (p < r->last && *p != ',') {
        p++;
    }

    return p;
}


int
predictor_csv_error(predictor_csv_reader_t *r, const char *at,
    const char *why)
{
    snprintf(r->err, SHARD_ERR_SIZE, "line %u, column %d: %s", r->line,
             (int) (at - r->text) + 1,
             at < r->last && *at == '\0' ? "a zero byte" : why);

    return SHARD_ERROR;
}
