
/*
 * Figures of a run: JSON for programs, CSV for plots.
 */


#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "shardload.h"


#define SHARDLOAD_LINEAR  32              /* buckets in each doubling */


static uint32_t
shardload_hist_bucket(uint64_t us)
{
    uint32_t  shift, bucket;

    if (us < SHARDLOAD_LINEAR * 2) {
        return (uint32_t) us;
    }

    shift = 63 - (uint32_t) __builtin_clzll(us) - 5;
    bucket = shift * SHARDLOAD_LINEAR + (uint32_t) (us >> shift);

    return bucket < SHARDLOAD_HIST ? bucket : SHARDLOAD_HIST - 1;
}


/* the middle of a bucket */

static double
shardload_hist_us(uint32_t bucket)
{
    uint32_t  shift;

    if (bucket < SHARDLOAD_LINEAR * 2) {
        return bucket;
    }

    shift = bucket / SHARDLOAD_LINEAR - 1;

    return ((double) (bucket % SHARDLOAD_LINEAR + SHARDLOAD_LINEAR) + 0.5)
           * (double) (1ull << shift);
}


void
shardload_hist_add(shardload_hist_t *hist, uint64_t us)
{
    hist->count++;
    hist->bucket[shardload_hist_bucket(us)]++;

    if (us > hist->max_us) {
        hist->max_us = us;
    }
}


double
shardload_hist_ms(const shardload_hist_t *hist, double quantile)
{
    uint32_t  i;
    uint64_t  seen, want;

    want = (uint64_t) (quantile * (double) hist->count);
    if (want >= hist->count) {
        return (double) hist->max_us / 1000;
    }

    for (i = 0, seen = 0; i < SHARDLOAD_HIST; i++) {
        seen += hist->bucket[i];

        if (seen > want) {
            return shardload_hist_us(i) / 1000;
        }
    }

    return 0;
}


static json_t *
shardload_hist_json(const shardload_hist_t *hist)
{
    return json_pack("{s:I, s:f, s:f, s:f, s:f}",
                     "count", (json_int_t) hist->count,
                     "p50_ms", shardload_hist_ms(hist, 0.5),
                     "p90_ms", shardload_hist_ms(hist, 0.9),
                     "p99_ms", shardload_hist_ms(hist, 0.99),
                     "max_ms", (double) hist->max_us / 1000);
}


static json_t *
shardload_answers(const shardload_t *load)
{
    int      status;
    char     name[16];
    json_t  *object;

    object = json_pack("{s:I, s:I}",
                       "timeout", (json_int_t) load->timeouts,
                       "closed", (json_int_t) load->closed);

    for (status = 400; status < 600; status++) {
        if (load->status[status]) {
            snprintf(name, sizeof(name), "%d", status);
            json_object_set_new(object, name,
                                json_integer((json_int_t) load->status[status]));
        }
    }

    return object;
}


static json_t *
shardload_nodes(const shardload_t *load)
{
    uint32_t     i, n;
    json_t      *object;
    json_int_t   sum;

    object = json_object();

    for (n = 0; n < load->nnodes; n++) {
        for (i = 0, sum = 0; i < load->nsteps; i++) {
            sum += load->steps[i].node[n];
        }

        json_object_set_new(object, load->node[n], json_integer(sum));
    }

    return object;
}


static json_t *
shardload_document(const shardload_t *load)
{
    uint32_t   i;
    json_t    *notes;
    double     seconds;

    notes = json_array();

    for (i = 0; i < load->nnotes; i++) {
        json_array_append_new(notes, json_string(load->note[i]));
    }

    seconds = (double) (load->end_us - load->begin_us) / 1e6;

    return json_pack("{s:I, s:I, s:f, s:I, s:I, s:I, s:{s:I, s:I, s:I},"
                     " s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f,"
                     " s:o, s:o, s:o, s:o, s:o}",
        "seed", (json_int_t) load->conf.seed,
        "begin_ms", (json_int_t) load->begin_ms,
        "seconds", seconds,
        "requests", (json_int_t) load->offered,
        "completed", (json_int_t) load->completed,
        "failed", (json_int_t) load->failed,
        "operations",
            "reads", (json_int_t) load->ops[SHARDLOAD_READ],
            "writes", (json_int_t) load->ops[SHARDLOAD_WRITE],
            "appends", (json_int_t) load->ops[SHARDLOAD_APPEND],
        "acknowledged_writes", (json_int_t) load->acked_writes,
        "acknowledged_appends", (json_int_t) load->acked_appends,
        "resent", (json_int_t) load->resent,
        "stale_reads", (json_int_t) load->stale_reads,
        "lost_writes", (json_int_t) load->lost,
        "reordered", (json_int_t) load->reordered,
        "unverified", (json_int_t) load->unverified,
        "rate", (double) load->completed / (seconds > 0 ? seconds : 1),
        "latency", shardload_hist_json(&load->all),
        "held", shardload_hist_json(&load->held),
        "answers", shardload_answers(load),
        "nodes", shardload_nodes(load),
        "notes", notes);
}


int
shardload_report(shardload_t *load)
{
    int      rc;
    json_t  *document;

    document = shardload_document(load);
    if (document == NULL) {
        fputs("shardload: out of memory\n", stderr);
        return -1;
    }

    rc = 0;

    if (load->conf.report
        && json_dump_file(document, load->conf.report, JSON_INDENT(2)) != 0)
    {
        fprintf(stderr, "shardload: %s: %s\n", load->conf.report, strerror(errno));
        rc = -1;
    }

    if (load->conf.report == NULL || load->conf.json) {
        json_dumpf(document, stdout, JSON_INDENT(2));
        putchar('\n');
    }

    json_decref(document);

    return rc;
}


/* start_ms, counts, latencies, then "node:NAME" answered by it and "shard:ID"
 * offered */

int
shardload_series(shardload_t *load)
{
    FILE              *f;
    uint32_t           i, k;
    shardload_step_t  *step;

    f = fopen(load->conf.series, "w");
    if (f == NULL) {
        fprintf(stderr, "shardload: %s: %s\n", load->conf.series, strerror(errno));
        return -1;
    }

    fputs("start_ms,end_ms,offered,completed,failed,p50_ms,p99_ms,max_ms", f);

    for (k = 0; k < load->nnodes; k++) {
        fprintf(f, ",node:%s", load->node[k]);
    }

    for (k = 0; k < load->conf.shards; k++) {
        fprintf(f, ",shard:%u", k);
    }

    for (i = 0; i < load->nsteps; i++) {
        uint64_t  offered;

        step = &load->steps[i];

        for (k = 0, offered = 0; k < load->conf.shards; k++) {
            offered += step->offered[k];
        }

        fprintf(f, "\n%.3f,%.3f,%llu,%u,%u,%.3f,%.3f,%.3f",
                (double) step->start_us / 1000, (double) step->end_us / 1000,
                (unsigned long long) offered, step->completed, step->failed,
                shardload_hist_ms(step->hist, 0.5),
                shardload_hist_ms(step->hist, 0.99),
                (double) step->hist->max_us / 1000);

        for (k = 0; k < load->nnodes; k++) {
            fprintf(f, ",%u", step->node[k]);
        }

        for (k = 0; k < load->conf.shards; k++) {
            fprintf(f, ",%u", step->offered[k]);
        }
    }

    fputc('\n', f);

    if (fclose(f) != 0) {
        fprintf(stderr, "shardload: %s: %s\n", load->conf.series, strerror(errno));
        return -1;
    }

    return 0;
}
