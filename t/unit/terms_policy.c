
/*
 * Field "plan" of the policy: what is taken, what is refused and why, and
 * what it says of nodes and shards.
 */

#include "../lib/tap.h"
#include "../../src/core/shard_terms.h"


static shard_policy_work_t  work;
static shard_terms_t        terms;
static char                 err[SHARD_ERR_SIZE];


static int
decode(const char *json)
{
    shard_str_t  text;

    text.data = json;
    text.len = strlen(json);
    err[0] = '\0';

    return shard_terms_decode(text, &work, &terms, err);
}


/* labels that a shard needs, of all lines */

typedef struct {
    shard_id_t  id;
    uint64_t    needs;
    unsigned    lines;
} need_t;


static void
each(void *data, shard_id_t first, shard_id_t last, uint64_t labels)
{
    need_t  *need = data;

    need->lines++;

    if (need->id >= first && need->id <= last) {
        need->needs |= labels;
    }
}


static uint64_t
needs(shard_id_t id)
{
    need_t  need = { id, 0, 0 };

    shard_terms_required(&terms, &work, each, &need);

    return need.needs;
}


static uint64_t
labels(const char *node, const char *zone)
{
    return shard_terms_labels(&terms, &work, node, zone);
}


static void
test_good(void)
{
    tap_is_int(decode("{\"mirror\":5,\"plan\":{\"weights\":{\"latency\":2.5,"
                      "\"hold\":1e3},\"require\":{\"*\":[\"ssd\"],"
                      "\"42\":[\"big\"],\"100-199\":[\"zone:z1\"]},"
                      "\"labels\":{\"n1\":[\"ssd\"],\"db-*\":[\"ssd\","
                      "\"big\"]},\"replicas\":\"zones\",\"strong_within\":20,"
                      "\"node_cost\":{\"*\":2,\"db-*\":3,\"db-1\":0.5}},"
                      "\"load\":{\"plan\":1}}"), SHARD_OK, "a whole one");
    tap_is_str(err, "", "without a word");
    tap_ok(terms.given && terms.weight[SHARD_TERM_LATENCY] == 2.5
           && terms.weight[SHARD_TERM_HOLD] == 1000
           && terms.weight[SHARD_TERM_MOVE] == 0, "weights");
    tap_is_int(terms.replicas, 1, "replicas in zones of their own");
    tap_is_int(terms.strong_within, 20, "strong within");
    tap_is_int(terms.nlabels, 3, "labels, the zone's with them");

    tap_ok(labels("n1", "z1") & needs(0), "n1 has what all need");
    tap_is_int((long long) (needs(7) & ~labels("n1", "z9")), 0,
               "shard 7 may be on it");
    tap_ok(needs(42) & ~labels("n1", "z9"), "shard 42 may not");
    tap_is_int((long long) (needs(42) & ~labels("db-7", "z9")), 0,
               "it may be on db-7");
    tap_ok(needs(150) & ~labels("db-7", "z2"), "150 not outside of z1");
    tap_is_int((long long) (needs(150) & ~labels("db-7", "z1")), 0,
               "but in it");
    tap_is_int((long long) (needs(200) & ~labels("db-7", "z2")), 0,
               "200 is behind the range");
    tap_is_int((long long) labels("n10", "z2"), 0, "n10 is not n1");
    tap_is_int((long long) labels("db-", "z2") & 1, 1, "the beginning alone");

    tap_is_dbl(shard_terms_node_cost(&terms, &work, "x"), 2, 0, "cost of all");
    tap_is_dbl(shard_terms_node_cost(&terms, &work, "db-2"), 3, 0, "of some");
    tap_is_dbl(shard_terms_node_cost(&terms, &work, "db-1"), 0.5, 0,
               "of one");

    tap_is_int(decode("{\"mirror\":5}"), SHARD_OK, "no plan");
    tap_ok(!terms.given && terms.strong_within == SHARD_TERMS_ANYWHERE
           && needs(1) == 0 && labels("n1", "z1") == 0, "no terms");
    tap_is_dbl(shard_terms_node_cost(&terms, &work, "x"), 1, 0, "each costs 1");
    tap_is_int(decode(""), SHARD_OK, "no policy");
    tap_is_int(decode("{\"plan\":{}}"), SHARD_OK, "an empty plan");
    tap_ok(terms.given, "is one");
}


static void
test_refused(void)
{
    size_t         i;
    shard_terms_t  before;

    static const struct {
        const char  *plan;
        const char  *says;
    } refused[] = {
        { "5", "field \"plan\" is not an object" },
        { "{\"weight\":{}}", "nearest is \"weights\"" },
        { "{\"weights\":{\"latence\":1}}", "nearest is \"latency\"" },
        { "{\"weights\":{\"latency\":-1}}", "is not a number from 0" },
        { "{\"weights\":{\"latency\":\"1\"}}", "is not a number from 0" },
        { "{\"weights\":[1]}", "\"weights\" is not an object" },
        { "{\"labels\":{\"n1\":\"ssd\"}}", "is not an array of labels" },
        { "{\"labels\":{\"n1\":[5]}}", "is not a name of" },
        { "{\"labels\":{\"n1\":[\"zone:z1\"]}}", "is not a name of" },
        { "{\"labels\":{\"n*1\":[\"a\"]}}", "name of a node, nor its" },
        { "{\"labels\":{\"n 1\":[\"a\"]}}", "name of a node, nor its" },
        { "{\"require\":{\"1\":[\"ssd\"]}}", "in no node's \"labels\"" },
        { "{\"require\":{\"1\":[\"zone:\"]}}", "is not a name of" },
        { "{\"require\":{\"x\":[]}}", "neither a shard's id" },
        { "{\"require\":{\"7-5\":[]}}", "neither a shard's id" },
        { "{\"require\":{\"7-\":[]}}", "neither a shard's id" },
        { "{\"require\":{\"07\":[]}}", "neither a shard's id" },
        { "{\"replicas\":\"zone\"}", "nearest is \"zones\"" },
        { "{\"replicas\":1}", "is not a string" },
        { "{\"strong_within\":70000}", "from 0 to 65535" },
        { "{\"node_cost\":{\"n1\":null}}", "is not a number from 0" },
        { "{\"node_cost\":{\"\":1}}", "name of a node, nor its" }
    };

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        char  json[256];

        memset(&terms, 0x5a, sizeof(terms));
        before = terms;
        snprintf(json, sizeof(json), "{\"plan\":%s}", refused[i].plan);

        tap_is_int(decode(json), SHARD_ERROR, "%s", json);
        tap_ok(strstr(err, refused[i].says), "%s", err);
        tap_ok(memcmp(&terms, &before, sizeof(terms)) == 0, "left as it was");
    }
}


static void
test_bounds(void)
{
    int     i, len;
    size_t  size;
    char   *json;

    size = 65536;
    json = malloc(size);
    len = snprintf(json, size, "{\"plan\":{\"labels\":{\"n\":[");

    for (i = 0; i < SHARD_LABELS_MAX; i++) {
        len += snprintf(json + len, size - (size_t) len, "%s\"l%d\"",
                        i ? "," : "", i);
    }

    snprintf(json + len, size - (size_t) len, "]}}}");
    tap_is_int(decode(json), SHARD_OK, "64 labels");
    tap_ok(labels("n", "z") == UINT64_MAX, "each with a bit");

    snprintf(json + len, size - (size_t) len, ",\"more\"]}}}");
    tap_is_int(decode(json), SHARD_ERROR, "65 of them");
    tap_ok(strstr(err, "more than 64 labels at \"more\""), "%s", err);

    /* as many nodes as a policy has room for */

    len = snprintf(json, size, "{\"plan\":{\"labels\":{");

    for (i = 0; i < 1500; i++) {
        len += snprintf(json + len, size - (size_t) len, "%s\"n%d\":[\"l%d\"]",
                        i ? "," : "", i, i % 3);
    }

    snprintf(json + len, size - (size_t) len, "}}}");
    tap_is_int(decode(json), SHARD_OK, "1500 nodes");
    tap_is_int((long long) labels("n1499", "z"), 4, "the last one's");

    free(json);
}


int
main(void)
{
    test_good();
    test_refused();
    test_bounds();

    return tap_done();
}
