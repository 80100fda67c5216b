
#include <math.h>
#include <string.h>

#include "additive.h"


#define PREDICTOR_ADDITIVE_YEAR_S  (365.25 * 86400)


static double *predictor_additive_waves(double turns, uint32_t n,
    uint32_t skip, double *row);


void
predictor_additive_plan(const predictor_series_t *series,
    const predictor_additive_given_t *given, predictor_additive_plan_t *plan)
{
    memset(plan, 0, sizeof(predictor_additive_plan_t));

    plan->start = series->start;
    plan->n = series->n;
    plan->day = series->day;
    plan->week = series->n / 2 >= series->week ? series->week : 0;
    plan->year = PREDICTOR_ADDITIVE_YEAR_S / series->interval_s;

    /* one in every two days at most, harmonics that the steps can show */

    plan->bends = series->n / series->day / 2;
    plan->bends = plan->bends < PREDICTOR_ADDITIVE_BENDS
                  ? plan->bends : PREDICTOR_ADDITIVE_BENDS;
    plan->days = (series->day - 1) / 2 < PREDICTOR_ADDITIVE_DAY
                 ? (series->day - 1) / 2 : PREDICTOR_ADDITIVE_DAY;
    plan->weeks = plan->week ? (plan->week - 1) / 2 : 0;
    plan->weeks = plan->weeks < PREDICTOR_ADDITIVE_WEEK
                  ? plan->weeks : PREDICTOR_ADDITIVE_WEEK;
    plan->years = series->n >= 2 * plan->year ? PREDICTOR_ADDITIVE_YEAR : 0;

    if (given) {
        plan->given = given->n < PREDICTOR_ADDITIVE_GIVEN
                      ? given->n : PREDICTOR_ADDITIVE_GIVEN;
    }
}


uint32_t
predictor_additive_columns(const predictor_additive_plan_t *plan)
{
    return 2 + plan->bends + 2 * (plan->days + plan->weeks + plan->years)
           + plan->given;
}


void
predictor_additive_row(const predictor_additive_plan_t *plan,
    const predictor_additive_given_t *given, uint64_t step, uint32_t block,
    double *row)
{
    double    time, middle, bend;
    uint32_t  i, k;
    uint64_t  at;

    middle = (block - 1) / 2.0;
    time = ((double) (step - plan->start) + middle) / plan->n;

    *row++ = 1;
    *row++ = time;

    for (i = 0; i < plan->bends; i++) {
        bend = 0.8 * (i + 1) / (plan->bends + 1);
        *row++ = time > bend ? time - bend : 0;
    }

    row = predictor_additive_waves(((double) (step % plan->day) + middle)
                                   / plan->day, plan->days, 0, row);

    if (plan->weeks) {
        row = predictor_additive_waves(((double) (step % plan->week) + middle)
                                       / plan->week, plan->weeks,
                                       plan->week / plan->day, row);
    }

    row = predictor_additive_waves(fmod((double) step, plan->year)
                                   / plan->year, plan->years, 0, row);

    for (i = 0; i < plan->given; i++) {
        *row = 0;

        for (k = 0; given && k < block; k++) {
            at = step + k - given->start;

            if (step + k >= given->start && at < given->steps) {
                *row += given->column[i][at] / block;
            }
        }

        row++;
    }
}


/* harmonics by the addition theorem; every "skip"-th is 0 */

static double *
predictor_additive_waves(double turns, uint32_t n, uint32_t skip, double *row)
{
    double    sine, cosine, s, c, next;
    uint32_t  i;

    sine = sin(2 * M_PI * turns);
    cosine = cos(2 * M_PI * turns);
    s = sine;
    c = cosine;

    for (i = 1; i <= n; i++) {
        *row++ = skip && i % skip == 0 ? 0 : s;
        *row++ = skip && i % skip == 0 ? 0 : c;

        next = s * cosine + c * sine;
        c = c * cosine - s * sine;
        s = next;
    }

    return row;
}
