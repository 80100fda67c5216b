
/*
 * What main() of shard-predictor dispatches to.  All return the process's
 * exit status: 0 ok, 1 failed, 2 usage.
 */


#ifndef _PREDICTOR_H_INCLUDED_
#define _PREDICTOR_H_INCLUDED_


/* runs until a signal ends it */

int predictor_daemon(const char *conf_path, int log_format);

/* prints the configuration as it is in force */

int predictor_daemon_check(const char *conf_path);

/* argv[0] is "forecast" */

int predictor_cmd_forecast(int argc, char **argv);

/* argv[0] is "backtest" */

int predictor_cmd_backtest(int argc, char **argv);

/* argv[0] is "simulate" */

int predictor_cmd_simulate(int argc, char **argv);


#endif /* _PREDICTOR_H_INCLUDED_ */
