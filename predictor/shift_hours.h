
/*
 * A series by hours, to look for shifts in (shift.h): how far each is from
 * what it usually is.  Known to shift.c only.
 */


#ifndef _PREDICTOR_SHIFT_HOURS_H_INCLUDED_
#define _PREDICTOR_SHIFT_HOURS_H_INCLUDED_


#include "shift.h"


/* parts of a day: an "hour", or more where a day has fewer steps */

#define PREDICTOR_HOURS_PARTS   24

/* fewest that make a shift, of 24; those that must not deny it */

#define PREDICTOR_HOURS_FIRST   8
#define PREDICTOR_HOURS_LAST    3

/* of a longer stretch so many are looked at */

#define PREDICTOR_HOURS_SAMPLE  48


/* hours count back from the end of the series: 0 is the last one */

typedef struct {
    uint32_t                   step;        /* steps in an hour */
    uint32_t                   day;         /* hours in a day */
    uint32_t                   week;        /* 0: none */
    uint32_t                   n;
    uint32_t                   first;       /* fewest that make a shift */
    double                     pad;         /* c */
    double                    *z;
} predictor_hours_t;

typedef struct {
    uint32_t                   since;       /* hours of it */
    uint32_t                   seen;        /* hours in d[] */
    double                     level;       /* m */
    double                     gain;
    double                     d[PREDICTOR_HOURS_SAMPLE];
} predictor_fall_t;


/* SHARD_AGAIN: too few, or nothing that has a logarithm */

int predictor_hours(const predictor_series_t *series, void *work,
    predictor_hours_t *hours);

/*
 * d of an hour: against the days before "since", and against the week before
 * where that is known, whichever says less; 0 when they disagree.
 */

double predictor_hours_apart(const predictor_hours_t *hours, uint32_t at,
    uint32_t since);

/* median of d of the hours from "first" up to "since", and their gain */

double predictor_hours_level(const predictor_hours_t *hours, uint32_t first,
    uint32_t since, predictor_fall_t *fall);

/* |m| that nine of ten windows of this length before "since" stay below */

double predictor_hours_usual(const predictor_hours_t *hours, uint32_t since,
    uint32_t length);


#endif /* _PREDICTOR_SHIFT_HOURS_H_INCLUDED_ */
