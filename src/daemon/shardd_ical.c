
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shardd_ical_parts.h"


#define SHARDD_ICAL_DEPTH  8
#define SHARDD_ICAL_LINE   65536


static int shardd_ical_lines(shardd_ical_file_t *f, char *text, size_t len);
static int shardd_ical_components(shardd_ical_file_t *f, int events,
    shardd_ical_vevent_t *list, size_t *n);
static int shardd_ical_component(shardd_ical_file_t *f, size_t first,
    size_t last, int events, shardd_ical_vevent_t *list, size_t *n);
static int shardd_ical_zone_rule(const char *text);
static int shardd_ical_add_zone(shardd_ical_file_t *f, size_t first,
    size_t last);
static int shardd_ical_floating(shardd_ical_file_t *f);


int
shardd_ical_refuse(char *err, unsigned line, const char *fmt, ...)
{
    int      n;
    char    *p;
    va_list  args;

    n = snprintf(err, SHARD_ERR_SIZE, "line %u: ", line);

    va_start(args, fmt);
    vsnprintf(err + n, SHARD_ERR_SIZE - (size_t) n, fmt, args);
    va_end(args);

    for (p = err; *p; p++) {

        if ((unsigned char) *p < ' ' || *p == 0x7f) {
            *p = '?';
        }
    }

    return -1;
}


void
shardd_ical_free(shardd_ical_t *ical)
{
    size_t  i;

    for (i = 0; i < ical->n; i++) {
        free(ical->events[i].json);
    }

    free(ical->events);
    memset(ical, 0, sizeof(shardd_ical_t));
}


int
shardd_ical_read(const char *text, size_t len, const shardd_ical_ask_t *ask,
    shardd_ical_t *out, char *err)
{
    int                    rc;
    char                  *copy;
    size_t                 i, n;
    shardd_ical_file_t     f;
    shardd_ical_vevent_t  *list;

    memset(out, 0, sizeof(shardd_ical_t));
    memset(&f, 0, sizeof(f));
    f.ask = ask;
    f.err = err;
    n = 0;

    icalerror_set_errors_are_fatal(0);

    if (len > SHARDD_ICAL_BYTES) {
        return shardd_ical_refuse(err, 1, "a calendar has at most %d bytes",
                                  SHARDD_ICAL_BYTES);
    }

    copy = malloc(len + 1);
    list = calloc(SHARDD_ICAL_EVENTS, sizeof(shardd_ical_vevent_t));
    out->events = calloc(SHARDD_ICAL_EVENTS, sizeof(shardd_ical_event_t));

    if (!copy || !list || !out->events) {
        rc = shardd_ical_refuse(err, 1, "no memory");

    } else {
        memcpy(copy, text, len);
        copy[len] = '\0';
        rc = shardd_ical_lines(&f, copy, len);
    }

    if (rc == 0) {
        rc = shardd_ical_components(&f, 0, list, &n);
    }

    if (rc == 0) {
        rc = shardd_ical_floating(&f);
    }

    if (rc == 0) {
        rc = shardd_ical_components(&f, 1, list, &n);
    }

    if (rc == 0) {
        rc = shardd_ical_moved(&f, list, n);
    }

    for (i = 0; i < n && rc == 0; i++) {

        if (!list[i].cancelled) {
            rc = shardd_ical_record(&f, &list[i], out);
        }
    }

    for (i = 0; i < n; i++) {
        shardd_ical_vevent_free(&list[i]);
    }

    for (i = 0; i < f.nzones; i++) {
        icaltimezone_free(f.zones[i], 1);
    }

    free(f.lines);
    free(list);
    free(copy);

    if (rc != 0) {
        shardd_ical_free(out);
    }

    return rc;
}


/* cuts the text up in place; a line that begins with a blank goes on there */

static int
shardd_ical_lines(shardd_ical_file_t *f, char *text, size_t len)
{
    char      *p, *end, *last, *to;
    size_t     i, n;
    unsigned   line;

    for (i = 0, n = 1; i < len; i++) {
        n += text[i] == '\n';

        if (text[i] == '\0') {
            return shardd_ical_refuse(f->err, (unsigned) n, "a zero byte: "
                                      "this is no text");
        }
    }

    f->lines = calloc(n, sizeof(shardd_ical_line_t));

    if (f->lines == NULL) {
        return shardd_ical_refuse(f->err, 1, "no memory");
    }

    to = text;
    last = text + len;
    line = 0;

    /* a mark of the byte order */

    p = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;

    for ( /* void */ ; p < last; p = end + 1) {
        line++;
        end = memchr(p, '\n', (size_t) (last - p));
        end = end ? end : last;
        len = (size_t) (end - p);
        len -= len && p[len - 1] == '\r';

        if (len && (*p == ' ' || *p == '\t')) {

            if (f->n == 0) {
                return shardd_ical_refuse(f->err, line, "it continues a line "
                                          "that is not there");
            }

            memmove(to, p + 1, len - 1);
            to += len - 1;

        } else if (len) {
            to += f->n ? 1 : 0;
            memmove(to, p, len);
            f->lines[f->n].text = to;
            f->lines[f->n++].line = line;
            to += len;

        } else {
            continue;
        }

        /* there is room: at least the line's end was left out */

        *to = '\0';

        if ((size_t) (to - f->lines[f->n - 1].text) > SHARDD_ICAL_LINE) {
            return shardd_ical_refuse(f->err, line, "longer than %d bytes",
                                      SHARDD_ICAL_LINE);
        }
    }

    return f->n ? 0 : shardd_ical_refuse(f->err, 1, "it is empty");
}


/* time zones first, since events may come before them */

static int
shardd_ical_components(shardd_ical_file_t *f, int events,
    shardd_ical_vevent_t *list, size_t *n)
{
    size_t       i, depth, begin[SHARDD_ICAL_DEPTH];
    const char  *text;

    depth = 0;

    for (i = 0; i < f->n; i++) {
        text = f->lines[i].text;

        if (depth == 0 && strcasecmp(text, "BEGIN:VCALENDAR") != 0) {
            return shardd_ical_refuse(f->err, f->lines[i].line, "\"%.40s\": "
                                      "a calendar begins with "
                                      "BEGIN:VCALENDAR", text);
        }

        if (strncasecmp(text, "BEGIN:", 6) == 0) {

            if (depth == SHARDD_ICAL_DEPTH) {
                return shardd_ical_refuse(f->err, f->lines[i].line, "more "
                                          "than %d components within one "
                                          "another", SHARDD_ICAL_DEPTH);
            }

            begin[depth++] = i;
            continue;
        }

        if (strncasecmp(text, "END:", 4) != 0) {
            continue;
        }

        depth--;

        if (strcasecmp(text + 4, f->lines[begin[depth]].text + 6) != 0) {
            return shardd_ical_refuse(f->err, f->lines[i].line, "\"%.40s\" "
                                      "ends \"%.40s\" of line %u", text,
                                      f->lines[begin[depth]].text,
                                      f->lines[begin[depth]].line);
        }

        if (depth == 1
            && shardd_ical_component(f, begin[depth], i, events, list, n) != 0)
        {
            return -1;
        }
    }

    if (depth) {
        return shardd_ical_refuse(f->err, f->lines[begin[depth - 1]].line,
                                  "\"%.40s\" has no end",
                                  f->lines[begin[depth - 1]].text);
    }

    return 0;
}


static int
shardd_ical_component(shardd_ical_file_t *f, size_t first, size_t last,
    int events, shardd_ical_vevent_t *list, size_t *n)
{
    const char  *name;

    name = f->lines[first].text + 6;

    if (!events) {
        return strcasecmp(name, "VTIMEZONE") == 0
               ? shardd_ical_add_zone(f, first, last) : 0;
    }

    if (strcasecmp(name, "VEVENT") != 0) {
        return 0;
    }

    if (*n == SHARDD_ICAL_EVENTS) {
        return shardd_ical_refuse(f->err, f->lines[first].line, "more than "
                                  "%d events", SHARDD_ICAL_EVENTS);
    }

    list[*n].line = f->lines[first].line;

    return shardd_ical_vevent(f, first + 1, last, &list[(*n)++]);
}


/*
 * libical follows any rule through all the years there are, without end for
 * some that never come true: only what clocks really change by is let through.
 * 1: no rule, or such a one.
 */

static int
shardd_ical_zone_rule(const char *text)
{
    char         day[3], c;
    int          month, week, got;
    size_t       n;
    const char  *p;

    if (strncasecmp(text, "EXRULE", 6) == 0) {
        return 0;
    }

    if (strncasecmp(text, "RRULE", 5) != 0
        || (text[5] != ':' && text[5] != ';'))
    {
        return 1;
    }

    p = strchr(text, ':');
    got = 0;

    for (p = p ? p + 1 : ""; *p; p += n + (p[n] == ';')) {
        n = strcspn(p, ";");
        c = ';';

        if (n == 11 && strncasecmp(p, "FREQ=YEARLY", n) == 0) {
            got |= 1;

        } else if (sscanf(p, "BYMONTH=%2d%c", &month, &c) >= 1 && c == ';'
                   && month >= 1 && month <= 12)
        {
            got |= 2;

        } else if (sscanf(p, "BYDAY=%2d%2[A-Z]%c", &week, day, &c) >= 2
                   && c == ';' && week != 0 && abs(week) <= 5)
        {
            got |= 4;

        } else if (!(n < 23 && strncasecmp(p, "UNTIL=", 6) == 0)
                   && !(n == 10 && strncasecmp(p, "INTERVAL=1", n) == 0)
                   && !(n == 7 && strncasecmp(p, "WKST=", 5) == 0))
        {
            return 0;
        }
    }

    return got == 7;
}


static int
shardd_ical_add_zone(shardd_ical_file_t *f, size_t first, size_t last)
{
    char           *text, *p;
    size_t          i, len;
    icaltimezone   *zone;
    icalcomponent  *c;

    if (f->nzones == SHARDD_ICAL_ZONES) {
        return shardd_ical_refuse(f->err, f->lines[first].line, "more than %d "
                                  "time zones", SHARDD_ICAL_ZONES);
    }

    for (i = first, len = 1; i <= last; i++) {
        len += strlen(f->lines[i].text) + 2;

        if (!shardd_ical_zone_rule(f->lines[i].text)) {
            return shardd_ical_refuse(f->err, f->lines[i].line, "\"%.60s\": a "
                                      "time zone's clock changes by a rule as "
                                      "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU",
                                      f->lines[i].text);
        }
    }

    text = malloc(len);
    zone = icaltimezone_new();

    if (text == NULL || zone == NULL) {
        free(text);
        return shardd_ical_refuse(f->err, f->lines[first].line, "no memory");
    }

    for (i = first, p = text; i <= last; i++) {
        p += sprintf(p, "%s\r\n", f->lines[i].text);
    }

    c = icalcomponent_new_from_string(text);
    free(text);

    if (c == NULL || !icaltimezone_set_component(zone, c)) {
        icalcomponent_free(c);
        icaltimezone_free(zone, 1);
        return shardd_ical_refuse(f->err, f->lines[first].line, "libical "
                                  "finds no time zone here (TZID missing?)");
    }

    f->zones[f->nzones++] = zone;

    return 0;
}


/* of times that name no zone: as asked, as the file says, or UTC */

static int
shardd_ical_floating(shardd_ical_file_t *f)
{
    size_t       i;
    const char  *zone;
    unsigned     line;

    zone = f->ask->zone;
    line = 1;

    for (i = 0; zone == NULL && i < f->n; i++) {

        if (strncasecmp(f->lines[i].text, "X-WR-TIMEZONE:", 14) == 0) {
            zone = f->lines[i].text + 14;
            line = f->lines[i].line;
        }
    }

    if (zone == NULL || strcmp(zone, "UTC") == 0) {
        return 0;
    }

    f->floating = shardd_ical_zone(f, zone);

    return f->floating ? 0
           : shardd_ical_refuse(f->err, line, "time zone \"%.60s\" is "
                                "neither in the file nor known here", zone);
}
