
/*
 * What forecasting a large fleet costs: the daemon's own outlook and report
 * on shards made from a recorded fleet, each with a phase, a scale and noise
 * of its own.
 *
 *   fleet.csv ─▶ shards ─▶ history ─▶ fit all ─▶ slot, forecast all ─▶ report
 *   or made up                          │          │  (some times)       │
 *                                    refit_s     tick_s            publish_s
 *
 *     forecast_fleet [--shards N] [--days D] [--horizon STEPS] [--threads T]
 *                    [--seed S] [fleet.csv]             JSON on stdout
 */


#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../predictor/outlook.h"
#include "../predictor/report.h"


#define RES        300
#define DAY        (86400 / RES)
#define TICKS      7
#define CHUNK      256                  /* slots of history at once */
#define MADE       64                   /* series when there is no file */
#define SLOT0      6000000L


typedef struct {
    long        shards;
    long        days;
    long        horizon;
    long        threads;
    uint64_t    seed;
    const char *path;
} options_t;

typedef struct {
    float      *base;                   /* nbase series of length values */
    uint32_t    nbase;
    uint32_t    length;
    uint32_t   *phase;                  /* by shard */
    float      *scale;
    uint64_t    seed;
} fleet_t;


static int options(int argc, char **argv, options_t *o);
static int base_read(fleet_t *f, const char *path);
static int base_make(fleet_t *f, long days);
static float base_value(const fleet_t *f, uint32_t shard, long slot);
static int measure(const options_t *o, fleet_t *f);
static void fill(const fleet_t *f, predictor_history_t *h, long slots);
static int compare(const void *a, const void *b);
static double publish(const predictor_outlook_t *o,
    const predictor_history_t *h, const shard_id_t *ids, uint32_t n);
static int taken(void *data, const char *key, const shardd_field_t *fields,
    size_t n);
static long memory_mb(void);
static uint64_t random_next(uint64_t *state);
static double now_s(clockid_t clock);


static size_t  bytes;                   /* that would go to the store */


int
main(int argc, char **argv)
{
    int        rc;
    uint32_t   i;
    fleet_t    f;
    options_t  o;

    if (options(argc, argv, &o) != 0) {
        return 2;
    }

    memset(&f, 0, sizeof(fleet_t));
    f.seed = o.seed;

    rc = o.path ? base_read(&f, o.path) : base_make(&f, o.days);

    if (rc != 0) {
        return 1;
    }

    f.phase = malloc((size_t) o.shards * sizeof(uint32_t));
    f.scale = malloc((size_t) o.shards * sizeof(float));

    if (f.phase == NULL || f.scale == NULL) {
        fputs("forecast_fleet: no memory\n", stderr);
        return 1;
    }

    for (i = 0; i < (uint32_t) o.shards; i++) {
        f.phase[i] = (uint32_t) (random_next(&f.seed) % f.length);
        f.scale[i] = (float) exp2((double) (random_next(&f.seed) % 800) / 100
                                  - 4);
    }

    rc = measure(&o, &f);

    free(f.base);
    free(f.phase);
    free(f.scale);

    return rc;
}


static int
options(int argc, char **argv, options_t *o)
{
    int   c;
    long  n;

    static const struct option  known[] = {
        { "shards", required_argument, NULL, 's' },
        { "days", required_argument, NULL, 'd' },
        { "horizon", required_argument, NULL, 'h' },
        { "threads", required_argument, NULL, 't' },
        { "seed", required_argument, NULL, 'r' },
        { NULL, 0, NULL, 0 }
    };

    o->shards = 10000;
    o->days = 30;
    o->horizon = 24;
    o->threads = 0;
    o->seed = 1;

    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {

        if (c == '?') {
            return -1;
        }

        n = strtol(optarg, NULL, 10);

        switch (c) {
        case 's': o->shards = n; break;
        case 'd': o->days = n; break;
        case 'h': o->horizon = n; break;
        case 't': o->threads = n; break;
        default:  o->seed = (uint64_t) n;
        }
    }

    o->path = argv[optind];

    if (o->shards < 1 || o->shards > 1000000 || o->days < 1 || o->days > 400
        || o->horizon < 1 || o->horizon > PREDICTOR_HORIZON_MAX
        || o->threads < 0 || o->threads > PREDICTOR_THREADS_MAX)
    {
        fputs("forecast_fleet: --shards 1..1000000, --days 1..400, "
              "--horizon 1..10080, --threads 0..64 (0: all cores)\n", stderr);
        return -1;
    }

    return 0;
}


/* "epoch,name,..." and a line a slot; what is no number is unknown */

static int
base_read(fleet_t *f, const char *path)
{
    char      *line, *p, *end;
    FILE      *file;
    float     *base;
    size_t     size;
    uint32_t   i;

    line = NULL;
    size = 0;
    file = fopen(path, "r");

    if (file == NULL || getline(&line, &size, file) < 0) {
        fprintf(stderr, "forecast_fleet: cannot read %s\n", path);
        return -1;
    }

    for (p = line; *p; p++) {
        f->nbase += *p == ',';
    }

    while (f->nbase && getline(&line, &size, file) > 0) {
        base = realloc(f->base, (size_t) (f->length + 1) * f->nbase
                                * sizeof(float));
        if (base == NULL) {
            return -1;
        }

        f->base = base;
        base += (size_t) f->length++ * f->nbase;
        p = strchr(line, ',');

        for (i = 0; i < f->nbase; i++) {
            base[i] = p ? strtof(p + 1, &end) : NAN;
            base[i] = p && end != p + 1 ? base[i] : NAN;
            p = p ? strchr(p + 1, ',') : NULL;
        }
    }

    free(line);
    fclose(file);

    if (f->length == 0) {
        fprintf(stderr, "forecast_fleet: %s has no series\n", path);
        return -1;
    }

    return 0;
}


/* days and weeks of different shapes, spikes, quiet nights, gaps */

static int
base_make(fleet_t *f, long days)
{
    double    x, day, width;
    uint32_t  i, k;

    f->nbase = MADE;
    f->length = (uint32_t) (days * DAY);
    f->base = malloc((size_t) f->length * f->nbase * sizeof(float));

    if (f->base == NULL) {
        return -1;
    }

    for (k = 0; k < f->nbase; k++) {
        width = 0.3 + (double) (random_next(&f->seed) % 100) / 100;

        for (i = 0; i < f->length; i++) {
            day = (double) (i % DAY) / DAY;
            x = 10 + 90 * exp(cos(6.283185307 * (day - 0.5)) / width
                              - 1 / width);
            x *= i / DAY % 7 < 5 ? 1 : 0.4 + k / 2.0 / MADE;
            x *= random_next(&f->seed) % 400 ? 1 : 3;
            x = k % 8 == 0 && day < 0.25 ? 0 : x;

            f->base[(size_t) i * f->nbase + k] =
                random_next(&f->seed) % 300 ? (float) x : NAN;
        }
    }

    return 0;
}


static float
base_value(const fleet_t *f, uint32_t shard, long slot)
{
    float     v;
    size_t    i;
    uint64_t  noise;

    i = ((size_t) slot + f->phase[shard]) % f->length;
    v = f->base[i * f->nbase + shard % f->nbase];

    noise = (uint64_t) slot * 1000003 + shard + 1;
    noise = random_next(&noise);

    return v * f->scale[shard]
           * (0.95f + 0.1f * (float) (noise >> 40) / 16777216);
}


static void
fill(const fleet_t *f, predictor_history_t *h, long slots)
{
    long      slot, i, n;
    float    *rows;
    uint32_t  col;

    rows = malloc((size_t) CHUNK * h->ncols * sizeof(float));

    if (rows == NULL) {
        fputs("forecast_fleet: no memory\n", stderr);
        exit(1);
    }

    predictor_history_begin(h, SLOT0 - 1);

    for (slot = 0; slot < slots; slot += n) {
        n = slots - slot < CHUNK ? slots - slot : CHUNK;

        for (i = 0; i < n; i++) {

            for (col = 0; col < h->ncols; col++) {
                rows[(size_t) i * h->ncols + col] = base_value(f, col,
                                                               slot + i);
            }
        }

        predictor_history_rows(h, rows, (size_t) n);
    }

    free(rows);
}


static int
measure(const options_t *o, fleet_t *f)
{
    long                  slots;
    float                *row;
    double                begun, refit, refit_cpu, tick_cpu, publish_s;
    double                tick[TICKS];
    uint32_t              i, k, n;
    shard_id_t           *ids;
    predictor_pool_t     *pool;
    predictor_history_t   history;
    predictor_outlook_t   outlook;

    n = (uint32_t) o->shards;
    slots = o->days * DAY;
    ids = malloc(n * sizeof(shard_id_t));
    row = malloc(n * sizeof(float));
    pool = predictor_pool_create((uint32_t) o->threads);

    if (!ids || !row || !pool
        || predictor_history_init(&history, (size_t) slots, n) != SHARD_OK
        || predictor_outlook_init(&outlook, pool, RES, (size_t) slots,
                                  (uint32_t) o->horizon, 0.95, DAY, n)
           != SHARD_OK)
    {
        fputs("forecast_fleet: no memory\n", stderr);
        return 1;
    }

    for (i = 0; i < n; i++) {
        ids[i] = i;
    }

    fill(f, &history, slots);

    begun = now_s(CLOCK_MONOTONIC);
    refit_cpu = now_s(CLOCK_PROCESS_CPUTIME_ID);
    predictor_outlook_fit(&outlook, &history, ids, n);
    predictor_outlook_wait(&outlook, -1);
    refit = now_s(CLOCK_MONOTONIC) - begun;
    refit_cpu = now_s(CLOCK_PROCESS_CPUTIME_ID) - refit_cpu;
    tick_cpu = publish_s = 0;

    for (k = 0; k < TICKS; k++) {

        for (i = 0; i < n; i++) {
            row[i] = base_value(f, i, slots + k);
        }

        begun = now_s(CLOCK_MONOTONIC);
        tick_cpu -= now_s(CLOCK_PROCESS_CPUTIME_ID);
        predictor_history_push(&history, SLOT0 + slots + k, row);
        predictor_outlook_forecast(&outlook, &history, ids, n);
        predictor_outlook_wait(&outlook, -1);
        tick[k] = now_s(CLOCK_MONOTONIC) - begun;
        tick_cpu += now_s(CLOCK_PROCESS_CPUTIME_ID);
        publish_s = publish(&outlook, &history, ids, n);
    }

    qsort(tick, TICKS, sizeof(double), compare);

    printf("{\"shards\":%u,\"days\":%ld,\"threads\":%u,\"horizon\":%ld,"
           "\"refit_s\":%.2f,\"tick_s\":%.4f,\"tick_worst_s\":%.4f,"
           "\"refit_cpu_s\":%.2f,\"tick_cpu_s\":%.4f,"
           "\"publish_s\":%.4f,\"publish_mb\":%.1f,\"rss_mb\":%ld,"
           "\"series\":\"%s\"}\n", n, o->days, predictor_pool_threads(pool),
           o->horizon, refit, tick[TICKS / 2], tick[TICKS - 1], refit_cpu,
           tick_cpu / TICKS, publish_s, (double) bytes / TICKS / 1e6,
           memory_mb(),
           o->path ? "recorded" : "made up");

    predictor_outlook_done(&outlook);
    predictor_history_done(&history);
    predictor_pool_destroy(pool);
    free(ids);
    free(row);

    return 0;
}


static int
compare(const void *a, const void *b)
{
    const double  *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}


/* seconds until all forecasts are what the store is sent */

static double
publish(const predictor_outlook_t *o, const predictor_history_t *h,
    const shard_id_t *ids, uint32_t n)
{
    double               begun;
    uint32_t             i;
    predictor_io_t       io;
    predictor_cold_t     cold;
    predictor_fleet_t    fleet;
    predictor_spreads_t  spreads;

    memset(&cold, 0, sizeof(predictor_cold_t));
    memset(&spreads, 0, sizeof(predictor_spreads_t));
    memset(&io, 0, sizeof(predictor_io_t));
    memset(&fleet, 0, sizeof(predictor_fleet_t));

    io.hash_put = taken;
    fleet.table.nshards = n;
    fleet.table.shards = calloc(n, sizeof(shard_record_t));

    if (fleet.table.shards == NULL) {
        return NAN;
    }

    for (i = 0; i < n; i++) {
        fleet.table.shards[i].id = ids[i];
    }

    begun = now_s(CLOCK_MONOTONIC);

    if (predictor_report_forecasts(&io, &fleet, o, &cold, h, &spreads,
                                   NULL, 0)
        != SHARDD_OK)
    {
        begun = NAN;
    }

    free(fleet.table.shards);

    return now_s(CLOCK_MONOTONIC) - begun;
}


static int
taken(void *data, const char *key, const shardd_field_t *fields, size_t n)
{
    size_t  i;

    (void) data;
    (void) key;

    for (i = 0; i < n; i++) {
        bytes += fields[i].value ? strlen(fields[i].value) : 0;
    }

    return SHARDD_OK;
}


/* the most it ever was */

static long
memory_mb(void)
{
    char   line[256];
    long   kb;
    FILE  *file;

    kb = 0;
    file = fopen("/proc/self/status", "r");

    while (file && fgets(line, sizeof(line), file)) {

        if (sscanf(line, "VmHWM: %ld", &kb) == 1) {
            break;
        }
    }

    if (file) {
        fclose(file);
    }

    return kb / 1024;
}


static uint64_t
random_next(uint64_t *state)
{
    uint64_t  z;

    z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);

    return z ^ z >> 31;
}


static double
now_s(clockid_t clock)
{
    struct timespec  t;

    clock_gettime(clock, &t);

    return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}
