
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "pool.h"
#include "shard_codec.h"
#include "simulate_command.h"


static int predictor_simulate_arg(int option, const char *value, void *data);
static int predictor_simulate_policies(predictor_simulate_t *m);
static int predictor_simulate_policy(predictor_simulate_t *m,
    const char *name);


static const struct option  predictor_simulate_options[] = {
    { "policy",       required_argument, NULL, 'y' },
    { "fleet",        required_argument, NULL, 'f' },
    { "forecasts",    required_argument, NULL, 'o' },
    { "fewest-nodes", required_argument, NULL, 'n' },
    { "moves",        required_argument, NULL, 'm' },
    { "plot",         required_argument, NULL, 'p' },
    { "threads",      required_argument, NULL, 't' },
    { "json",         no_argument,       NULL, 'j' },
    { "help",         no_argument,       NULL, 'h' },
    { NULL, 0, NULL, 0 }
};


static const char *const  predictor_simulate_words[] = {
    "--policy", "--fleet", "--forecasts", "--fewest-nodes", "--moves",
    "--plot", "--threads", "--json", "--help", NULL
};


static const char  predictor_simulate_help[] =
"usage: shard-predictor simulate SCENARIO.yaml [options]\n"
"\n"
"Lets policies move the shards of a recorded fleet on a virtual clock, by the\n"
"daemon's own planner, and prints what each is worth.  The keys of a scenario\n"
"and those that come with the program: docs/planning.md, conf/scenarios.\n"
"\n"
"  --policy A,B,...    static: nothing moves; reactive: planned on the present\n"
"                      load, tuned on the history; predictive: as the daemon\n"
"                      does; oracle: sees the future (default: all four)\n"
"  --fleet FILE.csv    another fleet than the scenario's, \"epoch,shard,...\"\n"
"  --forecasts FILE    keep forecasts there, and take them from there the\n"
"                      next time: they take minutes\n"
"  --fewest-nodes N    also: the fewest such nodes with which each policy has\n"
"                      at most N violation-seconds\n"
"  --moves OUT.csv     write the moves: \"decided,start,commit,shard,from,to\";\n"
"                      of several policies OUT-POLICY.csv each\n"
"  --plot OUT.png      draw the worst node's utilisation over time; - draws in\n"
"                      text\n"
"  --threads N         default: one per core\n"
"  --json              one JSON object instead of a table\n"
"  --help\n"
"\n"
"Violation-seconds: the length of a step for each node and step with load\n"
"above capacity.\n"
"\n"
"Exit status: 0 ok, 1 the machine failed (reading, writing, memory), 2 wrong\n"
"use, or a scenario or fleet that cannot be simulated.\n";


int
predictor_simulate_args(int argc, char **argv, predictor_simulate_t *m)
{
    int  rc;

    static const predictor_args_t  args = {
        ":", predictor_simulate_options, predictor_simulate_words,
        predictor_simulate_arg
    };

    m->policies = "static,reactive,predictive,oracle";
    rc = predictor_args(argc, argv, &args, m);

    if (rc != SHARD_OK) {
        return rc;
    }

    if (optind + 1 != argc) {
        fputs("shard-predictor: simulate needs one scenario, a YAML file "
              "(conf/scenarios has some)\n", stderr);
        return SHARD_ERROR;
    }

    m->scenario = argv[optind];

    return predictor_simulate_policies(m);
}


static int
predictor_simulate_arg(int option, const char *value, void *data)
{
    char                  *end;
    predictor_simulate_t  *m = data;

    switch (option) {

    case 'y':
        m->policies = value;
        return SHARD_OK;

    case 'f':
        m->fleet = value;
        return SHARD_OK;

    case 'o':
        m->forecasts = value;
        return SHARD_OK;

    case 'n':
        m->fewest = 1;
        m->bound = strtod(value, &end);

        if (value[strspn(value, "0123456789.")] != '\0' || end == value
            || *end)
        {
            fprintf(stderr, "shard-predictor: --fewest-nodes \"%s\": "
                    "violation-seconds from 0 on are expected\n", value);
            return SHARD_ERROR;
        }

        return SHARD_OK;

    case 'm':
        m->moves = value;
        return SHARD_OK;

    case 'p':
        m->plot = value;
        return SHARD_OK;

    case 't':
        return predictor_arg_number("--threads", value, PREDICTOR_THREADS_MAX,
                                    &m->threads);
    default: /* 'j' */
        m->json = 1;
        return SHARD_OK;
    }
}


static int
predictor_simulate_policies(predictor_simulate_t *m)
{
    char         name[SHARD_NAME_SIZE];
    size_t       len;
    const char  *p;

    for (p = m->policies; /* void */ ; p += len + 1) {
        len = strcspn(p, ",");

        snprintf(name, sizeof(name), "%.*s",
                 (int) (len < sizeof(name) ? len : sizeof(name) - 1), p);

        if (predictor_simulate_policy(m, name) != SHARD_OK) {
            return SHARD_ERROR;
        }

        if (p[len] == '\0') {
            return SHARD_OK;
        }
    }
}


static int
predictor_simulate_policy(predictor_simulate_t *m, const char *name)
{
    uint32_t      i, kind;
    const char   *nearest;
    shard_str_t   text;

    for (kind = 0; predictor_sim_words[kind]; kind++) {

        if (strcmp(predictor_sim_words[kind], name) == 0) {
            break;
        }
    }

    if (predictor_sim_words[kind] == NULL) {
        text.data = name;
        text.len = strlen(name);
        nearest = shard_nearest(text, predictor_sim_words);

        fprintf(stderr, "shard-predictor: --policy \"%s\" is unknown, %s%s\n",
                name, nearest ? "nearest is " : "there are static, reactive, "
                "predictive and oracle", nearest ? nearest : "");
        return SHARD_ERROR;
    }

    for (i = 0; i < m->n; i++) {

        if (m->result[i].policy.kind == (predictor_sim_kind_e) kind) {
            fprintf(stderr, "shard-predictor: policy %s is given twice\n",
                    name);
            return SHARD_ERROR;
        }
    }

    m->result[m->n++].policy.kind = (predictor_sim_kind_e) kind;

    return SHARD_OK;
}


void
predictor_simulate_usage(void)
{
    fputs(predictor_simulate_help, stdout);
}
