
/* Programs of hooks: what they get, how they end, how they are ended. */


#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "../lib/tap.h"
#include "shardd_log.h"
#include "../../migrator/hooks.h"


static char  dir[] = "/tmp/shard-hook-XXXXXX";
static int   ticks;


static int
run(const char *script, long timeout_ms, int (*tick)(void *data), char *err)
{
    char              *argv[4];
    migrator_hook_t    hook;
    migrator_state_t   state;

    memset(&hook, 0, sizeof(hook));
    memset(&state, 0, sizeof(state));

    argv[0] = (char *) "sh";
    argv[1] = (char *) "-c";
    argv[2] = (char *) script;
    argv[3] = NULL;

    hook.phase_name = (char *) "copy";
    hook.phase = MIGRATOR_COPY;
    hook.exec = argv;

    state.id = 0x1234;
    state.shard = 42;
    state.phase = MIGRATOR_COPY;
    strcpy(state.from, "n1");
    strcpy(state.to, "n2; touch evil");

    err[0] = '\0';

    return migrator_hook_exec(&hook, &state, "orders", timeout_ms, tick,
                              NULL, err, 256);
}


static int
tick_twice(void *data)
{
    (void) data;
    return ++ticks == 2;
}


static int
read_line(const char *name, char *line, int size)
{
    int    there;
    FILE  *f;

    f = fopen(name, "r");

    if (f == NULL) {
        return 0;
    }

    there = fgets(line, size, f) != NULL;
    fclose(f);

    return there;
}


/* a killed orphan is dead at once, and gone when an init reaps it, which not
 * every first process of a container does */

static int
gone(const char *name)
{
    char   stat[64], line[64];
    long   waited;

    if (!read_line(name, line, sizeof(line))) {
        return 0;
    }

    snprintf(stat, sizeof(stat), "/proc/%d/stat", atoi(line));

    for (waited = 0; waited < 500; waited++) {
        if (!read_line(stat, line, sizeof(line)) || strstr(line, ") Z ")) {
            return 1;
        }

        usleep(10000);
    }

    return 0;
}


int
main(void)
{
    char  err[256];

    shardd_log_init("hook", NULL, SHARDD_LOG_ERROR);

    if (mkdtemp(dir) == NULL || chdir(dir) != 0) {
        perror(dir);
        return 1;
    }

    tap_is_int(run("exit 0", 20000, NULL, err), 0, "a good end");
    tap_is_int(run("exit 3", 20000, NULL, err), -1, "a bad one");
    tap_is_str(err, "sh: exit status 3", "and which");
    tap_is_int(run("kill -TERM $$", 20000, NULL, err), -1, "a signal");
    tap_is_str(err, "sh: ended by signal 15", "and which");

    tap_is_int(run("test $SHARD_KEYSPACE = orders && test $SHARD_ID = 42 && "
                   "test $SHARD_MIGRATION = 0000000000001234 && test "
                   "$SHARD_PHASE-$SHARD_WHEN = copy-before && test "
                   "\"$SHARD_TO\" = 'n2; touch evil' && test -z \"$HOME\"",
                   20000, NULL, err), 0, "its environment: %s", err);
    tap_ok(access("evil", F_OK) != 0, "a name is no command");
    tap_is_int(run("test $(ls /proc/self/fd | wc -l) -le 5", 20000, NULL,
                   err), 0, "no file of ours is open in it");
    tap_is_int(run("yes | head -c 1000000", 60000, NULL, err), 0,
               "more output than is logged ends it, too");

    tap_is_int(run("sleep 600 & echo $! >child; wait", 300, NULL, err), -1,
               "beyond its time");
    tap_is_str(err, "sh: killed, it ran for more than 300 ms", "it is said");
    tap_ok(gone("child"), "and what it started is killed with it");

    tap_is_int(run("sleep 600", 60000, tick_twice, err), 1, "interrupted");

    tap_is_int(run("(sleep 600 & echo $! >child) >/dev/null 2>&1; exit 0",
                   20000, NULL, err), 0, "one that leaves a child behind ends");
    tap_ok(system("kill $(cat child); rm -rf child") == 0, "which lives on");

    (void) !chdir("/");
    tap_is_int(rmdir(dir), 0, "nothing else was written");

    return tap_done();
}
