
/* explain: a decision's reason in words and figures, and what became of it. */


#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shardctl.h"


static const shardctl_column_t  explain_trail_columns[] = {
    { "phase", "PHASE", SHARDCTL_STATE },
    { "at_ms", "FROM", SHARDCTL_TIME_MS },
    { "took_ms", "TOOK", SHARDCTL_SPAN_MS },
    { NULL, NULL, SHARDCTL_TEXT }
};


/* "phase@ms phase@ms ..."; a word of another form is left out */

static json_t *
explain_trail(const char *text)
{
    char         phase[24], *end;
    size_t       len;
    json_t      *rows, *row, *before;
    long long    ms;
    const char  *at;

    rows = json_array();
    before = NULL;

    for ( /* void */ ; text && *text; text += len) {
        text += strspn(text, " ");
        len = strcspn(text, " ");
        at = memchr(text, '@', len);

        if (at == NULL || at == text || (size_t) (at - text) >= sizeof(phase))
        {
            continue;
        }

        ms = strtoll(at + 1, &end, 10);

        if (end != text + len || ms < 0) {
            continue;
        }

        snprintf(phase, sizeof(phase), "%.*s", (int) (at - text), text);
        row = json_pack("{s:o, s:I}", "phase", shardctl_text(phase), "at_ms",
                        (json_int_t) ms);

        if (before) {
            json_object_set_new(before, "took_ms", json_integer(ms
                             - json_integer_value(json_object_get(before,
                                                                  "at_ms"))));
        }

        json_array_append_new(rows, row);
        before = row;
    }

    return rows;
}


static json_t *
explain_decision(const shardd_entry_t *d)
{
    json_t  *reason, *score;

    reason = shardctl_json(shardd_entry_field(d, "reason"));
    score = shardctl_score(d);

    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "verb", shardctl_field(d, "verb"),
                     "shard", shardctl_field_int(d, "shard"),
                     "from", shardctl_field(d, "from"),
                     "to", shardctl_field(d, "to"),
                     "epoch", shardctl_field_int(d, "epoch"),
                     "by", shardctl_field(d, "by"),
                     "mode", shardctl_field(d, "mode"),
                     "decided_ms", shardctl_field_int(d, "decided_ms"),
                     "reason", reason ? reason : json_null(),
                     "score", score ? score : json_null());
}


static void
explain_line(shardctl_t *ctl, const char *text)
{
    shardctl_put(ctl, SHARDCTL_PLAIN, text);
    printf("\n");
}


/* nothing where a node is to be emptied, whatever that is worth */

static void
explain_worth(shardctl_t *ctl, const json_t *r)
{
    char  text[256], gain[40], cost[40];

    if (!(shardctl_get_number(r, "gain_s") > 0)) {
        return;
    }

    shardctl_span(1000 * shardctl_get_number(r, "gain_s"), gain, sizeof(gain));
    shardctl_span(1000 * shardctl_get_number(r, "cost_s"), cost, sizeof(cost));

    snprintf(text, sizeof(text), "worth: it is expected to save %s above "
             "capacity; a move has to save %s", gain, cost);
    explain_line(ctl, text);
}


static void
explain_why(shardctl_t *ctl, const json_t *r)
{
    char         text[512], at[40], in[40], move[40];
    double       load, capacity;
    const char  *node;

    node = shardctl_get_text(r, "node");
    load = shardctl_get_number(r, "forecast_load");
    capacity = shardctl_get_number(r, "capacity");

    if (isfinite(load) && isfinite(capacity)) {
        snprintf(text, sizeof(text), "why: the forecast load of node %.63s at "
                 "quantile %g is %.1f requests/s of its capacity of %.1f "
                 "(%.0f%%); the threshold is %.0f%%", node,
                 shardctl_get_number(r, "quantile"), load, capacity,
                 100 * load / capacity,
                 100 * shardctl_get_number(r, "threshold"));
        explain_line(ctl, text);
    }

    if (isfinite(shardctl_get_number(r, "base"))) {
        snprintf(text, sizeof(text), "of it %.1f is there without any shard: "
                 "the CPU that the node uses anyway, as learned",
                 shardctl_get_number(r, "base"));
        explain_line(ctl, text);
    }

    if (isfinite(shardctl_get_number(r, "breach_at"))) {
        shardctl_time(shardctl_get_number(r, "breach_at"), at, sizeof(at));
        shardctl_span(1000 * shardctl_get_number(r, "breach_in_s"), in,
                      sizeof(in));
        shardctl_span(1000 * shardctl_get_number(r, "move_s"), move,
                      sizeof(move));

        snprintf(text, sizeof(text), "when: that would begin at %s, in %s; a "
                 "move takes %s", at, in, move);
        explain_line(ctl, text);
    }

    if (isfinite(shardctl_get_number(r, "load_moved"))) {
        snprintf(text, sizeof(text), "what: %.1f requests/s are moved; from "
                 "%.0f%% to %.0f%% used there, %.0f%% used on the target",
                 shardctl_get_number(r, "load_moved"),
                 100 * shardctl_get_number(r, "utilisation_from_before"),
                 100 * shardctl_get_number(r, "utilisation_from_after"),
                 100 * shardctl_get_number(r, "utilisation_to_after"));
        explain_line(ctl, text);
    }

    explain_worth(ctl, r);

    if (isfinite(shardctl_get_number(r, "breach_at"))
        && isfinite(load) && isfinite(capacity))
    {
        snprintf(text, sizeof(text), "without it: node %.63s would be over "
                 "its threshold from %s on, %.0f%% used%s", node, at,
                 100 * load / capacity, load > capacity
                 ? ": more than it carries" : "");
        explain_line(ctl, text);
    }
}


static void
explain_show_decision(shardctl_t *ctl, const json_t *d)
{
    char           text[512], at[40];
    const char    *user;
    const json_t  *reason;

    shardctl_time(shardctl_get_number(d, "decided_ms") / 1000, at, sizeof(at));

    snprintf(text, sizeof(text), "decided at %s by %.60s, mode %.20s", at,
             shardctl_get_text(d, "by"), shardctl_get_text(d, "mode"));
    explain_line(ctl, text);

    reason = json_object_get(d, "reason");
    user = shardctl_get_text(reason, "operator");

    if (user[0]) {
        snprintf(text, sizeof(text), "why: %.60s wished it (%.60s)", user,
                 shardctl_get_text(reason, "command"));
        explain_line(ctl, text);
    }

    if (!shardctl_explain_failure(ctl, shardctl_get_text(d, "verb"), reason)) {
        explain_why(ctl, reason);
    }

    if (shardctl_get_text(reason, "verb")[0]) {
        shardctl_resize_show(ctl, reason);
    }

    if (strcmp(shardctl_get_text(d, "mode"), "recommend") == 0) {
        explain_line(ctl, "it is a recommendation: it is not carried out");
    }
}


static void
explain_show_migration(shardctl_t *ctl, const json_t *m)
{
    char    text[768], hold[40], took[40];
    double  v;

    shardctl_span(shardctl_get_number(m, "hold_ms"), hold, sizeof(hold));
    shardctl_span(shardctl_get_number(m, "took_ms"), took, sizeof(took));

    snprintf(text, sizeof(text), "migration: phase %.20s, requests held for "
             "%s, took %s, strategy %.20s, driver %.20s",
             shardctl_get_text(m, "phase"), hold, took,
             shardctl_get_text(m, "strategy"), shardctl_get_text(m, "driver"));
    explain_line(ctl, text);

    v = shardctl_get_number(m, "bytes");

    if (isfinite(v)) {
        snprintf(text, sizeof(text), "shipped: %.0f items, %.0f log entries, "
                 "%.0f bytes", fmax(0, shardctl_get_number(m, "items")),
                 fmax(0, shardctl_get_number(m, "shipped")), v);
        explain_line(ctl, text);
    }

    if (shardctl_get_text(m, "error")[0]) {
        snprintf(text, sizeof(text), "it rolls back because: %.500s\n",
                 shardctl_get_text(m, "error"));
        shardctl_put(ctl, SHARDCTL_RED, text);
    }

    if (shardctl_get_text(m, "wish")[0]) {
        snprintf(text, sizeof(text), "the operator's wish: %.20s",
                 shardctl_get_text(m, "wish"));
        explain_line(ctl, text);
    }

    if (json_array_size(json_object_get(m, "trail"))) {
        printf("\n");
        shardctl_table(ctl, json_object_get(m, "trail"),
                       explain_trail_columns);
    }
}


static int
explain_show(shardctl_t *ctl, json_t *out)
{
    char           text[512];
    const char    *verb, *to;
    const json_t  *m, *d, *any;

    if (ctl->json) {
        return shardctl_show(ctl, out);
    }

    d = json_object_get(out, "decision");
    m = json_object_get(out, "migration");
    any = json_is_object(d) ? d : m;

    verb = shardctl_get_text(any, "verb");
    to = shardctl_row_target(any);

    snprintf(text, sizeof(text), "%s: %.16s shard %.0f %s %.63s%s%.63s\n",
             shardctl_get_text(out, "id"), verb[0] ? verb : "move",
             shardctl_get_number(any, "shard"), to[0] ? "from" : "on",
             shardctl_get_text(any, "from"), to[0] ? " to " : "", to);
    shardctl_put(ctl, SHARDCTL_BOLD, text);

    if (json_is_object(d)) {
        explain_show_decision(ctl, d);
    }

    if (json_is_object(m)) {
        explain_show_migration(ctl, m);

    } else if (strcmp(shardctl_get_text(d, "mode"), "recommend") != 0) {
        explain_line(ctl, "no migrator has taken it yet");
    }

    shardctl_score_show(ctl, d);
    json_decref(out);

    return SHARDCTL_OK;
}


int
shardctl_cmd_explain(shardctl_t *ctl)
{
    int              rc, got;
    json_t          *out, *m;
    uint64_t         value;
    const char      *id;
    shard_id_t       shard;
    shard_str_t      text;
    shardd_entry_t   e;

    id = ctl->args[0];
    text.data = id;
    text.len = strlen(id);

    if (shard_id_decode(text, &shard) == SHARD_OK) {
        return shardctl_explain_shard(ctl, shard);
    }

    if (shard_hex_decode(text, &value) != SHARD_OK) {
        return shardctl_usage(ctl, "\"%s\" is no shard, and no id of a "
                              "decision or migration: 16 hex digits are "
                              "needed", id);
    }

    rc = shardctl_open(ctl);

    if (rc != SHARDCTL_OK) {
        return rc;
    }

    out = json_pack("{s:s}", "id", id);
    memset(&e, 0, sizeof(shardd_entry_t));

    rc = shardd_decision_get(&ctl->store, id, &e);
    got = rc == SHARDD_OK;

    if (got) {
        json_object_set_new(out, "decision", explain_decision(&e));
        shardd_entry_free(&e);
    }

    if (got || rc == SHARDD_NONE) {
        memset(&e, 0, sizeof(shardd_entry_t));
        rc = shardd_migration_get(&ctl->store, id, &e);
    }

    if (rc == SHARDD_OK) {
        m = shardctl_row_migration(&e);
        json_object_set_new(m, "trail",
                            explain_trail(shardd_entry_field(&e, "trail")));

        if (!got) {
            json_object_set_new(out, "decision", explain_decision(&e));
        }

        json_object_set_new(out, "migration", m);
        shardd_entry_free(&e);
        got = 1;

    } else if (rc != SHARDD_NONE) {
        json_decref(out);
        return shardctl_store_fail(ctl, rc, "cannot read it");
    }

    if (!got) {
        json_decref(out);
        return shardctl_fail(ctl, "keyspace \"%s\" has no decision or "
                             "migration %s: \"shardctl migrations\" lists "
                             "them", ctl->keyspace, id);
    }

    return explain_show(ctl, out);
}
