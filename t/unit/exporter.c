
/*
 * A node's exporter: its text is read strictly, its counters become rates,
 * one that went back or has other devices is unknown until the next reading.
 */

#include "../lib/tap.h"
#include "../../predictor/exporter.h"


static char  err[SHARD_ERR_SIZE];

static const char *const  gauges[] = { "queue_depth", "missing", NULL };


static int
reading(predictor_reading_t *r, double at_s, const char *text)
{
    shard_str_t  s;

    s.data = text;
    s.len = strlen(text);
    predictor_reading_init(r);
    r->at_ms = at_s * 1000;

    return predictor_reading_add(r, s, gauges, err);
}


#define CPU(i0, u0, i1, u1)                                                   \
    "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} " #i0 "\n"               \
    "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} " #u0 "\n"               \
    "node_cpu_seconds_total{cpu=\"1\",mode=\"iowait\"} " #i1 "\n"             \
    "node_cpu_seconds_total{mode=\"system\",cpu=\"1\"} " #u1 "\n"

#define NET(dev, in, out)                                                     \
    "node_network_receive_bytes_total{device=\"" dev "\"} " #in "\n"          \
    "node_network_transmit_bytes_total{device=\"" dev "\"} " #out "\n"

#define DISK(dev, s)                                                          \
    "node_disk_io_time_seconds_total{device=\"" dev "\"} " #s "\n"


static void
test_figures(void)
{
    double               f[PREDICTOR_NODE_FIGURES];
    predictor_reading_t  a, b;

    reading(&a, 100, "# HELP x\n# TYPE node_cpu_seconds_total counter\n\n"
            CPU(50, 10, 40, 20) NET("eth0", 1000, 500) NET("lo", 9, 9)
            DISK("sda", 5) DISK("sdb", 1) DISK("loop0", 1));
    tap_is_int(reading(&b, 110, CPU(55, 15, 50, 20) NET("eth0", 3000, 1500)
                       NET("lo", 99999, 99999) DISK("sda", 6) DISK("sdb", 8)
                       DISK("loop0", 11)
                       "node_memory_MemTotal_bytes 1.6e+10\n"
                       "node_memory_MemAvailable_bytes 4000000000\n"
                       "queue_depth{queue=\"a\"} 3\n"
                       "queue_depth{queue=\"b\"} 4 1700000000000\n"),
               SHARD_OK, "a text");
    predictor_reading_figures(&a, &b, f);
    tap_is_dbl(f[PREDICTOR_NODE_CPU], 0.25, 1e-9, "cpu: 5 of 20 s");
    tap_is_dbl(f[PREDICTOR_NODE_MEMORY], 0.75, 1e-9, "memory");
    tap_is_dbl(f[PREDICTOR_NODE_NETWORK], 300, 1e-9, "network, without lo");
    tap_is_dbl(f[PREDICTOR_NODE_DISK], 0.7, 1e-9, "disk: the busiest");
    tap_is_dbl(f[PREDICTOR_NODE_GAUGE], 7, 1e-9, "a gauge: its labels' sum");
    tap_is_dbl(f[PREDICTOR_NODE_GAUGE + 1], NAN, 0, "one that is not there");

    reading(&b, 110, "node_memory_MemTotal_bytes 100\n"
            "node_memory_MemFree_bytes 20\nnode_memory_Cached_bytes 30\n");
    predictor_reading_figures(&a, &b, f);
    tap_is_dbl(f[PREDICTOR_NODE_MEMORY], 0.5, 1e-9, "an old kernel's memory");
    tap_is_dbl(f[PREDICTOR_NODE_CPU], NAN, 0, "no CPU: unknown, not idle");
}


static void
test_unknown(void)
{
    double               f[PREDICTOR_NODE_FIGURES];
    predictor_reading_t  a, b;

    reading(&a, 0, CPU(50, 10, 40, 20) DISK("sda", 5));
    reading(&b, 110, CPU(55, 15, 50, 20) DISK("sda", 6));
    predictor_reading_figures(&a, &b, f);
    tap_is_dbl(f[PREDICTOR_NODE_CPU], NAN, 0, "the first reading");
    tap_is_dbl(f[PREDICTOR_NODE_DISK], NAN, 0, "of a disk");

    reading(&a, 100, CPU(50, 10, 40, 20) NET("eth0", 5000, 5000)
            DISK("sda", 5));
    reading(&b, 110, CPU(1, 1, 1, 1) NET("eth0", 10, 10) DISK("sda", 1));
    predictor_reading_figures(&a, &b, f);
    tap_is_dbl(f[PREDICTOR_NODE_CPU], NAN, 0, "counters that went back: cpu");
    tap_is_dbl(f[PREDICTOR_NODE_NETWORK], NAN, 0, "network");
    tap_is_dbl(f[PREDICTOR_NODE_DISK], NAN, 0, "disk");

    reading(&b, 110, CPU(55, 15, 50, 20) NET("eth0", 6000, 6000)
            NET("eth1", 1000000, 1000000)
            "node_cpu_seconds_total{cpu=\"2\",mode=\"user\"} 1000\n");
    predictor_reading_figures(&a, &b, f);
    tap_is_dbl(f[PREDICTOR_NODE_CPU], NAN, 0, "another set of CPUs");
    tap_is_dbl(f[PREDICTOR_NODE_NETWORK], NAN, 0, "or of interfaces");

    reading(&b, 110, CPU(NaN, 15, 50, 20) "queue_depth -3\n"
            "node_memory_MemTotal_bytes 0\nnode_memory_MemAvailable_bytes 0\n"
            NET("eth0", +Inf, 1));
    predictor_reading_figures(&a, &b, f);
    tap_is_dbl(f[PREDICTOR_NODE_CPU], NAN, 0, "NaN");
    tap_is_dbl(f[PREDICTOR_NODE_GAUGE], NAN, 0, "a negative gauge");
    tap_is_dbl(f[PREDICTOR_NODE_MEMORY], NAN, 0, "no memory at all");
    tap_is_dbl(f[PREDICTOR_NODE_NETWORK], NAN, 0, "infinite");
}


static void
test_hostile(void)
{
    size_t               i;
    predictor_reading_t  r;

    static const struct {
        const char  *text;
        const char  *says;
    } bad[] = {
        { "a 1\nb", "line 2, column 2: no number" },
        { "a 1", "line 1, column 4: the line has no end here" },
        { "# a comment", "line 1, column 12: the last line has no end" },
        { "a 1\n{x=\"1\"} 1\n", "line 2, column 1: no name of a metric" },
        { "9a 1\n", "line 1, column 1: no name of a metric" },
        { "a{b} 1\n", "line 1, column 4: \"=\" is missing" },
        { "a{b=c} 1\n", "line 1, column 5: a label's value must be in" },
        { "a{b=\"c} 1\n", "line 1, column 10: a label's value has no end" },
        { "a{b=\"\\x\"} 1\n", "line 1, column 7: an escape" },
        { "a{b=\"c\" d=\"e\"} 1\n", "line 1, column 9: \",\" or \"}\"" },
        { "a{b=\"c\"", "\",\" or \"}\" is missing" },
        { "a{", "\"}\" is missing" },
        { "a 0x10\n", "line 1, column 3: no number" },
        { "a 1 2 3\n", "column 7: the line has no end here" },
        { "a 1 2.5\n", "column 5: no time in ms" },
        { "a inf\n", "column 3: no number" },
        { "a 1-\n", "column 3: no number" }
    };

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        err[0] = '\0';
        tap_is_int(reading(&r, 1, bad[i].text), SHARD_ERROR, "refused");
        tap_ok(strstr(err, bad[i].says), "%s", err);
    }

    tap_is_int(reading(&r, 1, "a{} 1\r\nb{c=\"d\",} +Inf\n c\t{ e = \"f\\\"\" }"
                       "  -1.5e-3 -5 \n"), SHARD_OK, "odd, but right");
    tap_is_int(reading(&r, 1, ""), SHARD_OK, "nothing");
    tap_ok(predictor_text_name_valid("queue:depth_9"), "a name");
    tap_ok(!predictor_text_name_valid("9queue")
           && !predictor_text_name_valid("")
           && !predictor_text_name_valid("a-b"), "no names");
}


int
main(void)
{
    test_figures();
    test_unknown();
    test_hostile();

    return tap_done();
}
