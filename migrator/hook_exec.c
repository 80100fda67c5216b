
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "hooks.h"


#define TICK_MS   50
#define LINES_MAX 64
#define ENV_MAX   24
#define ENV_SIZE  (MIGRATOR_ERROR_SIZE + 32)


typedef struct {
    int      n;
    char    *list[ENV_MAX + 1];
    char     text[ENV_MAX][ENV_SIZE];
} migrator_env_t;

typedef struct {
    pid_t    pid;
    int      fd;                        /* of its output; -1: at its end */
    size_t   said;                      /* bytes of it in the log */
    int      lines;
    size_t   len;
    char     line[256];
    char     name[48];                  /* for the log */
} migrator_child_t;


#if (__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static void
migrator_env(migrator_env_t *env, const char *name, const char *fmt, ...)
{
    int      n;
    va_list  args;

    if (env->n == ENV_MAX) {
        return;
    }

    n = snprintf(env->text[env->n], ENV_SIZE, "SHARD_%s=", name);

    va_start(args, fmt);
    vsnprintf(env->text[env->n] + n, ENV_SIZE - (size_t) n, fmt, args);
    va_end(args);

    env->list[env->n] = env->text[env->n];
    env->list[++env->n] = NULL;
}


/* PATH and SHARD_*, nothing else of ours */

static void
migrator_env_fill(migrator_env_t *env, const migrator_hook_t *hook,
    const migrator_state_t *state, const char *keyspace)
{
    static const char  path[] = "PATH=/usr/local/sbin:/usr/local/bin:"
                                "/usr/sbin:/usr/bin:/sbin:/bin";

    env->n = 0;
    snprintf(env->text[0], ENV_SIZE, "%s", path);
    env->list[env->n++] = env->text[0];

    migrator_env(env, "KEYSPACE", "%s", keyspace);
    migrator_env(env, "MIGRATION", "%016llx",
                 (unsigned long long) state->id);
    migrator_env(env, "ID", "%u", (unsigned) state->shard);
    migrator_env(env, "VERB", "%s", migrator_verb_name(state->verb));
    migrator_env(env, "FROM", "%s", state->from);
    migrator_env(env, "TO", "%s", state->to);
    migrator_env(env, "EPOCH", "%u", state->epoch);
    migrator_env(env, "STRATEGY", "%s", shard_strategy_name(state->strategy));
    migrator_env(env, "PHASE", "%s", migrator_phase(state->phase)->name);
    migrator_env(env, "WHEN", "%s", hook->when == MIGRATOR_BEFORE
                                    ? "before" : "after");
    migrator_env(env, "ATTEMPT", "%u", state->attempt);
    migrator_env(env, "BY", "%s", state->by);
    migrator_env(env, "BYTES", "%llu", (unsigned long long) state->bytes);
    migrator_env(env, "ITEMS", "%llu", (unsigned long long) state->items);
    migrator_env(env, "POSITION", "%llu",
                 (unsigned long long) state->position);
    migrator_env(env, "SHIFT", "%u", state->shift_bp);
    migrator_env(env, "HOLD_MS", "%llu",
                 (unsigned long long) state->hold_ms);
    migrator_env(env, "ERROR", "%s", state->error);
}


/* a process group of its own, no file of ours, signals as they come */

static int
migrator_child_spawn(migrator_child_t *child, const migrator_hook_t *hook,
    migrator_env_t *env)
{
    int                          rc, fds[2];
    sigset_t                     none, all;
    posix_spawnattr_t            attr;
    posix_spawn_file_actions_t   files;

    if (pipe2(fds, O_CLOEXEC) != 0) {
        return errno;
    }

    /* its own end blocks, as programs expect */

    (void) fcntl(fds[0], F_SETFL, O_NONBLOCK);

    sigemptyset(&none);
    sigfillset(&all);

    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP
                                    |POSIX_SPAWN_SETSIGMASK
                                    |POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);

    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, fds[1], 1);
    posix_spawn_file_actions_adddup2(&files, fds[1], 2);
    posix_spawn_file_actions_addclosefrom_np(&files, 3);

    rc = posix_spawnp(&child->pid, hook->exec[0], &files, &attr, hook->exec,
                      env->list);

    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    close(fds[1]);

    if (rc != 0) {
        close(fds[0]);
        return rc;
    }

    child->fd = fds[0];

    return 0;
}


static void
migrator_child_line(migrator_child_t *child)
{
    if (child->len && ++child->lines <= LINES_MAX) {
        child->line[child->len] = '\0';
        shardd_log(SHARDD_LOG_INFO, "%s says: %s", child->name, child->line);
    }

    child->len = 0;
}


/* lines of what it writes; behind the bound it is read and forgotten */

static void
migrator_child_read(migrator_child_t *child)
{
    char     buf[512];
    ssize_t  i, n;

    while (child->fd != -1) {
        n = read(child->fd, buf, sizeof(buf));

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }

        if (n <= 0) {
            close(child->fd);
            child->fd = -1;
            break;
        }

        for (i = 0; i < n && child->said < MIGRATOR_HOOK_OUTPUT; i++) {
            child->said++;

            if (buf[i] == '\n' || child->len == sizeof(child->line) - 1) {
                migrator_child_line(child);
            }

            if (buf[i] != '\n') {
                child->line[child->len++] = buf[i];
            }
        }
    }
}


/* also of what it started and left behind */

static void
migrator_child_kill(migrator_child_t *child, int *status)
{
    (void) kill(-child->pid, SIGKILL);

    while (waitpid(child->pid, status, 0) < 0 && errno == EINTR) {
        /* void */
    }
}


/* 0: it has ended, 1: the tick says so, 2: its time is over */

static int
migrator_child_wait(migrator_child_t *child, long timeout_ms,
    int (*tick)(void *data), void *data, int *status)
{
    pid_t          pid;
    uint64_t       now, end;
    struct pollfd  fd;

    end = shardd_monotonic_ms() + (uint64_t) timeout_ms;

    for ( ;; ) {
        migrator_child_read(child);
        pid = waitpid(child->pid, status, WNOHANG);

        if (pid == child->pid) {
            migrator_child_read(child);
            return 0;
        }

        now = shardd_monotonic_ms();

        if (now >= end || (tick && tick(data))) {
            migrator_child_kill(child, status);
            return now >= end ? 2 : 1;
        }

        fd.fd = child->fd;
        fd.events = POLLIN;
        (void) poll(&fd, 1, child->fd == -1 || end - now < TICK_MS ? 5
                                                                   : TICK_MS);
    }
}


int
migrator_hook_exec(const migrator_hook_t *hook, const migrator_state_t *state,
    const char *keyspace, long timeout_ms, int (*tick)(void *data),
    void *data, char *err, size_t size)
{
    int               rc, status;
    migrator_env_t    env;
    migrator_child_t  child;

    memset(&child, 0, sizeof(child));
    snprintf(child.name, sizeof(child.name), "shard=%u hook %s %s",
             (unsigned) state->shard, hook->when == MIGRATOR_BEFORE
             ? "before" : "after", hook->phase_name);
    migrator_env_fill(&env, hook, state, keyspace);

    rc = migrator_child_spawn(&child, hook, &env);

    if (rc != 0) {
        snprintf(err, size, "%.200s: %s", hook->exec[0], strerror(rc));
        return -1;
    }

    rc = migrator_child_wait(&child, timeout_ms, tick, data, &status);
    migrator_child_line(&child);

    if (child.fd != -1) {
        close(child.fd);
    }

    if (rc == 2) {
        snprintf(err, size, "%.200s: killed, it ran for more than %ld ms",
                 hook->exec[0], timeout_ms);
        return -1;
    }

    if (rc == 1) {
        return 1;
    }

    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return 0;
    }

    snprintf(err, size, "%.200s: %s %d", hook->exec[0], WIFEXITED(status)
             ? "exit status" : "ended by signal", WIFEXITED(status)
             ? WEXITSTATUS(status) : WTERMSIG(status));

    return -1;
}
