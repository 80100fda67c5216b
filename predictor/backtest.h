
/*
 * "shard-predictor backtest": every model at every origin of every series,
 * judged by the protocol (protocol.h).
 *
 *   files ──▶ load ──▶ series ──┐          ┌──▶ table, verdicts   (stdout)
 *                               ├──▶ run ──┼──▶ JSON              (stdout)
 *   rows of other tools ────────┘    │     ├──▶ rows              (--csv)
 *                                    │     └──▶ picture           (--plot)
 *                    a thread per core, each (series, origin) a task
 *
 * A model is scored on the series where it made a forecast at every origin.
 */


#ifndef _PREDICTOR_BACKTEST_H_INCLUDED_
#define _PREDICTOR_BACKTEST_H_INCLUDED_


#include "models.h"
#include "protocol.h"


#define PREDICTOR_BACKTEST_MODELS  48       /* with rows of other tools */
#define PREDICTOR_BACKTEST_FILES   10000
#define PREDICTOR_BACKTEST_NAME    128


/* one forecast: rows of PREDICTOR_PROTOCOL_ROW, and CPU seconds */

typedef struct {
    double            *out;             /* NULL: none was made, or is kept */
    double             fit_s;
    double             forecast_s;
} predictor_made_t;

/* one model on one series */

typedef struct {
    predictor_made_t  *at;              /* by origin */
    uint32_t           made;            /* of the plan's norigins */
    predictor_score_t  score[PREDICTOR_BANDS];
} predictor_trial_t;

/* series that have a network in common, and its weights for each origin */

typedef struct {
    uint32_t           interval_s;
    uint32_t           day;
    uint32_t           ahead;
    uint32_t           series;
    uint32_t           norigins;
    float             *w[PREDICTOR_ORIGINS_MAX];    /* NULL: none */
} predictor_shared_t;

typedef struct {
    char                   name[PREDICTOR_BACKTEST_NAME];
    const char            *path;
    uint32_t               group;           /* of "shared" */
    double                *y;
    uint64_t               start;           /* epoch of y[0] */
    uint32_t               known;           /* steps that are no gaps */
    double                 scale;
    predictor_protocol_t   plan;
    predictor_trial_t     *trial;           /* by model */
} predictor_tested_t;

typedef struct {
    char                      name[PREDICTOR_BACKTEST_NAME];
    const predictor_model_t  *model;        /* NULL: the combination, rows */
    uint32_t                  rows;         /* made by another tool */
    uint32_t                  hidden;       /* only to compare with */
} predictor_rival_t;

typedef struct {
    predictor_protocol_wish_t   wish;
    uint32_t                    interval_s; /* 0: as the file tells */
    uint32_t                    threads;    /* 0: one for each core */
    uint32_t                    json;
    const char                 *models;     /* names, or "all" */
    const char                 *csv;
    const char                 *plot;
    const char                 *only;
    const char                **also;
    uint32_t                    nalso;
    char                      **file;
    uint32_t                    nfiles;

    predictor_rival_t           rival[PREDICTOR_BACKTEST_MODELS];
    uint32_t                    nrivals;
    uint32_t                    base;       /* rival that is naive-day */

    predictor_tested_t         *series;
    uint32_t                    nseries;    /* loaded */
    uint32_t                    ntested;    /* the first of them */
    uint32_t                    room;       /* allocated */
    uint32_t                    left_out;   /* files that are no series */
    predictor_shared_t         *shared;
    uint32_t                    nshared;    /* 0: every model learns alone */
    double                      seconds;    /* that the run took */
} predictor_backtest_t;

/* one model in one band, over all series that it is scored on */

typedef struct {
    uint32_t           rival;
    uint32_t           series;
    double             relative;            /* relMAE, geometric mean */
    double             worst;               /* of one series */
    uint32_t           worst_series;
    predictor_score_t  mean;
} predictor_line_t;


/* SHARD_AGAIN: help is wanted, SHARD_ERROR: bad use, which was said */

int predictor_backtest_args(int argc, char **argv, predictor_backtest_t *b);

/* the text of --help */

void predictor_backtest_usage(void);


/*
 * All of these say on standard error what is wrong, and return the process's
 * exit status.  A file that is no series counts as left out and is no error.
 */

int predictor_backtest_load(predictor_backtest_t *b);
int predictor_backtest_only(predictor_backtest_t *b);
int predictor_backtest_also(predictor_backtest_t *b);
int predictor_backtest_share(predictor_backtest_t *b);
int predictor_backtest_run(predictor_backtest_t *b);
int predictor_backtest_rows(const predictor_backtest_t *b);
int predictor_backtest_plot(const predictor_backtest_t *b);
int predictor_backtest_table(const predictor_backtest_t *b);
int predictor_backtest_json(const predictor_backtest_t *b);

void predictor_backtest_free(predictor_backtest_t *b);
void predictor_backtest_unshare(predictor_backtest_t *b);


/* a forecast by weights that were learnt from many series; state and work as
 * the model wants them, y has room for the history */

int predictor_backtest_shared(const float *w,
    const predictor_series_t *history, const predictor_ask_t *ask,
    void *state, void *work, double *y, double *out);


/* a model is scored on a series */

int predictor_backtest_scored(const predictor_backtest_t *b, uint32_t series,
    uint32_t rival, predictor_band_e band);

/* relMAE of one model on one series; NAN: not scored */

double predictor_backtest_relative(const predictor_backtest_t *b,
    uint32_t series, uint32_t rival, predictor_band_e band);

/* best first; how many lines there are */

uint32_t predictor_backtest_lines(const predictor_backtest_t *b,
    predictor_band_e band, predictor_line_t *line);

/* the series that one model is worst on, at most "max"; how many */

uint32_t predictor_backtest_worst(const predictor_backtest_t *b,
    uint32_t rival, predictor_band_e band, uint32_t *series, uint32_t max);

/* the longest band that any series has */

predictor_band_e predictor_backtest_longest(const predictor_backtest_t *b);

/* mean CPU seconds of one fit and one forecast; 0 when there was none */

void predictor_backtest_cost(const predictor_backtest_t *b, uint32_t rival,
    double *fit_s, double *forecast_s);


#endif /* _PREDICTOR_BACKTEST_H_INCLUDED_ */
