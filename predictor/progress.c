
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../src/daemon/shardd_loop.h"
#include "progress.h"


#define PREDICTOR_PROGRESS_BAR   28         /* characters */
#define PREDICTOR_PROGRESS_TEXT  52         /* about, behind the bar */


void
predictor_progress_start(predictor_progress_t *p, const char *what,
    uint64_t total)
{
    p->what = what;
    p->total = total;
    p->start_ms = shardd_monotonic_ms();
    p->shown = isatty(STDERR_FILENO) ? 0 : -1;
}


void
predictor_progress_show(predictor_progress_t *p, uint64_t done)
{
    int             i, bar, full;
    char            text[PREDICTOR_PROGRESS_BAR + 1];
    double          rate, left;
    uint64_t        passed;
    struct winsize  size;

    if (p->shown < 0 || p->total == 0) {
        return;
    }

    passed = shardd_monotonic_ms() - p->start_ms;
    rate = passed ? (double) done * 1000 / (double) passed : 0;
    left = rate > 0 ? (double) (p->total - done) / rate : 0;

    bar = PREDICTOR_PROGRESS_BAR;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0
        && size.ws_col < PREDICTOR_PROGRESS_BAR + PREDICTOR_PROGRESS_TEXT)
    {
        bar = 8;
    }

    full = (int) (done * (uint64_t) bar / p->total);

    for (i = 0; i < bar; i++) {
        text[i] = i < full ? '#' : '.';
    }

    text[bar] = '\0';

    fprintf(stderr, "\r[%s] %3d %%  %llu of %llu %s", text,
            (int) (done * 100 / p->total), (unsigned long long) done,
            (unsigned long long) p->total, p->what);

    if (done) {
        fprintf(stderr, rate < 10 ? ", %.1f/s" : ", %.0f/s", rate);
        fprintf(stderr, left < 100 ? ", %.0f s left" : ", %.1f min left",
                left < 100 ? left : left / 60);
    }

    fputs("\033[K", stderr);
    p->shown = 1;
}


void
predictor_progress_end(predictor_progress_t *p)
{
    if (p->shown > 0) {
        fputs("\r\033[K", stderr);
    }
}
