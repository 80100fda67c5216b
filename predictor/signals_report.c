
/* What is known beside the load, in the words of docs/redis-keys.md. */


#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "signals.h"


#define PREDICTOR_NODES_KEY  "node_forecast"


/* the load of one request "step" slots from now */

static double
predictor_signals_unit(void *data, shard_id_t id, uint32_t step)
{
    predictor_signals_t      *s = data;
    predictor_ratio_ahead_t   ahead;

    if (predictor_weights_plain(s->weights.weight)) {
        return 1;
    }

    if (predictor_ratio_ahead(&s->ratios[(size_t) id * PREDICTOR_RATIOS
                                         + PREDICTOR_RATIO_REQUESTS],
                              s->epoch_s, (double) s->res_s, step, &ahead)
        != SHARD_OK)
    {
        return NAN;
    }

    return 1 / ahead.mean;
}


/* weights, to be restored with */

int
predictor_signals_save(predictor_signals_t *s)
{
    int    rc;
    char  *load, *loads, *learned;

    load = predictor_weights_json(&s->weights);
    loads = predictor_weights_loads_json(&s->weights);
    learned = predictor_weights_learned_json(&s->weights);
    rc = SHARDD_BAD;

    if (load && loads && learned) {

        const shardd_field_t  fields[] = {
            { "load", load },
            { "loads", loads },
            { "learned", learned }
        };

        rc = s->io->hash_put(s->io->data, "predictor", fields,
                             s->weights.policy.learned ? 3 : 2);
    }

    free(load);
    free(loads);
    free(learned);

    return rc;
}


int
predictor_signals_forecast(predictor_signals_t *s,
    predictor_outlook_t *outlook, long last)
{
    int  rc;

    predictor_clients_sum(s->clients, outlook, s->base, last,
                          predictor_signals_unit, s);

    if (!s->unsaved && !s->weights.policy.learned) {
        return SHARDD_OK;
    }

    rc = predictor_signals_save(s);
    s->unsaved &= rc != SHARDD_OK;

    return rc;
}


static char *
predictor_signals_array(char *p, const char *name, const double *v, uint32_t n)
{
    uint32_t  i;

    p += sprintf(p, "\"%s\":[", name);

    for (i = 0; i < n; i++) {
        p += snprintf(p, 16, i ? ",%.4g" : "%.4g", v[i]);
    }

    *p++ = ']';

    return p;
}


/* a ratio at all leads; 0 when nothing is known of it */

static int
predictor_signals_ahead(const predictor_signals_t *s, shard_id_t id,
    predictor_ratio_e what, predictor_ratio_ahead_t *ahead)
{
    uint32_t                  i;
    const predictor_ratio_t  *r;

    r = &s->ratios[(size_t) id * PREDICTOR_RATIOS + what];

    for (i = 0; i < s->nleads; i++) {

        if (predictor_ratio_ahead(r, s->epoch_s, (double) s->res_s, s->lead[i],
                                  &ahead[i])
            != SHARD_OK)
        {
            return 0;
        }
    }

    return 1;
}


static char *
predictor_signals_quantiles(const predictor_signals_t *s, char *p,
    const char *name, const predictor_ratio_ahead_t *ahead, double most)
{
    int       k;
    char      word[16];
    double    v[PREDICTOR_SIGNAL_LEADS];
    uint32_t  i;

    p += sprintf(p, ",\"%s\":{", name);

    for (k = 0; k < PREDICTOR_RATIO_QUANTILES; k++) {

        for (i = 0; i < s->nleads; i++) {
            v[i] = fmin(ahead[i].q[k], most);
        }

        snprintf(word, sizeof(word), "q%g", predictor_ratio_quantiles[k]);
        p = predictor_signals_array(p, word, v, s->nleads);
        *p++ = ',';
    }

    p[-1] = '}';

    return p;
}


/* requests and bytes per second: the load's forecast times ratios; both may be
 * high at once, by as much as independent ones would */

static char *
predictor_signals_rates(const predictor_signals_t *s,
    const predictor_outlook_t *o, shard_id_t id, char *p)
{
    int                      bytes;
    double                   mean[PREDICTOR_SIGNAL_LEADS];
    double                   high[PREDICTOR_SIGNAL_LEADS];
    double                   load, up, ratio;
    uint32_t                 i;
    size_t                   at;
    predictor_ratio_ahead_t  ahead[PREDICTOR_SIGNAL_LEADS];

    for (i = 0; i < s->nleads; i++) {
        at = (size_t) id * o->ask.horizon + s->lead[i] - 1;
        mean[i] = o->mean[at] / predictor_signals_unit((void *) s, id,
                                                       s->lead[i]);
    }

    if (!isfinite(mean[0])) {
        return p;
    }

    p += sprintf(p, ",\"requests\":{");
    p = predictor_signals_array(p, "mean", mean, s->nleads);
    *p++ = '}';

    bytes = predictor_signals_ahead(s, id, PREDICTOR_RATIO_BYTES, ahead);

    for (i = 0; bytes && i < s->nleads; i++) {
        at = (size_t) id * o->ask.horizon + s->lead[i] - 1;
        load = o->mean[at];
        up = load > 0 ? log(fmax(o->quantile[1][at] / load, 1)) : 0;
        ratio = log(fmax(ahead[i].q[2] / ahead[i].mean, 1));
        mean[i] *= ahead[i].mean;
        high[i] = mean[i] * exp(sqrt(up * up + ratio * ratio));
    }

    if (bytes) {
        p += sprintf(p, ",\"bytes\":{");
        p = predictor_signals_array(p, "mean", mean, s->nleads);
        *p++ = ',';
        p = predictor_signals_array(p, "q0.9", high, s->nleads);
        *p++ = '}';
    }

    return p;
}


static char *
predictor_signals_clients(const predictor_signals_t *s, shard_id_t id, char *p)
{
    const predictor_clients_shard_t  *c;

    c = predictor_clients_of(s->clients, id);

    if (c == NULL) {
        return p;
    }

    p += sprintf(p, ",\"clients\":{\"series\":%u,\"sum\":%s,", c->n,
                 c->used ? "true" : "false");
    p += sprintf(p, "\"step\":[%u,%u,%u],", s->clients->lead[0],
                 s->clients->lead[1], s->clients->lead[2]);
    p = predictor_signals_array(p, "error_own", c->own,
                                PREDICTOR_CLIENTS_LEADS);
    *p++ = ',';
    p = predictor_signals_array(p, "error_sum", c->sum,
                                PREDICTOR_CLIENTS_LEADS);
    *p++ = '}';

    return p;
}


char *
predictor_signals_json(const predictor_signals_t *s,
    const predictor_outlook_t *outlook, shard_id_t id, char *p)
{
    uint32_t                 i;
    predictor_ratio_ahead_t  ahead[PREDICTOR_SIGNAL_LEADS];

    if (s == NULL || id >= s->ncols) {
        return p;
    }

    p += sprintf(p, ",\"signals\":{\"step\":[");

    for (i = 0; i < s->nleads; i++) {
        p += sprintf(p, i ? ",%u" : "%u", s->lead[i]);
    }

    *p++ = ']';
    p = predictor_signals_rates(s, outlook, id, p);

    if (predictor_signals_ahead(s, id, PREDICTOR_RATIO_WRITES, ahead)) {
        p = predictor_signals_quantiles(s, p, "write_share", ahead, 1);
    }

    if (predictor_signals_ahead(s, id, PREDICTOR_RATIO_LATENCY, ahead)) {
        p = predictor_signals_quantiles(s, p, "latency", ahead, INFINITY);
    }

    *p++ = '}';

    return predictor_signals_clients(s, id, p);
}


/* NULL: it was never known */

static json_t *
predictor_signals_figure(const predictor_outlook_t *o, uint32_t col,
    float now)
{
    char      word[16];
    size_t    at;
    json_t   *out, *list;
    uint32_t  h, k;

    if (col >= o->nshards || o->shards[col].model == NULL) {
        return isfinite(now) ? json_pack("{sf}", "now", (double) now) : NULL;
    }

    out = json_pack("{ss}", "model", o->shards[col].model);
    at = (size_t) col * o->ask.horizon;

    json_object_set_new(out, "now", isfinite(now) ? json_real(now)
                                                  : json_null());

    for (k = 0; k <= o->ask.nq; k++) {
        list = json_array();

        for (h = 0; h < o->ask.horizon; h++) {
            json_array_append_new(list, json_real(k ? o->quantile[k - 1][at + h]
                                                    : o->mean[at + h]));
        }

        snprintf(word, sizeof(word), "q%g", k ? o->q[k - 1] : 0);
        json_object_set_new(out, k ? word : "mean", list);
    }

    return out;
}


static char *
predictor_signals_node(const predictor_signals_t *s,
    const predictor_node_t *node, const predictor_outlook_t *o, double at)
{
    int          i;
    json_t      *out, *gauges, *figure;
    const char  *word, *why;

    why = s->conf->scrape_url ? node->source[0].why : node->source[1].why;
    out = json_pack("{sI sI ss}", "at", (json_int_t) at, "step_s",
                    (json_int_t) s->res_s, "state", why[0] ? "unknown" : "ok");
    gauges = json_object();

    if (why[0]) {
        json_object_set_new(out, "why", json_string(why));
    }

    for (i = 0; i < PREDICTOR_NODE_FIGURES; i++) {
        word = predictor_nodes_word(s->conf, (uint32_t) i);

        if (word == NULL || node->number[i] == PREDICTOR_NAMED_NONE) {
            continue;
        }

        figure = predictor_signals_figure(o, s->base + node->number[i],
                                          node->now[i]);

        if (figure) {
            json_object_set_new(i < PREDICTOR_NODE_GAUGE ? out : gauges, word,
                                figure);
        }
    }

    json_object_set_new(out, "gauges", gauges);
    return predictor_number_text(out);
}


int
predictor_signals_report(predictor_signals_t *s,
    predictor_nodes_t *nodes, const predictor_outlook_t *outlook, double at)
{
    int                rc;
    uint32_t           i;
    shardd_field_t     field;
    predictor_node_t  *node;

    rc = SHARDD_OK;

    for (i = 0; rc == SHARDD_OK && i < nodes->n; i++) {
        node = &nodes->nodes[i];

        if (!node->there && !node->said) {
            continue;
        }

        field.name = node->name;
        field.value = node->there ? predictor_signals_node(s, node, outlook,
                                                           at) : NULL;

        rc = s->io->hash_put(s->io->data, PREDICTOR_NODES_KEY, &field, 1);
        free(field.value);

        if (rc == SHARDD_OK) {
            node->said = node->there;
        }
    }

    return rc;
}
