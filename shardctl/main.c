
/* The table of commands, and main(). */


#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shardctl.h"
#include "shardd_version.h"


static const shardctl_opt_t  init_opts[] = {
    { "kind", "KIND",
      "hash (default), \"range uint64\", \"range bytes\" or list" },
    { "shards", "N", "hash, range uint64: so many equal parts, 1 to 1000000" },
    { "max", "M", "range uint64: the greatest key of the equal parts" },
    { "cuts", "A,B,...",
      "ranges: where shards 1, 2, ... begin; or @FILE, one in each line" },
    { "unit", "NAME[,NAME...]",
      "list: the units of one shard; give it once per shard" },
    { "default", "NAME[,NAME...]",
      "list: the units of the shard that also takes all other names" },
    { "nodes", "FILE.yaml", "the nodes, see below" },
    { "node", "NAME=ADDR,zone=Z,capacity=C",
      "one node; give it once per node" },
    { "strategy", "S",
      "log-shipping (default), stateless, copy-on-write or queue" },
    { "consistency", "C", "strong (default) or eventual" },
    { "placement", "P",
      "round-robin (default), ring (by capacity), or FILE.csv with lines "
      "\"shard,node\"" },
    { "driver", "D", "http (default): tell each node what it owns; none" },
    { "force", NULL, "replace the table that is there" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  node_add_opts[] = {
    { "zone", "Z", "its availability zone" },
    { "capacity", "C", "requests per second it carries" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  shards_opts[] = {
    { "from", "ID", "the first shard id to list" },
    { "limit", "M", "at most so many (default 1000)" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  migrations_opts[] = {
    { "limit", "M", "at most so many, newest first (default 20)" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  migrate_opts[] = {
    { "dry-run", NULL, "check and say what would be, change nothing" },
    { "wait", NULL, "until it ends; exit status 1 when it is rolled back" },
    { "timeout", "TIME", "of --wait (default 10m)" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  split_opts[] = {
    { "at", "POSITION", "its first key (default: halves the load)" },
    { "around", "KEY", "a shard for that key alone: two splits" },
    { "to", "NODE", "the new shard's node (default: the old one's)" },
    { "dry-run", NULL, "check and say what would be, change nothing" },
    { "wait", NULL, "until it ends; exit status 1 when it is rolled back" },
    { "timeout", "TIME", "of --wait (default 10m)" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  override_opts[] = {
    { "clear", "SHARD", "remove the shard's override" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  policy_opts[] = {
    { "file", "FILE", "the JSON is in FILE, \"-\" is standard input" },
    { "replace", NULL, "all of the policy, fields not given included" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  forecast_opts[] = {
    { "plot", "[FILE.png]", "draw history and forecast, here or as PNG" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  import_opts[] = {
    { "format", "F", "trace, fleet or access; else told from the first line" },
    { "shard", "ID", "trace: the shard it is of" },
    { "days", "A-B", "only these days, counted from the first line as 1" },
    { "key-field", "K", "access: field number, \"arg:NAME\" or \"last\"" },
    { "interval", "S", "seconds of one history row (default 300)" },
    { "shift-to", "EPOCH",
      "move all times so that the history ends at EPOCH, or \"now\"" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  event_opts[] = {
    { "start", "TIME", "when it begins, as 2026-12-01T08:00Z" },
    { "end", "TIME", "and ends" },
    { "zone", "ZONE", "TIME and repetition are by its clock: Europe/Berlin" },
    { "repeat", "R", "daily, weekly, monthly, yearly, or a rule (FREQ=...)" },
    { "shards", "A,B,...", "the shards that it concerns" },
    { "nodes", "N,M,...", "the nodes; neither of both: all shards" },
    { "effect", "E", "x2.5, +300, -300, drain or learned (the default)" },
    { "name", "TEXT", "for people" },
    { "replace", NULL, "the event of that id that is there" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  events_opts[] = {
    { "from", "TIME", "list what comes from then on, not from now" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  ical_opts[] = {
    { "effect", "E", "of events without X-SHARD-EFFECT (default: learned)" },
    { "shards", "A,B,...", "of events without X-SHARD-SHARDS" },
    { "nodes", "N,M,...", "of events without X-SHARD-NODES" },
    { "zone", "ZONE", "of times without one and of whole days (default: "
      "X-WR-TIMEZONE, UTC)" },
    { "dry-run", NULL, "read and check all of it, write nothing" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  show_opts[] = {
    { "limit", "M", "the newest rows (default 48)" },
    { NULL, NULL, NULL }
};

static const shardctl_opt_t  watch_opts[] = {
    { "interval", "TIME", "between two looks (default 1s)" },
    { "for", "TIME", "end after it" },
    { "once", NULL, "one look" },
    { NULL, NULL, NULL }
};


const shardctl_opt_t  shardctl_globals[] = {
    { "redis", "URL", "redis://[user:password@]host:port[/db], host:port or "
      "unix:/path; default: SHARD_REDIS, 127.0.0.1:6379" },
    { "keyspace", "KEYSPACE", "also -k; default: SHARD_KEYSPACE" },
    { "password-file", "FILE", "its first line is the password for Redis" },
    { "json", NULL, "print JSON" },
    { "help", NULL, "also -h; of the program or of the command" },
    { "help-markdown", NULL, "the manual, as docs/shardctl.md" },
    { "version", NULL, "print the version" },
    { NULL, NULL, NULL }
};


const shardctl_command_t  shardctl_commands[] = {

    { "status", "", "the keyspace at a glance, problems first",
      shardctl_cmd_status, 0, 0, NULL, NULL },

    { "shards", "[--from ID] [--limit M]", "the shard table",
      shardctl_cmd_shards, 0, 0, shards_opts, NULL },

    { "locate", "KEY", "the shard and node that a key is on",
      shardctl_cmd_locate, 1, 1, NULL,
      "KEY is taken as routers see it, as it is.  While the shard moves its\n"
      "reads and writes may go to different nodes." },

    { "nodes", "", "nodes with their load now and forecast",
      shardctl_cmd_nodes, 0, 0, NULL,
      "The load now is the newest history row, the peak the forecast's\n"
      "highest step at quantile 0.9, the shards' errors taken as\n"
      "independent.  Loads are requests per second.  DEAD FOR names live\n"
      "routers that send a node nothing, as their checks failed." },

    { "zones", "", "load prediction score of each zone",
      shardctl_cmd_zones, 0, 0, NULL,
      "The score is the highest forecast utilisation of the zone's nodes." },

    { "recommendations", "", "what the predictor would move, when and why",
      shardctl_cmd_recommendations, 0, 0, NULL,
      "Also of a predictor that only observes.  START is when the move is to\n"
      "begin: what waits is done later, by a better forecast, and before the\n"
      "breach.  GAIN is the time above capacity that it is expected to save,\n"
      "COST the price that this has to exceed." },

    { "routers", "", "the nginx instances that route",
      shardctl_cmd_routers, 0, 0, NULL, NULL },

    { "migrations", "[MIGRATION | --limit M]",
      "moves of shards, newest first; or one and what happened to it",
      shardctl_cmd_migrations, 0, 1, migrations_opts, NULL },

    { "watch", "[--interval TIME] [--for TIME] [--once]",
      "what is forecast, decided and moving, live",
      shardctl_cmd_watch, 0, 0, watch_opts,
      "On a terminal the view is redrawn until \"q\" or Ctrl-C; elsewhere\n"
      "each change is one line, with --json one JSON object per line." },

    { "explain", "ID|SHARD", "why a decision was made, or what a shard is like",
      shardctl_cmd_explain, 1, 1, NULL,
      "ID is a decision's or migration's: why it was made and what became of\n"
      "it.  A shard's number: how its load is spread over its keys, the cut\n"
      "that would halve it, and its heavy keys, each with its error." },

    { "forecast", "SHARD [--plot [FILE.png]]", "the shard's stored forecast",
      shardctl_cmd_forecast, 1, 1, forecast_opts, NULL },

    { "init", "[--kind KIND] (--shards N | --cuts A,... | --unit NAME...) "
      "(--nodes FILE.yaml | --node SPEC...) [OPTION...]",
      "make the keyspace's table",
      shardctl_cmd_init, 0, 0, init_opts,
      "What a shard holds depends on the keyspace's kind:\n"
      "\n"
      "    hash          an equal part of all keys' hashes\n"
      "    range uint64  numbers: --cuts 1000,2000 makes 0 to 999, 1000 to\n"
      "                  1999 and the rest; --shards 4 --max 3999 equal parts\n"
      "    range bytes   names in the order of their bytes: --cuts\n"
      "                  2026-01,2026-02 makes what is below 2026-01, what\n"
      "                  begins with it, and the rest\n"
      "    list          names: --unit checkout --unit search,billing\n"
      "                  --default misc makes three shards; without --default\n"
      "                  one more shard takes the names that no other has\n"
      "\n"
      "Of a name %xx is a byte (%2c a comma), other bytes stand for\n"
      "themselves; 1 to 64 bytes.\n"
      "\n"
      "With --driver http every node is first told which shards it owns; a\n"
      "node that does not answer ends the command before the table is\n"
      "written.  A large table is written in pieces and comes into force at\n"
      "once, with its last one.\n"
      "\n"
      "FILE.yaml:\n"
      "\n"
      "    nodes:\n"
      "        n1: { addr: 127.0.0.1:8001, zone: z1, capacity: 470 }\n"
      "        n2: { addr: \"unix:/run/n2.sock\", zone: z2, capacity: 470 }" },

    { "node add", "NAME ADDR --zone Z --capacity C", "add a node",
      shardctl_cmd_node_add, 2, 2, node_add_opts,
      "ADDR is host:port with an IPv4, [IPv6] or host name, or unix:/path." },

    { "node drain", "NAME", "let the planner empty the node",
      shardctl_cmd_node_drain, 1, 1, NULL, NULL },

    { "node up", "NAME", "the node serves",
      shardctl_cmd_node_up, 1, 1, NULL, NULL },

    { "node down", "NAME", "the node does not serve",
      shardctl_cmd_node_down, 1, 1, NULL, NULL },

    { "node remove", "NAME", "remove a node that owns nothing",
      shardctl_cmd_node_remove, 1, 1, NULL, NULL },

    { "migrate", "SHARD NODE [--dry-run] [--wait]", "move a shard to a node",
      shardctl_cmd_migrate, 2, 2, migrate_opts,
      "It is a decision by hand: a migrator carries it out.  Asking for the\n"
      "same move again while it runs is the same migration; when the shard is\n"
      "there nothing is decided, and the exit status is 3.  --dry-run asks a\n"
      "migrator for its verdict on every precondition, and what the move is\n"
      "expected to take; exit status 1 when one is refused." },

    { "promote", "SHARD [NODE] [--dry-run] [--wait]",
      "make a standby the primary whose node is dead",
      shardctl_cmd_promote, 1, 2, migrate_opts,
      "NODE is one of the shard's standbys; else the first that is up. Writes "
      "that the dead\nnode acknowledged and did not ship are not there: "
      "docs/planning.md, \"Failures\"." },

    { "replicate", "SHARD NODE [--wait]", "make a node a standby of a shard",
      shardctl_cmd_replicate, 2, 2, &migrate_opts[1],
      "Its data are copied there from the primary, which stays what it is." },

    { "split", "SHARD [--at POSITION | --around KEY] [--to NODE] [--wait]",
      "make two shards out of one", shardctl_cmd_split, 1, 1, split_opts,
      "POSITION is a bound as \"shardctl shards\" shows it: 16 hex digits of\n"
      "the key's hash, a number, or bytes, percent-encoded.  The new shard\n"
      "has the keys from there on; it is copied like a shard that moves." },

    { "merge", "SHARD SHARD [--dry-run] [--wait]",
      "join a shard and its neighbour", shardctl_cmd_merge, 2, 2,
      migrate_opts,
      "The first one stays where it is and gets the keys of the second one,\n"
      "which is no shard any more." },

    { "rollback", "MIGRATION [--wait]", "take a migration back",
      shardctl_cmd_rollback, 1, 1, &migrate_opts[1],
      "Before its commit the migration rolls back; after it the shard is\n"
      "moved back by a new migration.  Exit status 3 when it is back." },

    { "pause", "MIGRATION", "keep a migration where it is",
      shardctl_cmd_pause, 1, 1, NULL, NULL },

    { "resume", "MIGRATION", "let a paused migration go on",
      shardctl_cmd_resume, 1, 1, NULL, NULL },

    { "override", "[SHARD \"VERB\" | --clear SHARD]",
      "route a shard by hand; alone: list the overrides",
      shardctl_cmd_override, 0, 2, override_opts,
      "VERB is one of\n"
      "\n"
      "    pin NODE                      all of it to NODE\n"
      "    split NODE=BP NODE=BP [...]   by key, up to four nodes; basis\n"
      "                                  points, 10000 in all\n"
      "    hold                          park its requests\n"
      "    drain                         the first standby serves\n"
      "    freeze                        planner and migrator leave it alone\n"
      "\n"
      "each with an optional trailing \"until 2026-12-01T08:00Z\"." },

    { "event add", "ID --start TIME --end TIME [OPTION...]",
      "schedule an event that changes load, or empties nodes",
      shardctl_cmd_event_add, 1, 1, event_opts,
      "E is what it does to the load of its shards, which forecasts then\n"
      "have:\n"
      "\n"
      "    x2.5      2.5 times as much\n"
      "    +300      300 requests/s more in all, shared by their load; or -300\n"
      "    learned   as much as it did before: measured when it ends, the\n"
      "              better known the oftener it was\n"
      "    drain     of --nodes: they are emptied before it begins\n"
      "\n"
      "R may be a recurrence rule of RFC 5545 with FREQ (DAILY to YEARLY),\n"
      "INTERVAL, COUNT or UNTIL, BYDAY, BYMONTH, BYMONTHDAY, WKST:\n"
      "\n"
      "    FREQ=MONTHLY;BYDAY=-1FR         each last Friday\n"
      "    FREQ=WEEKLY;BYDAY=MO,TU;UNTIL=20271231" },

    { "event list", "[--from TIME]",
      "events: what comes next, and how large they were",
      shardctl_cmd_event_list, 0, 0, events_opts,
      "CAME is the size that TIMES occurrences had, with the deviation of\n"
      "the next one: what is expected where the effect is learned, to be\n"
      "compared with EFFECT where that is said." },

    { "event remove", "ID", "remove an event",
      shardctl_cmd_event_remove, 1, 1, NULL, NULL },

    { "event import", "FILE.ics [OPTION...]",
      "schedule the events of an iCalendar file",
      shardctl_cmd_event_import, 1, 1, ical_opts,
      "\"-\" is standard input.  Each VEVENT with its RRULE and EXDATE becomes\n"
      "an event by its UID, and takes the place of the one imported before;\n"
      "cancelled ones are left out.  An event's own X-SHARD-EFFECT,\n"
      "X-SHARD-SHARDS (1,2) and X-SHARD-NODES (n1,n2) come before the options.\n"
      "A file in which anything is wrong is not imported at all." },

    { "policy get", "", "the keyspace's policy",
      shardctl_cmd_policy_get, 0, 0, NULL, NULL },

    { "policy set", "JSON | --file FILE", "change the keyspace's policy",
      shardctl_cmd_policy_set, 0, 1, policy_opts,
      "The fields given take the place of those there, null takes one away;\n"
      "other fields stay as they are.  Routers read\n"
      "\n"
      "    mirror           basis points of a moving shard's reads that its\n"
      "                     target gets, too (0)\n"
      "    zone_distance    {\"ZONE ZONE\": 0 to 65535, ...}; of a pair that\n"
      "                     is not named 1000\n"
      "\n"
      "and a value that they would refuse is not written." },

    { "history import", "FILE... [OPTION...]",
      "load history, so that forecasts start at once",
      shardctl_cmd_history_import, 1, 1000, import_opts,
      "trace   lines \"timestamp,value\" of one shard (--shard)\n"
      "fleet   lines \"epoch,shard,shard,...\": columns are shards 0, 1, ...\n"
      "access  nginx's combined log; the key is the last quoted field, a\n"
      "        field by its number from 1, or \"arg:NAME\" of the query\n"
      "\n"
      "Values are requests per second; empty ones are unknown.  A point holds\n"
      "for the file's step; finer ones are averaged.  The first and last\n"
      "interval of an access log count as whole ones, a request without a key\n"
      "(\"-\") is left out.  Nothing is written unless every line is good.\n"
      "A predictor reads history when it starts: restart one that runs." },

    { "history show", "SHARD [--limit M]", "the shard's newest history",
      shardctl_cmd_history_show, 1, 1, show_opts, NULL },

    { NULL, NULL, NULL, NULL, 0, 0, NULL, NULL }
};


static int
main_run(shardctl_t *ctl)
{
    if (ctl->version) {
        printf("shardctl %s\n", SHARDD_VERSION);
        return SHARDCTL_OK;
    }

    if (ctl->markdown) {
        shardctl_help_markdown();
        return SHARDCTL_OK;
    }

    if (ctl->help) {

        if (ctl->command) {
            shardctl_help_command(ctl->command);

        } else {
            shardctl_help();
        }

        return SHARDCTL_OK;
    }

    return ctl->command->run(ctl);
}


int
main(int argc, char **argv)
{
    int         rc;
    shardctl_t  ctl;

    memset(&ctl, 0, sizeof(shardctl_t));

    setlocale(LC_CTYPE, "");

    ctl.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    ctl.tty = isatty(STDOUT_FILENO) != 0;
    ctl.colour = ctl.tty && getenv("NO_COLOR") == NULL;

    rc = shardctl_parse(&ctl, argc, argv);

    if (rc == SHARDCTL_OK) {
        rc = main_run(&ctl);
    }

    if (ctl.opened) {
        shardd_store_close(&ctl.store);
    }

    free(ctl.args);
    free(ctl.given);
    free(ctl.conf.addr);
    free(ctl.conf.user);
    free(ctl.conf.password);

    if (shardctl_flush() != SHARDCTL_OK) {
        fprintf(stderr, "shardctl: cannot write the output: %m\n");
        return SHARDCTL_FAILED;
    }

    return rc;
}
