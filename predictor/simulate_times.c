
/* What happens at a time: nodes that fail, events that change the load. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate_items.h"


static int predictor_item_touches(predictor_item_t *item,
    predictor_sim_event_t *e, char *names);


/* 24d12h30m, 90s; -1: it is none */

static double
predictor_item_seconds(const char *text)
{
    char    *end;
    double   sum, v;
    size_t   i;

    static const struct {
        char    unit;
        double  seconds;
    } units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

    sum = 0;

    do {
        if (*text < '0' || *text > '9') {
            return -1;
        }

        v = strtod(text, &end);

        for (i = 0; i < 4 && units[i].unit != *end; i++) { /* void */ }

        if (i == 4) {
            return -1;
        }

        sum += v * units[i].seconds;
        text = end + 1;

    } while (*text);

    return sum;
}


static uint32_t
predictor_item_peak(const predictor_sim_t *s)
{
    double    sum, most;
    uint32_t  t, at;

    at = s->first;
    most = -1;

    for (t = s->first; t < s->nsteps; t++) {
        sum = predictor_sim_total(s, t);

        if (sum > most) {
            most = sum;
            at = t;
        }
    }

    return at;
}


/* "at TIME for TIME" from word i on; 0, or 2 when said */

static int
predictor_item_span(const predictor_item_t *item, uint32_t i, long *from,
    long *before)
{
    double  at, lasts;

    if (item->n < i + 4 || strcmp(item->word[i], "at") != 0
        || strcmp(item->word[i + 2], "for") != 0)
    {
        return predictor_item_wrong(item, "\"at TIME for TIME\" is expected "
                                    "behind the first word");
    }

    at = strcmp(item->word[i + 1], "peak") == 0
         ? (double) predictor_item_peak(item->s) * item->s->step_s
         : predictor_item_seconds(item->word[i + 1]);
    lasts = predictor_item_seconds(item->word[i + 3]);

    if (at < 0 || lasts < 0) {
        return predictor_item_wrong(item, "a time is a number and d, h, m or "
                                    "s, as 24d12h, or \"peak\"");
    }

    *from = predictor_sim_steps(item->s, at * 1000);
    *before = predictor_sim_steps(item->s, (at + lasts) * 1000);

    if (*from >= (long) item->s->nsteps || *before <= *from) {
        return predictor_item_wrong(item, "it is over before it begins, or "
                                    "behind the fleet's last line");
    }

    return 0;
}


int
predictor_item_failure(predictor_sim_t *s, const char *text)
{
    int                       rc;
    uint32_t                  i;
    predictor_item_t          item;
    predictor_sim_failure_t  *f;

    predictor_item_words(&item, s, "failures", text);

    if (item.n != 5) {
        return predictor_item_wrong(&item, "\"NODE at TIME for TIME\" is "
                                    "expected");
    }

    for (i = 0; i < s->nnodes; i++) {

        if (strcmp(s->nodes[i].name, item.word[0]) == 0) {
            break;
        }
    }

    if (i == s->nnodes) {
        return predictor_item_wrong(&item, "there is no such node");
    }

    f = realloc(s->failures, (s->nfailures + 1) * sizeof(*f));

    if (f == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    s->failures = f;
    f += s->nfailures;
    f->node = i;

    rc = predictor_item_span(&item, 1, &f->from, &f->before);
    s->nfailures += rc == 0;

    return rc;
}


int
predictor_item_event(predictor_sim_t *s, const char *text)
{
    int                     rc;
    char                   *end;
    uint32_t                i;
    predictor_item_t        item;
    predictor_sim_event_t  *e;

    predictor_item_words(&item, s, "events", text);
    e = realloc(s->events, (s->nevents + 1) * sizeof(*e));

    if (e == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    s->events = e;
    e += s->nevents;
    memset(e, 0, sizeof(predictor_sim_event_t));
    e->known = 1;

    if (item.n) {
        e->effect = item.word[0][0];
        e->size = strtod(item.word[0] + 1, &end);
    }

    if (item.n == 0 || strchr("x+-", e->effect) == NULL || *end
        || item.word[0][1] < '0' || item.word[0][1] > '9')
    {
        return predictor_item_wrong(&item, "it begins with its effect: x2.5, "
                                    "+300 or -300");
    }

    rc = predictor_item_span(&item, 1, &e->from, &e->before);

    for (i = 5; rc == 0 && i < item.n; i++) {

        if (strcmp(item.word[i], "unknown") == 0) {
            e->known = 0;

        } else if (strcmp(item.word[i], "shards") == 0 && i + 1 < item.n) {
            rc = predictor_item_touches(&item, e, item.word[++i]);

        } else {
            rc = predictor_item_wrong(&item, "behind the time may come "
                                      "\"shards A,B\" and \"unknown\"");
        }
    }

    /* counted at once: what it has is freed with the others */

    s->nevents++;

    return rc;
}


static int
predictor_item_touches(predictor_item_t *item, predictor_sim_event_t *e,
    char *names)
{
    char      *p, *rest;
    uint32_t   i;

    free(e->touches);
    e->touches = calloc(item->s->ncols, 1);

    if (e->touches == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    for (p = strtok_r(names, ",", &rest); p; p = strtok_r(NULL, ",", &rest)) {

        for (i = 0; i < item->s->ncols; i++) {

            if (strcmp(item->s->name[i], p) == 0) {
                break;
            }
        }

        if (i == item->s->ncols) {
            return predictor_item_wrong(item, "it names a shard that the "
                                        "fleet has not");
        }

        e->touches[i] = 1;
    }

    return 0;
}


/* what is added is shared among the shards by their load of the moment */

void
predictor_sim_happen(predictor_sim_t *s)
{
    long                          t;
    double                        sum, factor, *row;
    uint32_t                      i, k;
    const predictor_sim_event_t  *e;

    for (k = 0; k < s->nevents; k++) {
        e = &s->events[k];

        for (t = e->from; t < e->before && t < (long) s->nsteps; t++) {
            row = s->load + (size_t) t * s->ncols;
            sum = 0;

            for (i = 0; i < s->ncols; i++) {
                sum += e->touches == NULL || e->touches[i]
                       ? predictor_sim_value(s, (uint32_t) t, i) : 0;
            }

            factor = e->effect == 'x' ? e->size
                     : sum > 0 ? fmax(1 + (e->effect == '+' ? e->size
                                           : -e->size) / sum, 0) : 1;

            for (i = 0; i < s->ncols; i++) {
                row[i] *= e->touches == NULL || e->touches[i] ? factor : 1;
            }
        }
    }
}
