
#include <math.h>
#include <string.h>

#include "exporter.h"


/* less than that between two readings is rounding, not a rate */

#define PREDICTOR_READING_MIN_MS  100


typedef void (*predictor_reading_pt)(predictor_reading_t *r,
    const predictor_sample_t *s);

typedef struct {
    const char            *name;
    predictor_reading_pt   take;
} predictor_reading_metric_t;


static void predictor_reading_cpu(predictor_reading_t *r,
    const predictor_sample_t *s);
static void predictor_reading_total(predictor_reading_t *r,
    const predictor_sample_t *s);
static void predictor_reading_available(predictor_reading_t *r,
    const predictor_sample_t *s);
static void predictor_reading_loose(predictor_reading_t *r,
    const predictor_sample_t *s);
static void predictor_reading_network(predictor_reading_t *r,
    const predictor_sample_t *s);
static void predictor_reading_disk(predictor_reading_t *r,
    const predictor_sample_t *s);


const char *const  predictor_node_words[] = {
    "cpu", "memory", "network", "disk", NULL
};

static const predictor_reading_metric_t  predictor_reading_metrics[] = {
    { "node_cpu_seconds_total", predictor_reading_cpu },
    { "node_memory_MemTotal_bytes", predictor_reading_total },
    { "node_memory_MemAvailable_bytes", predictor_reading_available },
    { "node_memory_MemFree_bytes", predictor_reading_loose },
    { "node_memory_Buffers_bytes", predictor_reading_loose },
    { "node_memory_Cached_bytes", predictor_reading_loose },
    { "node_network_receive_bytes_total", predictor_reading_network },
    { "node_network_transmit_bytes_total", predictor_reading_network },
    { "node_disk_io_time_seconds_total", predictor_reading_disk },
    { NULL, NULL }
};

/* what carries or holds the bytes of another device once more */

static const char *const  predictor_reading_virtual[] = {
    "lo", "veth", "docker", "br-", "virbr", "tap", "dm-", "loop", "ram", "zram",
    "sr", NULL
};


static int
predictor_str_is(shard_str_t str, const char *word)
{
    return str.len == strlen(word) && memcmp(str.data, word, str.len) == 0;
}


/* FNV-1a: only to see that a set of names is still the same */

static uint64_t
predictor_reading_hash(shard_str_t name)
{
    size_t    i;
    uint64_t  hash;

    hash = 0xcbf29ce484222325;

    for (i = 0; i < name.len; i++) {
        hash = (hash ^ (uint8_t) name.data[i]) * 0x100000001b3;
    }

    return hash;
}


static int
predictor_reading_is_virtual(shard_str_t device)
{
    size_t              len;
    const char *const  *p;

    for (p = predictor_reading_virtual; *p; p++) {
        len = strlen(*p);

        if (device.len >= len && memcmp(device.data, *p, len) == 0
            && (len > 2 || device.len == len || device.data[len] <= '9'))
        {
            return 1;
        }
    }

    return 0;
}


static void
predictor_reading_cpu(predictor_reading_t *r, const predictor_sample_t *s)
{
    shard_str_t  mode;

    mode = predictor_text_label(s, "mode");

    r->cpu += s->value;
    r->cpus += predictor_reading_hash(predictor_text_label(s, "cpu"));
    r->ncpu++;

    if (predictor_str_is(mode, "idle") || predictor_str_is(mode, "iowait")) {
        r->idle += s->value;
    }
}


static void
predictor_reading_total(predictor_reading_t *r, const predictor_sample_t *s)
{
    r->memory = s->value;
}


static void
predictor_reading_available(predictor_reading_t *r,
    const predictor_sample_t *s)
{
    r->available = s->value;
}


static void
predictor_reading_loose(predictor_reading_t *r, const predictor_sample_t *s)
{
    r->loose = isfinite(r->loose) ? r->loose + s->value : s->value;
}


static void
predictor_reading_network(predictor_reading_t *r, const predictor_sample_t *s)
{
    shard_str_t  device;

    device = predictor_text_label(s, "device");

    if (!predictor_reading_is_virtual(device)) {
        r->network += s->value;
        r->interfaces += predictor_reading_hash(device);
        r->nnetwork++;
    }
}


static void
predictor_reading_disk(predictor_reading_t *r, const predictor_sample_t *s)
{
    shard_str_t  device;

    device = predictor_text_label(s, "device");

    if (!predictor_reading_is_virtual(device)
        && r->ndisks < PREDICTOR_DISKS_MAX)
    {
        r->disks[r->ndisks].name = predictor_reading_hash(device);
        r->disks[r->ndisks++].seconds = s->value;
    }
}


void
predictor_reading_init(predictor_reading_t *r)
{
    int  i;

    memset(r, 0, sizeof(predictor_reading_t));

    r->memory = NAN;
    r->available = NAN;
    r->loose = NAN;

    for (i = 0; i < PREDICTOR_GAUGES_MAX; i++) {
        r->gauge[i] = NAN;
    }
}


static void
predictor_reading_take(predictor_reading_t *r, const predictor_sample_t *s,
    const char *const *gauges)
{
    int                                i;
    const predictor_reading_metric_t  *m;

    for (i = 0; gauges && gauges[i] && i < PREDICTOR_GAUGES_MAX; i++) {

        if (predictor_str_is(s->name, gauges[i])) {
            r->gauge[i] = isfinite(r->gauge[i]) ? r->gauge[i] + s->value
                                                : s->value;
        }
    }

    if (s->name.len < 5 || memcmp(s->name.data, "node_", 5) != 0) {
        return;
    }

    for (m = predictor_reading_metrics; m->name; m++) {

        if (predictor_str_is(s->name, m->name)) {
            m->take(r, s);
            return;
        }
    }
}


int
predictor_reading_add(predictor_reading_t *r, shard_str_t text,
    const char *const *gauges, char *err)
{
    int                  rc;
    predictor_text_t     t;
    predictor_sample_t   s;
    predictor_reading_t  new;

    new = *r;
    predictor_text_open(&t, text);

    while ((rc = predictor_text_next(&t, &s, err)) == SHARD_OK) {
        predictor_reading_take(&new, &s, gauges);
    }

    if (rc == SHARD_ERROR) {
        return SHARD_ERROR;
    }

    *r = new;

    return SHARD_OK;
}


/* NaN and infinite sums fail every comparison, and so are unknown */

static double
predictor_reading_share(double part, double all)
{
    double  share;

    share = part / all;

    if (!(all > 0) || !isfinite(share)) {
        return NAN;
    }

    return share < 0 ? 0 : share > 1 ? 1 : share;
}


static double
predictor_reading_busiest(const predictor_reading_t *before,
    const predictor_reading_t *now, double seconds)
{
    double    most, share;
    uint32_t  i, k;

    most = NAN;

    for (i = 0; i < now->ndisks; i++) {

        for (k = 0; k < before->ndisks; k++) {

            if (before->disks[k].name == now->disks[i].name) {
                break;
            }
        }

        if (k == before->ndisks
            || !(now->disks[i].seconds >= before->disks[k].seconds))
        {
            continue;
        }

        share = predictor_reading_share(now->disks[i].seconds
                                        - before->disks[k].seconds, seconds);
        most = most > share ? most : share;
    }

    return most;
}


void
predictor_reading_figures(const predictor_reading_t *before,
    const predictor_reading_t *now, double figures[PREDICTOR_NODE_FIGURES])
{
    int     i;
    double  seconds, rate;

    for (i = 0; i < PREDICTOR_NODE_FIGURES; i++) {
        figures[i] = NAN;
    }

    for (i = 0; i < PREDICTOR_GAUGES_MAX; i++) {

        if (isfinite(now->gauge[i]) && now->gauge[i] >= 0) {
            figures[PREDICTOR_NODE_GAUGE + i] = now->gauge[i];
        }
    }

    rate = isfinite(now->available) ? now->available : now->loose;
    figures[PREDICTOR_NODE_MEMORY] = predictor_reading_share(
                                         now->memory - rate, now->memory);

    seconds = (now->at_ms - before->at_ms) / 1000;

    if (before->at_ms <= 0 || seconds * 1000 < PREDICTOR_READING_MIN_MS) {
        return;
    }

    if (now->ncpu && now->ncpu == before->ncpu && now->cpus == before->cpus
        && now->idle >= before->idle)
    {
        figures[PREDICTOR_NODE_CPU] = predictor_reading_share(
            now->cpu - before->cpu - (now->idle - before->idle),
            now->cpu - before->cpu);
    }

    if (now->nnetwork && now->nnetwork == before->nnetwork
        && now->interfaces == before->interfaces)
    {
        rate = (now->network - before->network) / seconds;
        figures[PREDICTOR_NODE_NETWORK] = isfinite(rate) && rate >= 0 ? rate
                                                                      : NAN;
    }

    figures[PREDICTOR_NODE_DISK] = predictor_reading_busiest(before, now,
                                                             seconds);
}
