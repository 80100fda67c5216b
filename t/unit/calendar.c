
/*
 * Events of a fleet: measured, learned, taken off the history and put on the
 * forecast; the planner's drains; what is saved comes back.
 */

#include "../lib/forecast_case.h"
#include "../../predictor/calendar.h"


#define T0      1780272000LL            /* 2026-06-01T00:00Z, a Monday */
#define STEP    900
#define DAY     96
#define DAYS    28
#define N       (DAYS * DAY)
#define SHARDS  5
#define AHEAD   DAY


static double    y[SHARDS][N + AHEAD];
static uint8_t   busy[N];


/* ground truth without events: shards of different size and noise */

static void
base(uint64_t *seed)
{
    uint32_t  s, i;

    for (s = 0; s < SHARDS; s++) {

        for (i = 0; i < N + AHEAD; i++) {
            y[s][i] = 10 * (s + 1) * case_day(i, DAY, 0.5)
                      * (1 + 0.05 * case_normal(seed));
        }
    }
}


static void
put(predictor_calendar_t *c, const char *id, const char *json)
{
    char  err[SHARD_ERR_SIZE];

    if (predictor_calendar_put(c, id, json, err) != SHARD_OK) {
        printf("Bail out! %s: %s\n", id, err);
        exit(1);
    }
}


static void
start(predictor_calendar_t *c)
{
    shard_id_t  id;

    if (predictor_calendar_init(c, SHARDS, STEP, DAY, 7 * DAY) != SHARD_OK) {
        printf("Bail out! no memory\n");
        exit(1);
    }

    for (id = 0; id < SHARDS; id++) {
        c->load[id] = (float) (10 * (id + 1));
    }
}


static void
prepare(predictor_calendar_t *c)
{
    tap_is_int(predictor_calendar_prepare(c, T0, T0 + N * STEP, AHEAD),
               SHARD_OK, "prepared");
}


/* an occurrence in the truth: of these shards, hours of a day */

static void
happen(uint32_t shards, int day, int from, int to, double factor, double add)
{
    uint32_t  s;
    int       i;

    for (s = 0; s < SHARDS; s++) {

        for (i = day * DAY + 4 * from; shards & 1u << s
                                       && i < day * DAY + 4 * to; i++)
        {
            y[s][i] = y[s][i] * factor + add;
        }
    }
}


static void
clean_all(predictor_calendar_t *c, double out[SHARDS][N])
{
    shard_id_t  id;

    for (id = 0; id < SHARDS; id++) {
        memcpy(out[id], y[id], N * sizeof(double));
        predictor_calendar_clean(c, id, T0 + N * STEP, out[id], N, busy);
    }
}


/* a flat forecast of 100 +- 10, with the events put on */

static double *
forecast(const predictor_calendar_t *c, shard_id_t id)
{
    double                 *out;
    uint32_t                h;
    static const double     q[3] = { 0.5, 0.05, 0.95 };
    static predictor_ask_t  ask;

    ask.horizon = AHEAD;
    ask.nq = 3;
    ask.q = q;
    out = case_out;

    for (h = 0; h < AHEAD; h++) {
        out[4 * h] = 100;
        out[4 * h + 1] = 100;
        out[4 * h + 2] = 90;
        out[4 * h + 3] = 110;
    }

    predictor_calendar_return(c, id, &ask, out);

    return out;
}


static double
step_mean(double v[SHARDS][N], uint32_t s, int day, int from, int to)
{
    int     i;
    double  sum;

    sum = 0;

    for (i = day * DAY + 4 * from; i < day * DAY + 4 * to; i++) {
        sum += v[s][i];
    }

    return sum / (4 * (to - from));
}


static void
test_known(uint64_t seed)
{
    double                *out;
    static double          v[SHARDS][N];
    predictor_calendar_t   c;

    base(&seed);
    start(&c);
    predictor_calendar_begin(&c);
    put(&c, "double", "{\"start\":\"2026-06-29T10:00Z\",\"end\":"
        "\"2026-06-29T12:00Z\",\"effect\":\"x2\",\"shards\":[1,2]}");
    put(&c, "more", "{\"start\":\"2026-06-29T11:00Z\",\"end\":"
        "\"2026-06-29T11:07:30Z\",\"effect\":\"+300\",\"shards\":[1,3]}");
    put(&c, "past", "{\"start\":\"2026-06-20T10:00Z\",\"end\":"
        "\"2026-06-20T12:00Z\",\"effect\":\"x5\",\"shards\":[1]}");
    predictor_calendar_end(&c);
    happen(2, 19, 10, 12, 3, 0);
    prepare(&c);
    clean_all(&c, v);

    tap_is_dbl(step_mean(v, 1, 19, 10, 12), step_mean(v, 1, 18, 10, 12), 4,
               "what was said to be x5 is taken off as the x3 that it was");
    tap_ok(memcmp(v[2], y[2], sizeof(v[2])) == 0, "others stay as they are");

    predictor_calendar_pool(&c);
    tap_is_dbl(exp(predictor_calendar_find(&c, "past")->learned.size), 3, 0.5,
               "what came is known");

    out = forecast(&c, 1);
    tap_is_dbl(out[4 * 39], 100, 0, "before");
    tap_is_dbl(out[4 * 40], 200, 0, "doubled");
    tap_is_dbl(out[4 * 40 + 3], 220, 0, "with its quantiles");
    tap_is_dbl(out[4 * 44], 200 + 300.0 / 2 * 20 / 60, 1e-9,
               "and its share of 300, for half of the step");
    tap_is_dbl(out[4 * 48], 100, 0, "behind");
    tap_is_dbl(forecast(&c, 0)[4 * 40], 100, 0, "another shard");
    tap_is_dbl(forecast(&c, 3)[4 * 44], 100 + 300.0 / 2 * 40 / 60, 1e-9,
               "the larger share of the larger shard");

    predictor_calendar_done(&c);
}


static void
test_learned(uint64_t seed)
{
    char                  *saved, err[SHARD_ERR_SIZE];
    double                *out, size;
    static double          v[SHARDS][N];
    predictor_learned_t    learned;
    predictor_calendar_t   c, again;

    static const char  json[] = "{\"start\":\"2026-06-04T10:00Z\",\"end\":"
        "\"2026-06-04T13:00Z\",\"repeat\":\"FREQ=DAILY;INTERVAL=5\"}";

    base(&seed);
    happen(0x1f, 3, 10, 13, 2.4, 0);
    happen(0x1f, 8, 10, 13, 2.6, 0);
    happen(0x1f, 13, 10, 13, 2.5, 0);
    happen(0x1f, 18, 10, 13, 2.5, 0);
    happen(0x1f, 23, 10, 13, 2.5, 0);

    start(&c);
    predictor_calendar_begin(&c);
    put(&c, "sale", json);
    predictor_calendar_end(&c);
    prepare(&c);
    clean_all(&c, v);
    predictor_calendar_pool(&c);

    tap_is_dbl(step_mean(v, 3, 13, 10, 13), step_mean(v, 3, 12, 10, 13), 6,
               "taken off the history");

    predictor_calendar_size(&c, c.events[0], 3, &learned);
    tap_is_dbl(exp(learned.size), 2.5, 0.15, "shard 3 has it at 2.5");
    tap_is_int(learned.n, 5, "from five occurrences");
    tap_ok(learned.spread > 0.02 && learned.spread < 0.2, "spread %.3f",
           learned.spread);

    out = forecast(&c, 3);
    tap_is_dbl(out[4 * 40], exp(learned.size) * 100, 1e-6, "next: put on");
    tap_ok(out[4 * 40 + 3] - out[4 * 40] > 10 * exp(learned.size)
           && out[4 * 40 + 3] < 400, "and the quantiles are wider: %.1f",
           out[4 * 40 + 3]);
    tap_is_dbl(out[4 * 40 + 1], out[4 * 40], 1e-9, "but for the median");

    saved = predictor_calendar_save(&c, c.events[0]);
    tap_ok(saved && strstr(saved, "\"n\":5"), "saved: %.120s", saved);
    size = c.events[0]->learned.size;

    /* no history at all, but what was saved */

    start(&again);
    predictor_calendar_begin(&again);
    put(&again, "sale", json);
    predictor_calendar_end(&again);
    predictor_calendar_restore(&again, "sale", "{");
    predictor_calendar_restore(&again, "sale", "{\"came\":[{\"from\":-1}]}");
    tap_is_int(again.events[0]->learned.n, 0, "rubbish is not taken");
    predictor_calendar_restore(&again, "sale", saved);
    tap_is_int(again.events[0]->learned.n, 5, "it comes back");
    tap_is_dbl(again.events[0]->learned.size, size, 1e-3, "as it was");

    predictor_calendar_begin(&again);
    tap_is_int(predictor_calendar_put(&again, "sale", "{\"start\":7}", err),
               SHARD_ERROR, "a malformed one is refused: %s", err);
    predictor_calendar_end(&again);
    tap_is_int((long long) again.n, 0, "and forgotten");

    free(saved);
    predictor_calendar_done(&again);
    predictor_calendar_done(&c);
}


/* of one occurrence less is believed than of five; of none nothing */

static void
test_shrunk(void)
{
    double               work[8];
    uint32_t             n;
    predictor_learned_t  none, size[6];
    predictor_measure_t  m[5];

    memset(&none, 0, sizeof(none));

    for (n = 0; n < 5; n++) {
        m[n].actual = 200;
        m[n].expected = 100;
        m[n].noise = 0.3f;
    }

    for (n = 0; n <= 5; n++) {
        predictor_effect_learn(m, n, 0, &none, work, &size[n]);
    }

    tap_is_int(size[0].n, 0, "nothing is known of none");
    tap_ok(size[1].size > 0.3 && size[1].size < size[2].size
           && size[2].size < size[5].size && size[5].size < log(2.0),
           "%.3f of one, %.3f of two, %.3f of five", size[1].size,
           size[2].size, size[5].size);
    tap_ok(size[1].spread > size[5].spread, "and the spread shrinks");

    for (n = 0; n < 5; n++) {
        m[n].actual = 101;
    }

    predictor_effect_learn(m, 5, 0, &none, work, &size[5]);
    tap_is_dbl(size[5].size, 0, 0, "what is less than noise is no effect");

    for (n = 0; n < 5; n++) {
        m[n].expected = (float) (50 * (n + 1));
        m[n].actual = m[n].expected + 80;
    }

    tap_is_int(predictor_effect_added(m, 5, work), 1,
               "the same more on any level is a difference");

    for (n = 0; n < 5; n++) {
        m[n].actual = m[n].expected * 2;
    }

    tap_is_int(predictor_effect_added(m, 5, work), 0, "and twice is a factor");
}


/* every day: nothing to compare with, it is the rhythm's */

static void
test_rhythm(uint64_t seed)
{
    int                    day;
    static double          v[SHARDS][N];
    predictor_calendar_t   c;

    base(&seed);

    for (day = 0; day < DAYS; day++) {
        happen(0x1f, day, 10, 12, 2, 0);
    }

    start(&c);
    predictor_calendar_begin(&c);
    put(&c, "noon", "{\"start\":\"2026-05-01T10:00Z\",\"end\":"
        "\"2026-05-01T12:00Z\",\"repeat\":\"daily\"}");
    predictor_calendar_end(&c);
    prepare(&c);
    clean_all(&c, v);
    predictor_calendar_pool(&c);

    tap_ok(memcmp(v[2], y[2], sizeof(v[2])) == 0, "the history stays");
    tap_is_dbl(forecast(&c, 2)[4 * 40], 100, 0, "and the forecast");
    predictor_calendar_done(&c);
}


static void
test_drain(void)
{
    predictor_calendar_t  c;

    start(&c);
    predictor_calendar_begin(&c);
    put(&c, "kernel", "{\"start\":\"2026-06-03T02:00Z\",\"end\":"
        "\"2026-06-03T04:00Z\",\"repeat\":\"weekly\",\"nodes\":[\"n1\"],"
        "\"effect\":\"drain\"}");
    predictor_calendar_end(&c);

    tap_ok(predictor_calendar_drains(&c, "n1", T0, T0 + 86400) == NULL,
           "not on Monday");
    tap_is_str(predictor_calendar_drains(&c, "n1", T0 + 180000,
                                         T0 + 180001), "kernel",
               "on Wednesday at two");
    tap_ok(predictor_calendar_drains(&c, "n1", T0 + 187200, T0 + 200000)
           == NULL, "not at four any more");
    tap_ok(predictor_calendar_drains(&c, "n2", T0 + 180000, T0 + 190000)
           == NULL, "another node does not");
    tap_is_str(predictor_calendar_drains(&c, "n1", T0 + 604800 + 180000,
                                         T0 + 604800 + 180001), "kernel",
               "in a week again");
    predictor_calendar_done(&c);
}


/* an event that hides everything leaves gaps, not infinities */

static void
test_hidden(uint64_t seed)
{
    uint32_t               i, gaps, bad;
    static double          v[SHARDS][N];
    predictor_calendar_t   c;

    base(&seed);
    happen(0x1f, 20, 10, 12, 0, 0);
    start(&c);
    predictor_calendar_begin(&c);
    put(&c, "closed", "{\"start\":\"2026-06-21T10:00Z\",\"end\":"
        "\"2026-06-21T12:00Z\",\"effect\":\"x0\"}");
    put(&c, "also", "{\"start\":\"2026-06-21T11:00Z\",\"end\":"
        "\"2026-06-21T13:00Z\",\"effect\":\"+3\"}");
    predictor_calendar_end(&c);
    prepare(&c);
    clean_all(&c, v);

    for (i = gaps = bad = 0; i < N; i++) {
        gaps += isnan(v[0][i]) ? 1 : 0;
        bad += isinf(v[0][i]) || v[0][i] < 0;
    }

    tap_is_int(gaps, 8, "two hours are unknown");
    tap_is_int(bad, 0, "and all else sane");
    predictor_calendar_done(&c);
}


int
main(void)
{
    uint64_t  seed;

    seed = tap_seed(44);

    test_known(seed);
    test_learned(seed);
    test_shrunk();
    test_rhythm(seed);
    test_drain();
    test_hidden(seed);

    return tap_done();
}
