
/* The load as the policy weighs it, or as it is learned from CPU. */

#include "signals_world.h"


static void
test_policy(void)
{
    long                 slot;
    double               s, want;
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    static char  weighted[] = "{\"load\":{\"requests\":1,\"writes\":2}}";
    static char  bad[] = "{\"load\":{\"request\":1}}";

    d = malloc(sizeof(*d));
    begin(&conf, d, NULL);
    run(d, 3);
    settle(d);
    slot = d->closed - 6;
    s = (double) slot * RES + RES / 2;
    near(predictor_history_value(&d->history, 4, slot),
         requests(4, s) / TICK_S, 0.03, "load is requests");

    w.table.policy = weighted;
    run(d, 1);
    settle(d);
    want = (double) requests(4, s) * (1 + 2 * share(4, s)) / TICK_S;
    near(predictor_history_value(&d->history, 4, slot), want, 0.03,
         "a weighted load: the history in its unit");

    s = (double) d->closed * RES + RES / 2;
    near(w.rows[d->closed - SLOT0][4],
         (double) requests(4, s) * (1 + 2 * share(4, s)) / TICK_S, 0.03,
         "rows are written in it");
    tap_ok(w_named("requests", d->closed), "requests have rows of their own");

    /* two days before there were no rows of metrics: by the shard's means */

    s = (double) (T0 - 86400) + RES / 2;
    want = (double) offered(4, s) / 10 * (1 + 2 * 0.32);
    near(predictor_history_value(&d->history, 4, (T0 - 86400) / RES), want,
         0.3, "history without metrics is scaled");
    tap_ok(strstr(*cell("predictor", "load"), "\"from\":\"policy\""),
           "the load in force is said: %s", *cell("predictor", "load"));

    w.table.policy = bad;
    run(d, 1);
    settle(d);
    s = (double) d->closed * RES + RES / 2;
    near(w.rows[d->closed - SLOT0][4],
         (double) requests(4, s) * (1 + 2 * share(4, s)) / TICK_S, 0.03,
         "a bad policy changes nothing");
    tap_ok(d->signals->weights.weight[SHARD_METRIC_WRITES] == 2,
           "the weights stay");

    predictor_daemon_done(d);
    predictor_daemon_init(d, &conf, &seam);
    w.table.policy = weighted;
    run(d, 1);
    settle(d);
    s = (double) slot * RES + RES / 2;
    near(predictor_history_value(&d->history, 4, slot),
         (double) requests(4, s) * (1 + 2 * share(4, s)) / TICK_S, 0.03,
         "the same after a restart");

    w.table.policy = NULL;
    run(d, 1);
    settle(d);
    near(predictor_history_value(&d->history, 4, slot),
         (double) requests(4, s) / TICK_S, 0.03, "and back to requests");

    predictor_daemon_done(d);
    free(d);
}


/* the highest of a node's forecast loads without its base, as independent of
 * plan.c as can be: at the planned quantile, half correlated */

static double
peak_of(const predictor_daemon_t *d, uint32_t node)
{
    double                   mean, sum, squares, one, peak;
    uint32_t                 i, h;
    size_t                   at;
    const predictor_plan_t  *p;

    p = &d->fleet.plan;
    peak = 0;

    for (h = 0; h < p->nsteps; h++) {
        mean = sum = squares = 0;

        for (i = node; i < p->nshards; i += 2) {
            at = (size_t) i * p->nsteps + h;
            one = fmax(p->quantile[at] - p->mean[at], 0);
            mean += p->mean[at];
            sum += one;
            squares += one * one;
        }

        peak = fmax(peak, mean + sqrt(0.5 * sum * sum + 0.5 * squares));
    }

    return peak;
}


static void
test_learned(void)
{
    predictor_conf_t     conf;
    predictor_daemon_t  *d;

    static char  learned[] = "{\"load\":\"learned\"}";

    d = malloc(sizeof(*d));
    begin(&conf, d, learned);
    run(d, 3);
    settle(d);
    tap_ok(strstr(*cell("predictor", "load"), "are needed"),
           "too little was seen: %s", *cell("predictor", "load"));
    tap_is_dbl(d->fleet.plan.nodes[0].base, 0, 0, "requests have no base");
    run(d, 9);
    settle(d);

    tap_ok(d->signals->weights.r2 > 0.9, "R^2 %.3f",
           d->signals->weights.r2);
    near(d->signals->weights.weight[SHARD_METRIC_WRITES], PER_WRITE / 4, 0.15,
         "what a write costs");
    near(d->signals->weights.base, BASE, 0.3, "CPU without load");
    near(d->fleet.plan.nodes[1].base, BASE * CAPACITY, 0.3,
         "is planned with");
    near(d->fleet.plan.nodes[1].peak - d->fleet.plan.nodes[1].base,
         peak_of(d, 1), 0.01, "beside what its shards bring");
    tap_ok(strstr(*cell("predictor", "load"), "\"from\":\"learned\""),
           "learned weights are in force: %s", *cell("predictor", "load"));

    /* sums are kept */

    predictor_daemon_done(d);
    predictor_daemon_init(d, &conf, &seam);
    run(d, 1);
    settle(d);
    tap_ok(d->signals->weights.r2 > 0.9 && d->signals->weights.adopted >= 0,
           "and after a restart");

    predictor_daemon_done(d);
    free(d);
}


int
main(void)
{
    shardd_log_init("predictor", "orders", SHARDD_LOG_ERROR);

    test_policy();
    test_learned();

    return tap_done();
}
