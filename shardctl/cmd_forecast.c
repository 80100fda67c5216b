
/* forecast and history show: one shard's figures, and its picture. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shardctl.h"


#define FORECAST_HISTORY_MIN  288        /* steps before the forecast */
#define FORECAST_HISTORY_MAX  2016
#define FORECAST_ROWS_MAX     100000


static int
forecast_shard(shardctl_t *ctl, shard_id_t *id)
{
    int              rc, found;
    shardd_table_t   table;

    if (shardctl_shard_arg(ctl, ctl->args[0], id) != SHARDCTL_OK) {
        return SHARDCTL_USAGE;
    }

    rc = shardctl_load(ctl, &table);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    found = shardd_table_shard(&table, *id) != NULL;
    rc = found ? SHARDCTL_OK : shardctl_no_shard(ctl, &table, *id);

    shardd_table_free(&table);

    return rc;
}


/* n slots of one shard, from "first" on; NaN = unknown */

static int
forecast_history(shardctl_t *ctl, shard_id_t id, long res_s, long first,
    size_t n, double *history)
{
    int      rc;
    float   *rows;
    size_t   i, j, k, width, chunk;

    width = (size_t) id + 1;
    chunk = 4 * 1024 * 1024 / width;
    chunk = (chunk == 0) ? 1 : (chunk > n) ? n : chunk;

    rows = malloc(chunk * width * sizeof(float));

    if (rows == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    for (i = 0; i < n; i += k) {
        k = (n - i < chunk) ? n - i : chunk;

        rc = shardd_rows_range(&ctl->store, res_s, first + (long) i, k, rows,
                               width);

        if (rc != SHARDD_OK) {
            free(rows);
            return shardctl_store_fail(ctl, rc, "cannot read the history");
        }

        for (j = 0; j < k; j++) {
            history[i + j] = (double) rows[j * width + id];
        }
    }

    free(rows);

    return SHARDCTL_OK;
}


static json_t *
forecast_json(shard_id_t id, const shardctl_forecast_t *f)
{
    char      key[24];
    size_t    i;
    json_t   *rows, *row;
    unsigned  q;

    rows = json_array();

    for (i = 0; i < f->n; i++) {
        row = json_pack("{s:I, s:o}", "epoch",
                        (json_int_t) (f->at + (long) (i + 1) * f->step_s),
                        "mean", shardctl_number(f->mean[i]));

        for (q = 0; q < f->nq; q++) {
            snprintf(key, sizeof(key), "q%.10g", f->q[q]);
            json_object_set_new(row, key, shardctl_number(f->value[q][i]));
        }

        json_array_append_new(rows, row);
    }

    return json_pack("{s:I, s:I, s:I, s:o, s:s, s:o}", "shard",
                     (json_int_t) id, "at", (json_int_t) f->at, "step_s",
                     (json_int_t) f->step_s, "model",
                     shardctl_text(f->model), "unit", "requests/s", "steps",
                     rows);
}


static void
forecast_table(shardctl_t *ctl, const json_t *json,
    const shardctl_forecast_t *f)
{
    char               at[40];
    char               keys[SHARDCTL_QUANTILES_MAX][24];
    char               heads[SHARDCTL_QUANTILES_MAX][32];
    unsigned           q;
    shardctl_column_t  columns[SHARDCTL_QUANTILES_MAX + 3];

    memset(columns, 0, sizeof(columns));

    columns[0].key = "epoch";
    columns[0].head = "UNTIL";
    columns[0].format = SHARDCTL_TIME_S;
    columns[1].key = "mean";
    columns[1].head = "MEAN req/s";
    columns[1].format = SHARDCTL_RATE;

    for (q = 0; q < f->nq; q++) {
        snprintf(keys[q], sizeof(keys[q]), "q%.10g", f->q[q]);
        snprintf(heads[q], sizeof(heads[q]), "Q%.10g req/s", f->q[q]);
        columns[q + 2].key = keys[q];
        columns[q + 2].head = heads[q];
        columns[q + 2].format = SHARDCTL_RATE;
    }

    shardctl_time((double) f->at, at, sizeof(at));
    printf("shard %.0f: model %s, made at %s, %zu steps of %ld s\n",
           shardctl_get_number(json, "shard"), shardctl_get_text(json, "model"),
           at, f->n, f->step_s);

    if (json_is_object(json_object_get(json, "borrowed"))) {
        shardctl_borrowed_line(ctl, json_object_get(json, "borrowed"));
    }

    shardctl_events_show(ctl, json_object_get(json, "events"));
    shardctl_shifts_show(json);
    printf("\n");

    shardctl_table(ctl, json_object_get(json, "steps"), columns);
}


static int
forecast_plot(shardctl_t *ctl, shard_id_t id, const char *file,
    const shardctl_forecast_t *f)
{
    int      rc;
    long     last;
    size_t   n;
    double  *history;

    n = 3 * f->n;
    n = n < FORECAST_HISTORY_MIN ? FORECAST_HISTORY_MIN : n;
    n = n > FORECAST_HISTORY_MAX ? FORECAST_HISTORY_MAX : n;
    last = f->at / f->step_s;

    if ((long) n > last) {
        n = last > 0 ? (size_t) last : 1;
    }

    history = malloc(n * sizeof(double));

    if (history == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    rc = forecast_history(ctl, id, f->step_s, last - (long) n, n, history);

    if (rc == SHARDCTL_OK) {
        rc = file[0] ? shardctl_plot_png(ctl, file, id, history, n, f)
                     : shardctl_plot_text(ctl, history, n, f);
    }

    free(history);

    return rc;
}


int
shardctl_forecast_text(shardctl_t *ctl, shard_id_t id, char **text)
{
    int   rc;
    char  field[16];

    snprintf(field, sizeof(field), "%u", id);

    rc = shardd_hash_get(&ctl->store, "forecast", field, text);

    return rc == SHARDD_OK || rc == SHARDD_NONE ? SHARDCTL_OK
           : shardctl_store_fail(ctl, rc, "cannot read the forecast");
}


void
shardctl_forecast_beside(const char *text, json_t *out)
{
    json_t  *borrowed;

    borrowed = shardctl_borrowed(text);

    json_object_set_new(out, "borrowed", borrowed ? borrowed : json_null());
    json_object_set_new(out, "events", shardctl_events(text));
    json_object_set_new(out, "signals", shardctl_signals(text));
    shardctl_shifts(text, out);
}


int
shardctl_cmd_forecast(shardctl_t *ctl)
{
    int                   rc;
    char                  err[SHARD_ERR_SIZE], *text;
    json_t               *json;
    const char           *plot;
    shard_id_t            id;
    shardctl_forecast_t   f;

    rc = forecast_shard(ctl, &id);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = shardctl_forecast_text(ctl, id, &text);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (text == NULL) {
        return shardctl_fail(ctl, "there is no forecast of shard %u: "
                             "shard-predictor makes them from history "
                             "(\"shardctl history import\")", id);
    }

    rc = shardctl_forecast_decode(text, &f, err);

    if (rc != SHARD_OK) {
        free(text);
        return shardctl_fail(ctl, "the stored forecast of shard %u is "
                             "malformed: %s", id, err);
    }

    plot = shardctl_option(ctl, "plot");
    json = forecast_json(id, &f);
    shardctl_forecast_beside(text, json);
    free(text);
    rc = SHARDCTL_OK;

    if (plot && (plot[0] || !ctl->json)) {
        rc = forecast_plot(ctl, id, plot, &f);

    } else if (!ctl->json) {
        forecast_table(ctl, json, &f);
        shardctl_signals_show(ctl, json_object_get(json, "signals"));
    }

    if (ctl->json && rc == SHARDCTL_OK) {

        if (plot && plot[0]) {
            json_object_set_new(json, "plot", shardctl_text(plot));
        }

        rc = shardctl_show(ctl, json);

    } else {
        json_decref(json);
    }

    shardctl_forecast_free(&f);

    return rc;
}


int
shardctl_cmd_history_show(shardctl_t *ctl)
{
    int          rc;
    long         limit, res_s, slot, i;
    json_t      *rows;
    double      *history;
    shard_id_t   id;

    static const shardctl_column_t  columns[] = {
        { "epoch", "FROM", SHARDCTL_TIME_S },
        { "load", "LOAD req/s", SHARDCTL_RATE },
        { NULL, NULL, SHARDCTL_TEXT }
    };

    limit = 48;

    if (shardctl_option_long(ctl, "limit", 1, FORECAST_ROWS_MAX, &limit)) {
        return SHARDCTL_USAGE;
    }

    rc = forecast_shard(ctl, &id);

    if (rc == SHARDCTL_OK) {
        rc = shardctl_newest_row(ctl, &res_s, &slot);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (slot < 0) {
        return shardctl_fail(ctl, "keyspace \"%s\" has no history: \"shardctl "
                             "history import\" loads it", ctl->keyspace);
    }

    limit = (limit > slot + 1) ? slot + 1 : limit;
    history = malloc((size_t) limit * sizeof(double));

    if (history == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    rc = forecast_history(ctl, id, res_s, slot + 1 - limit, (size_t) limit,
                          history);
    rows = json_array();

    for (i = 0; rc == SHARDCTL_OK && i < limit; i++) {
        json_array_append_new(rows, json_pack("{s:I, s:o}", "epoch",
                          (json_int_t) ((slot + 1 - limit + i) * res_s),
                          "load", shardctl_number(history[i])));
    }

    free(history);

    if (rc == SHARDCTL_OK && ctl->json) {
        return shardctl_show(ctl, json_pack("{s:I, s:I, s:s, s:o}", "shard",
                                            (json_int_t) id, "step_s",
                                            (json_int_t) res_s, "unit",
                                            "requests/s", "rows", rows));
    }

    if (rc == SHARDCTL_OK) {
        shardctl_table(ctl, rows, columns);
    }

    json_decref(rows);

    return rc;
}
