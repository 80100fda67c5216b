
/*
 *   signal ──▶ handler: flag, one byte ──▶ pipe ──▶ poll() of the pause ends
 *
 * The pipe closes the gap between looking at the flag and sleeping.  Reads
 * of Redis are not ended by a signal: callers keep their block_ms small.
 */


#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shardd_loop.h"


static volatile sig_atomic_t  shardd_loop_stop;
static int                    shardd_loop_pipe[2] = { -1, -1 };


static void
shardd_loop_signal(int signo)
{
    int      saved;
    ssize_t  n;

    (void) signo;

    saved = errno;
    shardd_loop_stop = 1;

    /* a full pipe wakes the pause as well */
    n = write(shardd_loop_pipe[1], "", 1);
    (void) n;

    errno = saved;
}


int
shardd_loop_init(void)
{
    size_t            i;
    struct sigaction  sa;

    static const int  stop[] = { SIGTERM, SIGINT, SIGQUIT };

    if (shardd_loop_pipe[0] == -1
        && pipe2(shardd_loop_pipe, O_CLOEXEC|O_NONBLOCK) == -1)
    {
        return -1;
    }

    memset(&sa, 0, sizeof(sa));
    sigemptyset(&sa.sa_mask);
    sa.sa_handler = shardd_loop_signal;
    sa.sa_flags = SA_RESTART;

    for (i = 0; i < sizeof(stop) / sizeof(stop[0]); i++) {
        if (sigaction(stop[i], &sa, NULL) == -1) {
            return -1;
        }
    }

    sa.sa_handler = SIG_IGN;

    return sigaction(SIGPIPE, &sa, NULL);
}


int
shardd_loop_stopping(void)
{
    return shardd_loop_stop != 0;
}


int
shardd_loop_pause(long ms)
{
    uint64_t       now, end;
    struct pollfd  pfd;

    pfd.fd = shardd_loop_pipe[0];
    pfd.events = POLLIN;

    now = shardd_monotonic_ms();
    end = now + (ms > 0 ? (uint64_t) ms : 0);

    while (!shardd_loop_stop && now < end) {
        uint64_t  left = end - now;

        /* other signals end poll() too: the pause goes on */
        (void) poll(&pfd, 1, left > 1000000 ? 1000000 : (int) left);

        now = shardd_monotonic_ms();
    }

    return shardd_loop_stop != 0;
}


static uint64_t
shardd_loop_clock(clockid_t clock)
{
    struct timespec  ts;

    clock_gettime(clock, &ts);

    return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}


uint64_t
shardd_now_ms(void)
{
    return shardd_loop_clock(CLOCK_REALTIME);
}


/* counts a suspended machine's time: a lease ends during it */

uint64_t
shardd_monotonic_ms(void)
{
    return shardd_loop_clock(CLOCK_BOOTTIME);
}
