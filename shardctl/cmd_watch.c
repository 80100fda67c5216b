
/*
 * watch: what is forecast, decided and moving.  On a terminal one view that
 * is redrawn; elsewhere a line for everything that changed since the last
 * look, so that a pipe gets a readable story.
 */


#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "shardd_loop.h"
#include "shardctl.h"


#define WATCH_MIGRATIONS  30
#define WATCH_DECISIONS   8
#define WATCH_SLICE_MS    100


typedef struct {
    shardctl_t      *ctl;
    long             interval_ms;
    uint64_t         end_ms;          /* monotonic, 0 = never */
    int              draw;
    int              raw;             /* the terminal is to be restored */
    struct termios   saved;
    json_t          *facts;           /* of the look before */
    json_t          *rows;            /* its migrations, by id */
    uint64_t         looked_ms;       /* monotonic */
    json_t          *progress;        /* of those that run, by id */
} watch_t;


static const shardctl_column_t  watch_progress_columns[] = {
    { "migration", "MIGRATION", SHARDCTL_TEXT },
    { "shard", "SHARD", SHARDCTL_INT },
    { "phase", "PHASE", SHARDCTL_STATE },
    { "share", "DONE", SHARDCTL_PERCENT },
    { "left_ms", "LEFT", SHARDCTL_SPAN_MS },
    { "text", "PROGRESS", SHARDCTL_TEXT },
    { NULL, NULL, SHARDCTL_TEXT }
};


/* status, with zones, the newest decisions and migrations */

static int
watch_look(shardctl_t *ctl, json_t **look)
{
    int               rc;
    size_t            i;
    json_t           *rows;
    shardd_entry_t    zones;
    shardd_entries_t  entries;

    rc = shardctl_status(ctl, look);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    rc = shardctl_hash(ctl, "zones", &zones);

    if (rc != SHARDCTL_OK) {
        json_decref(*look);
        return rc;
    }

    json_object_set_new(*look, "zones", shardctl_rows_zones(&zones));
    shardd_entry_free(&zones);

    rows = json_array();
    memset(&entries, 0, sizeof(shardd_entries_t));

    if (shardd_decisions(&ctl->store, WATCH_DECISIONS, &entries) == SHARDD_OK)
    {
        for (i = 0; i < entries.n; i++) {
            json_array_append_new(rows,
                                  shardctl_row_decision(&entries.entries[i]));
        }

        shardd_entries_free(&entries);
    }

    json_object_set_new(*look, "decisions", rows);
    memset(&entries, 0, sizeof(shardd_entries_t));

    if (shardd_migrations(&ctl->store, WATCH_MIGRATIONS, &entries)
        == SHARDD_OK)
    {
        json_object_set_new(*look, "newest",
                            shardctl_rows_migrations(&entries, 0));
        shardd_entries_free(&entries);
    }

    return SHARDCTL_OK;
}


static void
watch_line(watch_t *w, const char *key, const char *text)
{
    char     at[40];
    json_t  *line;

    if (w->ctl->json) {
        line = json_pack("{s:I, s:o, s:o}", "time_ms",
                         (json_int_t) shardd_now_ms(), "what",
                         shardctl_text(key), "text", shardctl_text(text));
        json_dumpf(line, stdout, JSON_COMPACT);
        printf("\n");
        json_decref(line);
        return;
    }

    shardctl_time((double) shardd_now_ms() / 1000, at, sizeof(at));
    printf("%s  ", at);
    shardctl_put(w->ctl, SHARDCTL_BOLD, key);
    printf("  ");
    shardctl_put(w->ctl, SHARDCTL_PLAIN, text);
    printf("\n");
}


/* old migrations and decisions are no news in the first look */

static int
watch_is_news(const watch_t *w, const char *key, const char *text)
{
    return w->facts != NULL || strncmp(key, "decision ", 9) == 0
           || strncmp(key, "migration ", 10) != 0
           || (strstr(text, ", done") == NULL
               && strstr(text, ", rolled-back") == NULL);
}


static void
watch_changes(watch_t *w, const json_t *look)
{
    json_t      *facts, *v, *old;
    const char  *key;

    facts = shardctl_watch_facts(look);

    json_object_foreach(facts, key, v) {
        old = json_object_get(w->facts, key);

        if ((old == NULL || !json_equal(old, v))
            && watch_is_news(w, key, json_string_value(v)))
        {
            watch_line(w, key, json_string_value(v));
        }
    }

    /* decisions and migrations only fall out of the list of the newest */

    json_object_foreach(w->facts, key, v) {

        if (json_object_get(facts, key) == NULL
            && strncmp(key, "decision ", 9) != 0
            && strncmp(key, "migration ", 10) != 0)
        {
            watch_line(w, key, "gone");
        }
    }

    json_decref(w->facts);
    w->facts = facts;
}


/* what runs gets on: rates are of this look and the one before */

static void
watch_progress(watch_t *w, const json_t *look)
{
    char           text[160];
    double         span_ms;
    size_t         i;
    json_t        *rows, *p;
    uint64_t       now;
    const char    *id;
    const json_t  *row;

    now = shardd_monotonic_ms();
    span_ms = w->looked_ms ? (double) (now - w->looked_ms) : 0;
    rows = json_object();
    json_decref(w->progress);
    w->progress = json_array();

    json_array_foreach(json_object_get(look, "newest"), i, row) {
        id = shardctl_get_text(row, "id");
        json_object_set(rows, id, (json_t *) row);
        p = shardctl_progress(row, json_object_get(w->rows, id), span_ms);

        if (p) {
            shardctl_progress_text(p, text, sizeof(text));
            json_object_set_new(p, "text", shardctl_text(text));
            json_array_append_new(w->progress, p);
        }
    }

    json_decref(w->rows);
    w->rows = rows;
    w->looked_ms = now;
}


/* lines of it; with --json the figures, too */

static void
watch_progress_lines(watch_t *w)
{
    char     key[64], text[256];
    size_t   i;
    json_t  *p;

    json_array_foreach(w->progress, i, p) {
        snprintf(key, sizeof(key), "progress %.20s",
                 shardctl_get_text(p, "migration"));

        if (w->ctl->json) {
            json_object_set_new(p, "time_ms",
                                json_integer((json_int_t) shardd_now_ms()));
            json_object_set_new(p, "what", shardctl_text(key));
            json_dumpf(p, stdout, JSON_COMPACT);
            printf("\n");
            continue;
        }

        snprintf(text, sizeof(text), "shard %.0f, %.20s: %.160s",
                 shardctl_get_number(p, "shard"),
                 shardctl_get_text(p, "phase"), shardctl_get_text(p, "text"));
        watch_line(w, key, text);
    }
}


static void
watch_draw(shardctl_t *ctl, const json_t *look)
{
    shardctl_status_draw(ctl, look);

    if (json_array_size(json_object_get(look, "zones"))) {
        shardctl_title(ctl, "forecast by zone");
        shardctl_table(ctl, json_object_get(look, "zones"),
                       shardctl_columns_zones);
    }

    if (json_array_size(json_object_get(look, "decisions"))) {
        shardctl_title(ctl, "newest decisions");
        shardctl_table(ctl, json_object_get(look, "decisions"),
                       shardctl_columns_decisions);
    }
}


/* 1 when it is to end: "q", a signal, or the time is over */

static int
watch_pause(watch_t *w)
{
    char           c;
    uint64_t       until, now;
    struct pollfd  fd;

    until = shardd_monotonic_ms() + (uint64_t) w->interval_ms;

    for ( ;; ) {
        now = shardd_monotonic_ms();

        if (shardd_loop_stopping() || (w->end_ms && now >= w->end_ms)) {
            return 1;
        }

        if (now >= until) {
            return 0;
        }

        if (!w->raw) {
            shardd_loop_pause(until - now < WATCH_SLICE_MS
                              ? (long) (until - now) : WATCH_SLICE_MS);
            continue;
        }

        fd.fd = STDIN_FILENO;
        fd.events = POLLIN;

        if (poll(&fd, 1, WATCH_SLICE_MS) == 1
            && (read(STDIN_FILENO, &c, 1) != 1 || c == 'q' || c == 'Q'))
        {
            return 1;
        }
    }
}


static int
watch_loop(watch_t *w)
{
    int      rc;
    json_t  *look;

    do {
        rc = watch_look(w->ctl, &look);

        if (rc != SHARDCTL_OK) {

            /* what worked once and does not now may work again */

            if (w->facts == NULL) {
                return rc;
            }

            continue;
        }

        watch_progress(w, look);

        if (w->draw) {
            printf("\033[H\033[2J");
            watch_draw(w->ctl, look);

            if (json_array_size(w->progress)) {
                shardctl_title(w->ctl, "progress");
                shardctl_table(w->ctl, w->progress, watch_progress_columns);
            }

            printf("\nq ends\n");
            json_decref(w->facts);
            w->facts = json_object();

        } else {
            watch_changes(w, look);
            watch_progress_lines(w);
        }

        json_decref(look);

    } while (shardctl_flush() == SHARDCTL_OK && !watch_pause(w));

    return SHARDCTL_OK;
}


static int
watch_once(shardctl_t *ctl)
{
    int      rc;
    json_t  *look;

    rc = watch_look(ctl, &look);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (ctl->json) {
        return shardctl_show(ctl, look);
    }

    watch_draw(ctl, look);
    json_decref(look);

    return SHARDCTL_OK;
}


int
shardctl_cmd_watch(shardctl_t *ctl)
{
    int             rc;
    long            span;
    watch_t         w;
    struct termios  raw;

    memset(&w, 0, sizeof(watch_t));

    span = 0;
    w.ctl = ctl;
    w.interval_ms = 1000;

    if (shardctl_option_ms(ctl, "interval", 100, &w.interval_ms)
        || shardctl_option_ms(ctl, "for", 1, &span))
    {
        return SHARDCTL_USAGE;
    }

    if (shardctl_option(ctl, "once")) {
        return watch_once(ctl);
    }

    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    if (shardd_loop_init() != 0) {
        return shardctl_fail(ctl, "cannot catch signals: %m");
    }

    w.end_ms = span ? shardd_monotonic_ms() + (uint64_t) span : 0;
    w.draw = ctl->tty && !ctl->json;

    if (w.draw && isatty(STDIN_FILENO)
        && tcgetattr(STDIN_FILENO, &w.saved) == 0)
    {
        raw = w.saved;
        raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
        w.raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }

    rc = watch_loop(&w);

    if (w.raw) {
        tcsetattr(STDIN_FILENO, TCSANOW, &w.saved);
    }

    json_decref(w.facts);
    json_decref(w.rows);
    json_decref(w.progress);

    return rc;
}
