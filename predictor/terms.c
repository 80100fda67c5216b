
#include <math.h>

#include "terms.h"


#define PREDICTOR_TERMS_MILLION  1e6
#define PREDICTOR_TERMS_GB       1e9
#define PREDICTOR_TERMS_HOUR     3600.0


static uint64_t
predictor_terms_bit(uint32_t column)
{
    return column < 64 ? (uint64_t) 1 << column : 0;
}


/*
 * The zone of a standby would put two copies into one zone: barred, unless
 * the primary's zone has another copy already, and so would lose none.
 */

static uint64_t
predictor_terms_apart(const predictor_terms_shard_t *s)
{
    uint32_t  i;
    uint64_t  zones;

    zones = 0;

    for (i = 0; i < s->nstandbys; i++) {

        if (s->standbys[i] == s->primary) {
            return 0;
        }

        zones |= predictor_terms_bit(s->standbys[i]);
    }

    return zones;
}


/* zones too far from a copy of a shard whose copies are to agree at once */

static uint64_t
predictor_terms_far(const predictor_terms_t *t,
    const predictor_terms_shard_t *s)
{
    uint32_t  i, z;
    uint64_t  zones;

    zones = 0;

    for (i = 0; i < s->nstandbys; i++) {

        for (z = 0; z < t->ncolumns; z++) {

            if (t->between[s->standbys[i]][z] > t->strong_within) {
                zones |= predictor_terms_bit(z);
            }
        }
    }

    return zones;
}


uint64_t
predictor_terms_barred(const predictor_terms_t *t,
    const predictor_terms_shard_t *s)
{
    uint64_t  zones;

    zones = t->zones_apart ? predictor_terms_apart(s) : 0;

    if (s->consistency == SHARD_STRONG
        && t->strong_within != SHARD_TERMS_ANYWHERE)
    {
        zones |= predictor_terms_far(t, s);
    }

    return zones & ~predictor_terms_bit(s->primary);
}


int
predictor_terms_placed(const predictor_terms_t *t)
{
    return t->weight[SHARD_TERM_LATENCY] > 0
           || t->weight[SHARD_TERM_BANDWIDTH] > 0;
}


/* how far a read goes from a zone when the primary is in "z" */

static double
predictor_terms_read(const predictor_terms_t *t,
    const predictor_terms_shard_t *s, uint32_t client, uint32_t z)
{
    uint32_t  i, least;

    least = t->distance[client][z];

    for (i = 0; s->consistency == SHARD_EVENTUAL && i < s->nstandbys; i++) {

        if (t->distance[client][s->standbys[i]] < least) {
            least = t->distance[client][s->standbys[i]];
        }
    }

    return least;
}


void
predictor_terms_place(const predictor_terms_t *t,
    const predictor_terms_shard_t *s,
    const predictor_asked_t asked[PREDICTOR_TERMS_CLIENTS], float *row)
{
    double                    far, wide, reads, writes, nearest;
    uint32_t                  c, z;
    const predictor_asked_t  *a;

    for (z = 0; z < t->ncolumns; z++) {
        far = 0;
        wide = 0;

        for (c = 0; c < t->nclients; c++) {
            a = &asked[c];
            writes = (double) a->writes;
            reads = fmax((double) a->requests - writes, 0);
            nearest = predictor_terms_read(t, s, c, z);
            far += writes * t->distance[c][z] + reads * nearest;

            /* a read that stays in its zone crosses none */

            if (t->column[c] != z) {
                wide += (double) a->bytes * (nearest > 0 || reads <= 0 ? 1
                                             : writes / (reads + writes));
            }
        }

        row[z] = (float) (t->weight[SHARD_TERM_LATENCY] * far
                          / PREDICTOR_TERMS_MILLION
                          + t->weight[SHARD_TERM_BANDWIDTH] * wide
                            / PREDICTOR_TERMS_GB);
    }
}


double
predictor_terms_price(const predictor_terms_t *t, double node_cost,
    double capacity)
{
    return t->weight[SHARD_TERM_NODE] * node_cost / PREDICTOR_TERMS_HOUR
           / capacity;
}


double
predictor_terms_move(const predictor_terms_t *t, double bytes, double move_s,
    double hold_s, double requests)
{
    return t->weight[SHARD_TERM_MOVE]
           + t->weight[SHARD_TERM_MOVE_GB] * bytes / PREDICTOR_TERMS_GB
           + t->weight[SHARD_TERM_MOVE_HOUR] * move_s / PREDICTOR_TERMS_HOUR
           + t->weight[SHARD_TERM_HOLD] * hold_s * requests / 1000;
}
