
/*
 * shardctl: the hand on the wheel from a terminal.
 *
 *    argv ──▶ options ──▶ command ──▶ store (src/daemon) ──▶ Redis
 *              ▲            │  json_t
 *    command table          └──▶ --json: as it is
 *    (main.c)  │                 else:   columns ──▶ aligned table
 *              └──▶ --help, docs/shardctl.md
 *
 * A command builds one JSON value and shows it either as it is or through a
 * description of columns, so that both ways always tell the same.  Memory
 * lives until the command ends.  What a command returns is the program's
 * exit status.
 */


#ifndef _SHARDCTL_H_INCLUDED_
#define _SHARDCTL_H_INCLUDED_


#include <stdio.h>
#include <stdint.h>
#include <jansson.h>

#include "shard_types.h"
#include "shardd_store.h"


#define SHARDCTL_OK       0
#define SHARDCTL_FAILED   1
#define SHARDCTL_USAGE    2
#define SHARDCTL_ALREADY  3      /* what was asked for is so already */

#define SHARDCTL_CLAIM_MS  30000
#define SHARDCTL_LIVE_MS   3000      /* docs/redis-keys.md, "Router entry" */

#if (__GNUC__)
#define shardctl_printf(f, a)  __attribute__((format(printf, f, a)))
#else
#define shardctl_printf(f, a)
#endif


typedef struct shardctl_s  shardctl_t;


/*
 * arg: NULL is a flag; "[FILE.png]" may be left out and is taken from the
 * next word only when that has the same suffix.
 */

typedef struct {
    const char                *name;        /* without "--", NULL ends */
    const char                *arg;
    const char                *doc;
} shardctl_opt_t;

typedef struct {
    const char                *name;        /* one or two words */
    const char                *args;
    const char                *doc;         /* one line */
    int                      (*run)(shardctl_t *ctl);
    unsigned                   min;         /* number of arguments */
    unsigned                   max;
    const shardctl_opt_t      *opts;        /* NULL: none */
    const char                *more;        /* further text of its --help */
} shardctl_command_t;

typedef struct {
    const shardctl_opt_t      *opt;
    const char                *value;       /* "" for a flag */
} shardctl_given_t;

struct shardctl_s {
    const shardctl_command_t  *command;
    const char               **args;
    unsigned                   nargs;
    shardctl_given_t          *given;
    unsigned                   ngiven;

    const char                *redis;
    const char                *keyspace;
    const char                *password_file;

    shardd_redis_conf_t        conf;
    shardd_store_t             store;

    unsigned                   json:1;
    unsigned                   help:1;
    unsigned                   markdown:1;
    unsigned                   version:1;
    unsigned                   tty:1;       /* stdout is a terminal */
    unsigned                   colour:1;
    unsigned                   utf8:1;
    unsigned                   opened:1;
};


extern const shardctl_command_t  shardctl_commands[];
extern const shardctl_opt_t      shardctl_globals[];


/* options.c */

int shardctl_parse(shardctl_t *ctl, int argc, char **argv);
const char *shardctl_option(shardctl_t *ctl, const char *name);
const char *shardctl_option_next(shardctl_t *ctl, const char *name,
    unsigned *i);
int shardctl_option_long(shardctl_t *ctl, const char *name, long min,
    long max, long *value);
int shardctl_option_ms(shardctl_t *ctl, const char *name, long min,
    long *value);
int shardctl_option_word(shardctl_t *ctl, const char *name,
    const char *const *words, int *index);
int shardctl_shard_arg(shardctl_t *ctl, const char *text, shard_id_t *id);

/* help.c */

void shardctl_help(void);
void shardctl_help_command(const shardctl_command_t *command);
void shardctl_help_markdown(void);

/* session.c: messages and the store; all return the exit status */

shardctl_printf(2, 3)
int shardctl_fail(shardctl_t *ctl, const char *fmt, ...);
shardctl_printf(2, 3)
int shardctl_already(shardctl_t *ctl, const char *fmt, ...);
shardctl_printf(2, 3)
int shardctl_usage(shardctl_t *ctl, const char *fmt, ...);
int shardctl_store_fail(shardctl_t *ctl, int rc, const char *what);
int shardctl_open(shardctl_t *ctl);
int shardctl_load(shardctl_t *ctl, shardd_table_t *table);
int shardctl_no_shard(shardctl_t *ctl, const shardd_table_t *table,
    shard_id_t id);
int shardctl_no_node(shardctl_t *ctl, const shardd_table_t *table,
    const char *name);

/* a hash that is not there is an empty one */

int shardctl_hash(shardctl_t *ctl, const char *key, shardd_entry_t *out);

const char *shardctl_user(void);              /* a valid name */
const char *shardctl_by(void);                /* "operator:USER" */
void shardctl_holder(char buf[SHARD_NAME_SIZE]);

/* out_json.c: text of others may hold anything, JSON needs UTF-8 */

json_t *shardctl_text(const char *text);
json_t *shardctl_number(double v);            /* null when not finite */
json_t *shardctl_field(const shardd_entry_t *e, const char *name);
json_t *shardctl_field_int(const shardd_entry_t *e, const char *name);
json_t *shardctl_json(const char *text);      /* NULL when it is not JSON */
double shardctl_get_number(const json_t *object, const char *key);
const char *shardctl_get_text(const json_t *object, const char *key);
int shardctl_show(shardctl_t *ctl, json_t *value);    /* takes value */

/*
 * out_flush.c: SHARDCTL_OK, or not all of it was written and errno says why;
 * where nobody reads any more it does not return
 */

int shardctl_flush(void);

/* out_table.c */

typedef enum {
    SHARDCTL_TEXT,
    SHARDCTL_STATE,           /* text, coloured by its meaning */
    SHARDCTL_LIST,            /* array of texts */
    SHARDCTL_INT,
    SHARDCTL_RATE,            /* requests per second */
    SHARDCTL_PERCENT,         /* of a ratio */
    SHARDCTL_BP,              /* basis points as per cent */
    SHARDCTL_BAR,             /* of a ratio */
    SHARDCTL_TIME_S,
    SHARDCTL_TIME_MS,
    SHARDCTL_SPAN_MS,
    SHARDCTL_BYTES
} shardctl_format_e;

typedef struct {
    const char                *key;         /* NULL ends */
    const char                *head;
    shardctl_format_e          format;
} shardctl_column_t;

typedef enum {
    SHARDCTL_PLAIN = 0,
    SHARDCTL_BOLD,
    SHARDCTL_DIM,
    SHARDCTL_GREEN,
    SHARDCTL_YELLOW,
    SHARDCTL_RED
} shardctl_colour_e;

void shardctl_table(shardctl_t *ctl, const json_t *rows,
    const shardctl_column_t *columns);
void shardctl_title(shardctl_t *ctl, const char *title);
void shardctl_put(shardctl_t *ctl, shardctl_colour_e colour,
    const char *text);
void shardctl_safe(const char *text, char *buf, size_t size);
const char *shardctl_colour_start(shardctl_t *ctl, shardctl_colour_e colour);
const char *shardctl_colour_end(shardctl_t *ctl);
shardctl_colour_e shardctl_state_colour(const char *state);
void shardctl_bar(shardctl_t *ctl, double ratio, char *buf, size_t size);
void shardctl_time(double epoch_s, char *buf, size_t size);
void shardctl_span(double ms, char *buf, size_t size);

/*
 * pace.c: how far a long command is, once a second on stderr: "340000 of
 * 1000000 records are staged, 52000/s, 13 s left".  Not with --json.
 */

typedef struct {
    const char                *what;
    uint64_t                   total;
    uint64_t                   start_ms;
    uint64_t                   next_ms;
    unsigned                   shown:1;
} shardctl_pace_t;

void shardctl_pace_start(shardctl_pace_t *pace, const char *what,
    uint64_t total);
void shardctl_pace(shardctl_t *ctl, shardctl_pace_t *pace, uint64_t done);
void shardctl_pace_end(const shardctl_pace_t *pace);

/* load.c, load_node.c: what shards and nodes carry now and will carry */

#define SHARDCTL_QUANTILES_MAX  8
#define SHARDCTL_STEPS_MAX      4096

typedef struct {
    long                       at;          /* epoch, seconds */
    long                       step_s;
    size_t                     n;           /* steps, 0 = no forecast */
    double                    *mean;        /* requests per second */
    unsigned                   nq;
    double                     q[SHARDCTL_QUANTILES_MAX];
    double                    *value[SHARDCTL_QUANTILES_MAX];
    char                       model[32];
} shardctl_forecast_t;

typedef struct {
    long                       res_s;
    long                       slot;        /* newest row, -1 = no history */
    size_t                     n;           /* = table.nshards */
    uint32_t                  *by_node;     /* shards, sorted by primary */
    double                    *now;         /* by index in the table */
    shardctl_forecast_t       *forecast;    /* by index in the table */
} shardctl_load_t;

typedef struct {
    unsigned                   shards;
    double                     now;         /* NaN = unknown */
    double                     peak;        /* at quantile 0.9, or NaN */
    long                       peak_at;     /* epoch, seconds */
} shardctl_node_load_t;

int shardctl_forecast_decode(const char *text, shardctl_forecast_t *out,
    char *err);
void shardctl_forecast_free(shardctl_forecast_t *f);
const double *shardctl_forecast_quantile(const shardctl_forecast_t *f,
    double q);
int shardctl_load_read(shardctl_t *ctl, shardd_table_t *table,
    shardctl_load_t *load);
void shardctl_load_free(shardctl_load_t *load);
void shardctl_load_sort(const shardd_table_t *table, shardctl_load_t *load);
void shardctl_node_load(const shardd_table_t *table,
    const shardctl_load_t *load, const char *node,
    shardctl_node_load_t *out);
int shardctl_newest_row(shardctl_t *ctl, long *res_s, long *slot);

/* lists.c: rows as JSON, shared by list commands, status and watch */

json_t *shardctl_rows_nodes(shardd_table_t *table,
    const shardctl_load_t *load);
/* health.c: adds "dead_by", the live routers for which a node is dead */

void shardctl_rows_dead(json_t *rows, const shardd_entry_t *routers);

json_t *shardctl_rows_routers(const shardd_entry_t *routers,
    uint64_t version);
json_t *shardctl_rows_zones(const shardd_entry_t *zones);
json_t *shardctl_rows_migrations(const shardd_entries_t *migrations,
    int running);
json_t *shardctl_rows_overrides(const shardd_entry_t *overrides,
    shardd_table_t *table);
json_t *shardctl_row_migration(const shardd_entry_t *m);
json_t *shardctl_row_decision(const shardd_entry_t *d);

/* of either, where it goes; "" when it stays on its node, as a split does */

const char *shardctl_row_target(const json_t *row);

/* why an override does nothing, "" when it works; may be text of err */

const char *shardctl_override_ignored(shardd_table_t *table,
    const char *shard, const char *verb, char *err);

extern const shardctl_column_t  shardctl_columns_nodes[];
extern const shardctl_column_t  shardctl_columns_routers[];
extern const shardctl_column_t  shardctl_columns_zones[];
extern const shardctl_column_t  shardctl_columns_migrations[];
extern const shardctl_column_t  shardctl_columns_decisions[];
extern const shardctl_column_t  shardctl_columns_overrides[];

/*
 * progress.c: of a migration's row and of the one span_ms before, or NULL:
 * an object, NULL in a phase that has no measure; and as a line
 */

json_t *shardctl_progress(const json_t *row, const json_t *before,
    double span_ms);
void shardctl_progress_text(const json_t *progress, char *buf, size_t size);

/* watch_facts.c: texts by what they are of, from status with zones, decisions
 * and migrations beside it */

json_t *shardctl_watch_facts(const json_t *look);

/* status.c */

int shardctl_status(shardctl_t *ctl, json_t **status);
void shardctl_status_draw(shardctl_t *ctl, const json_t *status);

/* cmd_override.c: a shard's override as fields "override" and, where it does
 * nothing, "override_ignored", and as a line */

int shardctl_override_read(shardctl_t *ctl, shardd_table_t *table,
    shard_id_t id, json_t *row);
void shardctl_override_show(shardctl_t *ctl, const json_t *row);

/* phases of a migration, as docs/redis-keys.md names them */

int shardctl_phase_ended(const char *phase);
int shardctl_phase_committed(const char *phase);

/* node.c: err says which node and what is wrong with it */

int shardctl_node_check(const shard_node_t *node, char *err);

/* cmd_forecast.c: a shard's stored forecast, to be freed; NULL: there is none;
 * and what it says beside the load, as members of "out" */

int shardctl_forecast_text(shardctl_t *ctl, shard_id_t id, char **text);
void shardctl_forecast_beside(const char *text, json_t *out);

/* event_list.c: those in the text of a shard's forecast, an array, and a line
 * each */

json_t *shardctl_events(const char *forecast);
void shardctl_events_show(shardctl_t *ctl, const json_t *events);

/* plot.c */

int shardctl_plot_text(shardctl_t *ctl, const double *history, size_t n,
    const shardctl_forecast_t *f);
int shardctl_plot_png(shardctl_t *ctl, const char *file, shard_id_t shard,
    const double *history, size_t n, const shardctl_forecast_t *f);


/*
 * explain_borrowed.c: what a shard without a history of its own borrows; of a
 * forecast's text; NULL: nothing
 */

json_t *shardctl_borrowed(const char *text);
void shardctl_borrowed_line(shardctl_t *ctl, const json_t *borrowed);
void shardctl_borrowed_show(shardctl_t *ctl, const json_t *borrowed);

/* explain_shift.c: "shifts" and "outages" of a forecast's text into "out", a
 * line each */

void shardctl_shifts(const char *text, json_t *out);
void shardctl_shifts_show(const json_t *out);

/* explain_resize.c: whether a shard is to be split or joined: "resize" of
 * "out", an object or null, and in words */

int shardctl_resize_read(shardctl_t *ctl, shard_id_t id, json_t *out);
void shardctl_resize_show(shardctl_t *ctl, const json_t *resize);

/* explain_shard.c: what is known of one shard */

int shardctl_explain_shard(shardctl_t *ctl, shard_id_t id);

/*
 * explain_score.c: what a decision was worth, NULL while that is not known;
 * lines of it; and a shard's latest decisions as an array "decisions"
 */

json_t *shardctl_score(const shardd_entry_t *decision);
void shardctl_score_show(shardctl_t *ctl, const json_t *decision);
int shardctl_decisions_read(shardctl_t *ctl, shard_id_t id, json_t *out);
void shardctl_decisions_show(shardctl_t *ctl, const json_t *out);

/* the sums of all scores, an object, and lines of it */

int shardctl_regret_read(shardctl_t *ctl, json_t **regret);
void shardctl_regret_show(shardctl_t *ctl, const json_t *regret);

/* explain_signals.c: what a forecast says beside the load, an object */

json_t *shardctl_signals(const char *text);
void shardctl_signals_show(shardctl_t *ctl, const json_t *signals);


int shardctl_cmd_init(shardctl_t *ctl);
int shardctl_cmd_node_add(shardctl_t *ctl);
int shardctl_cmd_node_drain(shardctl_t *ctl);
int shardctl_cmd_node_up(shardctl_t *ctl);
int shardctl_cmd_node_down(shardctl_t *ctl);
int shardctl_cmd_node_remove(shardctl_t *ctl);
int shardctl_cmd_status(shardctl_t *ctl);
int shardctl_cmd_shards(shardctl_t *ctl);
int shardctl_cmd_locate(shardctl_t *ctl);
int shardctl_cmd_nodes(shardctl_t *ctl);
int shardctl_cmd_zones(shardctl_t *ctl);
int shardctl_cmd_recommendations(shardctl_t *ctl);
int shardctl_cmd_routers(shardctl_t *ctl);
int shardctl_cmd_migrations(shardctl_t *ctl);
int shardctl_cmd_migrate(shardctl_t *ctl);
int shardctl_cmd_promote(shardctl_t *ctl);
int shardctl_cmd_replicate(shardctl_t *ctl);
int shardctl_cmd_split(shardctl_t *ctl);
int shardctl_cmd_merge(shardctl_t *ctl);

/* cmd_migration.c: one, with all that happened to it */

int shardctl_migration(shardctl_t *ctl, const char *id);

/* explain_failure.c: 1: the reason was a dead node, and is told */

int shardctl_explain_failure(shardctl_t *ctl, const char *verb,
    const json_t *reason);

int shardctl_cmd_rollback(shardctl_t *ctl);
int shardctl_cmd_pause(shardctl_t *ctl);
int shardctl_cmd_resume(shardctl_t *ctl);
int shardctl_cmd_override(shardctl_t *ctl);
int shardctl_cmd_policy_get(shardctl_t *ctl);
int shardctl_cmd_policy_set(shardctl_t *ctl);
int shardctl_cmd_explain(shardctl_t *ctl);
int shardctl_cmd_forecast(shardctl_t *ctl);
int shardctl_cmd_history_import(shardctl_t *ctl);
int shardctl_cmd_history_show(shardctl_t *ctl);
int shardctl_cmd_watch(shardctl_t *ctl);
int shardctl_cmd_event_add(shardctl_t *ctl);
int shardctl_cmd_event_list(shardctl_t *ctl);
int shardctl_cmd_event_remove(shardctl_t *ctl);
int shardctl_cmd_event_import(shardctl_t *ctl);


/* standbys.c: of each shard's standbys, by id and node, "state", "lag" and
 * "behind_ms" (null: unknown); the longest of one shard; all in figures */

int shardctl_standbys(shardctl_t *ctl, shardd_table_t *table, json_t **all);
json_t *shardctl_standbys_worst(const json_t *shard);
json_t *shardctl_standbys_sum(const shardd_table_t *table,
    const json_t *all);
void shardctl_standbys_show(const json_t *sum);


#endif /* _SHARDCTL_H_INCLUDED_ */
