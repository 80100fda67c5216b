
/*
 * "--forecasts FILE": a line that tells what they are of, then means and
 * quantiles as floats.  Of another load, horizon, quantile or set of events
 * they would be wrong in silence, so the line has a digest of all of that.
 */

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../src/daemon/shardd_version.h"
#include "model.h"
#include "simulate_forecast.h"


#define PREDICTOR_KEEP_LINE  256


static uint64_t predictor_keep_mix(uint64_t digest, const void *data,
    size_t size);
static uint64_t predictor_keep_digest(const predictor_simulate_t *m);
static void predictor_keep_head(const predictor_simulate_t *m, char *line);
static int predictor_keep_fits(predictor_simulate_t *m, const char *line);
static int predictor_keep_load(predictor_simulate_t *m, FILE *in);
static size_t predictor_keep_values(const predictor_simulate_t *m);


/* FNV-1a, by eight bytes */

static uint64_t
predictor_keep_mix(uint64_t digest, const void *data, size_t size)
{
    size_t          i;
    uint64_t        word;
    const uint8_t  *p = data;

    for (i = 0; i < size; i += sizeof(word)) {
        word = 0;
        memcpy(&word, p + i, size - i < sizeof(word) ? size - i
                                                     : sizeof(word));
        digest = (digest ^ word) * UINT64_C(0x100000001b3);
        digest ^= digest >> 29;
    }

    return digest;
}


static uint64_t
predictor_keep_digest(const predictor_simulate_t *m)
{
    uint32_t                      i;
    uint64_t                      digest;
    const predictor_sim_t        *s;
    const predictor_sim_event_t  *e;

    s = &m->sim;
    digest = UINT64_C(0xcbf29ce484222325);

    digest = predictor_keep_mix(digest, s->load, (size_t) s->nsteps * s->ncols
                                                 * sizeof(double));
    digest = predictor_keep_mix(digest, &s->start_s, sizeof(s->start_s));
    digest = predictor_keep_mix(digest, &s->step_s, sizeof(s->step_s));
    digest = predictor_keep_mix(digest, &s->conf.quantile, sizeof(double));
    digest = predictor_keep_mix(digest, &s->conf.refit_ms, sizeof(long));

    for (i = 0; i < s->nevents; i++) {
        e = &s->events[i];

        if (!e->known) {
            continue;
        }

        digest = predictor_keep_mix(digest, &e->effect, 1);
        digest = predictor_keep_mix(digest, &e->size, sizeof(double));
        digest = predictor_keep_mix(digest, &e->from, sizeof(long));
        digest = predictor_keep_mix(digest, &e->before, sizeof(long));

        if (e->touches) {
            digest = predictor_keep_mix(digest, e->touches, s->ncols);
        }
    }

    return digest;
}


static void
predictor_keep_head(const predictor_simulate_t *m, char *line)
{
    snprintf(line, PREDICTOR_KEEP_LINE, "shard-predictor %s forecasts, steps "
             "%u to %u, %u shards, horizon %u, of %016llx\n", SHARDD_VERSION,
             m->seen.from, m->seen.before, m->seen.ncols, m->seen.horizon,
             (unsigned long long) predictor_keep_digest(m));
}


static size_t
predictor_keep_values(const predictor_simulate_t *m)
{
    return (size_t) (m->seen.before - m->seen.from) * m->seen.ncols
           * m->seen.horizon;
}


/* 1: they are of this; some that look further ahead are, too */

static int
predictor_keep_fits(predictor_simulate_t *m, const char *line)
{
    char         head[PREDICTOR_KEEP_LINE];
    uint32_t     wanted;
    const char  *p;

    wanted = m->seen.horizon;
    p = strstr(line, ", horizon ");

    if (p == NULL || sscanf(p, ", horizon %u", &m->seen.horizon) != 1) {
        return 0;
    }

    predictor_keep_head(m, head);

    return m->seen.horizon >= wanted
           && m->seen.horizon <= PREDICTOR_HORIZON_MAX
           && strcmp(line, head) == 0;
}


static int
predictor_keep_load(predictor_simulate_t *m, FILE *in)
{
    size_t  n;

    n = predictor_keep_values(m);

    free(m->seen.mean);
    free(m->seen.quantile);
    m->seen.mean = malloc(n * sizeof(float));
    m->seen.quantile = malloc(n * sizeof(float));

    if (m->seen.mean == NULL || m->seen.quantile == NULL) {
        fputs("shard-predictor: no memory for the forecasts\n", stderr);
        return 1;
    }

    if (fread(m->seen.mean, sizeof(float), n, in) != n
        || fread(m->seen.quantile, sizeof(float), n, in) != n)
    {
        fprintf(stderr, "shard-predictor: --forecasts %s: it is cut off; "
                "remove it\n", m->forecasts);
        return 2;
    }

    return 0;
}


int
predictor_foreseen_read(predictor_simulate_t *m)
{
    int    rc;
    char   line[PREDICTOR_KEEP_LINE], head[PREDICTOR_KEEP_LINE];
    FILE  *in;

    in = fopen(m->forecasts, "r");

    if (in == NULL && errno == ENOENT) {
        return SHARD_AGAIN;
    }

    if (in == NULL || fgets(line, sizeof(line), in) == NULL) {
        fprintf(stderr, "shard-predictor: --forecasts %s: cannot read it: "
                "%s\n", m->forecasts, in ? "it is empty" : strerror(errno));

        if (in) {
            fclose(in);
        }

        return 2;
    }

    predictor_keep_head(m, head);

    if (predictor_keep_fits(m, line)) {
        rc = predictor_keep_load(m, in);

    } else {
        fprintf(stderr, "shard-predictor: --forecasts %s: they are of another "
                "fleet, scenario or version; remove the file, or name another "
                "one\n  wanted: %s  it has: %s%s", m->forecasts, head, line,
                strchr(line, '\n') ? "" : "\n");
        rc = 2;
    }

    fclose(in);

    return rc;
}


/* into a file beside it first: one that is there is whole */

int
predictor_foreseen_write(const predictor_simulate_t *m)
{
    int      rc;
    char     line[PREDICTOR_KEEP_LINE], *path;
    FILE    *out;
    size_t   n;

    path = malloc(strlen(m->forecasts) + 32);

    if (path == NULL) {
        fputs("shard-predictor: out of memory\n", stderr);
        return 1;
    }

    sprintf(path, "%s.%ld", m->forecasts, (long) getpid());
    out = fopen(path, "w");
    rc = out == NULL;

    if (out) {
        n = predictor_keep_values(m);
        predictor_keep_head(m, line);

        rc = fputs(line, out) == EOF
             || fwrite(m->seen.mean, sizeof(float), n, out) != n
             || fwrite(m->seen.quantile, sizeof(float), n, out) != n;
        rc |= fclose(out) != 0;
    }

    if (rc || rename(path, m->forecasts) != 0) {
        fprintf(stderr, "shard-predictor: --forecasts %s: %s\n",
                m->forecasts, strerror(errno));
        unlink(path);
        rc = 1;
    }

    free(path);

    return rc;
}


static void
predictor_keep_time(const predictor_sim_t *s, long step, char *text,
    size_t size)
{
    time_t     at;
    struct tm  tm;

    at = (time_t) s->start_s + step * (long) s->step_s;
    gmtime_r(&at, &tm);
    strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}


char *
predictor_foreseen_event(const predictor_sim_t *s, uint32_t event)
{
    char                          from[40], to[40], effect[40], *text;
    json_t                       *root, *shards;
    uint32_t                      i;
    const predictor_sim_event_t  *e;

    e = &s->events[event];

    predictor_keep_time(s, e->from, from, sizeof(from));
    predictor_keep_time(s, e->before, to, sizeof(to));
    snprintf(effect, sizeof(effect), "%c%g", e->effect, e->size);

    root = json_pack("{s:s, s:s, s:s}", "start", from, "end", to, "effect",
                     effect);

    if (root && e->touches) {
        shards = json_array();

        for (i = 0; i < s->ncols; i++) {

            if (e->touches[i]) {
                json_array_append_new(shards, json_integer(i));
            }
        }

        json_object_set_new(root, "shards", shards);
    }

    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);

    return text;
}
