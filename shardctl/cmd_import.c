
/*
 * history import: what is asked, and the writing of rows.  A cell that the
 * files do not know keeps what the store has.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shardd_loop.h"
#include "import.h"


#define IMPORT_BATCH       288       /* rows read at once */
#define IMPORT_CELLS_MAX   4000000   /* of a batch */
#define IMPORT_REPORT_MS   250
#define IMPORT_SHARD_MAX   9999999


static const char *const  import_formats[] = { "trace", "fleet", "access",
    NULL };


static int
import_option_days(import_t *im)
{
    long         first, last;
    char        *end;
    const char  *text;

    text = shardctl_option(im->ctl, "days");

    if (text == NULL) {
        return SHARDCTL_OK;
    }

    first = strtol(text, &end, 10);
    last = first;

    if (end != text && *end == '-') {
        text = end + 1;
        last = strtol(text, &end, 10);
    }

    if (end == text || *end != '\0' || first < 1 || last < first
        || last > 100000)
    {
        return shardctl_usage(im->ctl, "\"--days %s\": A-B is needed, counted "
                              "from 1, both included",
                              shardctl_option(im->ctl, "days"));
    }

    im->day_first = first;
    im->day_last = last;

    return SHARDCTL_OK;
}


/* 0 when it is not given */

static int
import_option_shift(import_t *im, int64_t *shift_to)
{
    char        *end;
    const char  *text;

    *shift_to = 0;
    text = shardctl_option(im->ctl, "shift-to");

    if (text == NULL) {
        return SHARDCTL_OK;
    }

    if (strcmp(text, "now") == 0) {
        *shift_to = (int64_t) (shardd_now_ms() / 1000);
        return SHARDCTL_OK;
    }

    *shift_to = strtoll(text, &end, 10);

    if (end == text || *end != '\0' || *shift_to < 1
        || *shift_to > IMPORT_EPOCH_MAX)
    {
        return shardctl_usage(im->ctl, "\"--shift-to %s\": seconds since 1970 "
                              "or \"now\" are needed", text);
    }

    return SHARDCTL_OK;
}


static int
import_option_key(import_t *im)
{
    long         n;
    char        *end;
    const char  *text;

    text = shardctl_option(im->ctl, "key-field");
    im->key_field = text ? text : "last";

    if (text == NULL || strcmp(text, "last") == 0
        || (strncmp(text, "arg:", 4) == 0 && text[4]))
    {
        return SHARDCTL_OK;
    }

    n = strtol(text, &end, 10);

    if (end == text || *end != '\0' || n < 1 || n > 64) {
        return shardctl_usage(im->ctl, "\"--key-field %s\": a field number "
                              "from 1 to 64, \"arg:NAME\" or \"last\" is "
                              "needed", text);
    }

    return SHARDCTL_OK;
}


/* told from the first line of the first file when it is not given */

static int
import_option_format(import_t *im)
{
    int            rc, format;
    char          *comma;
    import_file_t  f;

    format = -1;

    if (shardctl_option_word(im->ctl, "format", import_formats, &format)) {
        return SHARDCTL_USAGE;
    }

    if (format < 0) {
        rc = import_open(im, &f, im->ctl->args[0]);

        if (rc != SHARDCTL_OK) {
            return rc;
        }

        rc = import_line(im, &f);

        if (rc == 0) {
            import_bad(im, &f, 1, "the file holds no data");
        }

        if (rc != 1) {
            import_close(&f);
            return SHARDCTL_FAILED;
        }

        comma = strchr(f.line, ',');
        format = (strchr(f.line, '[') && strchr(f.line, '"')) ? IMPORT_ACCESS
                 : (comma && (strchr(comma + 1, ',')
                              || strncmp(f.line, "epoch,", 6) == 0))
                 ? IMPORT_FLEET : IMPORT_TRACE;

        import_close(&f);
    }

    im->format = (import_format_e) format;
    im->base = (im->shard > 0) ? (size_t) im->shard : 0;

    if (im->format == IMPORT_TRACE && im->shard < 0) {
        return shardctl_usage(im->ctl, "of which shard is the trace \"%s\"? "
                              "--shard ID says it", im->ctl->args[0]);
    }

    if (im->format != IMPORT_TRACE && im->shard >= 0) {
        return shardctl_usage(im->ctl, "--shard ID is for --format trace, "
                              "this is \"%s\"", import_formats[format]);
    }

    return SHARDCTL_OK;
}


static int
import_table(import_t *im)
{
    int  rc;

    rc = shardctl_open(im->ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = shardd_table_load(&im->ctl->store, &im->table);

    if (rc == SHARDD_NONE) {
        memset(&im->table, 0, sizeof(shardd_table_t));

    } else if (rc != SHARDD_OK) {
        return shardctl_store_fail(im->ctl, rc, "cannot read the table");
    }

    if (im->format == IMPORT_ACCESS && im->table.nshards == 0) {
        return shardctl_fail(im->ctl, "keyspace \"%s\" has no table to look "
                             "keys up in: \"shardctl init\" makes it",
                             im->ctl->keyspace);
    }

    if (im->format == IMPORT_TRACE && im->table.nshards
        && shardd_table_shard(&im->table, (shard_id_t) im->shard) == NULL)
    {
        return shardctl_no_shard(im->ctl, &im->table, (shard_id_t) im->shard);
    }

    return SHARDCTL_OK;
}


static void
import_progress(import_t *im, size_t done, uint64_t begin_ms,
    uint64_t *report_ms)
{
    double    rate;
    uint64_t  now;

    now = shardd_monotonic_ms();

    if (im->ctl->json || !isatty(STDERR_FILENO)
        || (now < *report_ms + IMPORT_REPORT_MS && done < im->nslots))
    {
        return;
    }

    *report_ms = now;
    rate = (double) done * 1000 / (double) (now - begin_ms + 1);

    fprintf(stderr, "\r%zu of %zu rows, %.0f rows/s, %.0f s left  %s", done,
            im->nslots, rate, (double) (im->nslots - done) / (rate + 1e-9),
            done == im->nslots ? "\n" : "");
}


/* one batch: rows begin + 0 .. n - 1, to be written at slot */

static int
import_write_batch(import_t *im, size_t begin, size_t n, long slot,
    size_t width, float *buf)
{
    int                   rc;
    size_t                i, c;
    const import_cell_t  *row;

    rc = shardd_rows_range(&im->ctl->store, im->res_s, slot, n, buf, width);

    for (i = 0; rc == SHARDD_OK && i < n; i++) {
        row = im->rows[begin + i];

        if (row == NULL) {
            continue;
        }

        for (c = 0; c < im->width; c++) {

            if (row[c].weight > 0) {
                buf[i * width + im->base + c] = row[c].sum / row[c].weight;
            }
        }

        rc = shardd_rows_put(&im->ctl->store, im->res_s, slot + (long) i,
                             buf + i * width, width);
    }

    return rc;
}


static int
import_write(import_t *im, long slot)
{
    int        rc;
    float     *buf;
    size_t     i, n, width, batch;
    uint64_t   begin_ms, report_ms;

    width = im->base + im->width;

    for (i = 0; i < im->table.nshards; i++) {

        if (im->table.shards[i].id >= width) {
            width = (size_t) im->table.shards[i].id + 1;
        }
    }

    batch = IMPORT_CELLS_MAX / width;
    batch = (batch == 0) ? 1 : (batch > IMPORT_BATCH) ? IMPORT_BATCH : batch;
    buf = malloc(batch * width * sizeof(float));

    if (buf == NULL) {
        return shardctl_fail(im->ctl, "out of memory");
    }

    rc = SHARDD_OK;
    begin_ms = shardd_monotonic_ms();
    report_ms = begin_ms;

    for (i = 0; rc == SHARDD_OK && i < im->nslots; i += n) {
        n = (im->nslots - i < batch) ? im->nslots - i : batch;
        rc = import_write_batch(im, i, n, slot + (long) i, width, buf);
        import_progress(im, i + n, begin_ms, &report_ms);
    }

    free(buf);

    if (rc != SHARDD_OK) {
        return shardctl_store_fail(im->ctl, rc, "cannot write the history; a "
                                   "part of it is there, run it again");
    }

    return SHARDCTL_OK;
}


static int
import_report(import_t *im, long slot, uint64_t took_ms)
{
    char     from[40], to[40];
    size_t   i, rows;
    json_t  *out;

    rows = 0;

    for (i = 0; i < im->nslots; i++) {
        rows += im->rows[i] != NULL;
    }

    if (im->ctl->json) {
        out = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
                        "format", import_formats[im->format], "files",
                        (json_int_t) im->ctl->nargs, "lines",
                        (json_int_t) im->lines, "rows", (json_int_t) rows,
                        "shards", (json_int_t) im->width,
                        "interval_s", (json_int_t) im->res_s, "from",
                        (json_int_t) (slot * im->res_s), "to",
                        (json_int_t) ((slot + (long) im->nslots) * im->res_s),
                        "keyless", (json_int_t) im->keyless, "took_ms",
                        (json_int_t) took_ms);

        return shardctl_show(im->ctl, out);
    }

    shardctl_time((double) slot * (double) im->res_s, from, sizeof(from));
    shardctl_time((double) (slot + (long) im->nslots) * (double) im->res_s, to,
                  sizeof(to));

    printf("%llu lines (%s), %zu rows of %ld s, %zu shards, from %s to %s, "
           "%.2f s\n", (unsigned long long) im->lines,
           import_formats[im->format], rows, im->res_s, im->width, from, to,
           (double) took_ms / 1000);

    printf("a predictor reads history when it starts: restart one that runs "
           "already\n");

    if (im->keyless) {
        printf("%llu requests had no key and were left out\n",
               (unsigned long long) im->keyless);
    }

    return SHARDCTL_OK;
}


static int
import_files(import_t *im)
{
    int            rc;
    unsigned       i;
    import_file_t  f;

    rc = SHARDCTL_OK;

    for (i = 0; rc == SHARDCTL_OK && i < im->ctl->nargs; i++) {
        rc = import_open(im, &f, im->ctl->args[i]);

        if (rc != SHARDCTL_OK) {
            break;
        }

        rc = (im->format == IMPORT_ACCESS) ? import_access(im, &f)
                                           : import_series(im, &f);
        import_close(&f);
    }

    if (rc == SHARDCTL_OK && im->nslots == 0) {
        rc = shardctl_fail(im->ctl, "there is nothing to import of \"%s\"%s",
                           im->ctl->args[0],
                           im->day_first ? " in these days" : "");
    }

    return rc;
}


static int
import_run(import_t *im)
{
    int        rc;
    long       slot;
    int64_t    shift_to;
    uint64_t   begin_ms;

    begin_ms = shardd_monotonic_ms();

    rc = import_option_shift(im, &shift_to);

    if (rc == SHARDCTL_OK) {
        rc = import_option_format(im);
    }

    if (rc == SHARDCTL_OK) {
        rc = import_table(im);
    }

    if (rc == SHARDCTL_OK) {
        rc = import_files(im);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    slot = im->first;

    if (shift_to) {
        slot = (long) (shift_to / im->res_s) - (long) im->nslots;

        if (slot < 0) {
            return shardctl_usage(im->ctl, "\"--shift-to %lld\": the history "
                                  "would begin before 1970",
                                  (long long) shift_to);
        }
    }

    rc = import_write(im, slot);

    if (rc == SHARDCTL_OK) {
        rc = import_report(im, slot, shardd_monotonic_ms() - begin_ms);
    }

    return rc;
}


int
shardctl_cmd_history_import(shardctl_t *ctl)
{
    int       rc;
    size_t    i;
    import_t  im;

    memset(&im, 0, sizeof(import_t));

    im.ctl = ctl;
    im.res_s = 300;
    im.shard = -1;

    if (shardctl_option_long(ctl, "interval", 1, 86400, &im.res_s)
        || shardctl_option_long(ctl, "shard", 0, IMPORT_SHARD_MAX, &im.shard)
        || import_option_days(&im) || import_option_key(&im))
    {
        return SHARDCTL_USAGE;
    }

    rc = import_run(&im);

    for (i = 0; i < im.nslots; i++) {
        free(im.rows[i]);
    }

    free(im.rows);
    shardd_table_free(&im.table);

    return rc;
}
