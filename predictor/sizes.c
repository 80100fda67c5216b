
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/daemon/shardd_log.h"
#include "nodes.h"
#include "sizes.h"


#define PREDICTOR_SIZES_SAVE_MS  2000
#define PREDICTOR_SIZES_MOST     1e18       /* bytes that are believed */


void
predictor_sizes_init(predictor_sizes_t *s, const predictor_conf_t *conf,
    const predictor_io_t *io)
{
    memset(s, 0, sizeof(predictor_sizes_t));

    s->conf = conf;
    s->io = io;
}


void
predictor_sizes_done(predictor_sizes_t *s)
{
    free(s->bytes);
    s->bytes = NULL;
    s->ncols = 0;
    s->nsaves = 0;
}


int
predictor_sizes_room(predictor_sizes_t *s, uint32_t ncols)
{
    float     *bytes;
    uint32_t   i;

    if (ncols <= s->ncols) {
        return SHARDD_OK;
    }

    bytes = realloc(s->bytes, ncols * sizeof(float));

    if (bytes == NULL) {
        return SHARDD_BAD;
    }

    for (i = s->ncols; i < ncols; i++) {
        bytes[i] = -1;
    }

    s->bytes = bytes;
    s->ncols = ncols;

    return SHARDD_OK;
}


int
predictor_sizes_load(predictor_sizes_t *s)
{
    int              rc;
    size_t           i;
    uint64_t         bytes;
    shard_id_t       id;
    shardd_entry_t   saved;

    memset(&saved, 0, sizeof(shardd_entry_t));
    rc = s->io->hash_load(s->io->data, "sizes", &saved);

    for (i = 0; rc == SHARDD_OK && i < saved.nfields; i++) {

        if (shard_id_decode(predictor_fleet_text(saved.fields[i].name), &id)
            == SHARD_OK
            && id < s->ncols
            && shard_uint64_decode(predictor_fleet_text(
                                       saved.fields[i].value), &bytes)
               == SHARD_OK)
        {
            s->bytes[id] = (float) bytes;
        }
    }

    shardd_entry_free(&saved);

    return rc == SHARDD_NONE ? SHARDD_OK : rc;
}


double
predictor_sizes_read(shard_str_t text)
{
    double   bytes;
    json_t  *root, *value;

    root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    value = json_object_get(root, "bytes");
    bytes = json_is_integer(value) ? (double) json_integer_value(value) : -1;
    json_decref(root);

    return bytes >= 0 && bytes <= PREDICTOR_SIZES_MOST ? bytes : -1;
}


static void
predictor_sizes_trouble(predictor_sizes_t *s, shard_id_t id, const char *why)
{
    s->failed++;
    snprintf(s->why, sizeof(s->why), "shard %u: %s", id, why);
}


/* all were asked: says once that some do not answer, and once that all do */

static void
predictor_sizes_round(predictor_sizes_t *s)
{
    if (s->failed && !s->told) {
        shardd_log(SHARDD_LOG_WARN, "sizes of %u shards were not to be had "
                   "and stay what they were: %s", s->failed, s->why);

    } else if (s->told && s->failed == 0) {
        shardd_log(SHARDD_LOG_INFO, "all shards say their sizes again");
    }

    s->told = s->failed > 0;
    s->failed = 0;
}


static void
predictor_sizes_answer(void *data, uint64_t id, shard_str_t text,
    const char *why)
{
    double              bytes;
    predictor_sizes_t  *s = data;

    s->asked -= s->asked > 0;
    bytes = text.data ? predictor_sizes_read(text) : -1;

    if (bytes < 0) {
        predictor_sizes_trouble(s, (shard_id_t) id, text.data
                                ? "its answer has no \"bytes\"" : why);
        return;
    }

    s->answers++;

    /* while nothing can be saved it is not taken, either: it is asked again */

    if (id >= s->ncols || s->bytes[id] == (float) bytes
        || s->nsaves == PREDICTOR_SIZES_SAVED)
    {
        return;
    }

    s->bytes[id] = (float) bytes;
    s->saves[s->nsaves++] = (shard_id_t) id;
}


static int
predictor_sizes_save(predictor_sizes_t *s, double now_ms)
{
    int             rc;
    char            name[PREDICTOR_SIZES_SAVED][16];
    char            value[PREDICTOR_SIZES_SAVED][32];
    uint32_t        i;
    shardd_field_t  fields[PREDICTOR_SIZES_SAVED];

    if (s->nsaves == 0
        || (s->nsaves < PREDICTOR_SIZES_SAVED / 2 && now_ms < s->save_ms))
    {
        return SHARDD_OK;
    }

    for (i = 0; i < s->nsaves; i++) {
        snprintf(name[i], sizeof(name[i]), "%u", s->saves[i]);
        snprintf(value[i], sizeof(value[i]), "%.0f",
                 (double) s->bytes[s->saves[i]]);
        fields[i].name = name[i];
        fields[i].value = value[i];
    }

    rc = s->io->hash_put(s->io->data, "sizes", fields, s->nsaves);

    if (rc == SHARDD_OK) {
        s->nsaves = 0;
        s->save_ms = now_ms + PREDICTOR_SIZES_SAVE_MS;
    }

    return rc;
}


static void
predictor_sizes_ask(predictor_sizes_t *s, const predictor_fleet_t *f)
{
    char                   base[PREDICTOR_URL_SIZE], why[SHARD_ERR_SIZE];
    char                   url[PREDICTOR_URL_SIZE + 32];
    size_t                 len;
    const shard_node_t    *node;
    const shard_record_t  *rec;

    if (s->next >= f->plan.nshards) {
        predictor_sizes_round(s);
        s->next = 0;
    }

    rec = &f->table.shards[s->next];
    node = &f->table.nodes[f->plan.shards[s->next++].from];

    if (node->state == SHARD_NODE_DOWN
        || predictor_nodes_url(s->conf->sizes_url, node->name, node->addr,
                               node->zone, base, why)
           != SHARD_OK)
    {
        return;
    }

    len = strlen(base);
    len -= base[len - 1] == '/';
    snprintf(url, sizeof(url), "%.*s/_shard/%u/stats", (int) len, base,
             rec->id);

    if (s->io->size_ask(s->io->data, url, s->conf->scrape_timeout_ms, rec->id)
        != SHARD_OK)
    {
        predictor_sizes_trouble(s, rec->id, "no memory to ask, or a bad url");
        return;
    }

    s->asked++;
}


int
predictor_sizes_step(predictor_sizes_t *s, const predictor_fleet_t *f)
{
    double  now_ms;

    if (s->conf->sizes_url == NULL || s->io->size_ask == NULL
        || f->plan.nshards == 0)
    {
        return SHARDD_OK;
    }

    now_ms = (double) s->io->now_ms(s->io->data);
    s->io->size_step(s->io->data, predictor_sizes_answer, s);

    /* steps that come late ask no more than in time */

    if (now_ms >= s->next_ms && s->asked < PREDICTOR_SIZES_ASKED) {
        s->next_ms = fmax(s->next_ms, now_ms - 1000)
                     + 1000 / s->conf->sizes_per_second;
        predictor_sizes_ask(s, f);
    }

    return predictor_sizes_save(s, now_ms);
}


void
predictor_sizes_fill(predictor_sizes_t *s, predictor_fleet_t *f)
{
    uint32_t  i;

    s->known = 0;

    for (i = 0; i < f->plan.nshards; i++) {

        if (f->ids[i] < s->ncols && s->bytes[f->ids[i]] >= 0) {
            f->plan.shards[i].bytes = s->bytes[f->ids[i]];
            s->known++;
        }
    }
}
