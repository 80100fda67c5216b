
/* the picture of "shard-predictor forecast --plot" */


#ifndef _PREDICTOR_FORECAST_PLOT_H_INCLUDED_
#define _PREDICTOR_FORECAST_PLOT_H_INCLUDED_


#include "forecast_args.h"
#include "series_csv.h"


/* the process's exit status; what is wrong is said on standard error */

int predictor_forecast_plot(const predictor_forecast_args_t *a,
    const predictor_csv_t *csv, const char *used, const double *out);


#endif /* _PREDICTOR_FORECAST_PLOT_H_INCLUDED_ */
