
/* recommendations: what the predictor would move, when and why. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shardctl.h"


static const shardctl_column_t  recommend_columns[] = {
    { "start", "START", SHARDCTL_TIME_S },
    { "state", "STATE", SHARDCTL_STATE },
    { "shard", "SHARD", SHARDCTL_INT },
    { "from", "FROM", SHARDCTL_TEXT },
    { "to", "TO", SHARDCTL_TEXT },
    { "why", "WHY", SHARDCTL_TEXT },
    { "breach_at", "BREACH", SHARDCTL_TIME_S },
    { "gain_ms", "GAIN", SHARDCTL_SPAN_MS },
    { "cost_ms", "COST", SHARDCTL_SPAN_MS },
    { "move_ms", "MOVE TAKES", SHARDCTL_SPAN_MS },
    { "id", "DECISION", SHARDCTL_TEXT },
    { NULL, NULL, SHARDCTL_TEXT }
};


static void
recommend_span(json_t *row, const char *from, const char *to)
{
    double  v;

    v = shardctl_get_number(row, from);

    if (isfinite(v)) {
        json_object_set_new(row, to, json_real(1000 * v));
    }
}


/* what comes first comes first; ids tell those of one moment apart */

static int
recommend_cmp(const void *one, const void *two)
{
    double         a, b;
    const json_t  *x, *y;

    x = *(json_t *const *) one;
    y = *(json_t *const *) two;
    a = shardctl_get_number(x, "start");
    b = shardctl_get_number(y, "start");

    if (a < b || a > b) {
        return a < b ? -1 : 1;
    }

    return strcmp(shardctl_get_text(x, "id"), shardctl_get_text(y, "id"));
}


static json_t *
recommend_row(const char *id, const char *value)
{
    json_t  *row;

    row = shardctl_json(value);

    if (!json_is_object(row)) {
        json_decref(row);
        return NULL;
    }

    json_object_set_new(row, "id", shardctl_text(id));

    return row;
}


static json_t *
recommend_rows(shardctl_t *ctl, const shardd_entry_t *e)
{
    size_t    i, n;
    json_t   *rows, **sorted;

    sorted = calloc(e->nfields + 1, sizeof(json_t *));
    rows = json_array();
    n = 0;

    for (i = 0; sorted && i < e->nfields; i++) {
        sorted[n] = recommend_row(e->fields[i].name, e->fields[i].value);
        n += sorted[n] != NULL;
    }

    if (sorted) {
        qsort(sorted, n, sizeof(json_t *), recommend_cmp);
    }

    for (i = 0; i < n; i++) {

        if (!ctl->json) {
            recommend_span(sorted[i], "gain_s", "gain_ms");
            recommend_span(sorted[i], "cost_s", "cost_ms");
            recommend_span(sorted[i], "move_s", "move_ms");
        }

        json_array_append_new(rows, sorted[i]);
    }

    free(sorted);

    return rows;
}


int
shardctl_cmd_recommendations(shardctl_t *ctl)
{
    int              rc;
    json_t          *rows;
    shardd_entry_t   e;

    rc = shardctl_open(ctl);

    if (rc == SHARDCTL_OK) {
        rc = shardctl_hash(ctl, "recommendations", &e);
    }

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rows = recommend_rows(ctl, &e);
    shardd_entry_free(&e);

    if (ctl->json) {
        return shardctl_show(ctl, json_pack("{s:s, s:o}", "keyspace",
                                            ctl->keyspace, "recommendations",
                                            rows));
    }

    if (json_array_size(rows)) {
        shardctl_table(ctl, rows, recommend_columns);

    } else {
        printf("nothing is to be moved: no node is forecast to need it, or "
               "the predictor pauses (\"shardctl status\" says so)\n");
    }

    json_decref(rows);

    return SHARDCTL_OK;
}
