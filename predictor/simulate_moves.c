
/*
 * "--moves": a line for each move, from which anyone can tell the figures
 * again.  Where nodes fail or shards are cut there is a column more that says
 * what a line is about: a promotion commits as it starts, and what was given
 * up when a node failed is "aborted", then.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "simulate_command.h"


static int predictor_moves_write(const predictor_sim_world_t *w,
    const char *path);
static void predictor_moves_line(const predictor_sim_world_t *w,
    const predictor_sim_move_t *m, int acts, FILE *out);
static double predictor_moves_epoch(const predictor_sim_t *s, long step);


int
predictor_simulate_moves(const predictor_simulate_t *m)
{
    int          rc;
    char        *path;
    size_t       len, size;
    uint32_t     i;
    const char  *name;

    if (m->n == 1) {
        return predictor_moves_write(&m->result[0].world, m->moves);
    }

    len = strlen(m->moves);
    len -= len > 4 && strcmp(m->moves + len - 4, ".csv") == 0 ? 4 : 0;
    size = len + SHARD_NAME_SIZE;
    path = malloc(size);
    rc = path ? 0 : 1;

    for (i = 0; i < m->n && rc == 0; i++) {
        name = predictor_sim_words[m->result[i].policy.kind];
        snprintf(path, size, "%.*s-%s.csv", (int) len, m->moves, name);
        rc = predictor_moves_write(&m->result[i].world, path);
    }

    free(path);

    return rc;
}


static int
predictor_moves_write(const predictor_sim_world_t *w, const char *path)
{
    int       rc, acts;
    FILE     *out;
    uint32_t  i;

    out = fopen(path, "w");

    if (out == NULL) {
        fprintf(stderr, "shard-predictor: --moves %s: %s\n", path,
                strerror(errno));
        return 1;
    }

    acts = w->s->nfailures || w->s->conf.splits;

    fprintf(out, "decided,start,commit,shard,from,to%s\n",
            acts ? ",what" : "");

    for (i = 0; i < w->nmoves; i++) {
        predictor_moves_line(w, &w->moves[i], acts, out);
    }

    rc = ferror(out);

    if (fclose(out) != 0 || rc) {
        fprintf(stderr, "shard-predictor: --moves %s: writing failed\n",
                path);
        return 1;
    }

    return 0;
}


static void
predictor_moves_line(const predictor_sim_world_t *w,
    const predictor_sim_move_t *m, int acts, FILE *out)
{
    char  name[SHARD_NAME_SIZE];

    predictor_sim_world_name(w, m->shard, name);

    fprintf(out, "%.0f,%.0f,%.0f,%s,%s,%s", predictor_moves_epoch(w->s,
                                                                 m->start),
            predictor_moves_epoch(w->s, m->start),
            predictor_moves_epoch(w->s, m->commit), name,
            w->nodes[m->from].name, w->nodes[m->to].name);

    if (acts) {
        fprintf(out, ",%s", m->aborted ? "aborted"
                                       : predictor_sim_acts[m->act]);
    }

    fputc('\n', out);
}


static double
predictor_moves_epoch(const predictor_sim_t *s, long step)
{
    return (double) s->start_s + (double) step * s->step_s;
}
