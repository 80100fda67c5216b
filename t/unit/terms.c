
/*
 * Policy in the planner's terms: zones that are barred, the price of a place,
 * the cost of a move.
 */

#include "../lib/tap.h"
#include "../../predictor/terms.h"


static predictor_terms_t        t;
static predictor_terms_shard_t  s;
static predictor_asked_t        asked[PREDICTOR_TERMS_CLIENTS];
static float                    row[PREDICTOR_TERMS_COLUMNS];


/* three zones of nodes, 10 apart from one to the next; two that ask: zone 0,
 * and one that has no node, 5 from zone 2 */

static void
begin(void)
{
    uint32_t  a, b;

    memset(&t, 0, sizeof(t));
    memset(&s, 0, sizeof(s));
    memset(asked, 0, sizeof(asked));

    t.strong_within = SHARD_TERMS_ANYWHERE;
    t.ncolumns = 3;
    t.nclients = 2;
    t.column[0] = 0;
    t.column[1] = PREDICTOR_TERMS_COLUMNS;

    for (a = 0; a < 3; a++) {

        for (b = 0; b < 3; b++) {
            t.between[a][b] = (uint32_t) (a > b ? a - b : b - a) * 10;
        }

        t.distance[0][a] = a * 10;
        t.distance[1][a] = 25 - a * 10;
    }
}


static void
test_barred(void)
{
    begin();
    s.nstandbys = 1;
    s.standbys[0] = 1;
    tap_is_int((long long) predictor_terms_barred(&t, &s), 0,
               "nothing is barred without policy");

    t.zones_apart = 1;
    tap_is_int((long long) predictor_terms_barred(&t, &s), 2,
               "the standby's zone");
    s.nstandbys = 2;
    s.standbys[1] = 2;
    tap_is_int((long long) predictor_terms_barred(&t, &s), 6, "both of two");
    s.primary = 2;
    tap_is_int((long long) predictor_terms_barred(&t, &s), 0,
               "beside a standby already: all zones are as good");

    begin();
    t.strong_within = 10;
    s.nstandbys = 1;
    s.standbys[0] = 0;
    tap_is_int((long long) predictor_terms_barred(&t, &s), 4,
               "strong: within 10 of its standby");
    s.primary = 2;
    tap_is_int((long long) predictor_terms_barred(&t, &s), 0,
               "where it is, it may stay");
    s.primary = 1;
    s.consistency = SHARD_EVENTUAL;
    tap_is_int((long long) predictor_terms_barred(&t, &s), 0,
               "eventual: anywhere");

    begin();
    t.zones_apart = 1;
    s.primary = 64;
    s.nstandbys = 1;
    s.standbys[0] = 64;
    tap_is_int((long long) predictor_terms_barred(&t, &s), 0,
               "zones that have no number are not known apart");
}


static void
test_latency(void)
{
    begin();
    tap_ok(!predictor_terms_placed(&t), "no weight");
    t.weight[SHARD_TERM_LATENCY] = 2;
    tap_ok(predictor_terms_placed(&t), "one of latency");

    asked[0].requests = 1000;
    asked[0].writes = 100;
    predictor_terms_place(&t, &s, asked, row);
    tap_is_dbl((double) row[0], 0, 0, "at home");
    tap_is_dbl((double) row[1], 2 * 1000 * 10 / 1e6, 1e-9, "a zone away");
    tap_is_dbl((double) row[2], 2 * 1000 * 20 / 1e6, 1e-9, "two away");

    asked[1].requests = 3000;
    predictor_terms_place(&t, &s, asked, row);
    tap_ok(row[2] < row[1] && row[1] < row[0], "more ask from elsewhere");

    s.consistency = SHARD_EVENTUAL;
    s.nstandbys = 1;
    s.standbys[0] = 2;
    asked[1].requests = 0;
    predictor_terms_place(&t, &s, asked, row);
    tap_is_dbl((double) row[1], 2 * 1000 * 10 / 1e6, 1e-9,
               "eventual: a standby further away is no help");
    s.standbys[0] = 0;
    predictor_terms_place(&t, &s, asked, row);
    tap_is_dbl((double) row[2], 2 * 100 * 20 / 1e6, 1e-9,
               "one at home: writes alone go far");
}


static void
test_bandwidth(void)
{
    begin();
    t.weight[SHARD_TERM_BANDWIDTH] = 3;
    asked[0].requests = 1000;
    asked[0].bytes = 1e6f;
    asked[1].bytes = 2e6f;
    asked[1].requests = 10;
    predictor_terms_place(&t, &s, asked, row);
    tap_is_dbl((double) row[0], 3 * 2e6 / 1e9, 1e-9, "the other's bytes");
    tap_is_dbl((double) row[1], 3 * 3e6 / 1e9, 1e-9, "everybody's");

    s.consistency = SHARD_EVENTUAL;
    s.nstandbys = 1;
    s.standbys[0] = 0;
    asked[0].writes = 250;
    predictor_terms_place(&t, &s, asked, row);
    tap_is_dbl((double) row[1], 3 * 2.25e6 / 1e9, 1e-9,
               "reads at home cross no zone");
}


static void
test_costs(void)
{
    begin();
    tap_is_dbl(predictor_terms_move(&t, 1e12, 3600, 1, 1000), 0, 0,
               "no weight, no cost");
    t.weight[SHARD_TERM_MOVE] = 10;
    t.weight[SHARD_TERM_MOVE_GB] = 2;
    t.weight[SHARD_TERM_MOVE_HOUR] = 30;
    t.weight[SHARD_TERM_HOLD] = 5;
    tap_is_dbl(predictor_terms_move(&t, 4e9, 1800, 0.5, 2000),
               10 + 2 * 4 + 30 / 2.0 + 5 * 1, 1e-9, "all of them");

    t.weight[SHARD_TERM_NODE] = 100;
    tap_is_dbl(predictor_terms_price(&t, 1.5, 500) * 500 * 3600, 150, 1e-9,
               "a node that is full for an hour");
}


int
main(void)
{
    test_barred();
    test_latency();
    test_bandwidth();
    test_costs();

    return tap_done();
}
