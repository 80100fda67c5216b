
/* The lines of a file, and the cells they are gathered in. */


#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "import.h"


#define IMPORT_SLOTS_MAX  4000000
#define IMPORT_BYTES_MAX  ((size_t) 2 * 1024 * 1024 * 1024)


int
import_open(import_t *im, import_file_t *f, const char *path)
{
    memset(f, 0, sizeof(import_file_t));

    f->path = path;
    f->file = fopen(path, "r");

    if (f->file == NULL) {
        return shardctl_fail(im->ctl, "cannot open \"%s\": %m", path);
    }

    f->line = malloc(IMPORT_LINE_MAX);

    if (f->line == NULL) {
        import_close(f);
        return shardctl_fail(im->ctl, "out of memory");
    }

    return SHARDCTL_OK;
}


void
import_close(import_file_t *f)
{
    if (f->file) {
        fclose(f->file);
    }

    free(f->line);

    f->file = NULL;
    f->line = NULL;
}


int
import_line(import_t *im, import_file_t *f)
{
    size_t  len;

    do {
        if (fgets(f->line, IMPORT_LINE_MAX, f->file) == NULL) {

            if (ferror(f->file)) {
                shardctl_fail(im->ctl, "cannot read \"%s\": %m", f->path);
                return -1;
            }

            return 0;
        }

        f->number++;
        len = strlen(f->line);

        if ((len == 0 || f->line[len - 1] != '\n') && !feof(f->file)) {
            import_bad(im, f, len + 1, "a zero byte, or a line longer than "
                       "%d bytes", IMPORT_LINE_MAX);
            return -1;
        }

        f->line[strcspn(f->line, "\r\n")] = '\0';

    } while (f->line[0] == '\0');

    return 1;
}


int
import_bad(import_t *im, const import_file_t *f, size_t column,
    const char *fmt, ...)
{
    char     text[512];
    va_list  args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    return shardctl_fail(im->ctl, "%s:%zu:%zu: %s (nothing was imported)",
                         f->path, f->number, column, text);
}


/* makes room so that "slot" is among the rows */

static int
import_reach(import_t *im, long slot)
{
    long            first, last;
    size_t          need, size;
    import_cell_t **rows;

    first = (im->nslots == 0 || slot < im->first) ? slot : im->first;
    last = (im->nslots == 0 || slot > im->first + (long) im->nslots - 1)
           ? slot : im->first + (long) im->nslots - 1;

    if (last - first >= IMPORT_SLOTS_MAX) {
        return shardctl_fail(im->ctl, "the history spans more than %d rows of "
                             "%ld s: import fewer days (--days) or take a "
                             "longer --interval", IMPORT_SLOTS_MAX, im->res_s);
    }

    need = (size_t) (last - first + 1);

    if (need > im->size) {
        size = 2 * im->size + 1024;
        size = (size < need) ? need : size;
        rows = realloc(im->rows, size * sizeof(import_cell_t *));

        if (rows == NULL) {
            return shardctl_fail(im->ctl, "out of memory");
        }

        im->rows = rows;
        im->size = size;
    }

    if (im->nslots && first < im->first) {
        memmove(im->rows + (im->first - first), im->rows,
                im->nslots * sizeof(import_cell_t *));
        memset(im->rows, 0,
               (size_t) (im->first - first) * sizeof(import_cell_t *));
        im->nslots += (size_t) (im->first - first);
    }

    memset(im->rows + im->nslots, 0,
           (need - im->nslots) * sizeof(import_cell_t *));

    im->first = first;
    im->nslots = need;

    return SHARDCTL_OK;
}


int
import_add(import_t *im, long slot, size_t cell, double value, double weight)
{
    import_cell_t  **row;

    if (im->nslots == 0 || slot < im->first
        || slot >= im->first + (long) im->nslots)
    {
        if (import_reach(im, slot) != SHARDCTL_OK) {
            return SHARDCTL_FAILED;
        }
    }

    row = &im->rows[slot - im->first];

    if (*row == NULL) {
        im->bytes += im->width * sizeof(import_cell_t);

        if (im->bytes > IMPORT_BYTES_MAX) {
            return shardctl_fail(im->ctl, "the history needs more than %zu "
                                 "MB: import it in parts (--days)",
                                 IMPORT_BYTES_MAX / 1024 / 1024);
        }

        *row = calloc(im->width, sizeof(import_cell_t));

        if (*row == NULL) {
            return shardctl_fail(im->ctl, "out of memory");
        }
    }

    (*row)[cell].sum += (float) value;
    (*row)[cell].weight += (float) weight;

    return SHARDCTL_OK;
}


int
import_wanted(const import_t *im, int64_t start, int64_t epoch)
{
    int64_t  day;

    day = (epoch - start) / 86400 + 1;

    return im->day_first == 0
           || (epoch >= start && day >= im->day_first && day <= im->day_last);
}
