
/*
 * Pictures of load by gnuplot: what was, forecasts with their bands, and what
 * came, in panels below each other; or what a caller's own script draws.
 */


#ifndef _SHARDD_PLOT_H_INCLUDED_
#define _SHARDD_PLOT_H_INCLUDED_


#include <stddef.h>
#include <stdio.h>

#include "shard_types.h"


/* values at equal steps; NaN is a gap */

typedef struct {
    long           at;              /* epoch of the first, seconds */
    long           step_s;
    size_t         n;
    const double  *v;               /* may be NULL if n is 0 */
} shardd_plot_line_t;

/* "low" and "high" may be NULL; values lie "stride" doubles apart */

typedef struct {
    long           at;
    long           step_s;
    size_t         n;
    size_t         stride;
    const double  *mid;
    const double  *low;
    const double  *high;
} shardd_plot_forecast_t;

typedef struct {
    char                           title[160];
    const char                    *unit;            /* NULL: unknown */
    const char                    *mid_title;
    const char                    *band_title;
    shardd_plot_line_t             history;
    shardd_plot_line_t             came;
    const shardd_plot_forecast_t  *forecast;
    size_t                         nforecasts;
} shardd_plot_panel_t;


/* SHARD_ERROR and err (SHARD_ERR_SIZE bytes): there is no file then */

int shardd_plot_png(const char *file, const shardd_plot_panel_t *panel,
    size_t n, char *err);


/* any other picture: "script" tells gnuplot what to draw into the file */

typedef void (*shardd_plot_script_pt)(FILE *out, const char *file,
    const void *data);

int shardd_plot_draw(const char *file, shardd_plot_script_pt script,
    const void *data, char *err);

/* its beginning: the file, time in UTC along x, n panels below each other */

void shardd_plot_begin(FILE *out, const char *file, size_t n);

void shardd_plot_quoted(FILE *out, const char *text);


#endif /* _SHARDD_PLOT_H_INCLUDED_ */
