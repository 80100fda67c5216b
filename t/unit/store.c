
/*
 * The store against a real Redis, whose address REDIS_ADDR gives (a keyspace
 * "unit" there is written over); t/11_store_moves.t runs it.
 */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/tap.h"
#include "shardd_loop.h"
#include "shardd_store.h"


#define NODE  "{\"addr\":\"127.0.0.1:8001\",\"zone\":\"z1\","                 \
              "\"capacity\":470.0,\"state\":\"up\"}"

#define ID    "00000000000000ab"


static shardd_store_t  s;


/* a command that must work; freed */

static void
run(const char *fmt, const char *a, const char *b)
{
    redisReply  *reply;

    reply = shardd_redis_command(&s.redis, fmt, a, b);

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        tap_ok(0, "%s: %s", fmt, reply ? reply->str : s.redis.err);
    }

    if (reply) {
        freeReplyObject(reply);
    }
}


static void
opened(const char *addr)
{
    shardd_store_t       other;
    shardd_redis_conf_t  conf;

    memset(&conf, 0, sizeof(conf));
    conf.addr = (char *) addr;
    conf.timeout_ms = 2000;

    tap_is_int(shardd_store_open(&s, &conf, "no name"), SHARDD_BAD,
               "a bad keyspace");
    tap_is_int(shardd_store_open(&s, &conf, "unit"), SHARDD_OK, "open");
    tap_is_int(s.redis.ready, 1, "the library is there");

    conf.addr = (char *) "127.0.0.1:1";
    tap_is_int(shardd_store_open(&other, &conf, "unit"), SHARDD_DOWN,
               "unreachable");
    tap_is_str(other.err, "redis 127.0.0.1:1: Connection refused",
               "is told");
    shardd_store_close(&other);

    conf.addr = (char *) addr;
    conf.password = (char *) "wrong";
    tap_is_int(shardd_store_open(&other, &conf, "unit"), SHARDD_DOWN,
               "a wrong password");
    tap_ok(strstr(other.err, "AUTH (user or password wrong?) refused") != NULL,
           "%s", other.err);
    tap_ok(strstr(other.err, addr) != NULL, "with the address");
    shardd_store_close(&other);

    conf.password = NULL;
    conf.db = 9999;
    tap_is_int(shardd_store_open(&other, &conf, "unit"), SHARDD_DOWN,
               "a database that is not there");
    tap_ok(strstr(other.err, "SELECT") != NULL, "%s", other.err);
    shardd_store_close(&other);
}


/* nodes n1 and n2, shards 9 and 7: what the rest of the file works on */

static void
first_table(shardd_claim_t *claim)
{
    uint64_t          version;
    shardd_claim_t    other;

    shardd_change_t   first[] = {
        { "meta", "kind", "hash" },
        { "meta", "policy", "{\"driver\":\"http\"}" },
        { "node", "n2", NODE },
        { "node", "n1", NODE },
        { "shard", "7", "{\"lo\":\"8000000000000000\",\"hi\":null,"
                        "\"primary\":\"n2\",\"epoch\":3}" },
        { "shard", "9", "{\"lo\":\"0000000000000000\","
                        "\"hi\":\"8000000000000000\",\"primary\":\"n1\","
                        "\"standbys\":[\"n2\"],\"epoch\":1}" },
    };

    tap_is_int(shardd_claim(&s, "keyspace", "me", 60000, claim), SHARDD_OK,
               "claim");
    tap_is_int(shardd_claim(&s, claim->scope, claim->holder, 60000, claim),
               SHARDD_OK, "renewed with its own strings");
    tap_is_str(claim->scope, "keyspace", "scope");
    tap_is_int(shardd_claim(&s, "keyspace", "you", 60000, &other),
               SHARDD_FENCED, "held");
    tap_ok(strstr(s.err, "held by me for") != NULL, "%s", s.err);

    version = 0;
    tap_is_int(shardd_commit(&s, claim, &version, "first", "unit", first, 6),
               SHARDD_OK, "commit: %s", s.err);
    tap_is_int((long long) version, 1, "version 1");

    version = 0;
    tap_is_int(shardd_commit(&s, claim, &version, "first", "unit", first, 6),
               SHARDD_OK, "the same operation");
    tap_is_int((long long) version, 1, "was done in version 1");

    version = 0;
    tap_is_int(shardd_commit(&s, claim, &version, "second", "unit", first,
                             6), SHARDD_CONFLICT, "conflict");
    tap_is_int((long long) version, 1, "version now");
    tap_is_int(shardd_commit(&s, claim, &version, "third", "unit", first + 4,
                             0), SHARDD_BAD, "nothing to change");

    other = *claim;
    other.token++;
    version = UINT64_MAX;
    tap_is_int(shardd_commit(&s, &other, &version, "fourth", "unit", first,
                             1), SHARDD_FENCED, "fenced");
    tap_ok(strstr(s.err, "that of me") != NULL, "%s", s.err);
}


static void
table(void)
{
    uint64_t         version;
    shardd_claim_t   claim;
    shardd_table_t   t;
    shard_record_t   rec;

    tap_is_int(shardd_table_load(&s, &t), SHARDD_NONE, "no table yet");
    tap_ok(strstr(s.err, "shardctl init") != NULL, "%s", s.err);

    first_table(&claim);

    tap_is_int(shardd_table_load(&s, &t), SHARDD_OK, "load: %s", s.err);
    tap_is_int((long long) t.version, 1, "version");
    tap_is_int((long long) t.nshards, 2, "shards");
    tap_is_int(t.shards[0].id, 9, "sorted by position");
    tap_is_int((long long) t.nnodes, 2, "nodes");
    tap_is_str(t.nodes[0].name, "n1", "sorted by name");
    tap_is_str(t.policy, "{\"driver\":\"http\"}", "policy");
    tap_is_int(shardd_table_shard(&t, 7)->epoch, 3, "shard by id");
    tap_ok(shardd_table_shard(&t, 8) == NULL, "no such shard");
    tap_is_str(shardd_table_node(&t, "n2")->zone, "z1", "node by name");
    tap_ok(shardd_table_node(&t, "n3") == NULL, "no such node");
    shardd_table_free(&t);

    tap_is_int(shardd_shard_load(&s, 9, &rec, &version), SHARDD_OK, "shard");
    tap_is_str(rec.standbys[0], "n2", "its standby");
    tap_is_int(shardd_shard_load(&s, 8, &rec, &version), SHARDD_NONE,
               "no such shard");

    rec.phase = SHARD_HELD;
    version = UINT64_MAX;
    tap_is_int(shardd_commit_shard(&s, &claim, &version, "held", "unit",
                                   &rec), SHARDD_OK, "commit of a record: %s",
               s.err);
    tap_is_int((long long) version, 2, "version 2");
    tap_is_int(shardd_shard_load(&s, 9, &rec, &version), SHARDD_OK, "again");
    tap_is_int(rec.phase, SHARD_HELD, "held");

    tap_is_int(shardd_release(&s, &claim), SHARDD_OK, "release");
    tap_is_int(shardd_release(&s, &claim), SHARDD_FENCED, "twice");
}


/* one hand-made damage at a time; the reason names it */

static void
damaged(const char *what, const char *field, const char *value,
    const char *why)
{
    char            *was;
    shardd_field_t   f;
    shardd_table_t   t;

    tap_is_int(shardd_hash_get(&s, what, field, &was) != SHARDD_DOWN, 1,
               "%s %s", what, field);

    f.name = (char *) field;
    f.value = (char *) value;
    shardd_hash_put(&s, what, &f, 1);

    tap_is_int(shardd_table_load(&s, &t), SHARDD_BAD, "damaged table");
    tap_ok(strstr(s.err, why) != NULL, "%s", s.err);
    tap_ok(t.nshards == 0 && t.shards == NULL && t.nodes == NULL,
           "no half table");

    f.value = was;
    shardd_hash_put(&s, what, &f, 1);
    free(was);

    if (!tap_is_int(shardd_table_load(&s, &t), SHARDD_OK, "repaired")) {
        tap_diag("%s", s.err);
    }

    shardd_table_free(&t);
}


static void
damages(void)
{
    shardd_table_t  t;

    damaged("table", "7", "{", "shard 7: ");
    damaged("table", "x", "{}", "\"x\" is no shard id");
    damaged("table", "7", NULL, "nothing covers positions from "
            "8000000000000000, the end of shard 9");
    damaged("table", "9", NULL, "nothing covers positions before "
            "8000000000000000");
    damaged("table", "7", "{\"lo\":\"9000000000000000\",\"hi\":null,"
            "\"primary\":\"n2\",\"epoch\":3}", "nothing covers positions "
            "from 8000000000000000, between shards 9 and 7");
    damaged("table", "7", "{\"lo\":\"7000000000000000\",\"hi\":null,"
            "\"primary\":\"n2\",\"epoch\":3}", "shards 9 and 7 overlap");
    damaged("table", "7", "{\"lo\":\"8000000000000000\",\"hi\":null,"
            "\"primary\":\"n9\",\"epoch\":3}", "shard 7 names node n9");
    damaged("nodes", "n1", NULL, "names node n1");
    damaged("nodes", "n2", NULL, "names node n2");
    damaged("nodes", "n1", "[]", "node n1: ");
    damaged("nodes", "n 3", NODE, "node n 3: ");
    damaged("meta", "version", "1x", "meta.version is no number");
    damaged("meta", "kind", "range", "meta.kind is \"range\"");

    run("RENAME shard:{unit}:table shard:{unit}:%s%s", "saved", "");
    run("SET shard:{unit}:%s %s", "table", "text");
    tap_is_int(shardd_table_load(&s, &t), SHARDD_BAD, "a table of text");
    tap_ok(strstr(s.err, "WRONGTYPE") != NULL, "%s", s.err);
    run("RENAME shard:{unit}:%s shard:{unit}:%s", "saved", "table");
}


static void
moves(void)
{
    uint64_t          seq;
    shardd_wish_t     w;
    shardd_claim_t    claim;
    shardd_entry_t    e;
    shardd_entries_t  all;

    shardd_field_t  f[] = {
        { (char *) "phase", (char *) "planned" },
        { (char *) "shard", (char *) "7" },
        { (char *) "id", (char *) ID },
    };

    shardd_claim(&s, "shard:7", "me", 60000, &claim);

    seq = 0;
    tap_is_int(shardd_migration_get(&s, ID, &e), SHARDD_NONE, "none yet");
    tap_is_int(shardd_migration_get(&s, "AB", &e), SHARDD_BAD, "a bad id");
    tap_is_int(shardd_migration_wish(&s, ID, "pause", "operator:me", &w),
               SHARDD_NONE, "no wish without a migration");
    tap_is_int(shardd_migration_put(&s, &claim, ID, &seq, f, 3), SHARDD_OK,
               "put: %s", s.err);
    tap_is_int((long long) seq, 1, "seq 1");
    seq = 0;
    tap_is_int(shardd_migration_put(&s, &claim, ID, &seq, f, 3),
               SHARDD_CONFLICT, "twice");
    tap_is_int((long long) seq, 1, "stands at 1");
    tap_is_int(shardd_migration_wish(&s, ID, "resume", "operator:me", &w),
               SHARDD_OK, "nothing to resume");
    tap_is_str(w.verdict, "idle", "which is said");
    tap_is_int(shardd_migration_wish(&s, ID, "pause", "operator:me", &w),
               SHARDD_OK, "a wish");
    tap_is_str(w.verdict, "wished", "is heard");
    tap_is_str(w.phase, "planned", "in its phase");
    tap_is_int(shardd_migration_wish(&s, ID, "pouse", "operator:me", &w),
               SHARDD_BAD, "a wish that is none");
    tap_is_int(shardd_migration_wish(&s, ID, "pause", "no name", &w),
               SHARDD_BAD, "by nobody");
    tap_is_int(shardd_migration_get(&s, ID, &e), SHARDD_OK, "get");
    tap_is_str(e.id, ID, "id");
    tap_is_str(shardd_entry_field(&e, "phase"), "planned", "phase");
    tap_is_str(shardd_entry_field(&e, "wish"), "pause", "wish");
    tap_ok(shardd_entry_field(&e, "nothing") == NULL, "no such field");
    shardd_entry_free(&e);

    seq = 0;
    f[2].value = (char *) "00000000000000cd";
    shardd_migration_put(&s, &claim, f[2].value, &seq, f, 3);
    run("ZADD shard:{unit}:migrations 5 %s%s", "damaged", "");
    run("ZADD shard:{unit}:migrations 6 %s%s", "00000000000000ef", "");
    run("ZADD shard:{unit}:migrations 7 %s%s", ID, "");

    tap_is_int(shardd_migrations(&s, 10, &all), SHARDD_OK, "all");
    tap_is_int((long long) all.n, 2, "two, without the damaged ones");
    tap_is_str(all.entries[0].id, "00000000000000cd", "newest first");
    shardd_entries_free(&all);

    tap_is_int(shardd_migrations(&s, 1, &all), SHARDD_OK, "the newest");
    tap_is_int((long long) all.n, 1, "one");
    shardd_entries_free(&all);
}


static void
decisions(void)
{
    char              stream_id[48];
    uint64_t          before;
    shardd_entry_t    e;
    shardd_entries_t  list;

    shardd_field_t  f[] = {
        { (char *) "id", (char *) "00000000000000aa" },
        { (char *) "verb", (char *) "move" },
    };

    before = shardd_monotonic_ms();
    tap_is_int(shardd_decisions_read(&s, "m1", 10, 50, &list), SHARDD_OK,
               "nothing to read: %s", s.err);
    tap_is_int((long long) list.n, 0, "none");
    tap_ok(shardd_monotonic_ms() - before >= 40, "it waited");

    tap_is_int(shardd_decision_add(&s, f[0].value, f, 2), SHARDD_OK,
               "decision: %s", s.err);
    tap_is_int(shardd_decision_add(&s, f[0].value, f, 2), SHARDD_CONFLICT,
               "twice");
    tap_is_int(shardd_decision_add(&s, "no id", f, 2), SHARDD_BAD,
               "a bad id");

    tap_is_int(shardd_decisions_read(&s, "m1", 10, 0, &list), SHARDD_OK,
               "read");
    tap_is_int((long long) list.n, 1, "one");
    tap_is_str(shardd_entry_field(&list.entries[0], "verb"), "move", "verb");
    snprintf(stream_id, sizeof(stream_id), "%s", list.entries[0].id);
    shardd_entries_free(&list);

    shardd_decisions_read(&s, "m2", 10, 0, &list);
    tap_is_int((long long) list.n, 0, "another consumer gets nothing");
    shardd_entries_free(&list);

    shardd_decisions_read(&s, "m1", 10, 0, &list);
    tap_is_int((long long) list.n, 1, "its own pending one comes again");
    tap_is_str(list.entries[0].id, stream_id, "the same");
    shardd_entries_free(&list);

    tap_is_int(shardd_decision_ack(&s, stream_id), SHARDD_OK, "acknowledged");
    shardd_decisions_read(&s, "m1", 10, 0, &list);
    tap_is_int((long long) list.n, 0, "it is gone");
    shardd_entries_free(&list);

    tap_is_int(shardd_decision_get(&s, f[0].value, &e), SHARDD_OK, "by id");
    tap_is_str(shardd_entry_field(&e, "verb"), "move", "verb");
    shardd_entry_free(&e);
    tap_is_int(shardd_decision_get(&s, "00000000000000bb", &e), SHARDD_NONE,
               "no such decision");

    f[0].value = (char *) "00000000000000bb";
    shardd_decision_add(&s, f[0].value, f, 2);
    tap_is_int(shardd_decisions(&s, 10, &list), SHARDD_OK, "all");
    tap_is_int((long long) list.n, 2, "two");
    tap_is_str(shardd_entry_field(&list.entries[0], "id"), f[0].value,
               "newest first");
    shardd_entries_free(&list);

    /* read and then trimmed away: comes again, without fields */

    shardd_decisions_read(&s, "m1", 10, 0, &list);
    shardd_entries_free(&list);
    run("XTRIM shard:{unit}:%s MAXLEN %s", "decisions", "0");
    tap_is_int(shardd_decisions_read(&s, "m1", 10, 0, &list), SHARDD_OK,
               "a trimmed entry");
    tap_ok(list.n == 1 && list.entries[0].nfields == 0, "has no fields");
    shardd_entries_free(&list);
}


static void
hashes(void)
{
    char            *value;
    shardd_entry_t   e;

    shardd_field_t  f[] = {
        { (char *) "a", (char *) "1" },
        { (char *) "b", NULL },
        { (char *) "c", (char *) "" },
    };

    tap_is_int(shardd_hash_load(&s, "zones", &e), SHARDD_OK, "an empty hash");
    tap_is_int((long long) e.nfields, 0, "without fields");
    shardd_entry_free(&e);

    tap_is_int(shardd_hash_put(&s, "zones", f, 3), SHARDD_OK, "put");
    tap_is_int(shardd_hash_load(&s, "zones", &e), SHARDD_OK, "load");
    tap_is_int((long long) e.nfields, 2, "two fields");
    tap_is_str(shardd_entry_field(&e, "a"), "1", "a");
    tap_is_str(shardd_entry_field(&e, "c"), "", "c");
    shardd_entry_free(&e);

    f[0].value = NULL;
    f[1].value = (char *) "2";
    tap_is_int(shardd_hash_put(&s, "zones", f, 2), SHARDD_OK, "delete a");
    tap_is_int(shardd_hash_get(&s, "zones", "a", &value), SHARDD_NONE,
               "it is gone");
    tap_ok(value == NULL, "no value");
    tap_is_int(shardd_hash_get(&s, "zones", "b", &value), SHARDD_OK, "b");
    tap_is_str(value, "2", "is 2");
    free(value);

    tap_is_int(shardd_hash_get(&s, "log", "b", &value), SHARDD_BAD,
               "a key of another type");
    tap_is_int(shardd_hash_put(&s, "log", f, 1), SHARDD_BAD,
               "deleted from");
    tap_is_int(shardd_hash_put(&s, "log", f, 2), SHARDD_BAD,
               "written and deleted from");
    tap_ok(strstr(s.err, "WRONGTYPE") != NULL, "%s", s.err);
    tap_is_int(shardd_hash_put(&s, "zones", f, 0), SHARDD_OK, "nothing");

    run("CONFIG SET %s %s", "maxmemory", "1");
    tap_is_int(shardd_hash_put(&s, "zones", f, 2), SHARDD_DOWN,
               "refused for now");
    tap_ok(strstr(s.err, "OOM") != NULL, "%s", s.err);
    run("CONFIG SET %s %s", "maxmemory", "0");
    tap_is_int(shardd_hash_put(&s, "zones", f, 2), SHARDD_OK, "then done");
}


static void
count_entry(void *data, shard_str_t entry)
{
    size_t  *sum = data;

    *sum += entry.len;
}


static void
metrics(void)
{
    char    cursor[48];
    size_t  sum;

    cursor[0] = '\0';
    sum = 0;

    tap_is_int(shardd_metrics_read(&s, cursor, 10, 0, count_entry, &sum),
               SHARDD_OK, "no metrics");
    tap_is_str(cursor, "0-0", "cursor at the start");

    run("XADD shard:{unit}:metrics 1-1 %s %s", "m", "12345");
    run("XADD shard:{unit}:metrics 1-2 %s %s", "x", "skipped");
    run("XADD shard:{unit}:metrics 2-1 %s %s", "m", "123");

    shardd_metrics_read(&s, cursor, 1, 0, count_entry, &sum);
    tap_is_int((long long) sum, 5, "one entry");
    tap_is_str(cursor, "1-1", "cursor behind it");
    shardd_metrics_read(&s, cursor, 10, 20, count_entry, &sum);
    tap_is_int((long long) sum, 8, "the others");
    tap_is_str(cursor, "2-1", "cursor behind them");
    shardd_metrics_read(&s, cursor, 10, 20, count_entry, &sum);
    tap_is_int((long long) sum, 8, "nothing new");

    strcpy(cursor, "$");
    tap_is_int(shardd_metrics_read(&s, cursor, 1, 0, count_entry, &sum),
               SHARDD_BAD, "a bad cursor");
}


static void
rows(void)
{
    int     good;
    float  *in, *out;
    size_t  i, n;

    n = 25001;
    in = calloc(n, sizeof(float));
    out = calloc(n * 3, sizeof(float));

    for (i = 0; i < n; i++) {
        in[i] = (float) i * 0.5f;
    }

    in[3] = NAN;

    tap_is_int(shardd_rows_put(&s, 60, 100, in, n), SHARDD_OK, "put a row");
    tap_is_int(shardd_rows_put(&s, 60, 102, in, 2), SHARDD_OK,
               "put a short one");
    tap_is_int(shardd_rows_range(&s, 60, 100, 3, out, n), SHARDD_OK,
               "get three: %s", s.err);

    for (good = 1, i = 0; i < n; i++) {
        good &= i == 3 ? isnan(out[i]) : out[i] == in[i];
        good &= isnan(out[n + i]);
        good &= i < 2 ? out[n * 2 + i] == in[i] : isnan(out[n * 2 + i]);
    }

    tap_ok(good, "values, unknown ones, a missing row, a short row");

    tap_is_int(shardd_rows_get(&s, 60, 100, out, 7), SHARDD_OK, "get few");
    tap_ok(out[6] == 3.0f && isnan(out[3]), "the first ones");

    run("SET shard:{unit}:rows:60:104:0 %s%s", "\xff\xff\xff\xff" "ab", "");
    tap_is_int(shardd_rows_get(&s, 60, 104, out, 2), SHARDD_OK,
               "a damaged row");
    tap_ok(isnan(out[0]) && isnan(out[1]), "is unknown");

    free(in);
    free(out);
}


/* the server forgets its functions, then the connection breaks */

static void
comeback(void)
{
    shardd_claim_t  claim;

    run("FUNCTION %s%s", "FLUSH", "");
    tap_is_int(shardd_claim(&s, "nodes", "me", 1000, &claim), SHARDD_OK,
               "the library is loaded again: %s", s.err);

    run("FUNCTION LOAD REPLACE %s%s", "#!lua name=shard\n"
        "redis.register_function{function_name='shard_library_version',"
        "callback=function() return 0 end,flags={'no-writes'}}", "");
    shardd_redis_close(&s.redis);
    tap_is_int(shardd_claim(&s, "nodes", "me", 1000, &claim), SHARDD_OK,
               "an older library is replaced: %s", s.err);

    /* the server closes it while we do not look: one call fails */

    run("CLIENT KILL TYPE %s SKIPME %s", "normal", "no");
    tap_is_int(shardd_release(&s, &claim), SHARDD_DOWN, "a broken "
               "connection");
    tap_ok(strstr(s.err, "Server closed the connection") != NULL
           || strstr(s.err, "reset") != NULL
           || strstr(s.err, "Broken pipe") != NULL, "%s", s.err);
    tap_ok(shardd_loop_pause(100) == 0, "backoff");
    tap_is_int(shardd_release(&s, &claim), SHARDD_OK, "then it works: %s",
               s.err);
}


int
main(void)
{
    const char  *addr;

    addr = getenv("REDIS_ADDR");

    if (addr == NULL) {
        printf("1..0 # SKIP REDIS_ADDR is not set\n");
        return 0;
    }

    shardd_loop_init();

    opened(addr);
    table();
    damages();
    moves();
    decisions();
    hashes();
    metrics();
    rows();
    comeback();

    shardd_store_close(&s);

    return tap_done();
}
