
#include <stdio.h>
#include <string.h>

#include "shard_json_whole.h"
#include "shardd_log_json.h"


#define LOG_VALUE    2048       /* of one conversion, without escapes */
#define LOG_MESSAGE  2048
#define LOG_NAMES    40         /* fields of a line, those of all included */
#define LOG_SPEC     32         /* of a conversion: "%-20.3llu" */
#define LOG_HEAD     256        /* of a name, at most: keyspaces have 63 */
#define LOG_ROOM     256        /* what fields leave the message */
#define LOG_TAIL     "\"truncated\":true}"


typedef struct {
    char         *p;            /* the line, and its end without the tail */
    char         *last;
    int           cut;

    const char   *names[LOG_NAMES];     /* in the format */
    size_t        lens[LOG_NAMES];
    int           nnames;

    char          message[LOG_MESSAGE];
    size_t        len;
} log_line_t;


typedef struct {
    char          text[LOG_SPEC];       /* "%", flags, width, ..., "d" */
    int           longs;                /* 2: long long */
    int           star;                 /* width or precision is an argument */
    const char   *next;                 /* behind it, NULL: it is none */
} log_spec_t;


static const char *const  log_nouns[] = { "shard", "node", "decision", NULL };


/* cut to what fits, and not within a character */

static void
log_string(log_line_t *l, const char *text, size_t len)
{
    char         *p;
    shard_str_t   str;

    str.data = text;
    str.len = len;

    for ( ;; ) {
        p = shard_json_quote(l->p, l->last, str);

        if (p) {
            l->p = p;
            return;
        }

        l->cut = 1;
        str.len = str.len / 8 * 7;

        while (str.len && ((unsigned char) text[str.len] & 0xc0) == 0x80) {
            str.len--;
        }
    }
}


/* 0 when there is one of this name, or no room for it and a short value */

static int
log_name(log_line_t *l, const char *name, size_t len)
{
    int  i;

    for (i = 0; i < l->nnames; i++) {
        if (l->lens[i] == len && memcmp(l->names[i], name, len) == 0) {
            return 0;
        }
    }

    if (l->nnames == LOG_NAMES || l->p + len + 40 > l->last) {
        l->cut = 1;
        return 0;
    }

    l->names[l->nnames] = name;
    l->lens[l->nnames++] = len;

    l->p += sprintf(l->p, "\"%.*s\":", (int) len, name);

    return 1;
}


static void
log_field(log_line_t *l, const char *name, size_t len, char conversion,
    const char *text, size_t text_len)
{
    shard_str_t  value;

    if (!log_name(l, name, len)) {
        return;
    }

    value.data = text;
    value.len = text_len;

    /* log_name() has left room for a number */

    if (strchr("diufeg", conversion) && text_len < 32) {

        if (shard_json_is_value(value)) {
            l->p = (char *) memcpy(l->p, text, text_len) + text_len;
            *l->p++ = ',';
            return;
        }

        if (strpbrk(text, "in")) {
            l->p = (char *) memcpy(l->p, "null,", 5) + 5;
            return;
        }
    }

    log_string(l, text, text_len);
    *l->p++ = ',';
}


static void
log_say(log_line_t *l, const char *text, size_t len)
{
    /* what a field took away leaves no gap */

    while (len && *text == ' ' && (l->len == 0
                                   || l->message[l->len - 1] == ' '))
    {
        text++;
        len--;
    }

    if (len > LOG_MESSAGE - l->len) {
        len = LOG_MESSAGE - l->len;
        l->cut = 1;
    }

    memcpy(l->message + l->len, text, len);
    l->len += len;
}


/* "text" is at a "%" */

static void
log_spec(log_spec_t *spec, const char *text)
{
    size_t  len;

    memset(spec, 0, sizeof(log_spec_t));

    len = 1 + strspn(text + 1, "-+ #0123456789.*");

    for ( /* void */ ; text[len] == 'l' || text[len] == 'z'; len++) {
        spec->longs++;
    }

    if (text[len] == '\0' || len + 1 >= LOG_SPEC
        || strchr("diuxcsfeg%", text[len]) == NULL
        || memchr(text, '*', len) != memrchr(text, '*', len))
    {
        return;
    }

    memcpy(spec->text, text, len + 1);
    spec->star = memchr(text, '*', len) != NULL;
    spec->next = text + len + 1;
}


/* "%.*s": its argument takes the star's place */

static void
log_star(log_spec_t *spec, int value)
{
    char  *star, rest[LOG_SPEC];

    star = strchr(spec->text, '*');
    strcpy(rest, star + 1);

    if (value < 0) {
        value = 0;
    }

    snprintf(star, LOG_SPEC - (size_t) (star - spec->text), "%d%s", value,
             rest);
}


/* what the conversion makes of the next argument; its length */

static size_t
log_convert(log_line_t *l, char *out, log_spec_t *spec, va_list *args)
{
    int  n;

    if (spec->star) {
        log_star(spec, va_arg(*args, int));
    }

    switch (spec->next[-1]) {

    case 's':
        n = snprintf(out, LOG_VALUE, spec->text, va_arg(*args, char *));
        break;

    case 'f':
    case 'e':
    case 'g':
        n = snprintf(out, LOG_VALUE, spec->text, va_arg(*args, double));
        break;

    case '%':
        n = snprintf(out, LOG_VALUE, "%%");
        break;

    default:
        n = spec->longs > 1
            ? snprintf(out, LOG_VALUE, spec->text, va_arg(*args, long long))
            : spec->longs
              ? snprintf(out, LOG_VALUE, spec->text, va_arg(*args, long))
              : snprintf(out, LOG_VALUE, spec->text, va_arg(*args, int));
    }

    if (n >= LOG_VALUE) {
        l->cut = 1;
        n = LOG_VALUE - 1;
    }

    return n < 0 ? 0 : (size_t) n;
}


/* the name that ends "before" the conversion, or NULL; *len is its length */

static const char *
log_key(const char *fmt, const char *before, size_t *len)
{
    size_t       n;
    const char  *p, *last;
    const char *const  *noun;

    if (before == fmt || (before[-1] != '=' && before[-1] != ' ')) {
        return NULL;
    }

    last = before - 1;

    for (p = last; p > fmt && ((p[-1] >= 'a' && p[-1] <= 'z')
                               || p[-1] == '_'); p--)
    {
        /* void */
    }

    n = (size_t) (last - p);

    if (n == 0 || (p > fmt && p[-1] != ' ')) {
        return NULL;
    }

    *len = n;

    if (*last == '=') {
        return p;
    }

    for (noun = log_nouns; *noun; noun++) {
        if (strlen(*noun) == n && memcmp(*noun, p, n) == 0) {
            return p;
        }
    }

    return NULL;
}


static void
log_walk(log_line_t *l, const char *fmt, va_list *args)
{
    char         value[LOG_VALUE];
    size_t       len, n;
    const char  *p, *from, *name;
    log_spec_t   spec;

    for (from = fmt; (p = strchr(from, '%')) != NULL; from = spec.next) {
        log_spec(&spec, p);

        /* without its type nothing behind it can be read either */

        if (spec.next == NULL) {
            break;
        }

        n = log_convert(l, value, &spec, args);
        name = log_key(fmt, p, &len);

        if (name && name >= from) {
            log_field(l, name, len, spec.next[-1], value, n);

            if (p[-1] == '=') {
                log_say(l, from, (size_t) (name - from));
                continue;
            }
        }

        log_say(l, from, (size_t) (p - from));
        log_say(l, value, n);
    }

    log_say(l, from, strlen(from));

    while (l->len && strchr(" ,:;", l->message[l->len - 1])) {
        l->len--;
    }
}


size_t
shardd_log_json(char *line, size_t size, const shardd_log_head_t *head,
    const char *fmt, va_list args)
{
    int         i;
    va_list     copy;
    log_line_t  l;

    static const char *const  others[] = { "message", "truncated" };

    const char  *names[] = { "time", "level", "program", "keyspace" };
    const char  *values[] = { head->time, head->level, head->program,
                              head->keyspace };

    memset(&l, 0, offsetof(log_line_t, message));
    l.len = 0;
    l.p = line;
    l.last = line + size - sizeof("," LOG_TAIL) - LOG_ROOM;
    *l.p++ = '{';

    for (i = 0; i < 4; i++) {
        if (values[i]) {
            log_field(&l, names[i], strlen(names[i]), 's', values[i],
                      strnlen(values[i], LOG_HEAD));
        }
    }

    for (i = 0; i < 2; i++) {
        l.names[l.nnames] = others[i];
        l.lens[l.nnames++] = strlen(others[i]);
    }

    va_copy(copy, args);
    log_walk(&l, fmt, &copy);
    va_end(copy);

    l.last += LOG_ROOM;
    l.p += sprintf(l.p, "\"message\":");
    log_string(&l, l.message, l.len);

    return (size_t) (l.p - line)
           + (size_t) sprintf(l.p, "%s", l.cut ? "," LOG_TAIL : "}");
}
