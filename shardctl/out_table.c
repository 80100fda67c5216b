
/*
 * Tables for people: JSON rows through a description of columns, numbers to
 * the right, as wide as their widest cell.  Control characters never reach
 * the terminal.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shardctl.h"


#define TABLE_CELL_MAX     160
#define TABLE_COLUMNS_MAX  16
#define TABLE_BAR_WIDTH    12


typedef struct {
    char               text[TABLE_CELL_MAX];
    size_t             width;         /* in characters */
    shardctl_colour_e  colour;
} table_cell_t;


static const char *const  table_green[] = { "up", "steady", "ready", "done",
    "act", "ok", "live", "helped", NULL };
static const char *const  table_red[] = { "down", "rolled-back", "lost",
    "rolling-back", "held", "bad", "harmed", NULL };
static const char *const  table_yellow[] = { "draining", "shifting", "observe",
    "behind", "hold", "drain", "paused", "waits", NULL };


void
shardctl_safe(const char *text, char *buf, size_t size)
{
    char                 *p, *last;
    const unsigned char  *s;

    p = buf;
    last = buf + size - 1;

    for (s = (const unsigned char *) text; *s && p < last; s++) {

        if (*s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) {
            s++;
            *p++ = '?';

        } else {
            *p++ = ((*s < 0x20 && *s != '\n') || *s == 0x7f) ? '?' : (char) *s;
        }
    }

    /* no half character at the end */

    if (*s) {
        while (p > buf && ((unsigned char) p[-1] & 0xc0) == 0x80) {
            p--;
        }

        if (p > buf && (unsigned char) p[-1] >= 0xc0) {
            p--;
        }
    }

    *p = '\0';
}


static size_t
table_width(const char *text)
{
    size_t  n;

    for (n = 0; *text; text++) {
        n += ((unsigned char) *text & 0xc0) != 0x80;
    }

    return n;
}


const char *
shardctl_colour_start(shardctl_t *ctl, shardctl_colour_e colour)
{
    static const char *const  codes[] = {
        "", "\033[1m", "\033[2m", "\033[32m", "\033[33m", "\033[31m"
    };

    return ctl->colour ? codes[colour] : "";
}


const char *
shardctl_colour_end(shardctl_t *ctl)
{
    return ctl->colour ? "\033[0m" : "";
}


void
shardctl_put(shardctl_t *ctl, shardctl_colour_e colour, const char *text)
{
    char  safe[1024];

    shardctl_safe(text, safe, sizeof(safe));

    printf("%s%s%s", shardctl_colour_start(ctl, colour), safe,
           colour == SHARDCTL_PLAIN ? "" : shardctl_colour_end(ctl));
}


void
shardctl_title(shardctl_t *ctl, const char *title)
{
    printf("\n");
    shardctl_put(ctl, SHARDCTL_BOLD, title);
    printf("\n");
}


static int
table_among(const char *word, const char *const *words)
{
    for ( /* void */ ; *words; words++) {

        if (strcmp(word, *words) == 0) {
            return 1;
        }
    }

    return 0;
}


shardctl_colour_e
shardctl_state_colour(const char *state)
{
    if (table_among(state, table_green)) {
        return SHARDCTL_GREEN;
    }

    if (table_among(state, table_red)) {
        return SHARDCTL_RED;
    }

    return table_among(state, table_yellow) ? SHARDCTL_YELLOW : SHARDCTL_PLAIN;
}


/* a ratio of 1 fills it; what is beyond is marked by its end */

void
shardctl_bar(shardctl_t *ctl, double ratio, char *buf, size_t size)
{
    int          i, full;
    size_t       n;
    const char  *on, *off;

    on = ctl->utf8 ? "█" : "#";
    off = ctl->utf8 ? "░" : ".";

    full = isfinite(ratio) ? (int) lround(fmin(ratio, 1) * TABLE_BAR_WIDTH)
                           : 0;
    n = 0;

    for (i = 0; i < TABLE_BAR_WIDTH && n + 8 < size; i++) {
        n += (size_t) snprintf(buf + n, size - n, "%s", i < full ? on : off);
    }

    snprintf(buf + n, size - n, "%s", ratio > 1 ? "!" : "");
}


void
shardctl_time(double epoch_s, char *buf, size_t size)
{
    time_t     t;
    struct tm  tm;

    t = (time_t) epoch_s;

    if (!isfinite(epoch_s) || epoch_s < 0 || epoch_s > 253402300799.0
        || gmtime_r(&t, &tm) == NULL
        || strftime(buf, size, "%Y-%m-%d %H:%M:%SZ", &tm) == 0)
    {
        snprintf(buf, size, "-");
    }
}


void
shardctl_span(double ms, char *buf, size_t size)
{
    double       a;
    const char  *sign;

    if (!isfinite(ms)) {
        snprintf(buf, size, "-");
        return;
    }

    a = fabs(ms);
    sign = ms < 0 ? "-" : "";

    if (a < 1000) {
        snprintf(buf, size, "%s%.0f ms", sign, a);

    } else if (a < 60 * 1000) {
        snprintf(buf, size, "%s%.1f s", sign, a / 1000);

    } else if (a < 3600 * 1000.0) {
        snprintf(buf, size, "%s%ld min %02ld s", sign, (long) (a / 60000),
                 (long) (a / 1000) % 60);

    } else if (a < 48 * 3600 * 1000.0) {
        snprintf(buf, size, "%s%ld h %02ld min", sign, (long) (a / 3600000),
                 (long) (a / 60000) % 60);

    } else {
        snprintf(buf, size, "%s%.1f days", sign, a / 86400000);
    }
}


static void
table_list(const json_t *array, char *buf, size_t size)
{
    size_t         i, n;
    const json_t  *item;

    n = 0;
    buf[0] = '\0';

    json_array_foreach((json_t *) array, i, item) {

        if (n + 1 >= size) {
            break;
        }

        n += (size_t) snprintf(buf + n, size - n, "%s%s", i ? " " : "",
                               json_is_string(item) ? json_string_value(item)
                                                    : "-");
    }

    if (n == 0) {
        snprintf(buf, size, "-");
    }
}


static void
table_format(shardctl_t *ctl, const json_t *v, shardctl_format_e format,
    char *buf, size_t size)
{
    double       number;
    const char  *text;

    number = json_is_number(v) ? json_number_value(v) : NAN;

    if (format == SHARDCTL_TEXT || format == SHARDCTL_STATE) {
        text = json_string_value(v);
        snprintf(buf, size, "%s", (text && text[0]) ? text : "-");
        return;
    }

    if (format == SHARDCTL_LIST) {
        table_list(v, buf, size);
        return;
    }

    if (format == SHARDCTL_BAR) {
        shardctl_bar(ctl, number, buf, size);
        return;
    }

    if (!isfinite(number)) {
        snprintf(buf, size, "-");
        return;
    }

    switch (format) {

    case SHARDCTL_RATE:
        snprintf(buf, size, "%.1f", number);
        break;

    case SHARDCTL_PERCENT:
        snprintf(buf, size, "%.0f%%", number * 100);
        break;

    case SHARDCTL_BP:
        snprintf(buf, size, "%.0f%%", number / 100);
        break;

    case SHARDCTL_TIME_S:
        shardctl_time(number, buf, size);
        break;

    case SHARDCTL_TIME_MS:
        shardctl_time(number / 1000, buf, size);
        break;

    case SHARDCTL_SPAN_MS:
        shardctl_span(number, buf, size);
        break;

    case SHARDCTL_BYTES:
        snprintf(buf, size, number < 1e6 ? "%.0f B" : "%.1f MB",
                 number < 1e6 ? number : number / 1e6);
        break;

    default:
        snprintf(buf, size, "%.0f", number);
        break;
    }
}


static void
table_fill(shardctl_t *ctl, const json_t *row,
    const shardctl_column_t *columns, table_cell_t *cells)
{
    char           text[TABLE_CELL_MAX];
    double         ratio;
    size_t         i;
    const json_t  *v;

    for (i = 0; i < TABLE_COLUMNS_MAX && columns[i].key; i++) {
        v = json_object_get(row, columns[i].key);

        table_format(ctl, v, columns[i].format, text, sizeof(text));
        shardctl_safe(text, cells[i].text, sizeof(cells[i].text));

        cells[i].width = table_width(cells[i].text);
        cells[i].colour = SHARDCTL_PLAIN;

        if (columns[i].format == SHARDCTL_STATE) {
            cells[i].colour = shardctl_state_colour(cells[i].text);

        } else if (columns[i].format == SHARDCTL_BAR && json_is_number(v)) {
            ratio = json_number_value(v);
            cells[i].colour = ratio > 1 ? SHARDCTL_RED
                              : ratio > 0.9 ? SHARDCTL_YELLOW : SHARDCTL_GREEN;
        }
    }
}


static void
table_line(shardctl_t *ctl, const shardctl_column_t *columns,
    const table_cell_t *cells, const size_t *widths)
{
    int     right, last;
    size_t  i, pad;

    for (i = 0; i < TABLE_COLUMNS_MAX && columns[i].key; i++) {
        right = columns[i].format >= SHARDCTL_INT
                && columns[i].format != SHARDCTL_BAR;
        last = i + 1 == TABLE_COLUMNS_MAX || columns[i + 1].key == NULL;
        pad = widths[i] - cells[i].width;

        printf("%s%*s%s%s%s%*s", i ? "  " : "", right ? (int) pad : 0, "",
               shardctl_colour_start(ctl, cells[i].colour), cells[i].text,
               cells[i].colour == SHARDCTL_PLAIN ? ""
                                                 : shardctl_colour_end(ctl),
               (right || last) ? 0 : (int) pad, "");
    }

    printf("\n");
}


void
shardctl_table(shardctl_t *ctl, const json_t *rows,
    const shardctl_column_t *columns)
{
    size_t         i, c, n, width, widths[TABLE_COLUMNS_MAX];
    table_cell_t  *cells, head[TABLE_COLUMNS_MAX];

    n = json_array_size(rows);

    for (width = 0; width < TABLE_COLUMNS_MAX && columns[width].key; width++) {
        /* void */
    }

    cells = calloc(n * width + 1, sizeof(table_cell_t));

    if (cells == NULL) {
        fprintf(stderr, "out of memory for a table of %zu rows\n", n);
        return;
    }

    for (c = 0; c < width; c++) {
        snprintf(head[c].text, TABLE_CELL_MAX, "%s", columns[c].head);
        head[c].width = table_width(head[c].text);
        head[c].colour = SHARDCTL_DIM;
        widths[c] = head[c].width;
    }

    for (i = 0; i < n; i++) {
        table_fill(ctl, json_array_get(rows, i), columns,
                   &cells[i * width]);

        for (c = 0; c < width; c++) {

            if (cells[i * width + c].width > widths[c]) {
                widths[c] = cells[i * width + c].width;
            }
        }
    }

    table_line(ctl, columns, head, widths);

    for (i = 0; i < n; i++) {
        table_line(ctl, columns, &cells[i * width], widths);
    }

    free(cells);
}
