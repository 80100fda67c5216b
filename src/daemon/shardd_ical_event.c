
/* One VEVENT, property by property. */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "shardd_ical_parts.h"


#define SHARDD_ICAL_DAY_S  86400
#define SHARDD_ICAL_LIST   4096         /* bytes of an EXDATE's line */


/* a property's line: name, parameters and all; value points behind the ":" */

typedef int (*shardd_ical_take_pt)(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);

static int shardd_ical_take_start(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_end(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_duration(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_rule(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_except(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_moved(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_uid(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_name(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_status(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_effect(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_shards(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_nodes(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);
static int shardd_ical_take_not(shardd_ical_file_t *f,
    shardd_ical_line_t *line, char *value, shardd_ical_vevent_t *e);


/* in this order: others need the start's zone */

static const struct {
    const char           *name;
    shardd_ical_take_pt   take;
    int                   many;
} shardd_ical_takes[] = {
    { "DTSTART", shardd_ical_take_start, 0 },
    { "DTEND", shardd_ical_take_end, 0 },
    { "DURATION", shardd_ical_take_duration, 0 },
    { "RRULE", shardd_ical_take_rule, 0 },
    { "EXDATE", shardd_ical_take_except, 1 },
    { "RECURRENCE-ID", shardd_ical_take_moved, 0 },
    { "UID", shardd_ical_take_uid, 0 },
    { "SUMMARY", shardd_ical_take_name, 0 },
    { "STATUS", shardd_ical_take_status, 0 },
    { "X-SHARD-EFFECT", shardd_ical_take_effect, 0 },
    { "X-SHARD-SHARDS", shardd_ical_take_shards, 0 },
    { "X-SHARD-NODES", shardd_ical_take_nodes, 0 },
    { "RDATE", shardd_ical_take_not, 0 },
    { "EXRULE", shardd_ical_take_not, 0 },
    { NULL, NULL, 0 }
};


void
shardd_ical_vevent_free(shardd_ical_vevent_t *e)
{
    json_decref(e->except);
    json_decref(e->shards);
    json_decref(e->nodes);
}


/* behind the ":" that ends name and parameters, NULL when there is none */

static char *
shardd_ical_value(char *text)
{
    int  quoted;

    quoted = 0;

    for ( /* void */ ; *text; text++) {
        quoted ^= *text == '"';

        if (*text == ':' && !quoted) {
            return text + 1;
        }
    }

    return NULL;
}


static int
shardd_ical_is(const char *text, const char *name)
{
    size_t  len;

    len = strlen(name);

    return strncasecmp(text, name, len) == 0
           && (text[len] == ':' || text[len] == ';');
}


int
shardd_ical_vevent(shardd_ical_file_t *f, size_t first, size_t last,
    shardd_ical_vevent_t *e)
{
    int                  depth;
    char                *value;
    size_t               i, k;
    unsigned             seen;
    shardd_ical_line_t  *line;

    e->except = json_array();

    for (k = 0; shardd_ical_takes[k].name; k++) {
        depth = 0;
        seen = 0;

        for (i = first; i < last; i++) {
            line = &f->lines[i];
            depth += strncasecmp(line->text, "BEGIN:", 6) == 0;
            depth -= strncasecmp(line->text, "END:", 4) == 0;

            if (depth || !shardd_ical_is(line->text,
                                         shardd_ical_takes[k].name))
            {
                continue;
            }

            value = shardd_ical_value(line->text);

            if (value == NULL) {
                return shardd_ical_refuse(f->err, line->line, "\"%.40s\" has "
                                          "no value", line->text);
            }

            if (seen && !shardd_ical_takes[k].many) {
                return shardd_ical_refuse(f->err, line->line, "%s twice, "
                                          "first in line %u",
                                          shardd_ical_takes[k].name, seen);
            }

            seen = line->line;

            if (shardd_ical_takes[k].take(f, line, value, e) != 0) {
                return -1;
            }
        }

        if (k == 0 && !seen) {
            return shardd_ical_refuse(f->err, e->line, "the event has no "
                                      "DTSTART");
        }
    }

    if (e->end_s == 0 && e->whole_days) {
        e->end_s = e->start_s + SHARDD_ICAL_DAY_S;
    }

    if (e->end_s <= e->start_s) {
        return shardd_ical_refuse(f->err, e->line, e->end_s
                                  ? "the event ends before it begins"
                                  : "the event lasts no time: it has neither "
                                    "DTEND nor DURATION");
    }

    return 0;
}


static int
shardd_ical_take_start(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    int  date;

    (void) value;

    if (shardd_ical_time_of(f, line, line->text, &e->start_s, &e->zone, &date)
        != 0)
    {
        return -1;
    }

    e->whole_days = date != 0;

    return 0;
}


static int
shardd_ical_take_end(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    int            date;
    icaltimezone  *zone;

    (void) value;

    return shardd_ical_time_of(f, line, line->text, &e->end_s, &zone, &date);
}


static int
shardd_ical_take_duration(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    struct icaldurationtype  d;

    d = icaldurationtype_from_string(value);

    if (e->end_s) {
        return shardd_ical_refuse(f->err, line->line, "DURATION and DTEND "
                                  "exclude each other");
    }

    if (icaldurationtype_is_bad_duration(d) || d.is_neg
        || d.weeks > 60 || d.days > 400 || d.hours > 10000
        || d.minutes > 600000 || d.seconds > 36000000
        || icaldurationtype_as_int(d) <= 0)
    {
        return shardd_ical_refuse(f->err, line->line, "\"%.60s\": not a "
                                  "duration of up to a year, as PT2H",
                                  line->text);
    }

    e->end_s = e->start_s + icaldurationtype_as_int(d);

    return 0;
}


/* the text itself: what the record's rule cannot say is refused there */

static int
shardd_ical_take_rule(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    char            err[SHARD_ERR_SIZE], *p;
    shard_str_t     text;
    shard_repeat_t  repeat;

    for (p = value; *p; p++) {
        *p = (char) (*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    }

    text.data = value;
    text.len = strlen(value);

    if (shard_repeat_decode(text, &repeat, err) != SHARD_OK) {
        return shardd_ical_refuse(f->err, line->line, "%s", err);
    }

    e->rule = value;

    return 0;
}


/* libical takes one value of a property at a time */

static int
shardd_ical_take_except(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    int            date;
    char           one[SHARDD_ICAL_LIST];
    size_t         head, len;
    int64_t        s;
    icaltimezone  *zone;

    head = (size_t) (value - line->text);

    for ( ;; ) {
        len = strcspn(value, ",");

        if (head + len >= sizeof(one)) {
            return shardd_ical_refuse(f->err, line->line, "EXDATE is too "
                                      "long");
        }

        memcpy(one, line->text, head);
        memcpy(one + head, value, len);
        one[head + len] = '\0';

        if (shardd_ical_time_of(f, line, one, &s, &zone, &date) != 0) {
            return -1;
        }

        json_array_append_new(e->except, shardd_ical_json_time(s));

        if (value[len] == '\0') {
            return 0;
        }

        value += len + 1;
    }
}


static int
shardd_ical_take_moved(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    int            date;
    icaltimezone  *zone;

    (void) value;

    if (strcasestr(line->text, ";RANGE=")) {
        return shardd_ical_refuse(f->err, line->line, "RANGE is not "
                                  "supported: end the event there by UNTIL "
                                  "and add another one");
    }

    return shardd_ical_time_of(f, line, line->text, &e->moved_s, &zone, &date);
}


static int
shardd_ical_take_uid(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    if (*value == '\0') {
        return shardd_ical_refuse(f->err, line->line, "UID is empty");
    }

    e->uid = value;

    return 0;
}


/* for people: what a record cannot hold is left out */

static int
shardd_ical_take_name(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    size_t   n;
    json_t  *good;

    (void) f;
    (void) line;

    for (n = 0; *value && n < sizeof(e->name) - 1; value++) {

        if (*value == '\\' && value[1]) {
            value++;
            e->name[n++] = *value == 'n' || *value == 'N' ? ' ' : *value;

        } else {
            e->name[n++] = (unsigned char) *value < ' ' ? ' ' : *value;
        }

        if (strchr("\"\\", e->name[n - 1])) {
            e->name[n - 1] = '\'';
        }
    }

    /* a character that was cut, or is none */

    for ( /* void */ ; n; n--) {
        e->name[n] = '\0';
        good = json_string(e->name);
        json_decref(good);

        if (good) {
            break;
        }
    }

    return 0;
}


static int
shardd_ical_take_status(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    (void) f;
    (void) line;

    e->cancelled = strcasecmp(value, "CANCELLED") == 0;

    return 0;
}


static int
shardd_ical_take_effect(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    (void) f;
    (void) line;

    e->effect = value;

    return 0;
}


static int
shardd_ical_take_shards(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    char                *end;
    unsigned long long   id;

    e->shards = json_array();

    do {
        id = strtoull(value, &end, 10);

        if (*value < '0' || *value > '9' || (*end && *end != ',')
            || id >= SHARD_ID_NONE)
        {
            return shardd_ical_refuse(f->err, line->line, "\"%.60s\": not "
                                      "shard ids as 1,2", line->text);
        }

        json_array_append_new(e->shards, json_integer((json_int_t) id));
        value = end + 1;

    } while (*end);

    return 0;
}


static int
shardd_ical_take_nodes(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    size_t   len;
    json_t  *name;

    e->nodes = json_array();

    for ( ;; ) {
        len = strcspn(value, ",");
        name = json_stringn(value, len);

        if (len == 0 || name == NULL) {
            json_decref(name);
            return shardd_ical_refuse(f->err, line->line, "\"%.60s\": not "
                                      "names of nodes as n1,n2", line->text);
        }

        json_array_append_new(e->nodes, name);

        if (value[len] == '\0') {
            return 0;
        }

        value += len + 1;
    }
}


static int
shardd_ical_take_not(shardd_ical_file_t *f, shardd_ical_line_t *line,
    char *value, shardd_ical_vevent_t *e)
{
    (void) value;
    (void) e;

    return shardd_ical_refuse(f->err, line->line, "\"%.40s\" is not "
                              "supported: make it an event of its own, or "
                              "part of RRULE and EXDATE", line->text);
}
