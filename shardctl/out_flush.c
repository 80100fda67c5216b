
/* The output is handed on here, and here it is seen that nobody reads it. */


#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "shardctl.h"


/* of what stdio dropped before, errno says nothing any more */

static int
flush_unread(void)
{
    struct pollfd  out;

    out.fd = STDOUT_FILENO;
    out.events = POLLOUT;
    out.revents = 0;

    return poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP));
}


/*
 * "| head" took what it wanted: an end as of all programs that leave SIGPIPE
 * alone, which the connection to Redis does not let us.
 */

static void
flush_die(void)
{
    sigset_t  set;

    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);

    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
    sigprocmask(SIG_UNBLOCK, &set, NULL);

    _exit(128 + SIGPIPE);
}


int
shardctl_flush(void)
{
    int  err;

    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return SHARDCTL_OK;
    }

    err = errno;

    if (flush_unread()) {
        flush_die();
    }

    errno = err;

    return SHARDCTL_FAILED;
}
