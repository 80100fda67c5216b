
/*
 * How long an event loop works between two waits: preloaded into nginx, it
 * takes epoll_wait() and writes a line for each turn that took more CPU than
 * LOOPWATCH_US (2000) into LOOPWATCH_DIR/PID: seconds since 1970, CPU ms.
 * CPU time of the thread, so that a busy machine does not look like a long
 * turn.
 */


#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>


typedef int (*wait_t)(int fd, struct epoll_event *events, int max,
    int timeout);


int epoll_wait(int fd, struct epoll_event *events, int max, int timeout);


static wait_t   real_wait;
static char     dir[256];
static double   limit_ms = 2.0;
static FILE    *out;
static pid_t    out_pid;
static double   began = -1;


__attribute__((constructor)) static void
loopwatch_init(void)
{
    const char  *s;

    s = getenv("LOOPWATCH_DIR");
    snprintf(dir, sizeof(dir), "%s", s ? s : "/tmp");

    s = getenv("LOOPWATCH_US");

    if (s) {
        limit_ms = atof(s) / 1000;
    }
}


static double
clock_ms(clockid_t id)
{
    struct timespec  ts;

    clock_gettime(id, &ts);

    return (double) ts.tv_sec * 1e3 + (double) ts.tv_nsec / 1e6;
}


static void
loopwatch_note(double ms)
{
    char  path[300];

    if (out_pid != getpid()) {
        snprintf(path, sizeof(path), "%s/%d", dir, (int) getpid());
        out = fopen(path, "a");
        out_pid = getpid();
    }

    if (out) {
        fprintf(out, "%.3f %.3f\n", clock_ms(CLOCK_REALTIME) / 1000, ms);
        fflush(out);
    }
}


int
epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
    int     n;
    double  took;

    if (real_wait == NULL) {
        *(void **) &real_wait = dlsym(RTLD_NEXT, "epoll_wait");
    }

    took = began >= 0 ? clock_ms(CLOCK_THREAD_CPUTIME_ID) - began : 0;

    if (took >= limit_ms) {
        loopwatch_note(took);
    }

    n = real_wait(fd, events, max, timeout);
    began = clock_ms(CLOCK_THREAD_CPUTIME_ID);

    return n;
}
