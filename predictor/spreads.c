
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../src/daemon/shardd_log.h"
#include "spread_units.h"
#include "spreads.h"


#define PREDICTOR_SPREADS_SAVED   64      /* in one call, of 5 KB each */
#define PREDICTOR_SPREADS_LOOKED  4096    /* at, in one call */
#define PREDICTOR_SPREADS_DECAYS  64      /* at least, in a half-life */


/* what a load needs in its calls back */

typedef struct {
    predictor_spreads_t      *sp;
    const predictor_fleet_t  *fleet;
    predictor_units_t         units;
    uint32_t                  n;
    uint32_t                  refused;
    int                       broken;     /* no memory */
} predictor_spreads_load_t;


static const shard_record_t *predictor_spreads_record(
    const predictor_fleet_t *fleet, shard_id_t id);
static predictor_spreads_one_t *predictor_spreads_get(
    predictor_spreads_t *sp, shard_id_t id, unsigned skip, double at_s);
static void predictor_spreads_age(predictor_spreads_t *sp, shard_spread_t *s,
    double at_s);
static void predictor_spreads_each(void *data, shard_id_t id,
    shard_str_t text);


int
predictor_spreads_room(predictor_spreads_t *sp, uint32_t n, double half_s)
{
    predictor_spreads_one_t  **by_id;

    sp->half_s = half_s;

    if (sp->by_id && n <= sp->n) {
        return SHARD_OK;
    }

    by_id = realloc(sp->by_id, (n ? n : 1) * sizeof(*by_id));

    if (by_id == NULL) {
        return SHARD_ERROR;
    }

    memset(by_id + sp->n, 0, (n - sp->n) * sizeof(*by_id));

    sp->by_id = by_id;
    sp->next = n;
    sp->n = n;

    return SHARD_OK;
}


void
predictor_spreads_done(predictor_spreads_t *sp)
{
    uint32_t  i;

    for (i = 0; i < sp->n; i++) {
        free(sp->by_id[i]);
    }

    free(sp->by_id);
    memset(sp, 0, sizeof(predictor_spreads_t));
}


static const shard_record_t *
predictor_spreads_record(const predictor_fleet_t *fleet, shard_id_t id)
{
    if (id >= fleet->ncols || fleet->by_id[id] == SHARD_ID_NONE) {
        return NULL;
    }

    return &fleet->table.shards[fleet->by_id[id]];
}


/* NULL without memory, or when it is of another frame */

static predictor_spreads_one_t *
predictor_spreads_get(predictor_spreads_t *sp, shard_id_t id, unsigned skip,
    double at_s)
{
    predictor_spreads_one_t  *one;

    one = sp->by_id[id];

    if (one == NULL) {
        one = calloc(1, sizeof(predictor_spreads_one_t));

        if (one == NULL) {
            return NULL;
        }

        shard_spread_init(&one->spread, skip, at_s);
        sp->by_id[id] = one;
    }

    return one->spread.skip == skip ? one : NULL;
}


/* a clock that was set back ages nothing */

static void
predictor_spreads_age(predictor_spreads_t *sp, shard_spread_t *s, double at_s)
{
    double  s_passed;

    s_passed = at_s - s->at_s;

    if (s_passed < 0 && -s_passed > sp->half_s) {
        s->at_s = at_s;

    } else if (s_passed >= sp->half_s / PREDICTOR_SPREADS_DECAYS) {
        s->at_s = at_s;
        shard_spread_decay(s, exp2(-s_passed / sp->half_s));
    }
}


void
predictor_spreads_add(predictor_spreads_t *sp, const predictor_fleet_t *fleet,
    const shard_metrics_entry_t *e, double at_s)
{
    unsigned                  skip;
    uint32_t                  i;
    const shard_record_t     *rec;
    shard_metrics_sample_t    sample;
    predictor_spreads_one_t  *one;

    for (i = 0; i < e->nsamples; i++) {
        shard_metrics_sample(e, i, &sample);

        one = NULL;
        rec = sample.id < sp->n ? predictor_spreads_record(fleet, sample.id)
                                : NULL;

        if (rec) {
            (void) predictor_spread_range(rec, &skip);

            if (skip == sample.skip) {
                one = predictor_spreads_get(sp, sample.id, skip, at_s);
            }
        }

        if (one == NULL) {
            sp->left++;
            continue;
        }

        predictor_spreads_age(sp, &one->spread, at_s);
        shard_spread_add(&one->spread, sample.position, sample.key,
                         sample.weight, sample.write);

        one->dirty = 1;
        sp->samples++;
    }
}


static void
predictor_spreads_each(void *data, shard_id_t id, shard_str_t text)
{
    char                      err[SHARD_ERR_SIZE];
    unsigned                  skip;
    shard_spread_t            s;
    predictor_range_t         range;
    const shard_record_t     *rec;
    predictor_spreads_one_t  *one;
    predictor_spreads_load_t *load = data;

    rec = id < load->sp->n ? predictor_spreads_record(load->fleet, id) : NULL;

    if (rec == NULL) {
        return;
    }

    if (shard_spread_decode(text, &s, err) != SHARD_OK) {

        if (load->refused++ == 0) {
            shardd_log(SHARDD_LOG_WARN, "stored distribution of shard %u "
                       "begins anew: %s", id, err);
        }

        return;
    }

    range = predictor_spread_range(rec, &skip);

    if (s.skip != skip) {
        return;
    }

    one = predictor_spreads_get(load->sp, id, skip, s.at_s);

    if (one == NULL) {
        load->broken = 1;
        return;
    }

    if (load->units.list) {
        predictor_units_pick(&load->units, id, &s);

    } else {
        shard_spread_clip(&s, range.lo, range.last);
    }

    one->spread = s;
    one->known = predictor_spread_cut(&s, &range, &one->cut) == SHARD_OK;
    load->n++;
}


int
predictor_spreads_load(predictor_spreads_t *sp, const predictor_io_t *io,
    const predictor_fleet_t *fleet)
{
    int                       rc;
    predictor_spreads_load_t  load;

    memset(&load, 0, sizeof(load));
    load.sp = sp;
    load.fleet = fleet;

    if (predictor_units_init(&load.units, &fleet->table) != SHARD_OK) {
        return SHARDD_BAD;
    }

    rc = io->spread_load(io->data, predictor_spreads_each, &load);

    predictor_units_done(&load.units);

    if (rc == SHARDD_OK && load.broken) {
        rc = SHARDD_BAD;
    }

    if (rc == SHARDD_OK && load.refused) {
        shardd_log(SHARDD_LOG_WARN, "%u stored distributions could not be "
                   "read, %u could", load.refused, load.n);
    }

    return rc;
}


void
predictor_spreads_turn(predictor_spreads_t *sp)
{
    if (sp->next >= sp->n) {
        sp->next = 0;
    }
}


int
predictor_spreads_save(predictor_spreads_t *sp, const predictor_io_t *io,
    const predictor_fleet_t *fleet)
{
    int                       rc;
    char                     *buf;
    size_t                    n, i;
    uint32_t                  id;
    unsigned                  skip;
    shard_id_t                ids[PREDICTOR_SPREADS_SAVED];
    shard_str_t               texts[PREDICTOR_SPREADS_SAVED];
    predictor_range_t         range;
    const shard_record_t     *rec;
    predictor_spreads_one_t  *one;

    if (sp->next >= sp->n) {
        return SHARDD_OK;
    }

    buf = malloc(PREDICTOR_SPREADS_SAVED * SHARD_SPREAD_STORED);

    if (buf == NULL) {
        return SHARDD_BAD;
    }

    n = 0;

    for (id = sp->next; id < sp->n && n < PREDICTOR_SPREADS_SAVED
                        && id - sp->next < PREDICTOR_SPREADS_LOOKED; id++)
    {
        one = sp->by_id[id];
        rec = predictor_spreads_record(fleet, id);

        if (one == NULL || !one->dirty || rec == NULL) {
            continue;
        }

        ids[n] = id;
        texts[n].data = buf + n * SHARD_SPREAD_STORED;
        texts[n].len = shard_spread_encode(&one->spread,
                                           buf + n * SHARD_SPREAD_STORED);
        n++;

        range = predictor_spread_range(rec, &skip);
        one->known = predictor_spread_cut(&one->spread, &range, &one->cut)
                     == SHARD_OK;
    }

    rc = io->spread_put(io->data, ids, texts, n);

    if (rc == SHARDD_OK) {
        sp->next = id;

        for (i = 0; i < n; i++) {
            sp->by_id[ids[i]]->dirty = 0;
        }
    }

    free(buf);

    return rc;
}


size_t
predictor_spreads_json(const predictor_spreads_t *sp, shard_id_t id,
    char *buf)
{
    size_t                          len;
    static const char               head[] = ",\"spread\":";
    const predictor_spreads_one_t  *one;

    one = id < sp->n ? sp->by_id[id] : NULL;

    if (one == NULL) {
        return 0;
    }

    len = predictor_spread_json(&one->spread, one->known ? &one->cut : NULL,
                                buf + sizeof(head) - 1);

    if (len == 0) {
        return 0;
    }

    memcpy(buf, head, sizeof(head) - 1);

    return len + sizeof(head) - 1;
}
