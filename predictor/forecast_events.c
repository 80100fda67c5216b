
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_ical.h"
#include "forecast_events.h"


static char *predictor_events_file(const char *path, size_t *len, char *err);
static int predictor_events_ical(const char *text, size_t len, int64_t now_s,
    predictor_calendar_t *c, char *err);
static int predictor_events_json(const char *text, size_t len,
    predictor_calendar_t *c, char *err);
static int predictor_events_one(predictor_calendar_t *c, const char *id,
    json_t *event, char *err);


int
predictor_forecast_events(const char *path, int64_t now_s,
    predictor_calendar_t *c, char *err)
{
    int      rc;
    char    *text, *p;
    size_t   len;

    text = predictor_events_file(path, &len, err);

    if (text == NULL) {
        return -1;
    }

    p = text + strspn(text, " \t\r\n\xef\xbb\xbf");
    predictor_calendar_begin(c);

    rc = *p == '{' || *p == '['
         ? predictor_events_json(text, len, c, err)
         : predictor_events_ical(text, len, now_s, c, err);

    predictor_calendar_end(c);
    free(text);

    return rc;
}


static char *
predictor_events_file(const char *path, size_t *len, char *err)
{
    int    rc;
    char  *text;
    FILE  *file;

    file = fopen(path, "r");

    if (file == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "cannot open it: %s", strerror(errno));
        return NULL;
    }

    text = malloc(SHARDD_ICAL_BYTES + 1);
    *len = text ? fread(text, 1, SHARDD_ICAL_BYTES, file) : 0;
    rc = text == NULL || ferror(file) || fgetc(file) != EOF;
    fclose(file);

    if (rc) {
        snprintf(err, SHARD_ERR_SIZE, "cannot read it, or it has more than %d "
                 "bytes", SHARDD_ICAL_BYTES);
        free(text);
        return NULL;
    }

    text[*len] = '\0';

    return text;
}


static int
predictor_events_ical(const char *text, size_t len, int64_t now_s,
    predictor_calendar_t *c, char *err)
{
    int                rc;
    size_t             i;
    json_t            *event;
    shardd_ical_t      ical;
    shardd_ical_ask_t  ask;

    memset(&ask, 0, sizeof(ask));
    ask.now_s = now_s;

    rc = shardd_ical_read(text, len, &ask, &ical, err);

    for (i = 0; rc == 0 && i < ical.n; i++) {
        event = json_loads(ical.events[i].json, 0, NULL);
        rc = predictor_events_one(c, ical.events[i].id, event, err);
        json_decref(event);
    }

    shardd_ical_free(&ical);

    return rc;
}


static int
predictor_events_json(const char *text, size_t len, predictor_calendar_t *c,
    char *err)
{
    int           rc;
    char          id[SHARD_NAME_SIZE];
    size_t        i;
    json_t       *root, *list, *event;
    const char   *name;
    json_error_t  where;

    root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);

    if (root == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "line %d, column %d: %.120s", where.line,
                 where.column, where.text);
        return -1;
    }

    list = json_object_get(root, "events");
    list = json_is_object(list) || json_is_array(list) ? list : root;
    rc = 0;

    if (json_is_array(list)) {

        json_array_foreach(list, i, event) {
            name = json_string_value(json_object_get(event, "id"));
            snprintf(id, sizeof(id), "event-%zu", i + 1);
            rc = rc == 0 ? predictor_events_one(c, name ? name : id, event,
                                                err) : rc;
        }

    } else {

        json_object_foreach(list, name, event) {
            rc = rc == 0 ? predictor_events_one(c, name, event, err) : rc;
        }
    }

    json_decref(root);

    return rc;
}


/* the series stands for all shards of the event */

static int
predictor_events_one(predictor_calendar_t *c, const char *id, json_t *event,
    char *err)
{
    int         rc;
    char       *text, why[SHARD_ERR_SIZE];
    const char *effect;

    effect = json_string_value(json_object_get(event, "effect"));

    if (effect && strcmp(effect, "drain") == 0) {
        return 0;
    }

    (void) json_object_del(event, "shards");
    (void) json_object_del(event, "nodes");
    text = json_dumps(event, JSON_COMPACT | JSON_ENCODE_ANY);

    if (text == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "no memory");
        return -1;
    }

    rc = predictor_calendar_put(c, id, text, why);
    free(text);

    if (rc != SHARD_OK) {
        snprintf(err, SHARD_ERR_SIZE, "event \"%.63s\": %.170s", id, why);
        return -1;
    }

    return 0;
}


/* twice: what is learnt of all occurrences is known when they are taken off */

int
predictor_forecast_clean(predictor_calendar_t *c,
    const predictor_series_t *series, int64_t start_s, uint32_t horizon,
    double *y)
{
    int       pass;
    int64_t   end_s;
    uint8_t  *busy;

    busy = malloc((size_t) series->n + 1);
    end_s = start_s + (int64_t) series->n * series->interval_s;

    if (busy == NULL
        || predictor_calendar_prepare(c, start_s, end_s, horizon) != SHARD_OK)
    {
        free(busy);
        return SHARD_ERROR;
    }

    for (pass = 0; pass < 2; pass++) {
        memcpy(y, series->y, series->n * sizeof(double));
        predictor_calendar_clean(c, 0, end_s, y, series->n, busy);
        predictor_calendar_pool(c);
    }

    free(busy);

    return SHARD_OK;
}
