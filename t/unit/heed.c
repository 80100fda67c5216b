
/*
 * The policy in the planner's arrays: labels, zones, costs, who asks from
 * where, sizes; one that cannot be read; what is kept over a restart.
 */

#include "predictor_world.h"


static predictor_fleet_t   f;
static predictor_policy_t  p;
static predictor_conf_t    conf;
static predictor_io_t      seam;

static char                stored[65536];       /* "traffic" */
static size_t              nstored;
static char                routers[512];
static char                sizes[8][32];        /* "sizes", by shard */


static void
field(shardd_entry_t *out, const char *name, const char *value)
{
    out->fields = realloc(out->fields,
                          (out->nfields + 1) * sizeof(shardd_field_t));
    out->fields[out->nfields].name = strdup(name);
    out->fields[out->nfields++].value = strdup(value);
}


static int
hash_load(void *data, const char *key, shardd_entry_t *out)
{
    char      name[8];
    uint32_t  i;

    (void) data;
    memset(out, 0, sizeof(*out));

    if (strcmp(key, "routers") == 0) {
        field(out, "a", routers);
        field(out, "b", "{\"zone\":\"z2\"}");
        field(out, "odd", "[");
        field(out, "none", "{\"zone\":5}");
    }

    for (i = 0; strcmp(key, "sizes") == 0 && i < 8; i++) {

        if (sizes[i][0]) {
            snprintf(name, sizeof(name), "%u", i);
            field(out, name, sizes[i]);
        }
    }

    return out->nfields ? SHARDD_OK : SHARDD_NONE;
}


static int
hash_put(void *data, const char *key, const shardd_field_t *fields, size_t n)
{
    size_t  i;

    (void) data;

    for (i = 0; strcmp(key, "sizes") == 0 && i < n; i++) {
        snprintf(sizes[atoi(fields[i].name) % 8], sizeof(sizes[0]), "%s",
                 fields[i].value);
    }

    return SHARDD_OK;
}


static int
bytes_put(void *data, const char *key, const void *bytes, size_t len,
    long live_s)
{
    (void) data;
    (void) key;
    (void) live_s;
    memcpy(stored, bytes, len);
    nstored = len;

    return SHARDD_OK;
}


static int
bytes_get(void *data, const char *key, size_t most, void **bytes, size_t *len)
{
    (void) data;
    (void) key;
    (void) most;

    if (nstored == 0) {
        return SHARDD_NONE;
    }

    *bytes = malloc(nstored);
    memcpy(*bytes, stored, nstored);
    *len = nstored;

    return SHARDD_OK;
}


static void
begin(void)
{
    predictor_policy_done(&p);
    world(1);
    configure(&conf, PREDICTOR_ACT);
    conf.sizes_per_second = 10;

    seam = io;
    seam.hash_load = hash_load;
    seam.hash_put = hash_put;
    seam.bytes_put = bytes_put;
    seam.bytes_get = bytes_get;
    nstored = 0;
    memset(sizes, 0, sizeof(sizes));
    snprintf(routers, sizeof(routers), "{\"zone\":\"z1\"}");
    predictor_policy_init(&p, &conf, &seam);
}


static void
heed(const char *policy)
{
    int  rc;

    w.table.policy = (char *) policy;
    predictor_fleet_done(&f);
    rc = predictor_fleet_load(&f, &seam, &conf);
    w.table.policy = NULL;
    tap_is_int(rc, SHARDD_OK, "fleet");
    tap_is_int(predictor_policy_heed(&p, &f, &seam,
                                     (double) w.now_ms / 1000),
               SHARDD_OK, "heeded: %s", policy ? policy : "(none)");
}


static void
test_hard(void)
{
    uint32_t  i, allowed;

    begin();
    w.table.shards[2].nstandbys = 1;
    memcpy(w.table.shards[2].standbys[0], "n2", 3);
    heed(NULL);

    for (i = allowed = 0; i < SHARDS; i++) {
        allowed += predictor_plan_allows(&f.plan, i, 0)
                   + predictor_plan_allows(&f.plan, i, 1);
    }

    tap_is_int(allowed, 2 * SHARDS, "no policy: anywhere");
    tap_ok(f.plan.place == NULL && p.traffic.sums == NULL,
           "and nobody keeps who asks");

    heed("{\"plan\":{\"labels\":{\"n1\":[\"ssd\"]},\"require\":"
         "{\"3-4\":[\"ssd\"],\"6\":[\"zone:z2\"],\"4000000000\":[\"ssd\"]},"
         "\"replicas\":\"zones\"}}");
    tap_ok(!predictor_plan_allows(&f.plan, 3, 1)
           && !predictor_plan_allows(&f.plan, 4, 1)
           && predictor_plan_allows(&f.plan, 4, 0)
           && predictor_plan_allows(&f.plan, 5, 1), "required labels");
    tap_ok(!predictor_plan_allows(&f.plan, 6, 0)
           && predictor_plan_allows(&f.plan, 6, 1), "a required zone");
    tap_is_int((long long) f.plan.shards[2].barred, 2, "its standby's zone");
    tap_ok(predictor_plan_allows(&f.plan, 2, 1),
           "but the standby itself may be promoted");

    heed("{\"plan\":{\"require\":{\"*\":[\"hdd\"]}}}");
    tap_ok(strstr(p.err, "no node's \"labels\""), "%s", p.err);
    tap_ok(!predictor_plan_allows(&f.plan, 3, 1),
           "one that is bad: the one before is heeded");
    heed("{\"zone_distance\":{\"z1\":1}}");
    tap_ok(!predictor_plan_allows(&f.plan, 3, 1), "by whatever field");
    heed("{}");
    tap_ok(predictor_plan_allows(&f.plan, 3, 1) && p.err[0] == '\0',
           "a good one again");
}


/* router a, zone z1, half of all; b in z2 the other half, and later nothing */

static void
ask(int ticks, int both)
{
    int                     i;
    char                    err[SHARD_ERR_SIZE];
    shard_str_t             text;
    shard_metrics_entry_t   e;

    static uint64_t  sequence;

    for (i = 0; i < ticks; i++) {
        w.now_ms += TICK_MS;
        w.nentries = 0;
        send("a", 7, ++sequence);

        if (both) {
            send("b", 7, sequence);
        }

        send("stranger", 7, sequence);

        while (w.nentries--) {
            text.data = w.entries[w.nentries].bytes;
            text.len = w.entries[w.nentries].len;

            if (shard_metrics_decode(text, &e, err) == SHARD_OK) {
                predictor_traffic_count(&p.traffic, &e);
            }
        }

        w.nentries = 0;
        predictor_traffic_slot(&p.traffic, TICK_MS / 1000);
    }
}

static const char  far[] =
    "{\"zone_distance\":{\"z1 z2\":100},\"plan\":{\"weights\":"
    "{\"latency\":1000,\"move\":5,\"node\":3600,\"spread\":7},"
    "\"node_cost\":{\"n2\":2}}}";


static void
test_soft(void)
{
    float              before;
    predictor_asked_t  rate[PREDICTOR_TERMS_CLIENTS];

    begin();
    heed(far);
    tap_ok(f.plan.place != NULL, "where a shard is matters");
    tap_is_dbl(predictor_plan_place(&f.plan, 0, 0, 0), 0, 0,
               "nobody has asked");
    tap_is_dbl(f.plan.nodes[1].price * f.plan.nodes[1].capacity, 2, 1e-9,
               "a node's price");
    tap_is_dbl((double) f.plan.shards[0].move_cost, 5, 1e-6, "a move's cost");
    tap_is_dbl(f.plan.limits.spread_price, 7, 0, "the spread's");

    ask(60, 1);
    heed(far);
    predictor_traffic_rates(&p.traffic, 1, rate);
    tap_ok(fabs((double) (rate[0].requests - rate[1].requests)) < 1
           && rate[0].requests > 1, "both zones ask, %.1f/s each",
           (double) rate[0].requests);
    tap_ok(f.plan.place[0] > 0
           && fabs((double) (f.plan.place[0] / f.plan.place[1] - 1)) < 0.1,
           "both places cost the same");

    ask(2000, 0);
    heed(far);
    tap_ok(f.plan.place[0] < f.plan.place[1] / 5,
           "z1 alone asks: %g there, %g in z2", (double) f.plan.place[0],
           (double) f.plan.place[1]);
    before = f.plan.place[1];

    /* killed, and back */

    w.now_ms += 3600 * 1000;
    heed(far);
    tap_ok(nstored > 0, "kept");
    predictor_policy_done(&p);
    predictor_policy_init(&p, &conf, &seam);
    heed(far);
    tap_ok(fabs((double) (f.plan.place[1] / before - 1)) < 1e-4,
           "known again after a restart");

    stored[nstored / 2] = (char) 0xff;
    stored[nstored / 2 + 1] = (char) 0xff;
    stored[9] = (char) 0xff;
    predictor_policy_done(&p);
    predictor_policy_init(&p, &conf, &seam);
    heed(far);
    tap_is_dbl((double) f.plan.place[1], 0, 0, "a broken one is left out");

    heed("{}");
    tap_ok(f.plan.place == NULL && p.traffic.sums == NULL,
           "no weight, no traffic");
}


static const char *
answer(const char *url)
{
    static char  text[64];
    unsigned     id;

    if (sscanf(url, "http://n%*u/_shard/%u/stats", &id) != 1) {
        return "{}";
    }

    if (id == 5) {
        return NULL;
    }

    if (id == 6) {
        return "{\"bytes\":-1}";
    }

    snprintf(text, sizeof(text), "{\"role\":\"primary\",\"bytes\":%u}",
             1000000 * (id + 1));

    return text;
}


static void
test_sizes(void)
{
    int       i;
    uint32_t  most;

    begin();
    conf.sizes_url = (char *) "http://{name}/";
    size_of = answer;
    heed("{\"plan\":{\"weights\":{\"move_gb\":1000}}}");
    most = 0;

    for (i = 0; i < 200; i++) {
        w.now_ms += 10;
        (void) predictor_sizes_step(&p.sizes, &f);
        most = nsized > most ? (uint32_t) nsized : most;
    }

    tap_is_int(most, 1, "one at a time");
    tap_ok(p.sizes.answers >= 12 && p.sizes.answers <= 31,
           "%d answers in 2 s, 10 a second",
           (int) p.sizes.answers);

    for (i = 0; i < 400; i++) {
        w.now_ms += 10;
        (void) predictor_sizes_step(&p.sizes, &f);
    }

    tap_is_str(sizes[3], "4000000", "kept");
    tap_is_str(sizes[5], "", "one that does not answer is unknown");
    tap_is_str(sizes[6], "", "one that talks nonsense, too");

    heed("{\"plan\":{\"weights\":{\"move_gb\":1000}}}");
    tap_is_dbl((double) f.plan.shards[7].bytes, 8e6, 1, "the planner's bytes");
    tap_is_dbl((double) f.plan.shards[7].move_cost, 8, 1e-3,
               "what it costs to move them");

    predictor_policy_done(&p);
    predictor_policy_init(&p, &conf, &seam);
    tap_is_int(predictor_policy_load(&p, &f), SHARDD_OK, "after a restart");
    heed(NULL);
    tap_is_dbl((double) f.plan.shards[7].bytes, 8e6, 1, "they are known");
}


int
main(void)
{
    test_hard();
    test_soft();
    test_sizes();

    predictor_policy_done(&p);
    predictor_fleet_done(&f);

    return tap_done();
}
