
/*
 * Options of commands, and values that several of them have.  What is wrong
 * with one is said on standard error; then SHARD_ERROR is returned.
 */


#ifndef _PREDICTOR_ARGS_H_INCLUDED_
#define _PREDICTOR_ARGS_H_INCLUDED_


#include <getopt.h>
#include <stdio.h>

#include "models.h"


#define PREDICTOR_INTERVAL_MAX  (7 * 86400)         /* seconds */


/* one option: SHARD_OK, or SHARD_ERROR when its value is wrong */

typedef int (*predictor_arg_pt)(int option, const char *value, void *data);

typedef struct {
    const char           *order;        /* getopt's: "+:", ":" */
    const struct option  *options;      /* 'h' is --help */
    const char *const    *words;        /* the same, as given; NULL behind */
    predictor_arg_pt      take;
} predictor_args_t;


/* "optind" is what follows then; SHARD_AGAIN: help is wanted */

int predictor_args(int argc, char **argv, const predictor_args_t *args,
    void *data);

int predictor_arg_number(const char *name, const char *value, uint32_t max,
    uint32_t *number);

/* parts of a day as well, 0.1 at least */

int predictor_arg_days(const char *name, const char *value, uint32_t max,
    double *days);

/* "A" or "A,B"; the latter must be a multiple of the former */

int predictor_arg_seasons(const char *value, uint32_t *season);
int predictor_arg_weeks(const uint32_t *season);

/* NULL for the combination; "name" is the option's */

int predictor_arg_model(const char *name, const char *value,
    const predictor_model_t **wish);

/* the models' names, in lines, each after a blank */

void predictor_arg_models(FILE *out);


#endif /* _PREDICTOR_ARGS_H_INCLUDED_ */
