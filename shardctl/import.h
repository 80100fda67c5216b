
/*
 * "shardctl history import": every file is read and checked into memory,
 * time-major, and only then written.
 *
 *   lines ──▶ import_series.c  (trace, fleet) ──┐
 *         └─▶ import_access.c  (nginx log) ─────┴─▶ slots x shards ──▶ rows
 *                                                  import_cells.c    cmd_
 */


#ifndef _SHARDCTL_IMPORT_H_INCLUDED_
#define _SHARDCTL_IMPORT_H_INCLUDED_


#include "shardctl.h"


#define IMPORT_LINE_MAX   (4 * 1024 * 1024)
#define IMPORT_EPOCH_MAX  253402300799LL      /* the year 9999 */


typedef enum {
    IMPORT_TRACE = 0,
    IMPORT_FLEET,
    IMPORT_ACCESS
} import_format_e;


/* a mean over the points of one slot; weight 0 = unknown */

typedef struct {
    float             sum;
    float             weight;
} import_cell_t;

typedef struct {
    shardctl_t       *ctl;
    import_format_e   format;
    long              res_s;          /* seconds of a slot */
    long              shard;          /* of a trace, -1 = not given */
    long              day_first;      /* from 1; 0 = all days */
    long              day_last;
    const char       *key_field;

    shardd_table_t    table;          /* nshards 0: there is none */

    long              first;          /* slot of rows[0] */
    size_t            nslots;
    size_t            size;
    size_t            base;           /* shard id of a row's first cell */
    size_t            width;          /* cells of a row */
    size_t            bytes;
    import_cell_t   **rows;           /* NULL: nothing of this slot */

    uint64_t          lines;
    uint64_t          keyless;
} import_t;


/* one open file */

typedef struct {
    const char       *path;
    FILE             *file;
    char             *line;           /* IMPORT_LINE_MAX, without its end */
    size_t            number;
} import_file_t;


int import_open(import_t *im, import_file_t *f, const char *path);
void import_close(import_file_t *f);

/* 1 a line, 0 the end, -1 after a message */

int import_line(import_t *im, import_file_t *f);

shardctl_printf(4, 5)
int import_bad(import_t *im, const import_file_t *f, size_t column,
    const char *fmt, ...);

/* adds to a cell; the exit status */

int import_add(import_t *im, long slot, size_t cell, double value,
    double weight);

/* 1 when the day of "epoch" is wanted; "start" is the file's first second */

int import_wanted(const import_t *im, int64_t start, int64_t epoch);

int import_series(import_t *im, import_file_t *f);
int import_access(import_t *im, import_file_t *f);


#endif /* _SHARDCTL_IMPORT_H_INCLUDED_ */
