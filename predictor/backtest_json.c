
#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "backtest.h"


static json_t *predictor_json_models(const predictor_backtest_t *b);
static json_t *predictor_json_model(const predictor_backtest_t *b,
    uint32_t rival);
static json_t *predictor_json_line(const predictor_backtest_t *b,
    const predictor_line_t *line);
static json_t *predictor_json_series(const predictor_backtest_t *b,
    uint32_t series);
static json_t *predictor_json_trial(const predictor_backtest_t *b,
    uint32_t series, uint32_t rival);
static json_t *predictor_json_score(const predictor_score_t *score,
    double relative);


int
predictor_backtest_json(const predictor_backtest_t *b)
{
    int        rc;
    json_t    *root, *series;
    uint32_t   i;

    series = json_array();

    for (i = 0; i < b->ntested; i++) {
        (void) json_array_append_new(series, predictor_json_series(b, i));
    }

    root = json_pack("{s:I, s:I, s:I, s:f, s:o, s:o}",
                     "series", (json_int_t) b->ntested,
                     "left_out", (json_int_t) b->left_out,
                     "threads", (json_int_t) b->threads,
                     "seconds", b->seconds,
                     "models", predictor_json_models(b),
                     "files", series);

    rc = root ? json_dumpf(root, stdout, JSON_REAL_PRECISION(9)
                           | JSON_INDENT(1)) : -1;
    json_decref(root);
    putchar('\n');

    if (rc != 0 || fflush(stdout) != 0) {
        fputs("shard-predictor: writing failed\n", stderr);
        return 1;
    }

    return 0;
}


static json_t *
predictor_json_models(const predictor_backtest_t *b)
{
    json_t    *models;
    uint32_t   i;

    models = json_array();

    for (i = 0; i < b->nrivals; i++) {
        if (!b->rival[i].hidden) {
            (void) json_array_append_new(models, predictor_json_model(b, i));
        }
    }

    return models;
}


static json_t *
predictor_json_model(const predictor_backtest_t *b, uint32_t rival)
{
    double             fit, forecast;
    json_t            *bands;
    uint32_t           i, n, band;
    predictor_line_t   line[PREDICTOR_BACKTEST_MODELS];

    bands = json_object();

    for (band = 0; band < PREDICTOR_BANDS; band++) {
        n = predictor_backtest_lines(b, (predictor_band_e) band, line);

        for (i = 0; i < n; i++) {
            if (line[i].rival == rival) {
                (void) json_object_set_new(bands, predictor_band_names[band],
                                           predictor_json_line(b, &line[i]));
            }
        }
    }

    predictor_backtest_cost(b, rival, &fit, &forecast);

    return json_pack("{s:s, s:b, s:f, s:f, s:o}",
                     "model", b->rival[rival].name,
                     "rows", b->rival[rival].rows > 0,
                     "fit_s", fit,
                     "forecast_s", forecast,
                     "bands", bands);
}


static json_t *
predictor_json_line(const predictor_backtest_t *b,
    const predictor_line_t *line)
{
    json_t  *json;

    json = predictor_json_score(&line->mean, line->relative);

    (void) json_object_set_new(json, "series",
                               json_integer((json_int_t) line->series));
    (void) json_object_set_new(json, "worst", json_real(line->worst));
    (void) json_object_set_new(json, "worst_series",
                          json_string(b->series[line->worst_series].name));
    (void) json_object_set_new(json, "loses", json_boolean(line->relative > 1
                                              && line->rival != b->base));
    return json;
}


static json_t *
predictor_json_series(const predictor_backtest_t *b, uint32_t series)
{
    json_t                    *origins, *models, *seasons;
    uint32_t                   i;
    const predictor_tested_t  *t;

    t = &b->series[series];
    origins = json_array();
    models = json_object();
    seasons = json_array();

    for (i = 0; i < t->plan.norigins; i++) {
        (void) json_array_append_new(origins,
                           json_integer((json_int_t) t->plan.origin[i]));
    }

    (void) json_array_append_new(seasons,
                                 json_integer((json_int_t) t->plan.day));
    if (t->plan.week) {
        (void) json_array_append_new(seasons,
                                     json_integer((json_int_t) t->plan.week));
    }

    for (i = 0; i < b->nrivals; i++) {
        if (!b->rival[i].hidden) {
            (void) json_object_set_new(models, b->rival[i].name,
                                       predictor_json_trial(b, series, i));
        }
    }

    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:I, s:I, s:f, s:o, "
                     "s:o}",
                     "series", t->name,
                     "file", t->path,
                     "interval_s", (json_int_t) t->plan.interval_s,
                     "n", (json_int_t) t->plan.n,
                     "gaps", (json_int_t) (t->plan.n - t->known),
                     "seasons", seasons,
                     "history", (json_int_t) t->plan.window,
                     "horizon", (json_int_t) t->plan.ahead,
                     "scale", t->scale,
                     "origins", origins,
                     "models", models);
}


static json_t *
predictor_json_trial(const predictor_backtest_t *b, uint32_t series,
    uint32_t rival)
{
    json_t                    *bands;
    uint32_t                   band;
    const predictor_trial_t   *trial;

    bands = json_object();
    trial = &b->series[series].trial[rival];

    for (band = 0; band < PREDICTOR_BANDS; band++) {
        if (predictor_backtest_scored(b, series, rival,
                                      (predictor_band_e) band))
        {
            (void) json_object_set_new(bands, predictor_band_names[band],
                     predictor_json_score(&trial->score[band],
                       predictor_backtest_relative(b, series, rival,
                                                   (predictor_band_e) band)));
        }
    }

    return bands;
}


static json_t *
predictor_json_score(const predictor_score_t *score, double relative)
{
    json_t  *json;

    json = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
                     "MASE", score->mase,
                     "sMAPE", score->smape,
                     "WAPE", score->wape,
                     "PB50", score->pinball[0],
                     "PB90", score->pinball[1],
                     "PB95", score->pinball[2],
                     "COV90", score->coverage);

    (void) json_object_set_new(json, "relMAE", isnan(relative)
                               ? json_null() : json_real(relative));

    return json;
}
