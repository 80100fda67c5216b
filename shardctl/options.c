
/*
 * The command line: global options anywhere, a command of one or two words,
 * its options and arguments.  What is not known is answered with the nearest
 * name that is.
 */


#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_text.h"
#include "shardctl.h"


#define OPTIONS_WORDS  96


static const shardctl_opt_t *
options_find(const shardctl_opt_t *opts, const char *name, size_t len)
{
    for ( /* void */ ; opts && opts->name; opts++) {

        if (strlen(opts->name) == len && memcmp(opts->name, name, len) == 0) {
            return opts;
        }
    }

    return NULL;
}


static unsigned
options_words(const shardctl_opt_t *opts, const char **words, unsigned n)
{
    for ( /* void */ ; opts && opts->name && n < OPTIONS_WORDS - 1; opts++) {
        words[n++] = opts->name;
    }

    words[n] = NULL;

    return n;
}


static int
options_unknown(shardctl_t *ctl, const char *arg, size_t len)
{
    unsigned      n;
    const char   *nearest, *words[OPTIONS_WORDS];
    shard_str_t   text;

    n = options_words(shardctl_globals, words, 0);

    if (ctl->command) {
        options_words(ctl->command->opts, words, n);
    }

    text.data = arg + strspn(arg, "-");
    text.len = len - (size_t) (text.data - arg);

    nearest = shard_nearest(text, words);

    if (nearest) {
        return shardctl_usage(ctl, "unknown option \"%.*s\", nearest is "
                              "\"--%s\"", (int) len, arg, nearest);
    }

    return shardctl_usage(ctl, "unknown option \"%.*s\"", (int) len, arg);
}


static void
options_global(shardctl_t *ctl, const shardctl_opt_t *opt, const char *value)
{
    if (strcmp(opt->name, "redis") == 0) {
        ctl->redis = value;

    } else if (strcmp(opt->name, "keyspace") == 0) {
        ctl->keyspace = value;

    } else if (strcmp(opt->name, "password-file") == 0) {
        ctl->password_file = value;

    } else if (strcmp(opt->name, "json") == 0) {
        ctl->json = 1;

    } else if (strcmp(opt->name, "help") == 0) {
        ctl->help = 1;

    } else if (strcmp(opt->name, "help-markdown") == 0) {
        ctl->markdown = 1;

    } else {
        ctl->version = 1;
    }
}


/* 1 when the next word is the value of an option that may go without one */

static int
options_optional_taken(const shardctl_opt_t *opt, const char *next)
{
    size_t       len, suffix;
    const char  *dot;

    dot = strchr(opt->arg, '.');

    if (next == NULL || dot == NULL) {
        return 0;
    }

    suffix = strlen(dot) - 1;
    len = strlen(next);

    return len > suffix && memcmp(next + len - suffix, dot, suffix) == 0;
}


/* the number of words it took, or -1 after a message */

static int
options_one(shardctl_t *ctl, const char *arg, const char *next)
{
    int                    taken;
    size_t                 len;
    const char            *name, *value;
    const shardctl_opt_t  *opt;

    taken = 1;
    value = NULL;

    if (arg[1] != '-') {
        name = (arg[1] == 'k') ? "keyspace" : (arg[1] == 'h') ? "help" : "";
        len = strlen(name);

        if (arg[2] != '\0') {
            value = (arg[2] == '=') ? arg + 3 : arg + 2;
        }

    } else {
        name = arg + 2;
        len = strcspn(name, "=");

        if (name[len] == '=') {
            value = name + len + 1;
        }
    }

    opt = options_find(shardctl_globals, name, len);

    if (opt == NULL && ctl->command) {
        opt = options_find(ctl->command->opts, name, len);
    }

    if (opt == NULL) {
        options_unknown(ctl, arg, strcspn(arg, "="));
        return -1;
    }

    if (opt->arg == NULL) {

        if (value) {
            shardctl_usage(ctl, "option \"--%s\" takes no value", opt->name);
            return -1;
        }

        value = "";

    } else if (value == NULL) {

        if (opt->arg[0] != '[') {
            value = next;
            taken = 2;

        } else if (options_optional_taken(opt, next)) {
            value = next;
            taken = 2;

        } else {
            value = "";
        }
    }

    if (value == NULL || (opt->arg && opt->arg[0] != '[' && !value[0])) {
        shardctl_usage(ctl, "option \"--%s\" needs a value: %s", opt->name,
                       opt->arg);
        return -1;
    }

    if (options_find(shardctl_globals, name, len)) {
        options_global(ctl, opt, value);
        return taken;
    }

    ctl->given[ctl->ngiven].opt = opt;
    ctl->given[ctl->ngiven++].value = value;

    return taken;
}


/* the number of words that name the command, or -1 after a message */

static int
options_command(shardctl_t *ctl, const char *first, const char *second)
{
    char                       both[160];
    unsigned                   n;
    const char                *nearest, *words[OPTIONS_WORDS];
    shard_str_t                text;
    const shardctl_command_t  *c;

    snprintf(both, sizeof(both), "%.64s %.64s", first, second ? second : "");

    n = 0;

    for (c = shardctl_commands; c->name; c++) {

        if (strcmp(c->name, both) == 0) {
            ctl->command = c;
            return 2;
        }

        if (strcmp(c->name, first) == 0) {
            ctl->command = c;
            return 1;
        }

        words[n++] = c->name;
    }

    words[n] = NULL;

    text.data = both;
    text.len = strlen(both);

    nearest = shard_nearest(text, words);

    if (nearest == NULL) {
        text.data = first;
        text.len = strlen(first);
        nearest = shard_nearest(text, words);
    }

    if (nearest) {
        shardctl_usage(ctl, "unknown command \"%s\", nearest is \"%s\"",
                       strchr(nearest, ' ') && second ? both : first, nearest);

    } else {
        shardctl_usage(ctl, "unknown command \"%s\"", first);
    }

    return -1;
}


static int
options_check(shardctl_t *ctl)
{
    if (ctl->help || ctl->version || ctl->markdown) {
        return SHARDCTL_OK;
    }

    if (ctl->command == NULL) {
        return shardctl_usage(ctl, "no command");
    }

    if (ctl->nargs < ctl->command->min) {
        return shardctl_usage(ctl, "too few arguments: \"%s %s\"",
                              ctl->command->name, ctl->command->args);
    }

    if (ctl->nargs > ctl->command->max) {
        return shardctl_usage(ctl, "\"%s\" is one argument too many: "
                              "\"%s%s%s\"",
                              ctl->args[ctl->command->max],
                              ctl->command->name,
                              ctl->command->args[0] ? " " : "",
                              ctl->command->args);
    }

    return SHARDCTL_OK;
}


int
shardctl_parse(shardctl_t *ctl, int argc, char **argv)
{
    int  i, n, plain;

    ctl->redis = getenv("SHARD_REDIS");
    ctl->keyspace = getenv("SHARD_KEYSPACE");

    ctl->args = calloc((size_t) argc + 1, sizeof(char *));
    ctl->given = calloc((size_t) argc + 1, sizeof(shardctl_given_t));

    if (ctl->args == NULL || ctl->given == NULL) {
        return shardctl_fail(ctl, "out of memory");
    }

    plain = 0;

    for (i = 1; i < argc; i += n) {
        n = 1;

        if (!plain && strcmp(argv[i], "--") == 0) {
            plain = 1;

        } else if (!plain && argv[i][0] == '-' && argv[i][1] != '\0') {
            n = options_one(ctl, argv[i], argv[i + 1]);

        } else if (ctl->command == NULL) {
            n = options_command(ctl, argv[i], argv[i + 1]);

        } else {
            ctl->args[ctl->nargs++] = argv[i];
        }

        if (n < 0) {
            return SHARDCTL_USAGE;
        }
    }

    return options_check(ctl);
}


/* the last one given, NULL when there is none */

const char *
shardctl_option(shardctl_t *ctl, const char *name)
{
    unsigned  i;

    for (i = ctl->ngiven; i > 0; i--) {

        if (strcmp(ctl->given[i - 1].opt->name, name) == 0) {
            return ctl->given[i - 1].value;
        }
    }

    return NULL;
}


const char *
shardctl_option_next(shardctl_t *ctl, const char *name, unsigned *i)
{
    while (*i < ctl->ngiven) {

        if (strcmp(ctl->given[(*i)++].opt->name, name) == 0) {
            return ctl->given[*i - 1].value;
        }
    }

    return NULL;
}


int
shardctl_option_long(shardctl_t *ctl, const char *name, long min, long max,
    long *value)
{
    long         v;
    char        *end;
    const char  *text;

    text = shardctl_option(ctl, name);

    if (text == NULL) {
        return SHARDCTL_OK;
    }

    errno = 0;
    v = strtol(text, &end, 10);

    if (errno || end == text || *end != '\0' || v < min || v > max) {
        return shardctl_usage(ctl, "\"--%s %s\": a number from %ld to %ld is "
                              "needed", name, text, min, max);
    }

    *value = v;

    return SHARDCTL_OK;
}


int
shardctl_option_ms(shardctl_t *ctl, const char *name, long min, long *value)
{
    int          i;
    long         v;
    char        *end;
    const char  *text;

    static const struct {
        const char  *name;
        long         ms;
    } units[] = {
        { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }
    };

    text = shardctl_option(ctl, name);

    if (text == NULL) {
        return SHARDCTL_OK;
    }

    errno = 0;
    v = strtol(text, &end, 10);

    for (i = 0; i < 4; i++) {

        if (!errno && end != text && strcmp(end, units[i].name) == 0
            && v >= 0 && v <= 30L * 86400 * 1000 / units[i].ms
            && v * units[i].ms >= min)
        {
            *value = v * units[i].ms;
            return SHARDCTL_OK;
        }
    }

    return shardctl_usage(ctl, "\"--%s %s\": a time as 500ms, 10s, 5m or 2h "
                          "from %ld ms on is needed", name, text, min);
}


int
shardctl_option_word(shardctl_t *ctl, const char *name,
    const char *const *words, int *index)
{
    char          err[SHARD_ERR_SIZE];
    unsigned      i;
    const char   *text;

    text = shardctl_option(ctl, name);

    if (text == NULL) {
        return SHARDCTL_OK;
    }

    if (shard_text_word(shard_text_str(text), words, name, &i, err)
        != SHARD_OK)
    {
        return shardctl_usage(ctl, "\"--%s %s\": %s", name, text, err);
    }

    *index = (int) i;

    return SHARDCTL_OK;
}


int
shardctl_shard_arg(shardctl_t *ctl, const char *text, shard_id_t *id)
{
    shard_str_t  str;

    str.data = text;
    str.len = strlen(text);

    if (shard_id_decode(str, id) != SHARD_OK) {
        return shardctl_usage(ctl, "\"%s\" is no shard id: a number from 0 to "
                              "4294967294 is needed", text);
    }

    return SHARDCTL_OK;
}
