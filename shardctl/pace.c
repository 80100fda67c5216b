
/* pace: how far a long command is, and how long it will still take. */


#include <stdio.h>
#include <unistd.h>

#include "shardd_loop.h"
#include "shardctl.h"


#define PACE_MS  1000


void
shardctl_pace_start(shardctl_pace_t *pace, const char *what, uint64_t total)
{
    pace->what = what;
    pace->total = total;
    pace->start_ms = shardd_monotonic_ms();
    pace->next_ms = pace->start_ms + PACE_MS;
    pace->shown = 0;
}


/* a terminal shows one line that changes, a file one line each second */

void
shardctl_pace(shardctl_t *ctl, shardctl_pace_t *pace, uint64_t done)
{
    char      left[40];
    double    rate;
    uint64_t  now;

    now = shardd_monotonic_ms();

    if (ctl->json || now < pace->next_ms || done == 0) {
        return;
    }

    pace->next_ms = now + PACE_MS;
    rate = (double) done * 1000 / (double) (now - pace->start_ms);
    shardctl_span((double) (pace->total - done) * 1000 / rate, left,
                  sizeof(left));

    fprintf(stderr, isatty(STDERR_FILENO)
                    ? "\r%llu of %llu %s, %.0f/s, %s left\033[K"
                    : "%llu of %llu %s, %.0f/s, %s left\n",
            (unsigned long long) done, (unsigned long long) pace->total,
            pace->what, rate, left);

    pace->shown = 1;
}


void
shardctl_pace_end(const shardctl_pace_t *pace)
{
    if (pace->shown && isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K");
    }
}
