
/* Fleets made up: by shape and seed, or of a smaller fleet's shards. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate.h"


#define PREDICTOR_MAKE_DAY_S    86400
#define PREDICTOR_MAKE_START    1704067200      /* a Monday, 00:00 UTC */
#define PREDICTOR_MAKE_2PI      6.283185307179586

/* of the slow part of a level: what is left after a step, and what comes */

#define PREDICTOR_MAKE_KEEPS    0.998
#define PREDICTOR_MAKE_DRIFTS   0.012

#define PREDICTOR_MAKE_WALKS    0.02
#define PREDICTOR_MAKE_HOLDS    0.9995

/* peaks that come from nowhere: one in so many steps, length in steps */

#define PREDICTOR_MAKE_SPIKES   6000
#define PREDICTOR_MAKE_SPIKE    9

/* a tiled shard is up to a quarter of a day earlier, 1/4 to 4 times as large */

#define PREDICTOR_TILE_PHASE_S  21600
#define PREDICTOR_TILE_OCTAVES  2


/* one shard's character */

typedef struct {
    double    mean;
    double    phase;            /* of a day */
    double    width;
    double    weekend;
    double    level;            /* log of the slow part */
    uint32_t  spike;            /* steps that are left of one */
    double    size;
} predictor_make_t;


uint64_t
predictor_sim_random(uint64_t *state)
{
    uint64_t  z;

    z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);

    return z ^ z >> 31;
}


double
predictor_sim_uniform(uint64_t *state)
{
    return (double) (predictor_sim_random(state) >> 11) / 9007199254740992.0;
}


double
predictor_sim_normal(uint64_t *state)
{
    double  u;

    u = predictor_sim_uniform(state) + 1e-300;

    return sqrt(-2 * log(u))
           * cos(PREDICTOR_MAKE_2PI * predictor_sim_uniform(state));
}


/* days and weeks: four time zones, broad and narrow days, quiet weekends */

static double
predictor_make_rhythm(const predictor_sim_t *s, predictor_make_t *m,
    uint32_t step, uint64_t *seed)
{
    double    day, v;
    uint32_t  steps;

    steps = PREDICTOR_MAKE_DAY_S / s->step_s;
    day = (double) (step % steps) / steps - m->phase;

    v = exp((cos(PREDICTOR_MAKE_2PI * day) - 1) / m->width);
    v *= step / steps % 7 > 4 ? m->weekend : 1;

    m->level = PREDICTOR_MAKE_KEEPS * m->level
               + PREDICTOR_MAKE_DRIFTS * predictor_sim_normal(seed);

    if (m->spike) {
        m->spike--;
        v *= m->size;

    } else if (predictor_sim_random(seed) % PREDICTOR_MAKE_SPIKES == 0) {
        m->spike = PREDICTOR_MAKE_SPIKE;
        m->size = 1.3 + predictor_sim_uniform(seed);
    }

    return v * exp(m->level);
}


static double
predictor_make_value(const predictor_sim_t *s, predictor_make_t *m,
    uint32_t step, uint64_t *seed)
{
    double  v;

    switch (s->conf.shape) {

    case PREDICTOR_SIM_RHYTHM:
        v = predictor_make_rhythm(s, m, step, seed);
        break;

    case PREDICTOR_SIM_WALK:
        m->level = PREDICTOR_MAKE_HOLDS * m->level
                   + PREDICTOR_MAKE_WALKS * predictor_sim_normal(seed);
        v = exp(m->level);
        break;

    default: /* PREDICTOR_SIM_STATIONARY */
        v = 1;
        break;
    }

    return v * fmax(1 + s->conf.noise * predictor_sim_normal(seed), 0);
}


/* values of a column, whose mean is then what it shall be */

static void
predictor_make_column(predictor_sim_t *s, uint32_t col, predictor_make_t *m,
    uint64_t *seed)
{
    double    sum, *v;
    uint32_t  t;

    sum = 0;

    for (t = 0; t < s->nsteps; t++) {
        v = &s->load[(size_t) t * s->ncols + col];
        *v = predictor_make_value(s, m, t, seed);
        sum += *v;
    }

    for (t = 0; t < s->nsteps && sum > 0; t++) {
        s->load[(size_t) t * s->ncols + col] *= m->mean * s->nsteps / sum;
    }
}


int
predictor_sim_make(predictor_sim_t *s)
{
    double            all;
    uint32_t          i;
    uint64_t          seed;
    predictor_make_t  m;

    s->step_s = PREDICTOR_SIM_STEP_S;
    s->start_s = PREDICTOR_MAKE_START;
    s->ncols = (uint32_t) s->conf.shards;
    s->nsteps = (uint32_t) (s->conf.days * PREDICTOR_MAKE_DAY_S / s->step_s);
    seed = (uint64_t) s->conf.seed;

    if ((double) s->ncols * s->nsteps > PREDICTOR_SIM_VALUES_MAX) {
        fprintf(stderr, "shard-predictor: %s: \"generate\": %u shards of %ld "
                "days are more than %d values; make fewer, and \"tile\" them\n",
                s->conf.path, s->ncols, s->conf.days,
                PREDICTOR_SIM_VALUES_MAX);
        return 2;
    }

    s->load = malloc((size_t) s->nsteps * s->ncols * sizeof(double));
    s->name = calloc(s->ncols, SHARD_NAME_SIZE);

    if (s->load == NULL || s->name == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    all = 0;

    for (i = 0; i < s->ncols; i++) {
        all += pow(i + 1, -s->conf.zipf);
    }

    for (i = 0; i < s->ncols; i++) {
        memset(&m, 0, sizeof(predictor_make_t));
        m.mean = s->conf.rate * pow(i + 1, -s->conf.zipf) / all;
        m.phase = (double) (predictor_sim_random(&seed) % 4) / 4
                  + 0.06 * predictor_sim_normal(&seed);
        m.width = 0.3 + 1.2 * predictor_sim_uniform(&seed);
        m.weekend = 0.3 + 0.7 * predictor_sim_uniform(&seed);

        snprintf(s->name[i], SHARD_NAME_SIZE, "s%u", i);
        predictor_make_column(s, i, &m, &seed);
    }

    return 0;
}


/*
 * A plan of a snapshot needs a horizon of so many shards, not their weeks:
 * "mean" then stands for the history that is left out.
 */

static int
predictor_tile_room(predictor_sim_t *tiled, const predictor_sim_t *s)
{
    uint32_t  steps;

    *tiled = *s;
    tiled->ncols = (uint32_t) s->conf.tile;

    if (s->conf.plan_once) {
        steps = 2 + (uint32_t) predictor_sim_steps(s,
                                   (double) s->conf.horizon_ms);
        tiled->nsteps = steps < s->nsteps ? steps : s->nsteps;
    }

    if ((double) tiled->ncols * tiled->nsteps > PREDICTOR_SIM_VALUES_MAX) {
        fprintf(stderr, "shard-predictor: %s: \"tile\": %u shards of %u steps "
                "are more than %d values; say a smaller number, or "
                "\"plan_once: on\"\n", s->conf.path, tiled->ncols,
                tiled->nsteps, PREDICTOR_SIM_VALUES_MAX);
        return 2;
    }

    tiled->load = malloc((size_t) tiled->nsteps * tiled->ncols
                         * sizeof(double));
    tiled->name = calloc(tiled->ncols, SHARD_NAME_SIZE);
    tiled->mean = s->conf.plan_once ? calloc(tiled->ncols, sizeof(double))
                                    : NULL;

    if (!tiled->load || !tiled->name || (s->conf.plan_once && !tiled->mean)) {
        fputs("shard-predictor: out of memory\n", stderr);
        free(tiled->load);
        free(tiled->name);
        free(tiled->mean);
        return 1;
    }

    return 0;
}


static double
predictor_tile_mean(const predictor_sim_t *s, uint32_t col)
{
    double    sum;
    uint32_t  t;

    sum = 0;

    for (t = 0; t < s->nsteps; t++) {
        sum += predictor_sim_value(s, t, col);
    }

    return sum / s->nsteps;
}


int
predictor_sim_tile(predictor_sim_t *s)
{
    int              rc;
    double           scale, *mean;
    uint32_t         i, t, base, phase, from;
    uint64_t         seed;
    predictor_sim_t  tiled;

    rc = predictor_tile_room(&tiled, s);

    if (rc != 0) {
        return rc;
    }

    mean = malloc(s->ncols * sizeof(double));

    for (i = 0; mean && i < s->ncols; i++) {
        mean[i] = predictor_tile_mean(s, i);
    }

    seed = (uint64_t) s->conf.seed + 1;
    from = tiled.nsteps < s->nsteps ? s->nsteps / 2 : 0;

    for (i = 0; mean && i < tiled.ncols; i++) {
        base = i % s->ncols;
        phase = from + (uint32_t) (predictor_sim_random(&seed)
                                   % (PREDICTOR_TILE_PHASE_S / s->step_s
                                      + 1));
        scale = exp2(PREDICTOR_TILE_OCTAVES
                     * (2 * predictor_sim_uniform(&seed) - 1));

        snprintf(tiled.name[i], SHARD_NAME_SIZE, "%.40s.%u", s->name[base],
                 i / s->ncols);

        if (tiled.mean) {
            tiled.mean[i] = mean[base] * scale;
        }

        for (t = 0; t < tiled.nsteps; t++) {
            tiled.load[(size_t) t * tiled.ncols + i] =
                s->load[(size_t) ((t + phase) % s->nsteps) * s->ncols + base]
                * scale;
        }
    }

    if (mean == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        rc = 1;
    }

    free(mean);
    free(s->load);
    free(s->name);
    *s = tiled;

    return rc;
}
