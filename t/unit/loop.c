
/* pauses that a signal ends, clocks, and lines of the log */


#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/tap.h"
#include "shardd_log.h"
#include "shardd_loop.h"


static void
pauses(void)
{
    int       status;
    pid_t     pid;
    uint64_t  start;

    tap_is_int(shardd_loop_init(), 0, "init");
    tap_is_int(shardd_loop_stopping(), 0, "not to stop");

    start = shardd_monotonic_ms();
    tap_is_int(shardd_loop_pause(30), 0, "a pause to its end");
    tap_ok(shardd_monotonic_ms() - start >= 30, "takes its time");

    start = shardd_monotonic_ms();
    tap_is_int(shardd_loop_pause(0), 0, "no pause");
    tap_is_int(shardd_loop_pause(-5), 0, "a negative pause");
    tap_ok(shardd_monotonic_ms() - start < 5000, "are short");

    pid = fork();

    if (pid == 0) {
        kill(getppid(), SIGTERM);
        _exit(0);
    }

    start = shardd_monotonic_ms();
    tap_is_int(shardd_loop_pause(60000), 1, "a signal ends the pause");
    tap_ok(shardd_monotonic_ms() - start < 30000, "at once");
    tap_is_int(shardd_loop_stopping(), 1, "to stop");
    tap_is_int(shardd_loop_pause(60000), 1, "no pause after it");

    waitpid(pid, &status, 0);

    tap_ok(shardd_now_ms() > 1600000000000ULL, "milliseconds since 1970");
}


/* what is written to stderr meanwhile */

static void
logged(char *text, size_t size, int level, const char *message)
{
    int      fds[2], saved;
    ssize_t  n;

    if (pipe(fds) != 0) {
        perror("pipe");
        exit(1);
    }

    saved = dup(2);
    dup2(fds[1], 2);
    shardd_log(level, "%s", message);
    dup2(saved, 2);
    close(saved);
    close(fds[1]);

    n = read(fds[0], text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fds[0]);
}


static void
lines(void)
{
    char    text[8192], huge[5000];
    size_t  len;

    shardd_log_init("unit", "orders", SHARDD_LOG_INFO);

    logged(text, sizeof(text), SHARDD_LOG_INFO, "shard=42 moved");
    tap_is_int((long long) strspn(text, "0123456789-T:.Z"), 24, "%s", text);
    tap_is_str(text + 24, " info unit keyspace=orders shard=42 moved\n",
               "one line");

    logged(text, sizeof(text), SHARDD_LOG_DEBUG, "unseen");
    tap_is_str(text, "", "below the threshold");

    logged(text, sizeof(text), SHARDD_LOG_ERROR, "two\nlines \x1b[31m");
    tap_is_str(text + 24, " error unit keyspace=orders two?lines ?[31m\n",
               "control characters");

    memset(huge, 'x', sizeof(huge) - 1);
    huge[sizeof(huge) - 1] = '\0';
    logged(text, sizeof(text), SHARDD_LOG_WARN, huge);
    len = strlen(text);
    tap_ok(len > 1000 && len <= 2048 && text[len - 1] == '\n',
           "a long line is cut at %zu bytes", len);

    shardd_log_init("unit", NULL, SHARDD_LOG_DEBUG);
    logged(text, sizeof(text), SHARDD_LOG_DEBUG, "text");
    tap_is_str(text + 24, " debug unit text\n", "without a keyspace");
}


int
main(void)
{
    pauses();
    lines();

    return tap_done();
}
