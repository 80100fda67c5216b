
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_text.h"
#include "traffic.h"


#define PREDICTOR_TRAFFIC_HALF_S  43200.0
#define PREDICTOR_TRAFFIC_LIVE_S  (7 * 86400)
#define PREDICTOR_TRAFFIC_MAX     (64 * 1024 * 1024)
#define PREDICTOR_TRAFFIC_KEY     "traffic"


/* what is stored: this, then ncols x nzones times predictor_asked_t; it is
 * read on the machine that wrote it, or on one like it */

typedef struct {
    char      magic[4];
    uint32_t  nzones;
    uint32_t  ncols;
    uint32_t  spare;
    double    seconds;
    char      zone[PREDICTOR_TERMS_CLIENTS][SHARD_NAME_SIZE];
} predictor_traffic_head_t;

static const char  predictor_traffic_magic[4] = { 'S', 'P', 'T', '1' };


void
predictor_traffic_done(predictor_traffic_t *t)
{
    free(t->routers);
    free(t->sums);
    memset(t, 0, sizeof(predictor_traffic_t));
}


int
predictor_traffic_room(predictor_traffic_t *t, uint32_t ncols)
{
    size_t              size;
    predictor_asked_t  *sums;

    if (ncols == 0) {
        free(t->sums);
        t->sums = NULL;
        t->ncols = 0;
        t->seconds = 0;
        return SHARDD_OK;
    }

    if (ncols <= t->ncols) {
        return SHARDD_OK;
    }

    size = PREDICTOR_TERMS_CLIENTS * sizeof(predictor_asked_t);
    sums = realloc(t->sums, ncols * size);

    if (sums == NULL) {
        return SHARDD_BAD;
    }

    memset(sums + (size_t) t->ncols * PREDICTOR_TERMS_CLIENTS, 0,
           (ncols - t->ncols) * size);
    t->sums = sums;
    t->ncols = ncols;

    return SHARDD_OK;
}


static int
predictor_traffic_cmp(const void *a, const void *b)
{
    return strcmp(((const predictor_traffic_router_t *) a)->name,
                  ((const predictor_traffic_router_t *) b)->name);
}


/* the number of a zone, once known always the same; _CLIENTS: too many */

static uint32_t
predictor_traffic_zone(predictor_traffic_t *t, const char *zone)
{
    uint32_t  i;

    for (i = 0; i < t->nzones; i++) {

        if (strcmp(t->zone[i], zone) == 0) {
            return i;
        }
    }

    if (i < PREDICTOR_TERMS_CLIENTS) {
        memcpy(t->zone[i], zone, strlen(zone) + 1);
        t->nzones = i + 1;
    }

    return i;
}


/* the zone in a router's record, to be freed; NULL: none */

static char *
predictor_traffic_record(const char *text)
{
    char        *copy;
    json_t      *root;
    shard_str_t  zone;

    root = json_loads(text, 0, NULL);
    zone.data = json_string_value(json_object_get(root, "zone"));
    zone.len = zone.data ? strlen(zone.data) : 0;
    copy = zone.len && shard_name_valid(zone) ? strdup(zone.data) : NULL;
    json_decref(root);

    return copy;
}


int
predictor_traffic_routers(predictor_traffic_t *t,
    const shardd_entry_t *routers)
{
    char                *zone;
    size_t               i, n;
    predictor_traffic_router_t  *r;

    n = routers->nfields < PREDICTOR_TRAFFIC_ROUTERS
        ? routers->nfields : PREDICTOR_TRAFFIC_ROUTERS;
    r = calloc(n + 1, sizeof(predictor_traffic_router_t));

    if (r == NULL) {
        return SHARDD_BAD;
    }

    free(t->routers);
    t->routers = r;
    t->nrouters = 0;

    for (i = 0; i < n; i++) {
        zone = predictor_traffic_record(routers->fields[i].value);

        if (zone && strlen(routers->fields[i].name) < SHARD_NAME_SIZE) {
            r = &t->routers[t->nrouters++];
            memcpy(r->name, routers->fields[i].name,
                   strlen(routers->fields[i].name) + 1);
            r->zone = predictor_traffic_zone(t, zone);
        }

        free(zone);
    }

    qsort(t->routers, t->nrouters, sizeof(predictor_traffic_router_t),
          predictor_traffic_cmp);

    return SHARDD_OK;
}


void
predictor_traffic_count(predictor_traffic_t *t, const shard_metrics_entry_t *e)
{
    uint32_t                   i;
    predictor_asked_t         *a;
    predictor_traffic_router_t         key;
    const predictor_traffic_router_t  *r;
    shard_metrics_shard_t      shard;

    if (t->ncols == 0 || t->nrouters == 0
        || e->head.router.len >= SHARD_NAME_SIZE)
    {
        return;
    }

    memcpy(key.name, e->head.router.data, e->head.router.len);
    key.name[e->head.router.len] = '\0';
    r = bsearch(&key, t->routers, t->nrouters,
                sizeof(predictor_traffic_router_t), predictor_traffic_cmp);

    if (r == NULL || r->zone >= PREDICTOR_TERMS_CLIENTS) {
        return;
    }

    for (i = 0; i < e->nshards; i++) {
        shard_metrics_shard(e, i, &shard);

        if (shard.id < t->ncols) {
            a = &t->sums[(size_t) shard.id * PREDICTOR_TERMS_CLIENTS
                         + r->zone];
            a->requests += (float) shard.offered;
            a->writes += (float) shard.writes;
            a->bytes += (float) shard.bytes;
        }
    }
}


void
predictor_traffic_slot(predictor_traffic_t *t, double slot_s)
{
    float   fade;
    size_t  i, n;

    if (t->ncols == 0) {
        return;
    }

    fade = (float) exp2(-slot_s / PREDICTOR_TRAFFIC_HALF_S);
    t->seconds = (t->seconds + slot_s) * (double) fade;
    n = (size_t) t->ncols * PREDICTOR_TERMS_CLIENTS;

    for (i = 0; i < n; i++) {
        t->sums[i].requests *= fade;
        t->sums[i].writes *= fade;
        t->sums[i].bytes *= fade;
    }
}


void
predictor_traffic_rates(const predictor_traffic_t *t, shard_id_t id,
    predictor_asked_t out[PREDICTOR_TERMS_CLIENTS])
{
    float                     per_s;
    uint32_t                  z;
    const predictor_asked_t  *a;

    memset(out, 0, PREDICTOR_TERMS_CLIENTS * sizeof(predictor_asked_t));

    if (id >= t->ncols || t->seconds <= 0) {
        return;
    }

    a = &t->sums[(size_t) id * PREDICTOR_TERMS_CLIENTS];
    per_s = (float) (1 / t->seconds);

    for (z = 0; z < t->nzones; z++) {
        out[z].requests = a[z].requests * per_s;
        out[z].writes = a[z].writes * per_s;
        out[z].bytes = a[z].bytes * per_s;
    }
}


int
predictor_traffic_save(predictor_traffic_t *t, const predictor_io_t *io,
    double now_s)
{
    int                        rc;
    char                      *blob;
    long                       hour;
    size_t                     size, row;
    uint32_t                   i;
    predictor_traffic_head_t  *head;

    hour = (long) (now_s / 3600);

    if (t->ncols == 0 || t->seconds <= 0 || hour == t->hour) {
        return SHARDD_OK;
    }

    row = t->nzones * sizeof(predictor_asked_t);
    size = sizeof(predictor_traffic_head_t) + t->ncols * row;

    if (size > PREDICTOR_TRAFFIC_MAX) {
        return SHARDD_OK;
    }

    blob = calloc(1, size);

    if (blob == NULL) {
        return SHARDD_BAD;
    }

    head = (predictor_traffic_head_t *) blob;
    memcpy(head->magic, predictor_traffic_magic, sizeof(head->magic));
    head->nzones = t->nzones;
    head->ncols = t->ncols;
    head->seconds = t->seconds;
    memcpy(head->zone, t->zone, sizeof(head->zone));

    for (i = 0; i < t->ncols; i++) {
        memcpy(blob + sizeof(predictor_traffic_head_t) + i * row,
               &t->sums[(size_t) i * PREDICTOR_TERMS_CLIENTS], row);
    }

    rc = io->bytes_put(io->data, PREDICTOR_TRAFFIC_KEY, blob, size,
                       PREDICTOR_TRAFFIC_LIVE_S);
    free(blob);

    if (rc == SHARDD_OK) {
        t->hour = hour;
    }

    return rc;
}


/* 1: a stored head, and what it says is there fits */

static int
predictor_traffic_sound(const predictor_traffic_head_t *head, size_t len)
{
    uint32_t     i;
    shard_str_t  zone;

    if (len < sizeof(predictor_traffic_head_t)
        || memcmp(head->magic, predictor_traffic_magic, sizeof(head->magic))
        || head->nzones > PREDICTOR_TERMS_CLIENTS
        || !(isfinite(head->seconds) && head->seconds > 0))
    {
        return 0;
    }

    for (i = 0; i < head->nzones; i++) {
        zone.data = head->zone[i];
        zone.len = strnlen(zone.data, SHARD_NAME_SIZE);

        if (zone.len == SHARD_NAME_SIZE || !shard_name_valid(zone)) {
            return 0;
        }
    }

    return (len - sizeof(predictor_traffic_head_t))
           == (size_t) head->ncols * head->nzones * sizeof(predictor_asked_t);
}


int
predictor_traffic_load(predictor_traffic_t *t, const predictor_io_t *io)
{
    int                        rc;
    void                      *blob;
    float                     *value;
    size_t                     len, row, i;
    uint32_t                   n;
    predictor_traffic_head_t  *head;

    if (t->ncols == 0 || t->seconds > 0) {
        return SHARDD_OK;
    }

    blob = NULL;
    rc = io->bytes_get(io->data, PREDICTOR_TRAFFIC_KEY, PREDICTOR_TRAFFIC_MAX,
                       &blob, &len);
    head = blob;

    if (rc == SHARDD_OK && predictor_traffic_sound(head, len)) {
        row = head->nzones * sizeof(predictor_asked_t);
        n = head->ncols < t->ncols ? head->ncols : t->ncols;
        t->nzones = head->nzones;
        memcpy(t->zone, head->zone, sizeof(t->zone));
        t->seconds = head->seconds;

        for (i = 0; i < n; i++) {
            memcpy(&t->sums[i * PREDICTOR_TERMS_CLIENTS],
                   (char *) (head + 1) + i * row, row);
        }

        value = (float *) t->sums;

        for (i = 0; i < (size_t) n * PREDICTOR_TERMS_CLIENTS * 3; i++) {
            value[i] = isfinite(value[i]) && value[i] > 0 ? value[i] : 0;
        }
    }

    free(blob);

    return rc == SHARDD_DOWN ? rc : SHARDD_OK;
}
