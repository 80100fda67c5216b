
/*
 * What each shard of a new table holds:
 *
 *     hash           --shards N                        equal parts
 *     range uint64   --cuts 1000,2000 | --shards N --max M
 *     range bytes    --cuts 2026-01,2026-02
 *     list           --unit a --unit b,c --default d   one shard for each
 *
 * N cuts make N + 1 shards; "--cuts @FILE" has one in each line.  Of a name
 * given here %xx is a byte, any other byte stands for itself.
 */


#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shard_bytes.h"
#include "shard_codec.h"
#include "shard_key.h"
#include "init.h"


#define INIT_FILE_MAX  (256 * 1024 * 1024)


static const char *const  init_kinds[] = { "hash", "range uint64",
    "range bytes", "list", NULL };


static int init_kind_foreign(shardctl_t *ctl, const init_kind_t *k);
static int init_equal(shardctl_t *ctl, init_kind_t *k);
static int init_cuts(shardctl_t *ctl, init_kind_t *k, const char *value);
static int init_cut(shardctl_t *ctl, init_kind_t *k, size_t i,
    shard_str_t text);
static char *init_file(shardctl_t *ctl, const char *path);


int
init_kind_options(shardctl_t *ctl, init_kind_t *k)
{
    int          kind;
    const char  *cuts;

    kind = SHARD_KIND_HASH;

    if (shardctl_option_word(ctl, "kind", init_kinds, &kind)) {
        return SHARDCTL_USAGE;
    }

    k->kind = (shard_kind_e) kind;

    if (init_kind_foreign(ctl, k) != SHARDCTL_OK) {
        return SHARDCTL_USAGE;
    }

    cuts = shardctl_option(ctl, "cuts");

    if (cuts) {
        return init_cuts(ctl, k, cuts);
    }

    if (k->kind == SHARD_KIND_LIST) {
        return init_list(ctl, k);
    }

    if (k->kind == SHARD_KIND_RANGE_BYTES) {
        return shardctl_usage(ctl, "where do the shards begin? --cuts A,B,... "
                              "says it");
    }

    return init_equal(ctl, k);
}


/* an option of another kind is a mistake, not to be passed over */

static int
init_kind_foreign(shardctl_t *ctl, const init_kind_t *k)
{
    size_t    i;
    unsigned  bit;

    static const struct {
        const char  *option;
        unsigned     kinds;
        const char  *words;
    } of[] = {
        { "shards", 1 << SHARD_KIND_HASH | 1 << SHARD_KIND_RANGE_UINT64,
          "hash or range uint64" },
        { "max", 1 << SHARD_KIND_RANGE_UINT64, "range uint64" },
        { "cuts", 1 << SHARD_KIND_RANGE_UINT64 | 1 << SHARD_KIND_RANGE_BYTES,
          "range uint64 or range bytes" },
        { "unit", 1 << SHARD_KIND_LIST, "list" },
        { "default", 1 << SHARD_KIND_LIST, "list" }
    };

    bit = 1u << k->kind;

    for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {

        if (shardctl_option(ctl, of[i].option) && !(of[i].kinds & bit)) {
            return shardctl_usage(ctl, "--%s is for a keyspace of kind %s, "
                                  "this is one of kind %s", of[i].option,
                                  of[i].words, shard_kind_name(k->kind));
        }
    }

    if (shardctl_option(ctl, "cuts")
        && (shardctl_option(ctl, "shards") || shardctl_option(ctl, "max")))
    {
        return shardctl_usage(ctl, "either --cuts or --shards and --max");
    }

    return SHARDCTL_OK;
}


static int
init_equal(shardctl_t *ctl, init_kind_t *k)
{
    long         n;
    size_t       i;
    shard_key_t  last;
    const char  *max;

    n = 0;

    if (shardctl_option_long(ctl, "shards", 1, INIT_SHARDS_MAX, &n)) {
        return SHARDCTL_USAGE;
    }

    if (n == 0) {
        return shardctl_usage(ctl, "how many shards? --shards N says it");
    }

    k->nshards = (size_t) n;

    if (k->kind == SHARD_KIND_HASH) {
        return SHARDCTL_OK;
    }

    max = shardctl_option(ctl, "max");

    if (max == NULL) {
        return shardctl_usage(ctl, "what is the greatest key? --max M says it,"
                              " or --cuts A,B,... where shards begin");
    }

    if (shard_key_locate(SHARD_KIND_RANGE_UINT64, max, strlen(max), &last)
        != SHARD_OK || last.position < k->nshards - 1)
    {
        return shardctl_usage(ctl, "\"--max %s\" is no number from %zu, one "
                              "key for each shard, to 18446744073709551615",
                              max, k->nshards - 1);
    }

    k->numbers = malloc(k->nshards * sizeof(uint64_t));

    if (k->numbers == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    for (i = 1; i < k->nshards; i++) {
        k->numbers[i - 1] = (uint64_t) ((unsigned __int128) i
                                        * ((unsigned __int128) last.position
                                           + 1) / k->nshards);
    }

    return SHARDCTL_OK;
}


static int
init_cuts(shardctl_t *ctl, init_kind_t *k, const char *value)
{
    int           rc;
    char         *text, *p, separator;
    size_t        n;
    shard_str_t   cut;

    text = value[0] == '@' ? init_file(ctl, value + 1) : strdup(value);

    if (text == NULL) {
        return SHARDCTL_FAILED;
    }

    separator = value[0] == '@' ? '\n' : ',';

    for (n = 1, p = text; *p; p++) {
        n += *p == separator;
    }

    k->numbers = malloc(n * sizeof(uint64_t));
    k->names = malloc(n * sizeof(shard_bytes_t));

    if (k->numbers == NULL || k->names == NULL) {
        free(text);
        return shardctl_fail(ctl, "out of memory");
    }

    rc = SHARDCTL_OK;
    n = 0;

    for (p = text; rc == SHARDCTL_OK; p += cut.len + 1) {
        cut.data = p;
        cut.len = strcspn(p, separator == ',' ? "," : "\n");

        /* a file ends with a line's end */

        if (cut.len || separator == ',') {
            rc = n < INIT_SHARDS_MAX - 1
                 ? init_cut(ctl, k, n++, cut)
                 : shardctl_usage(ctl, "more than %d cuts",
                                  INIT_SHARDS_MAX - 1);
        }

        if (p[cut.len] == '\0') {
            break;
        }
    }

    free(text);

    k->nshards = n + 1;

    return rc;
}


static int
init_cut(shardctl_t *ctl, init_kind_t *k, size_t i, shard_str_t text)
{
    int            after;
    shard_key_t    at;
    shard_bytes_t  name;

    if (k->kind == SHARD_KIND_RANGE_UINT64) {

        if (shard_key_locate(k->kind, text.data, text.len, &at) != SHARD_OK) {
            return shardctl_usage(ctl, "--cuts: \"%.*s\" is no number up to "
                                  "18446744073709551615", (int) text.len,
                                  text.data);
        }

        k->numbers[i] = at.position;
        after = at.position > (i ? k->numbers[i - 1] : 0);

    } else {

        if (init_name(text, &name) != SHARD_OK) {
            return shardctl_usage(ctl, "--cuts: \"%.*s\" is no name of 1 to "
                                  "%d bytes; %%xx is a byte", (int) text.len,
                                  text.data, SHARD_BOUND_MAX);
        }

        k->names[i] = name;
        after = i == 0
                || shard_bytes_compare(name.data, name.len,
                                       k->names[i - 1].data,
                                       k->names[i - 1].len) > 0;
    }

    if (!after) {
        return shardctl_usage(ctl, "--cuts: \"%.*s\" is not above the one "
                              "before it%s", (int) text.len, text.data,
                              i ? "" : ", which is the lowest key");
    }

    return SHARDCTL_OK;
}


void
init_kind_fill(const init_kind_t *k, size_t i, shard_record_t *rec)
{
    int  last;

    rec->kind = k->kind;
    last = i + 1 == k->nshards;

    switch (k->kind) {

    case SHARD_KIND_RANGE_UINT64:
        rec->lo = i ? k->numbers[i - 1] : 0;
        rec->hi = last ? 0 : k->numbers[i];
        break;

    case SHARD_KIND_RANGE_BYTES:

        if (i) {
            rec->lo_text = k->names[i - 1];
        }

        if (!last) {
            rec->hi_text = k->names[i];
        }

        break;

    case SHARD_KIND_LIST:
        rec->is_default = (uint8_t) last;
        rec->nunits = k->nunits[i];
        rec->units.data = k->units[i] ? k->units[i] : "";
        rec->units.len = strlen(rec->units.data);
        break;

    default:
        rec->lo = (uint64_t) (((unsigned __int128) i << 64) / k->nshards);
        rec->hi = (uint64_t) (((unsigned __int128) (i + 1) << 64)
                              / k->nshards);
        break;
    }
}


void
init_kind_free(init_kind_t *k)
{
    char  **text;

    for (text = k->units; text && *text; text++) {
        free(*text);
    }

    free(k->units);
    free(k->nunits);
    free(k->numbers);
    free(k->names);
}


/* the whole file with a zero behind it, or NULL after a message */

static char *
init_file(shardctl_t *ctl, const char *path)
{
    long   size;
    char  *text;
    FILE  *file;

    file = fopen(path, "r");

    if (file == NULL) {
        shardctl_fail(ctl, "cannot open the cuts \"%s\": %m", path);
        return NULL;
    }

    text = NULL;
    size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;

    if (size < 0 || size > INIT_FILE_MAX || fseek(file, 0, SEEK_SET) != 0) {
        shardctl_fail(ctl, "the cuts \"%s\" are no file of up to %d bytes",
                      path, INIT_FILE_MAX);

    } else {
        text = malloc((size_t) size + 1);

        if (text == NULL) {
            shardctl_fail(ctl, "out of memory");

        } else {
            text[fread(text, 1, (size_t) size, file)] = '\0';
        }
    }

    fclose(file);

    return text;
}
