
/*
 * When requests are due.  A step is a span of time with a rate for each
 * shard.  Each shard carries "need": how much of its load (rate x time) has
 * still to pass until its next request.  Even arrivals need 1 each, Poisson
 * arrivals an exponentially distributed amount, so that both follow a rate
 * that changes, and nothing is rounded away at a step's end.
 */


#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shardload.h"


#define SHARDLOAD_LINE_MAX   (4 * 1024 * 1024)
#define SHARDLOAD_STEPS_MAX  100000


static double shardload_need(shardload_t *load);
static int shardload_schedule_line(shardload_t *load, const char *path,
    uint32_t number, char *line);
static int shardload_schedule_end(shardload_t *load);


/* splitmix64 */

uint64_t
shardload_random(shardload_t *load)
{
    uint64_t  z;

    z = load->random += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


double
shardload_uniform(shardload_t *load)
{
    return (double) (shardload_random(load) >> 11) / 9007199254740992.0;
}


static double
shardload_need(shardload_t *load)
{
    return load->conf.poisson ? -log(1 - shardload_uniform(load)) : 1;
}


static shardload_step_t *
shardload_step_add(shardload_t *load)
{
    uint32_t           shards;
    shardload_step_t  *steps, *step;

    shards = load->conf.shards;
    steps = realloc(load->steps, (load->nsteps + 1) * sizeof(*steps));
    if (steps == NULL) {
        return NULL;
    }

    load->steps = steps;
    step = &steps[load->nsteps];
    memset(step, 0, sizeof(*step));

    step->rate = calloc(shards, sizeof(double));
    step->offered = calloc(shards, sizeof(uint32_t));
    step->hist = calloc(1, sizeof(shardload_hist_t));

    if (step->rate == NULL || step->offered == NULL || step->hist == NULL) {
        return NULL;
    }

    load->nsteps++;

    return step;
}


/* one step each second, all shards alike */

int
shardload_schedule_constant(shardload_t *load)
{
    double             left;
    uint32_t           i;
    shardload_step_t  *step;

    for (left = load->conf.seconds; left > 0; left -= 1) {
        step = shardload_step_add(load);
        if (step == NULL) {
            fputs("shardload: out of memory\n", stderr);
            return -1;
        }

        step->start_us = (uint64_t) (load->nsteps - 1) * 1000000;
        step->end_us = step->start_us
                       + (uint64_t) ((left < 1 ? left : 1) * 1e6);

        for (i = 0; i < load->conf.shards; i++) {
            step->rate[i] = load->conf.rate / load->conf.shards;
        }
    }

    return shardload_schedule_end(load);
}


int
shardload_schedule_load(shardload_t *load)
{
    int          rc;
    char        *line;
    FILE        *f;
    size_t       room;
    ssize_t      n;
    uint32_t     number;
    const char  *path, *p;

    path = load->conf.schedule;
    f = fopen(path, "r");

    if (f == NULL) {
        fprintf(stderr, "shardload: %s: %s\n", path, strerror(errno));
        return -1;
    }

    line = NULL;
    room = 0;
    rc = 0;

    for (number = 1; rc == 0; number++) {
        n = getline(&line, &room, f);

        if (n < 0) {
            break;
        }

        if (n > SHARDLOAD_LINE_MAX || load->nsteps == SHARDLOAD_STEPS_MAX) {
            fprintf(stderr, "%s:%u: too long\n", path, number);
            rc = -1;

        } else if (number == 1) {

            /* the columns after "start_ms" are the shards */

            for (load->conf.shards = 0, p = line; *p; p++) {
                load->conf.shards += (*p == ',');
            }

        } else {
            rc = shardload_schedule_line(load, path, number, line);
        }
    }

    free(line);
    fclose(f);

    return rc == 0 ? shardload_schedule_end(load) : -1;
}


static int
shardload_schedule_line(shardload_t *load, const char *path, uint32_t number,
    char *line)
{
    char              *p, *end;
    double             value;
    uint32_t           i;
    shardload_step_t  *step;

    step = shardload_step_add(load);
    if (step == NULL) {
        fputs("shardload: out of memory\n", stderr);
        return -1;
    }

    for (i = 0, p = line; i <= load->conf.shards; i++, p = end + 1) {
        value = strtod(p, &end);

        if (end == p || !(value >= 0 && value <= 1e9)
            || (i < load->conf.shards && *end != ',')
            || (i == load->conf.shards && *end != '\n' && *end != '\0'))
        {
            fprintf(stderr, "%s:%u: column %u: a number was expected, and %u "
                    "columns in all\n", path, number, i + 1,
                    load->conf.shards + 1);
            return -1;
        }

        if (i == 0) {
            step->start_us = (uint64_t) (value * 1000);

        } else {
            step->rate[i - 1] = value;
        }
    }

    if (load->nsteps > 1) {
        if (step->start_us <= step[-1].start_us) {
            fprintf(stderr, "%s:%u: start_ms does not ascend\n", path, number);
            return -1;
        }

        step[-1].end_us = step->start_us;
    }

    return 0;
}


/* the last step lasts as long as the one before it */

static int
shardload_schedule_end(shardload_t *load)
{
    uint32_t           i;
    shardload_step_t  *last;

    if (load->nsteps == 0) {
        fputs("shardload: the schedule has no steps\n", stderr);
        return -1;
    }

    last = &load->steps[load->nsteps - 1];

    if (last->end_us == 0) {
        last->end_us = last->start_us + (load->nsteps > 1
                       ? last[-1].end_us - last[-1].start_us : 1000000);
    }

    load->need = calloc(load->conf.shards, sizeof(double));
    if (load->need == NULL) {
        fputs("shardload: out of memory\n", stderr);
        return -1;
    }

    for (i = 0; i < load->conf.shards; i++) {
        load->need[i] = load->conf.poisson ? shardload_need(load)
                                           : shardload_uniform(load);
    }

    return 0;
}


static int
shardload_arrival_compare(const void *one, const void *two)
{
    const shardload_arrival_t  *a = one, *b = two;

    return a->at_us < b->at_us ? -1 : a->at_us > b->at_us;
}


static void
shardload_arrival_add(shardload_t *load, uint64_t at_us, uint32_t shard)
{
    size_t                room;
    shardload_arrival_t  *arrivals;

    if (load->narrivals == load->arrivals_room) {
        room = load->arrivals_room ? load->arrivals_room * 2 : 4096;
        arrivals = realloc(load->arrivals, room * sizeof(*arrivals));

        if (arrivals == NULL) {
            fputs("shardload: out of memory\n", stderr);
            exit(1);
        }

        load->arrivals = arrivals;
        load->arrivals_room = room;
    }

    load->arrivals[load->narrivals].at_us = at_us;
    load->arrivals[load->narrivals++].shard = shard;
}


void
shardload_schedule_step(shardload_t *load)
{
    double             left, rate, at;
    uint32_t           i;
    shardload_step_t  *step;

    step = &load->steps[load->step];
    load->narrivals = 0;
    load->next_arrival = 0;

    for (i = 0; i < load->conf.shards; i++) {
        rate = step->rate[i] / 1e6;
        left = rate * (double) (step->end_us - step->start_us);
        at = 0;

        while (load->need[i] <= left && rate > 0) {
            left -= load->need[i];
            at += load->need[i] / rate;
            load->need[i] = shardload_need(load);
            shardload_arrival_add(load, step->start_us + (uint64_t) at, i);
        }

        load->need[i] -= left;
    }

    if (load->narrivals) {
        qsort(load->arrivals, load->narrivals, sizeof(shardload_arrival_t),
              shardload_arrival_compare);
    }
}
