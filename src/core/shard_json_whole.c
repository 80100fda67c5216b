
#include <string.h>

#include "shard_json_whole.h"


/* "objects": bit d says that the container at depth d is an object */

typedef struct {
    const char  *p;
    const char  *last;
    unsigned     depth;
    uint32_t     objects;
} shard_json_scan_t;


static int shard_json_scan(shard_json_scan_t *scan);
static int shard_json_scan_value(shard_json_scan_t *scan);
static int shard_json_scan_next(shard_json_scan_t *scan);
static int shard_json_scan_name(shard_json_scan_t *scan);
static int shard_json_scan_string(shard_json_scan_t *scan);
static int shard_json_scan_escape(shard_json_scan_t *scan);
static int shard_json_scan_number(shard_json_scan_t *scan);
static int shard_json_scan_digits(shard_json_scan_t *scan);
static int shard_json_scan_word(shard_json_scan_t *scan, const char *word);
static void shard_json_scan_blanks(shard_json_scan_t *scan);
static unsigned shard_json_utf8(const char *p, const char *last);


int
shard_json_is_object(shard_str_t text)
{
    size_t  i;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] == '{') {
            return shard_json_is_value(text);
        }

        if (memchr(" \t\r\n", text.data[i], 4) == NULL) {
            break;
        }
    }

    return 0;
}


int
shard_json_is_value(shard_str_t text)
{
    shard_json_scan_t  scan;

    scan.p = text.data;
    scan.last = text.data + text.len;
    scan.depth = 0;
    scan.objects = 0;

    return shard_json_scan(&scan) == SHARD_OK;
}


static int
shard_json_scan(shard_json_scan_t *scan)
{
    int  rc;

    do {
        rc = shard_json_scan_value(scan);

        /* AGAIN: a container has begun, its first value comes next */

        if (rc == SHARD_OK) {
            rc = shard_json_scan_next(scan);
        }

    } while (rc == SHARD_AGAIN);

    return rc;
}


static int
shard_json_scan_value(shard_json_scan_t *scan)
{
    shard_json_scan_blanks(scan);

    if (scan->p == scan->last) {
        return SHARD_ERROR;
    }

    switch (*scan->p) {

    case '{':
    case '[':
        if (scan->depth == SHARD_JSON_DEPTH_MAX) {
            return SHARD_ERROR;
        }

        scan->objects &= ~((uint32_t) 1 << scan->depth);
        scan->objects |= (uint32_t) (*scan->p == '{') << scan->depth++;
        scan->p++;
        shard_json_scan_blanks(scan);

        if (scan->p < scan->last
            && *scan->p == ((scan->objects >> (scan->depth - 1) & 1) ? '}'
                                                                     : ']'))
        {
            scan->p++;
            scan->depth--;
            return SHARD_OK;
        }

        return (scan->objects >> (scan->depth - 1) & 1)
               ? shard_json_scan_name(scan) : SHARD_AGAIN;

    case '"':
        return shard_json_scan_string(scan);

    case 't':
        return shard_json_scan_word(scan, "true");

    case 'f':
        return shard_json_scan_word(scan, "false");

    case 'n':
        return shard_json_scan_word(scan, "null");

    default:
        return shard_json_scan_number(scan);
    }
}


/* behind a value: SHARD_AGAIN when another one must follow */

static int
shard_json_scan_next(shard_json_scan_t *scan)
{
    int  object;

    for ( ;; ) {
        shard_json_scan_blanks(scan);

        if (scan->depth == 0) {
            return scan->p == scan->last ? SHARD_OK : SHARD_ERROR;
        }

        if (scan->p == scan->last) {
            return SHARD_ERROR;
        }

        object = scan->objects >> (scan->depth - 1) & 1;

        if (*scan->p == ',') {
            scan->p++;
            return object ? shard_json_scan_name(scan) : SHARD_AGAIN;
        }

        if (*scan->p++ != (object ? '}' : ']')) {
            return SHARD_ERROR;
        }

        scan->depth--;
    }
}


/* a member's name and its colon: SHARD_AGAIN, for its value */

static int
shard_json_scan_name(shard_json_scan_t *scan)
{
    shard_json_scan_blanks(scan);

    if (scan->p == scan->last || *scan->p != '"'
        || shard_json_scan_string(scan) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    shard_json_scan_blanks(scan);

    if (scan->p == scan->last || *scan->p++ != ':') {
        return SHARD_ERROR;
    }

    return SHARD_AGAIN;
}


static int
shard_json_scan_string(shard_json_scan_t *scan)
{
    unsigned  n;

    scan->p++;

    while (scan->p < scan->last && *scan->p != '"') {

        if (*scan->p == '\\') {
            if (shard_json_scan_escape(scan) != SHARD_OK) {
                return SHARD_ERROR;
            }

            continue;
        }

        n = (unsigned char) *scan->p < ' '
            ? 0 : shard_json_utf8(scan->p, scan->last);

        if (n == 0) {
            return SHARD_ERROR;
        }

        scan->p += n;
    }

    if (scan->p == scan->last) {
        return SHARD_ERROR;
    }

    scan->p++;

    return SHARD_OK;
}


static int
shard_json_scan_escape(shard_json_scan_t *scan)
{
    unsigned  i;

    if (scan->last - scan->p < 2) {
        return SHARD_ERROR;
    }

    if (scan->p[1] != 'u') {
        if (memchr("\"\\/bfnrt", scan->p[1], 8) == NULL) {
            return SHARD_ERROR;
        }

        scan->p += 2;

        return SHARD_OK;
    }

    if (scan->last - scan->p < 6) {
        return SHARD_ERROR;
    }

    for (i = 2; i < 6; i++) {
        if (memchr("0123456789abcdefABCDEF", scan->p[i], 22) == NULL) {
            return SHARD_ERROR;
        }
    }

    scan->p += 6;

    return SHARD_OK;
}


static int
shard_json_scan_number(shard_json_scan_t *scan)
{
    if (*scan->p == '-') {
        scan->p++;
    }

    if (scan->p < scan->last && *scan->p == '0') {
        scan->p++;

    } else if (!shard_json_scan_digits(scan)) {
        return SHARD_ERROR;
    }

    if (scan->p < scan->last && *scan->p == '.') {
        scan->p++;

        if (!shard_json_scan_digits(scan)) {
            return SHARD_ERROR;
        }
    }

    if (scan->p < scan->last && (*scan->p == 'e' || *scan->p == 'E')) {
        scan->p++;

        if (scan->p < scan->last && (*scan->p == '+' || *scan->p == '-')) {
            scan->p++;
        }

        if (!shard_json_scan_digits(scan)) {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


static int
shard_json_scan_digits(shard_json_scan_t *scan)
{
    const char  *first;

    first = scan->p;

    while (scan->p < scan->last && *scan->p >= '0' && *scan->p <= '9') {
        scan->p++;
    }

    return scan->p > first;
}


static int
shard_json_scan_word(shard_json_scan_t *scan, const char *word)
{
    size_t  len;

    len = strlen(word);

    if ((size_t) (scan->last - scan->p) < len
        || memcmp(scan->p, word, len) != 0)
    {
        return SHARD_ERROR;
    }

    scan->p += len;

    return SHARD_OK;
}


static void
shard_json_scan_blanks(shard_json_scan_t *scan)
{
    while (scan->p < scan->last
           && (*scan->p == ' ' || *scan->p == '\t' || *scan->p == '\r'
               || *scan->p == '\n'))
    {
        scan->p++;
    }
}


/* length of the character at p, 0 when it is none: no surrogates, shortest */

static unsigned
shard_json_utf8(const char *p, const char *last)
{
    unsigned       i, n;
    unsigned char  c, low, high;

    c = (unsigned char) *p;

    if (c < 0x80) {
        return 1;
    }

    if (c < 0xc2 || c > 0xf4) {
        return 0;
    }

    n = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;

    if ((size_t) (last - p) < n) {
        return 0;
    }

    for (i = 1; i < n; i++) {
        c = (unsigned char) p[i];

        if (c < low || c > high) {
            return 0;
        }

        low = 0x80;
        high = 0xbf;
    }

    return n;
}


char *
shard_json_quote(char *p, char *last, shard_str_t text)
{
    if (last - p < 2) {
        return NULL;
    }

    *p++ = '"';
    p = shard_json_escape(p, last, text);

    if (p == NULL || p == last) {
        return NULL;
    }

    *p++ = '"';

    return p;
}


char *
shard_json_escape(char *p, char *last, shard_str_t text)
{
    size_t         i;
    unsigned       n;
    unsigned char  c;

    for (i = 0; i < text.len; i += n ? n : 1) {

        if (last - p < 6) {
            return NULL;
        }

        c = (unsigned char) text.data[i];
        n = shard_json_utf8(text.data + i, text.data + text.len);

        if (n == 0) {
            *p++ = '?';

        } else if (c == '"' || c == '\\') {
            *p++ = '\\';
            *p++ = (char) c;

        } else if (c < ' ') {
            memcpy(p, "\\u00", 4);
            p[4] = "0123456789abcdef"[c >> 4];
            p[5] = "0123456789abcdef"[c & 0xf];
            p += 6;

        } else {
            memcpy(p, text.data + i, n);
            p += n;
        }
    }

    return p;
}
