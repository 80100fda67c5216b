
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/core/shard_codec.h"
#include "../src/daemon/shardd_log.h"
#include "series_parts.h"
#include "signals.h"


#define PREDICTOR_SIGNAL_KEY   "series"


/* metrics that somebody asked for, and what they are ratios to */

static unsigned
predictor_signals_wanted(const predictor_conf_t *conf)
{
    int                 i, k;
    unsigned            bits;
    const char *const  *words;

    words = shard_metric_words();
    bits = 0;

    for (i = 0; conf->signal_metrics && conf->signal_metrics[i]; i++) {

        for (k = 0; k < SHARD_METRICS; k++) {

            if (strcmp(conf->signal_metrics[i], words[k]) == 0) {
                bits |= SHARD_METRIC_BIT(k);
            }
        }
    }

    if (bits & SHARD_METRIC_BIT(SHARD_METRIC_LATENCY)) {
        bits |= SHARD_METRIC_BIT(SHARD_METRIC_COMPLETED);
    }

    return bits;
}


/* the rows of requests are those of the load while it is nothing else */

static void
predictor_signals_choose(predictor_signals_t *s)
{
    s->counted = predictor_signals_wanted(s->conf)
                 | predictor_weights_metrics(&s->weights);
    s->stored = s->counted;

    if (predictor_weights_plain(s->weights.weight)) {
        s->stored &= ~SHARD_METRIC_BIT(SHARD_METRIC_REQUESTS);
    }
}


static void
predictor_signals_leads(predictor_signals_t *s)
{
    int       i;
    uint32_t  lead;

    static const uint32_t  seconds[PREDICTOR_SIGNAL_LEADS] = {
        0, 3600, 6 * 3600, 24 * 3600
    };

    for (i = 0; i < PREDICTOR_SIGNAL_LEADS; i++) {
        lead = (uint32_t) ((long) seconds[i] / s->res_s);
        lead = lead < 1 ? 1 : lead > s->horizon ? s->horizon : lead;

        if (s->nleads == 0 || lead > s->lead[s->nleads - 1]) {
            s->lead[s->nleads++] = lead;
        }
    }
}


static int
predictor_signals_memory(predictor_signals_t *s)
{
    int       i;
    uint32_t  most;

    most = (uint32_t) s->conf->signal_series;

    s->names = predictor_names_create(most);
    s->ratios = calloc((size_t) s->ncols * PREDICTOR_RATIOS + 1,
                       sizeof(predictor_ratio_t));
    s->changed = malloc(2 * ((size_t) most + 1) * sizeof(uint32_t));
    s->ids = malloc(((size_t) s->base + most + 1) * sizeof(shard_id_t));

    if (!s->names || !s->ratios || !s->changed || !s->ids) {
        return -1;
    }

    s->clients = predictor_clients_create(s->names,
                                          (uint32_t) s->conf->signal_clients,
                                          s->horizon, s->res_s);

    for (i = 0; i < SHARD_METRICS; i++) {
        s->rows[i] = malloc(((size_t) s->ncols + 1) * sizeof(float));
        s->mean[i] = calloc((size_t) s->ncols + 1, sizeof(double));

        if (!s->rows[i] || !s->mean[i]) {
            return -1;
        }
    }

    return s->clients ? 0 : -1;
}


void
predictor_signals_done(predictor_signals_t *s)
{
    int  i;

    if (s == NULL) {
        return;
    }

    for (i = 0; i < SHARD_METRICS; i++) {
        free(s->rows[i]);
        free(s->mean[i]);
    }

    predictor_clients_destroy(s->clients);
    predictor_names_destroy(s->names);
    free(s->ratios);
    free(s->changed);
    free(s->ids);
    free(s);
}


int
predictor_signals_load(predictor_signals_t **out, const predictor_conf_t *conf,
    const predictor_io_t *io, long res_s, uint32_t ncols, uint32_t base,
    uint32_t horizon, const char *policy, long last)
{
    int                   rc;
    shardd_entry_t        saved;
    predictor_signals_t  *s;

    s = calloc(1, sizeof(predictor_signals_t));

    if (s == NULL) {
        return SHARDD_BAD;
    }

    *out = s;
    s->conf = conf;
    s->io = io;
    s->res_s = res_s;
    s->ncols = ncols;
    s->base = base;
    s->horizon = horizon;

    predictor_signals_leads(s);
    predictor_weights_init(&s->weights);

    if (predictor_signals_memory(s) != 0) {
        return SHARDD_BAD;
    }

    memset(&saved, 0, sizeof(shardd_entry_t));
    rc = io->hash_load(io->data, "predictor", &saved);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    predictor_weights_restore(&s->weights, &saved);
    shardd_entry_free(&saved);

    (void) predictor_weights_choose(&s->weights, policy, last + 1,
                                    86400 / res_s);
    s->unsaved = 1;
    predictor_signals_choose(s);

    return SHARDD_OK;
}


/* {"of":"node","owner":"n1","name":"cpu","since":SLOT} under its number;
 * what is odd is left out and its number is free */

static void
predictor_signals_name(predictor_signals_t *s, const shardd_field_t *field)
{
    int           i;
    json_t       *json;
    const char   *of, *owner, *name;
    shard_id_t    number;
    shard_str_t   text;

    text.data = field->name;
    text.len = strlen(field->name);
    json = json_loads(field->value, 0, NULL);

    of = json_string_value(json_object_get(json, "of"));
    owner = json_string_value(json_object_get(json, "owner"));
    name = json_string_value(json_object_get(json, "name"));

    for (i = 1; of && owner && name && predictor_named_words[i]; i++) {

        if (strcmp(of, predictor_named_words[i]) == 0
            && shard_id_decode(text, &number) == SHARD_OK)
        {
            (void) predictor_names_put(s->names, number,
                       (predictor_named_e) i, owner, name,
                       (long) json_integer_value(json_object_get(json,
                                                                 "since")));
        }
    }

    json_decref(json);
}


int
predictor_signals_names(predictor_signals_t *s)
{
    int             rc;
    size_t          i;
    shardd_entry_t  saved;

    memset(&saved, 0, sizeof(shardd_entry_t));
    rc = s->io->hash_load(s->io->data, PREDICTOR_SIGNAL_KEY, &saved);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return rc;
    }

    for (i = 0; i < saved.nfields; i++) {
        predictor_signals_name(s, &saved.fields[i]);
    }

    shardd_entry_free(&saved);

    predictor_clients_restore(s->clients);

    return SHARDD_OK;
}


void
predictor_signals_count(predictor_signals_t *s, const predictor_slots_t *slots,
    const shard_metrics_entry_t *e)
{
    long    slot, last;
    double  begin, end, part;

    if (e->nclients == 0 || s->names->max == 0 || slots->base < 0) {
        return;
    }

    /* these are of one interval earlier: of the same slot, but for its edge */

    end = (double) e->head.end_ms;
    begin = end - e->head.interval_ms;
    slot = (long) floor(predictor_clock_s(&slots->clock, begin)
                        / (double) s->res_s);
    last = (long) floor(predictor_clock_s(&slots->clock, end)
                        / (double) s->res_s);
    slot = slot < slots->base ? slots->base : slot;

    for ( /* void */ ; slot <= last; slot++) {
        part = predictor_slots_overlap(slots, slot, begin, end);

        if (part > 0) {
            predictor_clients_count(s->clients, e, slot, part / (end - begin));
        }
    }
}


int
predictor_signals_policy(predictor_signals_t *s, const char *policy,
    long closed)
{
    int       changed;
    char      before[SHARD_ERR_SIZE], why[sizeof(s->weights.why)];
    unsigned  counted;

    counted = s->counted;

    memcpy(before, s->weights.policy_err, sizeof(before));
    memcpy(why, s->weights.why, sizeof(why));

    changed = predictor_weights_choose(&s->weights, policy, closed + 1,
                                       86400 / s->res_s);

    if (s->weights.policy_err[0]
        && strcmp(before, s->weights.policy_err) != 0)
    {
        shardd_log(SHARDD_LOG_WARN, "policy: %s: the load stays what it was",
                   s->weights.policy_err);
    }

    if (s->weights.why[0] && why[0] == '\0') {
        shardd_log(SHARDD_LOG_WARN, "policy: load is to be learned, but %s",
                   s->weights.why);
    }

    s->unsaved |= changed || strcmp(why, s->weights.why) != 0;
    predictor_signals_choose(s);

    return changed || counted != s->counted;
}


void
predictor_signals_ids(predictor_signals_t *s, const predictor_fleet_t *fleet)
{
    uint32_t  i;

    s->nids = 0;

    for (i = 0; i < fleet->plan.nshards; i++) {

        if (fleet->ids[i] < s->ncols) {
            s->ids[s->nids++] = fleet->ids[i];
        }
    }

    for (i = 0; i < s->names->max; i++) {

        if (s->names->series[i].of != PREDICTOR_NAMED_FREE) {
            s->ids[s->nids++] = s->base + i;
        }
    }
}
