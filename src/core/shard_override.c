
#include <string.h>

#include "shard_codec.h"
#include "shard_override.h"
#include "shard_text.h"


#define SHARD_OVERRIDE_WORDS  7     /* split N=BP ... until TIME */


static int shard_override_words(shard_str_t text, shard_str_t *word,
    char *err);
static int shard_override_arguments(shard_override_t *o,
    const shard_str_t *word, unsigned n, char *err);
static int shard_override_split(shard_override_t *o, const shard_str_t *word,
    unsigned n, char *err);
static int shard_override_twice(const shard_override_t *o, unsigned n);
static int shard_override_share(shard_str_t word, char *node, uint16_t *bp);


static const char *const  shard_override_verbs[] = {
    "pin", "split", "hold", "drain", "freeze", NULL
};


const char *
shard_override_name(shard_override_e verb)
{
    if (verb < SHARD_OVERRIDE_PIN || verb > SHARD_OVERRIDE_FREEZE) {
        return "none";
    }

    return shard_override_verbs[verb - SHARD_OVERRIDE_PIN];
}


int
shard_override_decode(shard_str_t text, shard_override_t *out, char *err)
{
    int               n;
    unsigned          verb;
    shard_str_t       word[SHARD_OVERRIDE_WORDS];
    shard_override_t  o;

    memset(&o, 0, sizeof(o));

    n = shard_override_words(text, word, err);

    if (n < 0) {
        return SHARD_ERROR;
    }

    if (n == 0) {
        return shard_refuse(err, "empty override");
    }

    if (shard_text_word(word[0], shard_override_verbs, "verb", &verb, err)
        != SHARD_OK)
    {
        return SHARD_ERROR;
    }

    o.verb = (shard_override_e) (verb + SHARD_OVERRIDE_PIN);

    if (n >= 3 && shard_text_equal(word[n - 2], "until")) {
        if (shard_time_decode(word[n - 1], &o.until_ms) != SHARD_OK) {
            return shard_refuse(err, "%q is not a time like "
                                "2026-12-01T08:00Z", &word[n - 1]);
        }

        n -= 2;
    }

    if (shard_override_arguments(&o, word, (unsigned) n, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    *out = o;

    return SHARD_OK;
}


/* words between spaces; their number, or SHARD_ERROR */

static int
shard_override_words(shard_str_t text, shard_str_t *word, char *err)
{
    int     n;
    char    c;
    size_t  i;

    if (text.len > SHARD_OVERRIDE_MAX) {
        return shard_refuse(err, "override is longer than %u bytes",
                            (unsigned) SHARD_OVERRIDE_MAX);
    }

    n = 0;

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (c == ' ') {
            continue;
        }

        if (i == 0 || text.data[i - 1] == ' ') {
            if (n == SHARD_OVERRIDE_WORDS) {
                return shard_refuse(err, "override has more than %u words: "
                                    "%q", (unsigned) SHARD_OVERRIDE_WORDS,
                                    &text);
            }

            word[n].data = text.data + i;
            word[n++].len = 0;
        }

        word[n - 1].len++;
    }

    return n;
}


static int
shard_override_arguments(shard_override_t *o, const shard_str_t *word,
    unsigned n, char *err)
{
    unsigned  expected;

    expected = o->verb == SHARD_OVERRIDE_PIN ? 2
               : o->verb == SHARD_OVERRIDE_SPLIT ? 1 + SHARD_OVERRIDE_NODES
               : 1;

    if (n > expected) {
        return shard_refuse(err, "unexpected %q after \"%s\"", &word[expected],
                            shard_override_name(o->verb));
    }

    if (o->verb == SHARD_OVERRIDE_SPLIT) {
        if (n < 3) {
            return shard_refuse(err, "\"split\" takes NODE=BP NODE=BP and up "
                                "to two more");
        }

        return shard_override_split(o, word + 1, n - 1, err);
    }

    if (o->verb == SHARD_OVERRIDE_PIN) {
        if (n < expected) {
            return shard_refuse(err, "\"pin\" takes a node");
        }

        if (!shard_name_valid(word[1])) {
            return shard_refuse(err, "%q is not a node's name", &word[1]);
        }

        memcpy(o->node[0], word[1].data, word[1].len);
    }

    return SHARD_OK;
}


static int
shard_override_split(shard_override_t *o, const shard_str_t *word, unsigned n,
    char *err)
{
    unsigned  i, sum;

    sum = 0;

    for (i = 0; i < n; i++) {
        if (shard_override_share(word[i], o->node[i], &o->bp[i]) != SHARD_OK) {
            return shard_refuse(err, "%q is not NODE=BP with 0 to 10000 basis "
                                "points", &word[i]);
        }

        if (shard_override_twice(o, i)) {
            return shard_refuse(err, "\"split\" names the node \"%s\" twice",
                                o->node[i]);
        }

        sum += o->bp[i];
    }

    if (sum != SHARD_BP_ALL) {
        return shard_refuse(err, "basis points of \"split\" add up to %u, "
                            "not 10000", sum);
    }

    return SHARD_OK;
}


static int
shard_override_twice(const shard_override_t *o, unsigned n)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        if (strcmp(o->node[i], o->node[n]) == 0) {
            return 1;
        }
    }

    return 0;
}


static int
shard_override_share(shard_str_t word, char *node, uint16_t *bp)
{
    uint64_t     value;
    const char  *equal;
    shard_str_t  name, number;

    equal = memchr(word.data, '=', word.len);

    if (equal == NULL) {
        return SHARD_ERROR;
    }

    name.data = word.data;
    name.len = (size_t) (equal - word.data);
    number.data = equal + 1;
    number.len = word.len - name.len - 1;

    if (!shard_name_valid(name)
        || shard_uint64_decode(number, &value) != SHARD_OK
        || value > SHARD_BP_ALL)
    {
        return SHARD_ERROR;
    }

    memcpy(node, name.data, name.len);
    *bp = (uint16_t) value;

    return SHARD_OK;
}
