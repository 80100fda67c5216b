
/*
 * The contract as a client: each answer is checked whole before any of it
 * is believed.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "driver_http.h"


#define PATH_SIZE  160


static const char *const  migrator_roles[] = {
    "none", "standby", "primary", NULL
};


static int migrator_http_role_put(void *data, const shard_node_t *node,
    shard_id_t shard, migrator_role_e role, uint32_t epoch, const char *body,
    const migrator_limit_t *limit, uint64_t *position);
static int migrator_http_role_answer(migrator_http_t *h,
    const migrator_exchange_t *x, migrator_role_e role, uint32_t epoch,
    uint64_t *position);


int
migrator_http_open(const migrator_conf_t *conf, void **data, char *err)
{
    migrator_nodes_t  *nodes;

    nodes = calloc(1, sizeof(migrator_nodes_t));

    if (nodes == NULL || migrator_http_init(&nodes->http) != 0) {
        snprintf(err, MIGRATOR_ERR_SIZE, "no memory");
        free(nodes);
        return -1;
    }

    nodes->health_uri = conf->health_uri;
    *data = nodes;

    return 0;
}


void
migrator_http_shut(void *data)
{
    migrator_nodes_t  *nodes = data;

    migrator_watch_close(&nodes->watch);
    migrator_http_close(&nodes->http);
    free(nodes);
}


int
migrator_http_bad(migrator_http_t *h, const migrator_exchange_t *x,
    const char *what)
{
    snprintf(h->err, sizeof(h->err), "%s: answer has no good %s: %.120s",
             x->host, what, x->answer);

    return MIGRATOR_DOWN;
}


int
migrator_json_uint(const json_t *object, const char *name, uint64_t *value)
{
    const json_t  *v;

    v = json_object_get(object, name);

    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return SHARD_ERROR;
    }

    *value = (uint64_t) json_integer_value(v);

    return SHARD_OK;
}


static int
migrator_http_stats_decode(const json_t *root, migrator_stats_t *stats)
{
    int           i;
    uint64_t      epoch, parts;
    const char   *role;
    const json_t *rate;

    memset(stats, 0, sizeof(migrator_stats_t));

    role = json_string_value(json_object_get(root, "role"));

    for (i = 0; role && migrator_roles[i]; i++) {
        if (strcmp(role, migrator_roles[i]) == 0) {
            break;
        }
    }

    if (role == NULL || migrator_roles[i] == NULL
        || migrator_json_uint(root, "epoch", &epoch) != SHARD_OK
        || epoch > UINT32_MAX
        || migrator_json_uint(root, "position", &stats->position)
        || migrator_json_uint(root, "items", &stats->items)
        || migrator_json_uint(root, "bytes", &stats->bytes)
        || migrator_json_uint(root, "free_bytes", &stats->free_bytes))
    {
        return SHARD_ERROR;
    }

    stats->role = (migrator_role_e) i;
    stats->epoch = (uint32_t) epoch;

    role = json_string_value(json_object_get(root, "mode"));

    if (role && strcmp(role, "filling") == 0) {
        stats->mode = MIGRATOR_MODE_FILLING;
    }

    (void) migrator_json_uint(root, "queue_depth", &stats->queue_depth);
    stats->ranges = json_is_true(json_object_get(root, "ranges"));

    if (migrator_json_uint(root, "parts", &parts) == SHARD_OK
        && parts == MIGRATOR_PARTS)
    {
        stats->parts = MIGRATOR_PARTS;
    }

    rate = json_object_get(root, "write_rate");
    stats->write_rate = json_is_number(rate) ? json_number_value(rate) : 0;

    if (migrator_json_uint(root, "log_first", &stats->log_first)) {
        stats->log_first = 0;
    }

    return SHARD_OK;
}


static int
migrator_http_stats(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, migrator_stats_t *stats)
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    int      rc;
    char     path[PATH_SIZE];
    json_t  *root;

    snprintf(path, sizeof(path), "/_shard/%u/stats", (unsigned) shard);

    rc = migrator_http_call(h, node, "GET", path, NULL, limit);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    root = json_loads(h->in.answer, JSON_REJECT_DUPLICATES, NULL);

    if (migrator_http_stats_decode(root, stats) != SHARD_OK) {
        rc = migrator_http_bad(h, &h->in, "stats");
    }

    json_decref(root);

    return rc;
}


static int
migrator_http_role(void *data, const shard_node_t *node, shard_id_t shard,
    migrator_role_e role, uint32_t epoch, const migrator_limit_t *limit,
    uint64_t *position)
{
    char  body[96];

    snprintf(body, sizeof(body), "{\"role\":\"%s\",\"epoch\":%u,"
             "\"keep_primary\":true}", migrator_roles[role], epoch);

    return migrator_http_role_put(data, node, shard, role, epoch, body,
                                  limit, position);
}


static int
migrator_http_role_put(void *data, const shard_node_t *node,
    shard_id_t shard, migrator_role_e role, uint32_t epoch, const char *body,
    const migrator_limit_t *limit, uint64_t *position)
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    int   rc;
    char  path[PATH_SIZE];

    snprintf(path, sizeof(path), "/_shard/%u/role", (unsigned) shard);

    rc = migrator_http_call(h, node, "PUT", path, body, limit);

    return rc == MIGRATOR_OK
           ? migrator_http_role_answer(h, &h->in, role, epoch, position) : rc;
}


static int
migrator_http_role_answer(migrator_http_t *h, const migrator_exchange_t *x,
    migrator_role_e role, uint32_t epoch, uint64_t *position)
{
    int          rc;
    json_t      *root;
    uint64_t     answered;
    const char  *word;

    rc = MIGRATOR_OK;
    root = json_loads(x->answer, JSON_REJECT_DUPLICATES, NULL);
    word = json_string_value(json_object_get(root, "role"));

    if (word == NULL || strcmp(word, migrator_roles[role]) != 0
        || migrator_json_uint(root, "epoch", &answered) != SHARD_OK
        || answered != epoch
        || migrator_json_uint(root, "position", position) != SHARD_OK)
    {
        rc = migrator_http_bad(h, x, "role");
    }

    json_decref(root);

    return rc;
}


static int
migrator_http_seal(void *data, const shard_node_t *const node[2],
    const shard_id_t shard[2], uint32_t epoch, const migrator_limit_t *limit,
    uint64_t position[2])
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    int          rc;
    char         body[96], first[PATH_SIZE], second[PATH_SIZE];
    const char  *paths[2] = { first, second };

    snprintf(first, sizeof(first), "/_shard/%u/role", (unsigned) shard[0]);
    snprintf(second, sizeof(second), "/_shard/%u/role", (unsigned) shard[1]);
    snprintf(body, sizeof(body), "{\"role\":\"%s\",\"epoch\":%u,"
             "\"keep_primary\":true}", migrator_roles[MIGRATOR_ROLE_STANDBY],
             epoch);

    rc = migrator_http_both(h, node, "PUT", paths, body, limit);

    if (rc == MIGRATOR_OK) {
        rc = migrator_http_role_answer(h, &h->in, MIGRATOR_ROLE_STANDBY,
                                       epoch, &position[0]);
    }

    return rc == MIGRATOR_OK
           ? migrator_http_role_answer(h, &h->out, MIGRATOR_ROLE_STANDBY,
                                       epoch, &position[1]) : rc;
}


static int
migrator_http_mode(void *data, const shard_node_t *node, shard_id_t shard,
    migrator_role_e role, migrator_mode_e mode, uint32_t epoch,
    const migrator_limit_t *limit, uint64_t *position)
{
    char  body[160];

    static const char *const  modes[] = { "", "filling", "fallback" };

    snprintf(body, sizeof(body), "{\"role\":\"%s\",\"epoch\":%u,"
             "\"mode\":\"%s\",\"position\":%llu}", migrator_roles[role],
             epoch, modes[mode], (unsigned long long) *position);

    return migrator_http_role_put(data, node, shard, role, epoch, body,
                                  limit, position);
}


static int
migrator_http_fill(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit,
    uint64_t *bytes)
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    int   rc;
    char  from_path[PATH_SIZE], to_path[PATH_SIZE];

    snprintf(from_path, sizeof(from_path), "/_shard/%u/snapshot",
             (unsigned) shard);
    snprintf(to_path, sizeof(to_path), "/_shard/%u/snapshot?fill=1",
             (unsigned) shard);

    rc = migrator_http_pipe(h, from, from_path, to, "PUT", to_path, NULL,
                            limit);

    if (rc == MIGRATOR_OK) {
        *bytes += h->piped;
    }

    return rc;
}


static int
migrator_http_copy(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, const migrator_limit_t *limit,
    uint64_t *position, uint64_t *bytes)
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    int               rc;
    char              source[MIGRATOR_PATH_SIZE], target[MIGRATOR_PATH_SIZE];
    migrator_limit_t  sender;

    migrator_http_paths(data, shard, NULL, 0, source, target);
    rc = migrator_http_pipe(h, from, source, to, "PUT", target, NULL,
                            migrator_http_sender(data, limit, &sender));

    if (rc == MIGRATOR_OK) {
        *position = h->in.position;
        *bytes += h->piped;
    }

    return rc;
}


static int
migrator_http_ship(void *data, const shard_node_t *from,
    const shard_node_t *to, shard_id_t shard, uint64_t entries,
    const migrator_limit_t *limit, uint64_t *position, uint64_t *bytes)
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    int                rc;
    char               source[MIGRATOR_PATH_SIZE];
    char               target[MIGRATOR_PATH_SIZE];
    json_t            *root;
    uint64_t           reached;
    migrator_limit_t   sender;

    if (entries > 100000) {
        entries = 100000;
    }

    migrator_http_paths(data, shard, position, entries, source, target);
    rc = migrator_http_pipe(h, from, source, to, "POST", target, position,
                            migrator_http_sender(data, limit, &sender));

    if (rc != MIGRATOR_OK || h->in.position == *position) {
        return rc;
    }

    root = json_loads(h->out.answer, JSON_REJECT_DUPLICATES, NULL);

    if (migrator_json_uint(root, "position", &reached) != SHARD_OK
        || reached != h->in.position || reached < *position)
    {
        snprintf(h->err, sizeof(h->err), "%s: sent the log up to %llu, "
                 "answer: %.120s", to->name,
                 (unsigned long long) h->in.position, h->out.answer);
        rc = MIGRATOR_DOWN;

    } else {
        *position = reached;
        *bytes += h->piped;
    }

    json_decref(root);

    return rc;
}


static int
migrator_http_hold(void *data, const shard_node_t *node, shard_id_t shard,
    int held, uint32_t epoch, const migrator_limit_t *limit)
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    char  path[PATH_SIZE];

    snprintf(path, sizeof(path), "/_shard/%u/%s?epoch=%u", (unsigned) shard,
             held ? "hold" : "resume", epoch);

    return migrator_http_call(h, node, "POST", path, "", limit);
}


static int
migrator_http_probe(void *data, const shard_node_t *node, shard_id_t shard,
    const migrator_limit_t *limit, uint64_t *latency_us)
{
    migrator_http_t  *h = &((migrator_nodes_t *) data)->http;

    int               rc;
    curl_off_t        us;
    migrator_stats_t  stats;

    rc = migrator_http_stats(data, node, shard, limit, &stats);

    us = 0;
    curl_easy_getinfo(h->in.easy, CURLINFO_TOTAL_TIME_T, &us);
    *latency_us = (uint64_t) us;

    return rc;
}


static const char *
migrator_http_err(void *data)
{
    return ((migrator_nodes_t *) data)->http.err;
}


const migrator_driver_t  migrator_driver_http = {
    .name = "http",
    .can = MIGRATOR_CAN_DATA|MIGRATOR_CAN_CUT,
    .open = migrator_http_open,
    .close = migrator_http_shut,
    .stats = migrator_http_stats,
    .role = migrator_http_role,
    .seal = migrator_http_seal,
    .copy = migrator_http_copy,
    .ship = migrator_http_ship,
    .digest = migrator_http_digest,
    .digests = migrator_http_digests,
    .mode = migrator_http_mode,
    .fill = migrator_http_fill,
    .hold = migrator_http_hold,
    .probe = migrator_http_probe,
    .err = migrator_http_err,
    .copy_part = migrator_http_copy_part,
    .cuts = &migrator_http_cuts,
};
