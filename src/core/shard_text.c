
#include <stdarg.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_text.h"


#define SHARD_TEXT_QUOTED   48      /* bytes of foreign text in a message */
#define SHARD_NEAREST_MAX   64      /* longer words have no nearest one */


static size_t shard_text_distance(shard_str_t a, shard_str_t b);


void
shard_text_open(shard_text_t *text, char *buf, size_t size)
{
    text->pos = buf;
    text->last = buf;
    text->full = (size == 0);

    if (size) {
        text->last = buf + size - 1;
        *buf = '\0';
    }
}


void
shard_text_add_str(shard_text_t *text, shard_str_t str)
{
    if (text->full || str.len > (size_t) (text->last - text->pos)) {
        text->full = 1;
        return;
    }

    if (str.len) {
        memcpy(text->pos, str.data, str.len);
    }

    text->pos += str.len;
    *text->pos = '\0';
}


void
shard_text_add(shard_text_t *text, const char *string)
{
    shard_text_add_str(text, shard_text_str(string));
}


void
shard_text_add_uint(shard_text_t *text, uint64_t value)
{
    char         digits[20];
    shard_str_t  str;

    str.data = digits + sizeof(digits);
    str.len = 0;

    do {
        str.data--;
        str.len++;
        digits[str.data - digits] = (char) ('0' + value % 10);
        value /= 10;
    } while (value);

    shard_text_add_str(text, str);
}


void
shard_text_add_quoted(shard_text_t *text, shard_str_t str)
{
    char         buf[SHARD_TEXT_QUOTED];
    size_t       i;
    shard_str_t  printable;

    printable.data = buf;
    printable.len = str.len < sizeof(buf) ? str.len : sizeof(buf);

    for (i = 0; i < printable.len; i++) {
        buf[i] = str.data[i];

        if (buf[i] < 0x20 || buf[i] > 0x7e) {
            buf[i] = '?';
        }
    }

    shard_text_add(text, "\"");
    shard_text_add_str(text, printable);
    shard_text_add(text, printable.len < str.len ? "...\"" : "\"");
}


void
shard_text_printable(char *string)
{
    for ( /* void */ ; *string; string++) {
        if (*string < 0x20 || *string > 0x7e) {
            *string = '?';
        }
    }
}


void
shard_text_add_field(shard_text_t *text, const char *name,
    const char *value, size_t size)
{
    shard_text_add(text, "\"");
    shard_text_add(text, name);
    shard_text_add(text, "\":\"");
    shard_text_add_str(text, shard_text_array(value, size));
    shard_text_add(text, "\"");
}


shard_str_t
shard_text_str(const char *string)
{
    shard_str_t  str;

    str.data = string;
    str.len = strlen(string);

    return str;
}


shard_str_t
shard_text_array(const char *array, size_t size)
{
    shard_str_t  str;

    str.data = array;

    for (str.len = 0; str.len < size && array[str.len]; str.len++) {
        /* void */
    }

    return str;
}


int
shard_text_equal(shard_str_t str, const char *word)
{
    size_t  len;

    len = strlen(word);

    return str.len == len && memcmp(str.data, word, len) == 0;
}


int
shard_refuse(char *err, const char *fmt, ...)
{
    va_list       args;
    shard_str_t   plain;
    shard_text_t  text;

    shard_text_open(&text, err, SHARD_ERR_SIZE);
    va_start(args, fmt);

    while (*fmt) {
        plain.data = fmt;

        while (*fmt && *fmt != '%') {
            fmt++;
        }

        plain.len = (size_t) (fmt - plain.data);
        shard_text_add_str(&text, plain);

        if (*fmt == '\0') {
            break;
        }

        switch (fmt[1]) {

        case 's':
            shard_text_add(&text, va_arg(args, const char *));
            break;

        case 'q':
            shard_text_add_quoted(&text, *va_arg(args, const shard_str_t *));
            break;

        default:
            shard_text_add_uint(&text, va_arg(args, unsigned));
            break;
        }

        fmt += 2;
    }

    va_end(args);

    return SHARD_ERROR;
}


int
shard_text_word(shard_str_t got, const char *const *words, const char *name,
    unsigned *index, char *err)
{
    unsigned      i;
    const char   *nearest;
    shard_text_t  text;

    for (i = 0; words[i] != NULL; i++) {
        if (shard_text_equal(got, words[i])) {
            *index = i;
            return SHARD_OK;
        }
    }

    shard_text_open(&text, err, SHARD_ERR_SIZE);
    shard_text_add(&text, "unknown ");
    shard_text_add(&text, name);
    shard_text_add(&text, " ");
    shard_text_add_quoted(&text, got);

    nearest = shard_nearest(got, words);

    if (nearest != NULL) {
        shard_text_add(&text, ", nearest is \"");
        shard_text_add(&text, nearest);
        shard_text_add(&text, "\"");
        return SHARD_ERROR;
    }

    shard_text_add(&text, ", known are");

    for (i = 0; words[i] != NULL; i++) {
        shard_text_add(&text, i ? ", " : " ");
        shard_text_add(&text, words[i]);
    }

    return SHARD_ERROR;
}


int
shard_id_decode(shard_str_t text, shard_id_t *id)
{
    uint64_t  value;

    if (text.len > 1 && text.data[0] == '0') {
        return SHARD_ERROR;
    }

    if (shard_uint64_decode(text, &value) != SHARD_OK
        || value >= SHARD_ID_NONE)
    {
        return SHARD_ERROR;
    }

    *id = (shard_id_t) value;

    return SHARD_OK;
}


int
shard_uint64_decode(shard_str_t text, uint64_t *value)
{
    size_t    i;
    uint64_t  n, digit;

    if (text.len == 0 || text.len > 20
        || (text.len > 1 && text.data[0] == '0'))
    {
        return SHARD_ERROR;
    }

    n = 0;

    for (i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return SHARD_ERROR;
        }

        digit = (uint64_t) (text.data[i] - '0');

        if (n > (UINT64_MAX - digit) / 10) {
            return SHARD_ERROR;
        }

        n = n * 10 + digit;
    }

    *value = n;

    return SHARD_OK;
}


int
shard_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}


int
shard_hex_decode(shard_str_t text, uint64_t *value)
{
    int       digit;
    size_t    i;
    uint64_t  n;

    if (text.len != 16) {
        return SHARD_ERROR;
    }

    n = 0;

    for (i = 0; i < 16; i++) {
        digit = shard_hex_digit(text.data[i]);

        if (digit < 0) {
            return SHARD_ERROR;
        }

        n = n << 4 | (uint64_t) digit;
    }

    *value = n;

    return SHARD_OK;
}


void
shard_hex_encode(uint64_t value, char *buf)
{
    size_t  i;

    for (i = 16; i > 0; i--) {
        buf[i - 1] = "0123456789abcdef"[value & 0xf];
        value >>= 4;
    }

    buf[16] = '\0';
}


int
shard_name_valid(shard_str_t name)
{
    char    c;
    size_t  i;

    if (name.len == 0 || name.len >= SHARD_NAME_SIZE) {
        return 0;
    }

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
              || (c >= '0' && c <= '9')
              || c == '_' || c == '.' || c == '-'))
        {
            return 0;
        }
    }

    return 1;
}


const char *
shard_nearest(shard_str_t text, const char *const *words)
{
    size_t       best, distance, longer;
    shard_str_t  word;
    const char  *nearest;

    if (text.len == 0 || text.len > SHARD_NEAREST_MAX) {
        return NULL;
    }

    nearest = NULL;
    best = SHARD_NEAREST_MAX;

    for ( /* void */ ; *words != NULL; words++) {
        word = shard_text_str(*words);

        if (word.len > SHARD_NEAREST_MAX) {
            continue;
        }

        distance = shard_text_distance(text, word);
        longer = word.len > text.len ? word.len : text.len;

        if (distance * 3 <= longer && distance < best) {
            best = distance;
            nearest = *words;
        }
    }

    return nearest;
}


/* Levenshtein, one row; both at most SHARD_NEAREST_MAX long */

static size_t
shard_text_distance(shard_str_t a, shard_str_t b)
{
    size_t  i, j, diagonal, above, row[SHARD_NEAREST_MAX + 1];

    for (j = 0; j <= b.len; j++) {
        row[j] = j;
    }

    for (i = 1; i <= a.len; i++) {
        diagonal = row[0];
        row[0] = i;

        for (j = 1; j <= b.len; j++) {
            above = row[j];
            row[j] = diagonal + (a.data[i - 1] != b.data[j - 1]);

            if (row[j] > above + 1) {
                row[j] = above + 1;
            }

            if (row[j] > row[j - 1] + 1) {
                row[j] = row[j - 1] + 1;
            }

            diagonal = above;
        }
    }

    return row[b.len];
}
