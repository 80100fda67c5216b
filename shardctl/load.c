
/*
 * What shards carry: the newest history row and the stored forecasts.  Loads
 * are requests per second.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shardd_loop.h"
#include "shardctl.h"


#define LOAD_LOOKBACK_S   7200      /* before the predictor's clock */
#define LOAD_SCAN_ROUNDS  200
#define LOAD_EPOCH_MAX    253402300799L    /* the year 9999 */


static double *
load_array(const json_t *array, size_t n)
{
    double        *v;
    size_t         i;
    const json_t  *item;

    if (json_array_size(array) != n) {
        return NULL;
    }

    v = malloc(n * sizeof(double));
    if (v == NULL) {
        return NULL;
    }

    json_array_foreach((json_t *) array, i, item) {

        if (!json_is_number(item)) {
            free(v);
            return NULL;
        }

        v[i] = json_number_value(item);
    }

    return v;
}


static int
load_quantiles(json_t *object, shardctl_forecast_t *f, char *err)
{
    char        *end;
    double       q;
    json_t      *v;
    const char  *key;

    json_object_foreach(object, key, v) {

        if (key[0] != 'q' || f->nq == SHARDCTL_QUANTILES_MAX) {
            continue;
        }

        q = strtod(key + 1, &end);

        if (end == key + 1 || *end != '\0' || q <= 0 || q >= 1) {
            continue;
        }

        f->value[f->nq] = load_array(v, f->n);

        if (f->value[f->nq] == NULL) {
            snprintf(err, SHARD_ERR_SIZE, "\"%.16s\" does not hold %zu "
                     "numbers as \"mean\" does", key, f->n);
            return SHARD_ERROR;
        }

        f->q[f->nq++] = q;
    }

    return SHARD_OK;
}


int
shardctl_forecast_decode(const char *text, shardctl_forecast_t *out, char *err)
{
    int      rc;
    json_t  *object, *mean, *at, *step;

    memset(out, 0, sizeof(shardctl_forecast_t));

    object = shardctl_json(text);
    mean = json_object_get(object, "mean");
    at = json_object_get(object, "at");
    step = json_object_get(object, "step_s");

    rc = SHARD_ERROR;

    if (!json_is_integer(at) || json_integer_value(at) < 0
        || json_integer_value(at) > LOAD_EPOCH_MAX)
    {
        snprintf(err, SHARD_ERR_SIZE, "it is no JSON object with \"at\"");

    } else if (!json_is_integer(step) || json_integer_value(step) < 1
               || json_integer_value(step) > 86400)
    {
        snprintf(err, SHARD_ERR_SIZE, "\"step_s\" is not from 1 to 86400");

    } else if (json_array_size(mean) < 1
               || json_array_size(mean) > SHARDCTL_STEPS_MAX)
    {
        snprintf(err, SHARD_ERR_SIZE, "\"mean\" does not hold 1 to %d steps",
                 SHARDCTL_STEPS_MAX);

    } else {
        out->at = (long) json_integer_value(at);
        out->step_s = (long) json_integer_value(step);
        out->n = json_array_size(mean);
        out->mean = load_array(mean, out->n);
        snprintf(out->model, sizeof(out->model), "%.31s",
                 shardctl_get_text(object, "model"));

        if (out->mean) {
            rc = load_quantiles(object, out, err);

        } else {
            snprintf(err, SHARD_ERR_SIZE, "\"mean\" holds no numbers");
        }
    }

    if (rc != SHARD_OK) {
        shardctl_forecast_free(out);
    }

    json_decref(object);

    return rc;
}


void
shardctl_forecast_free(shardctl_forecast_t *f)
{
    unsigned  i;

    free(f->mean);

    for (i = 0; i < f->nq; i++) {
        free(f->value[i]);
    }

    memset(f, 0, sizeof(shardctl_forecast_t));
}


const double *
shardctl_forecast_quantile(const shardctl_forecast_t *f, double q)
{
    unsigned  i;

    for (i = 0; i < f->nq; i++) {

        if (fabs(f->q[i] - q) < 1e-6) {
            return f->value[i];
        }
    }

    return NULL;
}


/* a row key is "...:rows:RES:SLOT:BLOCK"; 1 when it is newer than the best */

static int
load_scan_key(const char *key, long *res_s, long *slot)
{
    long         r, s, block;
    const char  *p;

    p = strstr(key, "}:rows:");

    if (p == NULL
        || sscanf(p, "}:rows:%ld:%ld:%ld", &r, &s, &block) != 3
        || r < 1 || r > 86400 || s < 0 || s > LOAD_EPOCH_MAX / r)
    {
        return 0;
    }

    if (*slot >= 0 && (s + 1) * r <= (*slot + 1) * *res_s) {
        return 0;
    }

    *res_s = r;
    *slot = s;

    return 1;
}


static int
load_scan(shardctl_t *ctl, long *res_s, long *slot)
{
    int          i;
    char         cursor[32], match[160];
    size_t       k;
    redisReply  *reply, *keys;

    snprintf(cursor, sizeof(cursor), "0");
    snprintf(match, sizeof(match), "shard:{%s}:rows:*", ctl->keyspace);

    for (i = 0; i < LOAD_SCAN_ROUNDS; i++) {
        reply = shardd_redis_command(&ctl->store.redis,
                                     "SCAN %s MATCH %s COUNT 5000", cursor,
                                     match);

        if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
            || reply->elements != 2
            || reply->element[1]->type != REDIS_REPLY_ARRAY)
        {
            if (reply) {
                freeReplyObject(reply);
            }

            return shardctl_fail(ctl, "cannot look for history rows: %s",
                                 ctl->store.redis.err);
        }

        keys = reply->element[1];

        for (k = 0; k < keys->elements; k++) {

            if (keys->element[k]->type == REDIS_REPLY_STRING) {
                load_scan_key(keys->element[k]->str, res_s, slot);
            }
        }

        snprintf(cursor, sizeof(cursor), "%.31s", reply->element[0]->str);
        freeReplyObject(reply);

        if (strcmp(cursor, "0") == 0) {
            break;
        }
    }

    return SHARDCTL_OK;
}


/* the rows at the predictor's clock when it has one, else by a search */

int
shardctl_newest_row(shardctl_t *ctl, long *res_s, long *slot)
{
    int                 found;
    char                key[200], *at_text;
    long                at, s, r;
    size_t              i;
    redisReply         *reply;

    static const long   resolutions[] = { 60, 300 };

    *res_s = 300;
    *slot = -1;

    at_text = NULL;

    if (shardd_hash_get(&ctl->store, "predictor", "at", &at_text) != SHARDD_OK)
    {
        return load_scan(ctl, res_s, slot);
    }

    at = at_text ? atol(at_text) : 0;
    free(at_text);

    if (at < 0 || at > LOAD_EPOCH_MAX) {
        return load_scan(ctl, res_s, slot);
    }

    for (i = 0; i < sizeof(resolutions) / sizeof(resolutions[0]); i++) {
        r = resolutions[i];

        for (s = at / r; s >= 0 && s > (at - LOAD_LOOKBACK_S) / r; s--) {
            snprintf(key, sizeof(key), "shard:{%s}:rows:%ld:%ld:0",
                     ctl->keyspace, r, s);

            reply = shardd_redis_command(&ctl->store.redis, "EXISTS %s", key);
            found = reply && reply->type == REDIS_REPLY_INTEGER
                    && reply->integer == 1;
            if (reply) {
                freeReplyObject(reply);
            }

            if (found) {
                *res_s = r;
                *slot = s;
                return SHARDCTL_OK;
            }
        }
    }

    return load_scan(ctl, res_s, slot);
}


static int
load_now(shardctl_t *ctl, shardd_table_t *table, shardctl_load_t *load)
{
    int         rc;
    float      *row;
    size_t      i, n;

    rc = shardctl_newest_row(ctl, &load->res_s, &load->slot);

    if (rc != SHARDCTL_OK || load->slot < 0) {
        return rc;
    }

    n = 0;

    for (i = 0; i < table->nshards; i++) {

        if (table->shards[i].id >= n) {
            n = (size_t) table->shards[i].id + 1;
        }
    }

    row = malloc(n * sizeof(float));
    if (row == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    rc = shardd_rows_get(&ctl->store, load->res_s, load->slot, row, n);

    for (i = 0; rc == SHARDD_OK && i < table->nshards; i++) {
        load->now[i] = (double) row[table->shards[i].id];
    }

    free(row);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return shardctl_store_fail(ctl, rc, "cannot read the history");
    }

    return SHARDCTL_OK;
}


int
shardctl_load_read(shardctl_t *ctl, shardd_table_t *table,
    shardctl_load_t *load)
{
    int              rc;
    char             err[SHARD_ERR_SIZE];
    size_t           i, index;
    shardd_entry_t   forecasts;
    shard_record_t  *rec;

    memset(load, 0, sizeof(shardctl_load_t));

    load->n = table->nshards;
    load->now = malloc(load->n * sizeof(double));
    load->forecast = calloc(load->n, sizeof(shardctl_forecast_t));
    load->by_node = malloc(load->n * sizeof(uint32_t));

    if (load->now == NULL || load->forecast == NULL
        || load->by_node == NULL)
    {
        shardctl_load_free(load);
        return shardctl_fail(ctl, "out of memory");
    }

    for (i = 0; i < load->n; i++) {
        load->now[i] = NAN;
    }

    shardctl_load_sort(table, load);

    rc = load_now(ctl, table, load);

    if (rc == SHARDCTL_OK) {
        rc = shardctl_hash(ctl, "forecast", &forecasts);
    }

    if (rc != SHARDCTL_OK) {
        shardctl_load_free(load);
        return rc;
    }

    for (i = 0; i < forecasts.nfields; i++) {
        rec = shardd_table_shard(table,
                          (shard_id_t) strtoul(forecasts.fields[i].name, NULL,
                                               10));
        if (rec) {
            index = (size_t) (rec - table->shards);
            shardctl_forecast_free(&load->forecast[index]);
            shardctl_forecast_decode(forecasts.fields[i].value,
                                     &load->forecast[index], err);
        }
    }

    shardd_entry_free(&forecasts);

    return SHARDCTL_OK;
}


void
shardctl_load_free(shardctl_load_t *load)
{
    size_t  i;

    for (i = 0; load->forecast && i < load->n; i++) {
        shardctl_forecast_free(&load->forecast[i]);
    }

    free(load->forecast);
    free(load->by_node);
    free(load->now);

    memset(load, 0, sizeof(shardctl_load_t));
}
