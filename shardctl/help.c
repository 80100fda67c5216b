
/* The manual, printed from the table of commands: --help and Markdown. */


#include <string.h>

#include "shardctl.h"


#define HELP_WIDTH   79
#define HELP_COLUMN  28


/* the text by words, to HELP_WIDTH; what goes on begins at "column" */

static void
help_wrap(const char *text, int column)
{
    int  at, len;

    at = column;

    while (*text) {
        len = (int) strcspn(text, " ");

        if (at > column && at + 1 + len > HELP_WIDTH) {
            printf("\n%*s", column, "");
            at = column;
        }

        printf("%s%.*s", at > column ? " " : "", len, text);

        at += len + (at > column);
        text += len;
        text += strspn(text, " ");
    }

    printf("\n");
}


static void
help_options(const shardctl_opt_t *opts)
{
    int   n;
    char  head[64];

    for ( /* void */ ; opts && opts->name; opts++) {
        n = snprintf(head, sizeof(head), "--%s%s%s", opts->name,
                     opts->arg ? " " : "", opts->arg ? opts->arg : "");

        printf("  %-*s", HELP_COLUMN - 2, head);

        if (n > HELP_COLUMN - 4) {
            printf("\n%*s", HELP_COLUMN, "");
        }

        help_wrap(opts->doc, HELP_COLUMN);
    }
}


void
shardctl_help(void)
{
    const shardctl_command_t  *c;

    printf("usage: shardctl [--redis URL] [-k KEYSPACE] [--json] COMMAND ..."
           "\n\nCommands (\"shardctl COMMAND --help\" says more):\n\n");

    for (c = shardctl_commands; c->name; c++) {
        printf("  %-16s %s\n", c->name, c->doc);
    }

    printf("\nOptions, before or after the command:\n\n");

    help_options(shardctl_globals);

    printf("\nExit status: 0 done, 1 failed, 2 wrong use, 3 it is so already; a "
           "reader that\nleaves (\"| head\") ends it by SIGPIPE, without a "
           "word.\n");
}


void
shardctl_help_command(const shardctl_command_t *c)
{
    const char  *line;

    printf("usage: shardctl %s%s%s\n\n%s\n", c->name, c->args[0] ? " " : "",
           c->args, c->doc);

    if (c->opts && c->opts->name) {
        printf("\nOptions:\n\n");
        help_options(c->opts);
    }

    if (c->more) {
        printf("\n");

        for (line = c->more; *line; /* void */ ) {
            printf("%.*s\n", (int) strcspn(line, "\n"), line);
            line += strcspn(line, "\n");
            line += (*line == '\n');
        }
    }

    printf("\nOptions of all commands:\n\n");
    help_options(shardctl_globals);
}


static void
help_markdown_options(const shardctl_opt_t *opts)
{
    printf("| option | what |\n|---|---|\n");

    for ( /* void */ ; opts->name; opts++) {
        printf("| `--%s%s%s` | %s |\n", opts->name, opts->arg ? " " : "",
               opts->arg ? opts->arg : "", opts->doc);
    }
}


void
shardctl_help_markdown(void)
{
    const shardctl_command_t  *c;

    printf("# shardctl\n\n"
           "The command line of one keyspace. Written by "
           "`shardctl --help-markdown`.\n\n"
           "    shardctl [--redis URL] [-k KEYSPACE] [--json] COMMAND ...\n\n"
           "Global options stand before or after the command. Exit status: 0 "
           "done, 1 failed (the message says what, where and\nthe way out), 2 "
           "wrong use, 3 nothing to do: a shard is there, or back, already. "
           "With `--json` a\nfailure is also "
           "`{\"error\":{\"code\",\"message\"}}` on standard output. "
           "A reader that leaves (`| head`) ends it by\nSIGPIPE, without a "
           "word: 141 in a shell. What it had done by then stays done, and "
           "what `--wait` waits for goes on.\n\n");

    help_markdown_options(shardctl_globals);

    for (c = shardctl_commands; c->name; c++) {
        printf("\n## %s\n\n    shardctl %s%s%s\n\n%c%s.\n", c->name, c->name,
               c->args[0] ? " " : "", c->args,
               (c->doc[0] >= 'a' && c->doc[0] <= 'z') ? c->doc[0] - 32
                                                      : c->doc[0],
               c->doc + 1);

        if (c->more) {
            printf("\n```\n%s\n```\n", c->more);
        }

        if (c->opts && c->opts->name) {
            printf("\n");
            help_markdown_options(c->opts);
        }
    }
}
