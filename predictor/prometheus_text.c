
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prometheus_text.h"


#define PREDICTOR_TEXT_NUMBER  64


static int predictor_text_labels(predictor_text_t *t,
    predictor_sample_t *sample, char *err);
static int predictor_text_value(predictor_text_t *t, double *value, char *err);


void
predictor_text_open(predictor_text_t *t, shard_str_t text)
{
    t->pos = text.data;
    t->end = text.data + text.len;
    t->line = text.data;
    t->lines = 1;
}


static int
predictor_text_bad(const predictor_text_t *t, const char *what, char *err)
{
    snprintf(err, SHARD_ERR_SIZE, "line %u, column %zu: %s", t->lines,
             (size_t) (t->pos - t->line) + 1, what);

    return SHARD_ERROR;
}


static void
predictor_text_blanks(predictor_text_t *t)
{
    while (t->pos < t->end && (*t->pos == ' ' || *t->pos == '\t')) {
        t->pos++;
    }
}


static int
predictor_text_is_name(char c, int first, int colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
           || (colon && c == ':') || (!first && c >= '0' && c <= '9');
}


int
predictor_text_name_valid(const char *name)
{
    size_t  i;

    for (i = 0; name[i]; i++) {

        if (!predictor_text_is_name(name[i], i == 0, 1)) {
            return 0;
        }
    }

    return i > 0 && i <= PREDICTOR_TEXT_NAME_MAX;
}


/* a name of a metric (colon) or a label */

static int
predictor_text_name(predictor_text_t *t, int colon, shard_str_t *name,
    char *err)
{
    name->data = t->pos;

    while (t->pos < t->end
           && predictor_text_is_name(*t->pos, t->pos == name->data, colon))
    {
        t->pos++;
    }

    name->len = (size_t) (t->pos - name->data);

    if (name->len == 0 || name->len > PREDICTOR_TEXT_NAME_MAX) {
        t->pos = name->data;
        return predictor_text_bad(t, colon ? "no name of a metric"
                                           : "no name of a label", err);
    }

    return SHARD_OK;
}


/* of a comment, which may hold anything */

static int
predictor_text_skip_line(predictor_text_t *t, char *err)
{
    const char  *newline;

    newline = memchr(t->pos, '\n', (size_t) (t->end - t->pos));

    if (newline == NULL) {
        t->pos = t->end;
        return predictor_text_bad(t, "the last line has no end: the text was "
                                  "cut", err);
    }

    t->pos = newline + 1;
    t->line = t->pos;
    t->lines++;

    return SHARD_OK;
}


int
predictor_text_next(predictor_text_t *t, predictor_sample_t *sample, char *err)
{
    sample->nlabels = 0;

    for ( ;; ) {
        predictor_text_blanks(t);

        if (t->pos == t->end) {
            return t->pos == t->line ? SHARD_AGAIN
                   : predictor_text_bad(t, "the last line has no end: the "
                                        "text was cut", err);
        }

        if (*t->pos != '#' && *t->pos != '\n') {
            break;
        }

        if (predictor_text_skip_line(t, err) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    if (predictor_text_name(t, 1, &sample->name, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    predictor_text_blanks(t);

    if (t->pos < t->end && *t->pos == '{'
        && predictor_text_labels(t, sample, err) != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    if (predictor_text_value(t, &sample->value, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    if (t->pos - t->line > PREDICTOR_TEXT_LINE_MAX) {
        return predictor_text_bad(t, "the line is too long", err);
    }

    t->pos++;
    t->line = t->pos;
    t->lines++;

    return SHARD_OK;
}


/* from the quote on: \\, \" and \n are the only escapes */

static int
predictor_text_quoted(predictor_text_t *t, shard_str_t *value, char *err)
{
    if (t->pos == t->end || *t->pos != '"') {
        return predictor_text_bad(t, "a label's value must be in quotes", err);
    }

    value->data = ++t->pos;

    for ( /* void */ ; t->pos < t->end; t->pos++) {

        if (*t->pos == '"') {
            value->len = (size_t) (t->pos++ - value->data);
            return SHARD_OK;
        }

        if (*t->pos == '\n' || *t->pos == '\0') {
            break;
        }

        if (*t->pos != '\\') {
            continue;
        }

        if (++t->pos == t->end || strchr("\\\"n", *t->pos) == NULL
            || *t->pos == '\0')
        {
            return predictor_text_bad(t, "an escape that is not known", err);
        }
    }

    return predictor_text_bad(t, "a label's value has no end", err);
}


static int
predictor_text_labels(predictor_text_t *t, predictor_sample_t *sample,
    char *err)
{
    predictor_label_t  *label;

    t->pos++;
    predictor_text_blanks(t);

    while (t->pos < t->end && *t->pos != '}') {

        if (sample->nlabels == PREDICTOR_LABELS_MAX) {
            return predictor_text_bad(t, "more labels than are known here",
                                      err);
        }

        label = &sample->labels[sample->nlabels++];

        if (predictor_text_name(t, 0, &label->name, err) != SHARD_OK) {
            return SHARD_ERROR;
        }

        predictor_text_blanks(t);

        if (t->pos == t->end || *t->pos != '=') {
            return predictor_text_bad(t, "\"=\" is missing", err);
        }

        t->pos++;
        predictor_text_blanks(t);

        if (predictor_text_quoted(t, &label->value, err) != SHARD_OK) {
            return SHARD_ERROR;
        }

        predictor_text_blanks(t);

        if (t->pos < t->end && *t->pos == ',') {
            t->pos++;
            predictor_text_blanks(t);

        } else if (t->pos == t->end || *t->pos != '}') {
            return predictor_text_bad(t, "\",\" or \"}\" is missing", err);
        }
    }

    if (t->pos == t->end) {
        return predictor_text_bad(t, "\"}\" is missing", err);
    }

    t->pos++;
    predictor_text_blanks(t);

    return SHARD_OK;
}


/* what strtod() takes, without hexadecimal numbers, or a word for none */

static int
predictor_text_number(const char *text, double *value)
{
    size_t       i;
    char        *end;

    static const struct {
        const char  *word;
        double       value;
    } words[] = {
        { "NaN", NAN }, { "+Inf", INFINITY }, { "Inf", INFINITY },
        { "-Inf", -INFINITY }
    };

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {

        if (strcmp(text, words[i].word) == 0) {
            *value = words[i].value;
            return SHARD_OK;
        }
    }

    if (text[0] == '\0' || strspn(text, "0123456789.eE+-") != strlen(text)) {
        return SHARD_ERROR;
    }

    *value = strtod(text, &end);

    return *end == '\0' ? SHARD_OK : SHARD_ERROR;
}


/* the word at pos, "" when it is longer than any number */

static void
predictor_text_word(predictor_text_t *t, char *word)
{
    size_t  n;

    n = 0;

    while (t->pos + n < t->end && strchr(" \t\r\n", t->pos[n]) == NULL
           && n < PREDICTOR_TEXT_NUMBER - 1)
    {
        word[n] = t->pos[n];
        n++;
    }

    word[n < PREDICTOR_TEXT_NUMBER - 1 ? n : 0] = '\0';
}


/* up to the newline: the number, and a time in ms that nobody needs */

static int
predictor_text_value(predictor_text_t *t, double *value, char *err)
{
    char  word[PREDICTOR_TEXT_NUMBER];

    predictor_text_word(t, word);

    if (predictor_text_number(word, value) != SHARD_OK) {
        return predictor_text_bad(t, "no number", err);
    }

    t->pos += strlen(word);
    predictor_text_blanks(t);

    if (t->pos < t->end && *t->pos != '\n' && *t->pos != '\r') {
        predictor_text_word(t, word);

        if (word[0] == '\0'
            || strspn(word + (word[0] == '-'), "0123456789")
               != strlen(word + (word[0] == '-')))
        {
            return predictor_text_bad(t, "no time in ms", err);
        }

        t->pos += strlen(word);
        predictor_text_blanks(t);
    }

    if (t->pos < t->end && *t->pos == '\r') {
        t->pos++;
    }

    return t->pos < t->end && *t->pos == '\n' ? SHARD_OK
           : predictor_text_bad(t, "the line has no end here", err);
}


shard_str_t
predictor_text_label(const predictor_sample_t *sample, const char *name)
{
    uint32_t     i;
    shard_str_t  none = { 0, "" };

    for (i = 0; i < sample->nlabels; i++) {

        if (sample->labels[i].name.len == strlen(name)
            && memcmp(sample->labels[i].name.data, name, strlen(name)) == 0)
        {
            return sample->labels[i].value;
        }
    }

    return none;
}
