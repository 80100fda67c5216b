
/* What decisions were worth, as shard-predictor scored them afterwards. */


#include <math.h>
#include <string.h>

#include "shard_codec.h"
#include "shardctl.h"


#define SCORE_DECISIONS_SHOWN  5
#define SCORE_DECISIONS_READ   1000


static const shardctl_column_t  score_columns[] = {
    { "decided_ms", "DECIDED", SHARDCTL_TIME_MS },
    { "id", "DECISION", SHARDCTL_TEXT },
    { "verb", "VERB", SHARDCTL_TEXT },
    { "from", "FROM", SHARDCTL_TEXT },
    { "to", "TO", SHARDCTL_TEXT },
    { "mode", "MODE", SHARDCTL_TEXT },
    { "verdict", "AFTERWARDS", SHARDCTL_STATE },
    { "saved_vs_nothing_ms", "SAVED", SHARDCTL_SPAN_MS },
    { "saved_vs_reacting_ms", "THAN REACTING", SHARDCTL_SPAN_MS },
    { "regret_ms", "REGRET", SHARDCTL_SPAN_MS },
    { NULL, NULL, SHARDCTL_TEXT }
};


json_t *
shardctl_score(const shardd_entry_t *decision)
{
    json_t  *score;

    score = shardctl_json(shardd_entry_field(decision, "score"));

    if (!json_is_object(score)) {
        json_decref(score);
        return NULL;
    }

    return score;
}


static const char *
score_seconds(const json_t *object, const char *key, char *buf, size_t size)
{
    shardctl_span(1000 * shardctl_get_number(object, key), buf, size);

    return buf;
}


static void
score_saved(shardctl_t *ctl, const json_t *score, int advice)
{
    char           text[512], decided[40], nothing[40], reacting[40];
    char           at[40], until[40];
    const json_t  *violation;

    violation = json_object_get(score, "violation_s");
    shardctl_time(shardctl_get_number(score, "until"), until, sizeof(until));
    score_seconds(violation, "decided", decided, sizeof(decided));
    score_seconds(violation, "nothing", nothing, sizeof(nothing));
    score_seconds(violation, "reacting", reacting, sizeof(reacting));

    snprintf(text, sizeof(text), "until %s its two nodes %s above capacity "
             "for %s; without it for %s\n", until, advice
             ? "would have been" : "were", decided, nothing);
    shardctl_put(ctl, SHARDCTL_PLAIN, text);

    if (isfinite(shardctl_get_number(score, "reacting_at"))) {
        shardctl_time(shardctl_get_number(score, "reacting_at"), at,
                      sizeof(at));
        snprintf(text, sizeof(text), "who reacts would have begun at %s: for "
                 "%s\n", at, reacting);

    } else {
        snprintf(text, sizeof(text), "who reacts would not have moved it: the "
                 "source never crossed its threshold\n");
    }

    shardctl_put(ctl, SHARDCTL_PLAIN, text);
}


void
shardctl_score_show(shardctl_t *ctl, const json_t *decision)
{
    int            advice;
    char           text[512], regret[40], cost[40];
    const char    *verdict;
    const json_t  *score;

    score = json_object_get(decision, "score");

    if (!json_is_object(score)) {
        return;
    }

    verdict = shardctl_get_text(score, "verdict");
    advice = strcmp(shardctl_get_text(decision, "mode"), "act") != 0;

    snprintf(text, sizeof(text), "\nafterwards: %.20s%s\n", verdict,
             advice || json_is_true(json_object_get(score, "carried_out"))
             || strcmp(verdict, "unknown") == 0
             ? "" : " (it was not carried out)");
    shardctl_put(ctl, SHARDCTL_BOLD, text);

    if (strcmp(verdict, "unknown") == 0) {
        snprintf(text, sizeof(text), "it has no score: %.200s\n",
                 shardctl_get_text(score, "why"));
        shardctl_put(ctl, SHARDCTL_PLAIN, text);
        return;
    }

    score_saved(ctl, score, advice);

    snprintf(text, sizeof(text), "regret: the best of the three had %s less; "
             "copying alone made %s of it\n",
             score_seconds(score, "regret_s", regret, sizeof(regret)),
             score_seconds(score, "cost_s", cost, sizeof(cost)));
    shardctl_put(ctl, SHARDCTL_PLAIN, text);
}


/* seconds of a score as milliseconds of a row */

static void
score_span(json_t *row, const json_t *score, const char *from, const char *to)
{
    double  v;

    v = shardctl_get_number(score, from);

    if (isfinite(v)) {
        json_object_set_new(row, to, json_real(1000 * v));
    }
}


/* of moves alone there is one to come */

static const char *
score_verdict(const shardd_entry_t *d, const json_t *score)
{
    const char  *verb;

    if (score) {
        return shardctl_get_text(score, "verdict");
    }

    verb = shardd_entry_field(d, "verb");

    return verb && strcmp(verb, "move") == 0 ? "not yet" : NULL;
}


static json_t *
score_row(const shardd_entry_t *d, json_t *score)
{
    json_t  *row;

    row = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                    "id", shardctl_field(d, "id"),
                    "verb", shardctl_field(d, "verb"),
                    "decided_ms", shardctl_field_int(d, "decided_ms"),
                    "from", shardctl_field(d, "from"),
                    "to", shardctl_field(d, "to"),
                    "by", shardctl_field(d, "by"),
                    "mode", shardctl_field(d, "mode"),
                    "verdict", shardctl_text(score_verdict(d, score)));

    score_span(row, score, "saved_vs_nothing_s", "saved_vs_nothing_ms");
    score_span(row, score, "saved_vs_reacting_s", "saved_vs_reacting_ms");
    score_span(row, score, "regret_s", "regret_ms");
    json_object_set_new(row, "score", score ? score : json_null());

    return row;
}


static int
score_of_shard(const shardd_entry_t *e, shard_id_t id)
{
    shard_id_t    shard;
    shard_str_t   text;
    const char   *value;

    value = shardd_entry_field(e, "shard");
    text.data = value ? value : "";
    text.len = strlen(text.data);

    return shard_id_decode(text, &shard) == SHARD_OK && shard == id
           && shardd_entry_field(e, "id") != NULL;
}


int
shardctl_decisions_read(shardctl_t *ctl, shard_id_t id, json_t *out)
{
    int                rc;
    size_t             i;
    json_t            *rows;
    shardd_entry_t     d;
    shardd_entries_t   all;

    memset(&all, 0, sizeof(shardd_entries_t));
    rc = shardd_decisions(&ctl->store, SCORE_DECISIONS_READ, &all);

    if (rc != SHARDD_OK && rc != SHARDD_NONE) {
        return shardctl_store_fail(ctl, rc, "cannot read the decisions");
    }

    rows = json_array();
    json_object_set_new(out, "decisions", rows);

    for (i = 0; i < all.n && json_array_size(rows) < SCORE_DECISIONS_SHOWN;
         i++)
    {
        if (!score_of_shard(&all.entries[i], id)) {
            continue;
        }

        memset(&d, 0, sizeof(shardd_entry_t));
        rc = shardd_decision_get(&ctl->store,
                                 shardd_entry_field(&all.entries[i], "id"),
                                 &d);

        if (rc == SHARDD_OK) {
            json_array_append_new(rows, score_row(&d, shardctl_score(&d)));
            shardd_entry_free(&d);

        } else if (rc != SHARDD_NONE) {
            shardd_entries_free(&all);
            return shardctl_store_fail(ctl, rc, "cannot read a decision");
        }
    }

    shardd_entries_free(&all);

    return SHARDCTL_OK;
}


void
shardctl_decisions_show(shardctl_t *ctl, const json_t *out)
{
    const json_t  *rows;

    rows = json_object_get(out, "decisions");

    if (json_array_size(rows)) {
        printf("\nits latest decisions, and what they were worth:\n\n");
        shardctl_table(ctl, rows, score_columns);
    }
}


int
shardctl_regret_read(shardctl_t *ctl, json_t **regret)
{
    json_t          *sums;
    size_t           i;
    shardd_entry_t   e;

    static const char *const  modes[] = { "act", "recommend" };

    if (shardctl_hash(ctl, "regret", &e) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    *regret = json_object();

    for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        sums = shardctl_json(shardd_entry_field(&e, modes[i]));

        if (json_is_object(sums)) {
            json_object_set(*regret, modes[i], sums);
        }

        json_decref(sums);
    }

    shardd_entry_free(&e);

    return SHARDCTL_OK;
}


void
shardctl_regret_show(shardctl_t *ctl, const json_t *regret)
{
    char           text[512], nothing[40], reacting[40], left[40];
    const char    *mode;
    const json_t  *sums;

    json_object_foreach((json_t *) regret, mode, sums) {

        if (!(shardctl_get_number(sums, "scored") > 0)) {
            continue;
        }

        score_seconds(sums, "saved_vs_nothing_s", nothing, sizeof(nothing));
        score_seconds(sums, "saved_vs_reacting_s", reacting, sizeof(reacting));
        score_seconds(sums, "regret_s", left, sizeof(left));

        snprintf(text, sizeof(text), "hindsight: %.0f %s scored, %.0f helped, "
                 "%.0f harmed; above capacity %s less than without, %s less "
                 "than by reacting, regret %s\n",
                 shardctl_get_number(sums, "scored"),
                 strcmp(mode, "act") == 0 ? "decisions" : "recommendations",
                 shardctl_get_number(sums, "helped"),
                 shardctl_get_number(sums, "harmed"), nothing, reacting, left);
        shardctl_put(ctl, SHARDCTL_PLAIN, text);
    }
}
