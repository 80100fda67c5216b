
/*
 * Killed with slots of 10 s: the errors of past forecasts are kept hourly,
 * what was said since lies in more than 300 logs, and all are of use.
 */

#define RES      10
#define TICK_MS  2000
#define LOGS     512

#include "predictor_world.h"


static void
ticks(predictor_daemon_t *d, int n)
{
    int              i;
    static uint64_t  sequence;

    while (n--) {
        w.now_ms += TICK_MS;
        sequence++;
        send("a", 9, sequence);
        send("b", 9, sequence);
        steps(d, 50);
        settle(d);

        /* what was said is kept before the next one */

        for (i = 0; i < 100 && d->logged == 0; i++) {
            (void) predictor_daemon_step(d);
        }
    }
}


int
main(void)
{
    uint32_t              observed;
    predictor_conf_t      conf;
    predictor_daemon_t   *d;

    shardd_log_init("predictor", "orders", SHARDD_LOG_ERROR);
    world(8);
    configure(&conf, PREDICTOR_OBSERVE);
    d = malloc(sizeof(*d));
    predictor_daemon_init(d, &conf, &io);
    ticks(d, 3400 * 1000 / TICK_MS);

    observed = d->outlook.errors[3].merit.observed;
    tap_ok(observed > 300, "%u past forecasts were compared", observed);
    tap_ok(w.kept <= 2, "the whole was kept at the start: %d", w.kept);
    tap_ok(nlogs > 300 && nlogs < LOGS, "%zu logs since", nlogs);

    predictor_daemon_done(d);
    predictor_daemon_init(d, &conf, &io);
    steps(d, 50);
    tap_is_int((long) d->outlook.errors[3].merit.observed, (long) observed,
               "killed: all are there");

    predictor_daemon_done(d);
    free(d);

    return tap_done();
}
