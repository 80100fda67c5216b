
/* Preconditions: each verdict, all at once, and what is expected. */


#include <math.h>

#include "../lib/tap.h"
#include "../../migrator/conf.h"
#include "../../migrator/preconditions.h"


static migrator_facts_t   facts;
static migrator_state_t   state;
static migrator_policy_t  policy;
static migrator_checks_t  checks;


/* a shard of 1 GB that may move: everything is good */

static void
good(void)
{
    memset(&facts, 0, sizeof(facts));
    memset(&state, 0, sizeof(state));
    migrator_policy_defaults(&policy);
    policy.max_per_node = 2;

    state.id = 0x1234;
    state.shard = 7;
    state.epoch = 1;
    state.created_ms = 1000;
    state.strategy = SHARD_LOG_SHIPPING;
    strcpy(state.from, "n1");
    strcpy(state.to, "n2");

    facts.state = &state;
    facts.policy = &policy;
    facts.driver = "http";
    facts.data = 1;
    facts.rec.epoch = 1;
    facts.rec.strategy = SHARD_LOG_SHIPPING;
    strcpy(facts.rec.primary, "n1");
    strcpy(facts.source.zone, "z1");
    strcpy(facts.target.zone, "z2");
    facts.probe_us = 800;

    facts.stats[0].role = MIGRATOR_ROLE_PRIMARY;
    facts.stats[0].epoch = 1;
    facts.stats[0].position = 100000;
    facts.stats[0].bytes = 1000000000;
    facts.stats[0].write_rate = 100;
    facts.stats[0].log_first = 1;
    facts.stats[1].free_bytes = 2000000000;

    facts.views.n = 3;
    strcpy(facts.views.view[0].name, "edge-1");
    strcpy(facts.views.view[1].name, "edge-2");
    strcpy(facts.views.view[2].name, "edge-3");
    facts.views.view[0].hold_ms = facts.views.view[1].hold_ms = 5000;
    facts.views.view[2].age_ms = 60000;
}


static const migrator_check_t *
find(const char *name)
{
    uint32_t  i;

    migrator_preconditions(&facts, &checks);

    for (i = 0; i < checks.n; i++) {
        if (strcmp(checks.check[i].name, name) == 0) {
            return &checks.check[i];
        }
    }

    return NULL;
}


static void
verdict(const char *name, migrator_verdict_e want, const char *why)
{
    const migrator_check_t  *c;

    c = find(name);
    tap_ok(c && c->verdict == want && strstr(c->text, why), "%s: %s: %s",
           name, c ? migrator_verdict_name(c->verdict) : "none",
           c ? c->text : "");
}


static void
refused(const char *name, const char *why)
{
    verdict(name, MIGRATOR_CHECK_REFUSED, why);
    good();
}


static void
test_refused(void)
{
    strcpy(facts.decision, "the shard is on n3");
    refused("decision", "on n3");

    strcpy(facts.override, "freeze");
    refused("override", "in force: freeze");

    strcpy(state.to, "n1");
    refused("nodes", "both n1");

    facts.target.state = SHARD_NODE_DRAINING;
    refused("nodes", "n2 is draining");

    facts.rc[MIGRATOR_FACT_TARGET] = 5;
    strcpy(facts.err[MIGRATOR_FACT_TARGET], "there is no node n9");
    refused("nodes", "no node n9");

    facts.rc[MIGRATOR_FACT_PROBE] = MIGRATOR_REFUSED;
    refused("probe", "target: ");

    facts.views.view[0].dead = facts.views.view[1].dead = 1;
    refused("health", "2 of 2 live routers see n2 dead");

    facts.stats[0].epoch = 2;
    refused("source", "not the shard's primary at epoch 1");

    facts.stats[1].role = MIGRATOR_ROLE_PRIMARY;
    refused("target", "takes part");

    facts.stats[1].free_bytes = 1100000000;
    refused("room", "1100000000 bytes free, 1200000000 are needed");

    /* 20 s at 50 MB/s, 100 entries/s: 3000 with the margin */

    facts.stats[0].log_first = facts.stats[0].position - 2998;
    refused("log", "keeps 2999 entries of its log");

    facts.others.npast = 1;
    facts.others.past[0].ship_rate = 90;
    refused("convergence", "changes 100 entries/s, 90/s arrived");

    policy.require_routers = 3;
    refused("routers", "2 of 3 routers live, 3 are required");

    facts.views.view[1].hold_ms = 1000;
    refused("hold", "router edge-2 lets requests wait for 1000 ms");
}


static void
test_doubts(void)
{
    verdict("decision", MIGRATOR_CHECK_OK, "driver http");
    verdict("log", MIGRATOR_CHECK_OK, "nothing of the log");
    verdict("convergence", MIGRATOR_CHECK_UNKNOWN, "measured yet");
    tap_is_int(migrator_checks_worst(&checks), MIGRATOR_CHECK_UNKNOWN,
               "what cannot be told stops nothing");

    facts.stats[0].log_first = 0;
    verdict("log", MIGRATOR_CHECK_UNKNOWN, "does not say");

    facts.views.view[0].hold_ms = 0;
    verdict("hold", MIGRATOR_CHECK_UNKNOWN, "1 live routers");

    facts.views.n = 0;
    verdict("health", MIGRATOR_CHECK_UNKNOWN, "no router is live");
    verdict("routers", MIGRATOR_CHECK_OK, "0 of 0");

    good();
    facts.rc[MIGRATOR_FACT_PROBE] = MIGRATOR_DOWN;
    facts.rc[MIGRATOR_FACT_TARGET_STATS] = MIGRATOR_FACT_NOT_ASKED;
    strcpy(facts.err[MIGRATOR_FACT_PROBE], "n2: \x01\xffgone");
    verdict("probe", MIGRATOR_CHECK_SILENT, "target: n2: ??gone");
    tap_ok(find("room") == NULL, "nothing is said of a node's room that does "
           "not answer");
    good();
}


static void
test_budget(void)
{
    migrator_running_t  *r;

    facts.others.nrunning = 2;
    r = facts.others.running;
    r[0].id = 1;
    r[0].created_ms = 500;
    strcpy(r[0].from, "n2");
    strcpy(r[0].to, "n3");
    strcpy(r[0].zones[0], "z2");
    r[1] = r[0];
    r[1].id = 2;
    r[1].shard = 8;
    r[0].shard = 9;

    verdict("budget", MIGRATOR_CHECK_WAITS, "2 migrations of n2 run, 2 may");

    r[1].created_ms = 2000;
    verdict("budget", MIGRATOR_CHECK_OK, "2 other migrations");
    facts.dry = 1;
    verdict("budget", MIGRATOR_CHECK_WAITS, "of n2");

    policy.max_per_node = 3;
    verdict("budget", MIGRATOR_CHECK_OK, "");
    policy.max_per_zone = 2;
    verdict("budget", MIGRATOR_CHECK_WAITS, "2 migrations of zone z2");
    policy.max_per_zone = 0;
    policy.max_fleet = 2;
    verdict("budget", MIGRATOR_CHECK_WAITS, "2 migrations run, 2 may");
    policy.max_fleet = 3;
    r[0].shard = 7;
    verdict("budget", MIGRATOR_CHECK_WAITS, "migration 0000000000000001 of "
            "the shard");
    good();
}


static void
test_all(void)
{
    char  text[512];

    strcpy(facts.override, "pin n1");
    facts.target.state = SHARD_NODE_DOWN;
    facts.stats[1].free_bytes = 0;
    migrator_preconditions(&facts, &checks);
    migrator_checks_text(&checks, MIGRATOR_CHECK_REFUSED, text,
                         sizeof(text));

    tap_ok(strstr(text, "pin n1; target n2 is down; target n2 has 0 bytes")
           != NULL, "all that is refused is told: %s", text);
    tap_is_int(migrator_checks_worst(&checks), MIGRATOR_CHECK_REFUSED,
               "and refuses");

    migrator_checks_text(&checks, MIGRATOR_CHECK_REFUSED, text, 20);
    tap_is_int((long long) strlen(text), 19, "cut to size");
    good();

    facts.data = 0;
    migrator_preconditions(&facts, &checks);
    tap_ok(find("room") == NULL && find("log") == NULL
           && find("hold") == NULL, "stateless: nothing of data");
    good();

    state.verb = MIGRATOR_PROMOTE;
    tap_ok(find("source") == NULL, "promotion: the source is not asked");
    good();
}


static void
test_expect(void)
{
    size_t              i;
    migrator_expect_t  *e;
    migrator_past_t     past;

    e = &checks.expect;

    migrator_preconditions(&facts, &checks);
    tap_ok(e->from == MIGRATOR_FROM_GUESS && fabs(e->copy_s - 20) < 0.1,
           "guess: %.1f s of copy", e->copy_s);

    facts.others.npast = 3;

    for (i = 0; i < 3; i++) {
        facts.others.past[i].total_s = 12 + (double) i;
        facts.others.past[i].copy_s = 2;
        facts.others.past[i].bytes = 200e6;
        facts.others.past[i].hold_s = 0.008;
        facts.others.past[i].ship_rate = 5000;
    }

    migrator_preconditions(&facts, &checks);
    tap_ok(e->from == MIGRATOR_FROM_PAST && fabs(e->copy_s - 10) < 0.1
           && fabs(e->total_s - 21) < 0.1 && fabs(e->hold_s - 0.008) < 1e-6,
           "past: %.1f s, of it copy %.1f s", e->total_s, e->copy_s);
    tap_ok(e->ship_rate == 5000 && e->change_rate == 100, "rates");

    facts.others.learnt.seen = 12;
    facts.others.learnt.fixed_s = 60;
    facts.others.learnt.byte_s = 100e-9;
    facts.others.learnt.hold_s = 0.1;
    migrator_preconditions(&facts, &checks);
    tap_ok(e->from == MIGRATOR_FROM_LEARNT && fabs(e->total_s - 160) < 0.1
           && e->seen == 12, "learnt: %.1f s", e->total_s);

    state.phase = MIGRATOR_DONE;
    state.copies = 1;
    state.bytes = 5000;
    state.hold_ms = 20;
    strcpy(state.trail, "planned@1 claimed@1000 check@1100 copy@2000 "
           "catch-up@4000 hold@5000 standby@6000 done@9000");
    tap_ok(migrator_past(&state, &past) == SHARD_OK && past.total_s == 5
           && past.copy_s == 2 && past.bytes == 5000
           && fabs(past.hold_s - 0.02) < 1e-6, "a finished one's trail");

    strcpy(state.trail, "claimed@99999999999999999999 done@5");
    tap_is_int(migrator_past(&state, &past), SHARD_ERROR, "a bad one's");
}


int
main(void)
{
    good();
    test_refused();
    test_doubts();
    test_budget();
    test_all();
    test_expect();

    return tap_done();
}
