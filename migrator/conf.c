
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../src/daemon/shardd_expose.h"
#include "../src/daemon/shardd_log.h"
#include "shard_codec.h"
#include "conf.h"


#define DAY_MS  86400000.0
#define AT(m)   offsetof(migrator_conf_t, m)
#define END     { NULL, 0, 0, 0, 0, 0, NULL, NULL, NULL }


#define MS(name, at, min, max, doc)                                          \
    { name, SHARDD_CONF_MS, AT(at), min, max, 0, NULL, NULL, doc }
#define INT(name, at, min, max, doc)                                         \
    { name, SHARDD_CONF_INT, AT(at), min, max, 0, NULL, NULL, doc }
#define NUMBER(name, at, min, max, doc)                                      \
    { name, SHARDD_CONF_NUMBER, AT(at), min, max, 0, NULL, NULL, doc }
#define STRING(name, at, required, doc)                                      \
    { name, SHARDD_CONF_STRING, AT(at), 0, 0, required, NULL, NULL, doc }
#define SECTION(name, keys, doc)                                             \
    { name, SHARDD_CONF_SECTION, 0, 0, 0, 0, NULL, keys, doc }


static const shardd_conf_key_t  migrator_conf_redis[] = {
    STRING("addr", redis.addr, 0, "host:port or unix:/path"),
    STRING("user", redis.user, 0, "user of Redis' ACL"),
    { "password_file", SHARDD_CONF_FILE, AT(redis.password), 0, 0, 0, NULL,
      NULL, "file whose first line is the password" },
    INT("db", redis.db, 0, 1023, "number of the database"),
    MS("timeout", redis.timeout_ms, 10, 600000,
       "for connecting and for an answer"),
    END
};

static const shardd_conf_key_t  migrator_conf_log[] = {
    { "format", SHARDD_CONF_ENUM, AT(log_format), 0, 0, 0,
      shardd_log_formats, NULL, "text, or json: one object a line" },
    END
};

static const shardd_conf_key_t  migrator_conf_claim[] = {
    MS("ttl", policy.claim_ttl_ms, 500, 600000,
       "another migrator takes over after"),
    MS("cutover_ttl", policy.cutover_ttl_ms, 200, 60000,
       "the same while requests wait; less than the routers' shard_hold"),
    END
};

static const shardd_conf_key_t  migrator_conf_copy[] = {
    NUMBER("room", policy.room, 1, 100,
           "free bytes the target must have, times the source's bytes"),
    INT("batch", policy.batch, 1, 100000, "log entries per request"),
    INT("catch_up_lag", policy.catch_up_lag, 0, 1e6,
        "caught up when so few entries behind"),
    INT("rate", policy.copy_rate, 0, 1e12,
        "bytes per second of one copy at most; 0: no bound"),
    INT("min_rate", policy.copy_min_rate, 65536, 1e12,
        "bytes per second that a copy giving way comes down to"),
    INT("item_bytes", policy.copy_item_bytes, 0, 1e6,
        "bytes of \"rate\" that a key takes beside its own"),
    NUMBER("latency_ratio", policy.copy_latency_ratio, 0, 1000,
           "a node's answers, to those before the copy; 0: never gives way"),
    MS("latency_slack", policy.copy_latency_slack_ms, 0, 60000,
       "a rise of so much is none"),
    INT("parts_from", policy.parts_from, 0, 1e15,
        "bytes of a shard from which on it is copied in 64 parts"),
    MS("catch_up_window", policy.catch_up_window_ms, 10, 600000,
       "convergence is judged over; three bad ones end it"),
    END
};

static const shardd_conf_key_t  migrator_conf_gate[] = {
    INT("probes", policy.probes, 1, MIGRATOR_PROBES_MAX,
        "of source and target, for one judgement"),
    MS("probe_interval", policy.probe_interval_ms, 1, 60000,
       "between two of them"),
    NUMBER("confidence", policy.gate_confidence, 0.5, 0.9999,
           "how sure a breach must be; less sure takes more probes"),
    INT("max_errors_bp", policy.max_errors_bp, 0, 10000,
        "basis points of the target's probes that may fail"),
    NUMBER("max_error_ratio", policy.max_error_ratio, 1, 1000,
           "or so many times the source's share of failed ones"),
    NUMBER("max_latency_ratio", policy.max_latency_ratio, 1, 1000,
           "90th percentile, target to source"),
    MS("latency_floor", policy.latency_floor_ms, 0, 60000,
       "a target as fast as this is good whatever the source does"),
    MS("down_after", policy.down_after_ms, 100, 600000,
       "a node without an answer, from copy to shift, ends the move"),
    INT("mirror_sample", policy.mirror_sample, 1, 1e6,
        "mirrored reads to compare, where the policy has them"),
    MS("mirror_wait", policy.mirror_wait_ms, 0, DAY_MS,
       "then fewer do; less than timeouts.warm_up"),
    INT("mirror_bad_bp", policy.mirror_bad_bp, 0, 10000,
        "basis points of them that may differ or fail, rounded up"),
    END
};

static const shardd_conf_key_t  migrator_conf_shift[] = {
    INT("step_bp", policy.shift_step_bp, 1, 10000,
        "basis points of the keys that cross with the first step"),
    INT("min_step_bp", policy.shift_min_bp, 1, 10000,
        "a step is no smaller, however hard the target has it"),
    INT("max_step_bp", policy.shift_max_bp, 0, 10000,
        "it grows to this while the target is at ease; 0: step_bp"),
    MS("interval", policy.shift_interval_ms, 1, DAY_MS,
       "between two steps, and behind the last"),
    MS("back_interval", policy.shift_back_ms, 0, 60000,
       "between the ten steps of a way back"),
    END
};

static const char *const  migrator_queue_words[] = {
    "router", "backend", NULL
};

static const shardd_conf_key_t  migrator_conf_queue[] = {
    { "hold", SHARDD_CONF_ENUM, AT(policy.queue_hold), 0, 0, 0,
      migrator_queue_words, NULL,
      "where deliveries stop: router, with all else; or backend, before it" },
    MS("drain", policy.queue_drain_ms, 0, DAY_MS,
       "for consumers to take the queue empty before the hold"),
    MS("held_drain", policy.queue_held_drain_ms, 0, 60000,
       "within it, for those that are not behind a router"),
    END
};

static const char *const  migrator_silent_words[] = {
    "abort", "fence", NULL
};

static const shardd_conf_key_t  migrator_conf_hold[] = {
    MS("timeout", policy.hold_timeout_ms, 10, 60000,
       "beyond it the migration rolls back; less than shard_hold's"),
    MS("router_live", policy.router_live_ms, 100, 600000,
       "a router whose entry is older does not count"),
    { "silent_routers", SHARDD_CONF_ENUM, AT(policy.silent_routers), 0, 0, 0,
      migrator_silent_words, NULL,
      "live ones that do not hear of the hold: abort it, or fence them" },
    MS("silent_after", policy.silent_after_ms, 1, 60000,
       "fence: a router that has not heard of the hold for so long"),
    INT("require_routers", policy.require_routers, 0, MIGRATOR_ROUTERS_MAX,
        "no cutover with fewer live ones; 0: none need be there"),
    END
};

static const shardd_conf_key_t  migrator_conf_postgres[] = {
    { "nodes", SHARDD_CONF_MAP, AT(postgres.nodes), 0, 128, 0, NULL, NULL,
      "node: connection string, of a superuser" },
    { "subscribe", SHARDD_CONF_MAP, AT(postgres.subscribe), 0, 128, 0, NULL,
      NULL, "node: the same as other servers reach it, where that differs" },
    { "tables", SHARDD_CONF_MAP, AT(postgres.tables), 0, 64, 0, NULL, NULL,
      "table: its shard column; shard.install() made them so" },
    { "password_file", SHARDD_CONF_FILE, AT(postgres.password), 0, 0, 0,
      NULL, NULL, "file whose first line is the password" },
    END
};

#define TIMEOUT(name, phase, doc)                                            \
    MS(name, policy.timeout_ms[phase], 1, 30 * DAY_MS, doc)

static const shardd_conf_key_t  migrator_conf_timeouts[] = {
    TIMEOUT("check", MIGRATOR_CHECK, "nodes that do not answer by then"),
    TIMEOUT("copy", MIGRATOR_COPY, "the snapshot"),
    TIMEOUT("catch_up", MIGRATOR_CATCH_UP, "until the lag is small"),
    TIMEOUT("warm_up", MIGRATOR_WARM_UP, "until the gate has enough probes"),
    TIMEOUT("shift", MIGRATOR_SHIFT, "all steps"),
    TIMEOUT("fill", MIGRATOR_FILL, "copy-on-write: what is missing"),
    TIMEOUT("standby", MIGRATOR_STANDBY,
            "a former primary that does not answer"),
    END
};

static const shardd_conf_key_t  migrator_conf_standby[] = {
    INT("workers", keep.workers, 0, 16,
        "threads that ship to standbys; 0: this migrator keeps none"),
    MS("interval", keep.interval_ms, 10, 60000,
       "between two shipments to a standby whose primary is written"),
    MS("idle", keep.idle_ms, 10, 600000, "the same while it is not"),
    INT("copies", keep.copies, 1, 64,
        "at once, of standbys whose log was trimmed"),
    END
};

static const shardd_conf_key_t  migrator_conf_data_redis[] = {
    { "nodes", SHARDD_CONF_MAP, AT(data_redis.nodes), 0, 512, 0, NULL, NULL,
      "each node's redis://[user@]host:port[/db]" },
    { "password_file", SHARDD_CONF_FILE, AT(data_redis.password), 0, 0, 0,
      NULL, NULL, "file whose first line is the password of all of them" },
    { "password_files", SHARDD_CONF_MAP, AT(data_redis.password_files), 0,
      512, 0, NULL, NULL, "or of single nodes, by name" },
    END
};

static const shardd_conf_key_t  migrator_conf_dns[] = {
    STRING("server", dns.server, 0,
           "that takes RFC 2136 updates, IP or IP:port; none: no DNS"),
    STRING("zone", dns.zone, 0, "that the names are in"),
    STRING("name", dns.name, 0, "of a shard: the primary's addresses"),
    STRING("group", dns.group, 0,
           "of all primaries, such as {keyspace}.example.; none: none"),
    STRING("key_file", dns.key_file, 0,
           "TSIG key, as tsig-keygen writes it; none: not signed"),
    MS("ttl", dns.ttl_ms, 0, 7 * DAY_MS, "of the records, in whole seconds"),
    MS("timeout", dns.timeout_ms, 10, 60000, "for an answer"),
    END
};

static const char *const  migrator_when_words[] = {
    "before", "after", NULL
};

static const char *const  migrator_failure_words[] = {
    "rollback", "ignore", NULL
};

static const shardd_conf_key_t  migrator_conf_hook[] = {
    { "phase", SHARDD_CONF_STRING, offsetof(migrator_hook_t, phase_name), 0,
      0, 1, NULL, NULL, "which phase" },
    { "when", SHARDD_CONF_ENUM, offsetof(migrator_hook_t, when), 0, 0, 0,
      migrator_when_words, NULL, "its work" },
    { "exec", SHARDD_CONF_LIST, offsetof(migrator_hook_t, exec), 0,
      MIGRATOR_HOOK_ARGS_MAX, 1, NULL, NULL,
      "program and arguments, without a shell" },
    { "timeout", SHARDD_CONF_MS, offsetof(migrator_hook_t, timeout_ms), 1,
      DAY_MS, 0, NULL, NULL, "then it is killed; 10s" },
    { "on_failure", SHARDD_CONF_ENUM, offsetof(migrator_hook_t, on_failure),
      0, 0, 0, migrator_failure_words, NULL,
      "where the phase may still end so" },
    END
};

static const shardd_conf_key_t  migrator_conf_keys[] = {
    SECTION("redis", migrator_conf_redis, "the metadata store"),
    STRING("keyspace", keyspace, 1, "whose shards"),
    STRING("name", name, 0, "of this migrator; default: the host's"),
    { "log_level", SHARDD_CONF_ENUM, AT(log_level), 0, 0, 0,
      shardd_log_words, NULL, "error, warn, info or debug" },
    SECTION("log", migrator_conf_log, "its lines, on stderr"),
    STRING("metrics", metrics, 0,
           "address and port at which /metrics is answered, for Prometheus"),
    INT("max_migrations", max_migrations, 1, 64, "at once in this process"),
    INT("max_per_node", policy.max_per_node, 1, 64,
        "at once with the same source or target, all migrators together"),
    INT("max_per_zone", policy.max_per_zone, 0, MIGRATOR_RUNNING_MAX,
        "the same of nodes of one zone; 0: no bound"),
    INT("max_fleet", policy.max_fleet, 0, MIGRATOR_RUNNING_MAX,
        "at once, all migrators together; 0: no bound"),
    MS("decision_ttl", decision_ttl_ms, 100, DAY_MS,
       "a decision whose shard is busy for so long is let go"),
    MS("scan", scan_ms, 10, 60000,
       "how often to look for decisions and for migrations left behind"),
    { "driver", SHARDD_CONF_ENUM, AT(driver), 0, 0, 0,
      migrator_driver_words, NULL, "how data move; none for stateless shards" },
    SECTION("data_redis", migrator_conf_data_redis,
            "the nodes' own, of driver redis"),
    STRING("health_uri", health_uri, 0,
           "what a stateless node is asked; any answer below 500 is good"),
    MS("request_timeout", policy.request_timeout_ms, 10, 600000,
       "of one short request to a node"),
    MS("standby_time", policy.standby_time_ms, 0, 365 * DAY_MS,
       "then a former primary's data are given up; 0: never"),
    INT("keep_standby", policy.keep_standby, 0, SHARD_STANDBYS_MAX,
        "former primaries of a shard that are kept for so long"),
    SECTION("standby", migrator_conf_standby,
            "how standbys are kept level"),
    SECTION("dns", migrator_conf_dns, "names that follow the primaries"),
    SECTION("claim", migrator_conf_claim, "leases of shards"),
    SECTION("copy", migrator_conf_copy, "snapshot and log"),
    SECTION("gate", migrator_conf_gate, "what the target must bear"),
    SECTION("shift", migrator_conf_shift,
            "of stateless and of eventually consistent shards"),
    SECTION("queue", migrator_conf_queue, "shards of strategy queue"),
    SECTION("hold", migrator_conf_hold, "the cutover"),
    SECTION("postgres", migrator_conf_postgres,
            "of driver postgres; conf/postgres.sql is installed in each"),
    SECTION("timeouts", migrator_conf_timeouts, "of phases"),
    { "hooks", SHARDD_CONF_ITEMS, AT(policy.hooks), sizeof(migrator_hook_t),
      MIGRATOR_HOOKS_MAX, 0, NULL, migrator_conf_hook,
      "programs that are run before and after phases" },
    END
};


void
migrator_policy_defaults(migrator_policy_t *policy)
{
    int  i;

    memset(policy, 0, sizeof(migrator_policy_t));

    policy->claim_ttl_ms = 5000;
    policy->cutover_ttl_ms = 1500;
    policy->request_timeout_ms = 5000;
    policy->router_live_ms = 3000;
    policy->hold_timeout_ms = 1000;
    policy->silent_after_ms = 300;
    policy->room = 1.2;
    policy->batch = 10000;
    policy->parts_from = 16 * 1024 * 1024;
    policy->copy_rate = 60000000;
    policy->copy_min_rate = 4 * 1024 * 1024;
    policy->copy_item_bytes = 470;
    policy->copy_latency_ratio = 1.5;
    policy->copy_latency_slack_ms = 1;
    policy->catch_up_lag = 100;
    policy->catch_up_window_ms = 2000;
    policy->probes = 20;
    policy->probe_interval_ms = 20;
    policy->gate_confidence = 0.95;
    policy->max_errors_bp = 500;
    policy->max_error_ratio = 3;
    policy->max_latency_ratio = 3;
    policy->latency_floor_ms = 50;
    policy->down_after_ms = 5000;
    policy->mirror_sample = 50;
    policy->mirror_wait_ms = 20000;
    policy->mirror_bad_bp = 200;
    policy->queue_drain_ms = 5000;
    policy->shift_step_bp = 100;
    policy->shift_min_bp = 10;
    policy->shift_interval_ms = 1000;
    policy->shift_back_ms = 50;
    policy->standby_time_ms = DAY_MS;
    policy->keep_standby = SHARD_STANDBYS_MAX;

    for (i = 0; i < MIGRATOR_PHASES; i++) {
        policy->timeout_ms[i]
                          = migrator_phase((migrator_phase_e) i)->timeout_ms;
    }
}


static void
migrator_conf_defaults(migrator_conf_t *conf)
{
    memset(conf, 0, sizeof(migrator_conf_t));

    conf->redis.addr = "127.0.0.1:6379";
    conf->redis.timeout_ms = 1000;
    conf->log_level = SHARDD_LOG_INFO;
    conf->max_migrations = 4;
    conf->policy.max_per_node = 2;
    conf->decision_ttl_ms = 60000;
    conf->scan_ms = 200;
    conf->health_uri = "/health";

    conf->dns.name = "{keyspace}-{shard}.example.";
    conf->dns.ttl_ms = 10000;
    conf->dns.timeout_ms = 2000;

    conf->keep.workers = 2;
    conf->keep.interval_ms = 250;
    conf->keep.idle_ms = 2000;
    conf->keep.copies = 1;

    migrator_policy_defaults(&conf->policy);
}


static void
migrator_conf_no_phase(const char *path, int n, shard_str_t name, char *err)
{
    int          i;
    const char  *nearest, *words[MIGRATOR_PHASES + 1];

    for (i = 0; i < MIGRATOR_PHASES; i++) {
        words[i] = migrator_phase((migrator_phase_e) i)->name;
    }

    words[i] = NULL;
    nearest = shard_nearest(name, words);

    snprintf(err, SHARDD_ERR_SIZE, "%.200s: hooks, item %d: \"%.40s\" is no "
             "phase%s%s%s: docs/migration.md has them", path, n, name.data,
             nearest ? ", nearest is \"" : "", nearest ? nearest : "",
             nearest ? "\"" : "");
}


/* their phases by name, and what is not said */

static int
migrator_conf_hooks(const char *path, migrator_hook_t *hooks, char *err)
{
    int               i;
    shard_str_t       name;
    migrator_hook_t  *hook;

    for (i = 0; i < MIGRATOR_HOOKS_MAX && hooks[i].phase_name; i++) {
        hook = &hooks[i];
        name.data = hook->phase_name;
        name.len = strlen(hook->phase_name);
        hook->phase = migrator_phase_by_name(name);

        if (hook->phase == MIGRATOR_PHASE_NONE) {
            migrator_conf_no_phase(path, i + 1, name, err);
            return -1;
        }

        if (hook->exec[0] == NULL || hook->exec[0][0] == '\0') {
            snprintf(err, SHARDD_ERR_SIZE, "%s: hooks, item %d: exec names "
                     "no program", path, i + 1);
            return -1;
        }

        if (hook->timeout_ms == 0) {
            hook->timeout_ms = 10000;
        }
    }

    return 0;
}


int
migrator_conf_load(const char *path, migrator_conf_t *conf,
    char err[SHARDD_ERR_SIZE])
{
    static char  host[SHARD_NAME_SIZE];

    char         dns[MIGRATOR_DNS_ERR];
    shard_str_t  name;

    migrator_conf_defaults(conf);

    if (shardd_conf_load(path, migrator_conf_keys, conf, err) != 0) {
        return -1;
    }

    if (conf->name == NULL) {
        if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0') {
            strcpy(host, "migrator");
        }

        conf->name = host;
    }

    name.data = conf->name;
    name.len = strlen(conf->name);

    /* a number that tells processes apart is added to it */

    if (!shard_name_valid(name) || name.len > 40) {
        snprintf(err, SHARDD_ERR_SIZE, "%s: name \"%.60s\": 1 to 40 of "
                 "A-Z a-z 0-9 _ . - are needed", path, conf->name);
        return -1;
    }

    if (migrator_conf_hooks(path, conf->policy.hooks, err) != 0) {
        return -1;
    }

    if (conf->policy.shift_max_bp
        && conf->policy.shift_max_bp < conf->policy.shift_step_bp)
    {
        snprintf(err, SHARDD_ERR_SIZE, "%s: shift: max_step_bp %ld is less "
                 "than step_bp %ld", path, conf->policy.shift_max_bp,
                 conf->policy.shift_step_bp);
        return -1;
    }

    if (conf->health_uri[0] != '/' || strlen(conf->health_uri) > 256) {
        snprintf(err, SHARDD_ERR_SIZE, "%s: health_uri \"%.60s\": a path "
                 "that begins with / is needed", path, conf->health_uri);
        return -1;
    }

    if (conf->metrics && !shardd_expose_valid(conf->metrics)) {
        snprintf(err, SHARDD_ERR_SIZE, "%s: metrics: \"%.80s\" is no address "
                 "and port, as 127.0.0.1:9106 or [::1]:9106", path,
                 conf->metrics);
        return -1;
    }

    if (migrator_dns_conf_check(&conf->dns, dns) != SHARD_OK) {
        snprintf(err, SHARDD_ERR_SIZE, "%s: dns: %.300s", path, dns);
        return -1;
    }

    return 0;
}


void
migrator_conf_print(void)
{
    migrator_conf_t  conf;

    migrator_conf_defaults(&conf);
    shardd_conf_print(migrator_conf_keys, &conf);
}
