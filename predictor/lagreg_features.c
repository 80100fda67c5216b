
#include "lagreg_features.h"


/* how fast yesterday's weight fades in the daily base */

#define PREDICTOR_LAGREG_FADE  0.6


static void predictor_lagreg_windows(predictor_lagreg_plan_t *plan);
static void predictor_lagreg_anomalies(const predictor_lagreg_plan_t *plan,
    predictor_lagreg_view_t *view, uint32_t from);
static void predictor_lagreg_take(predictor_lagreg_view_t *view,
    uint32_t from, uint32_t back, double weight);
static double predictor_lagreg_base(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t t, uint32_t h,
    double *daily);
static double predictor_lagreg_near(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t slot, uint32_t t);
static double predictor_lagreg_around(const double *sum, uint32_t slot,
    uint32_t wide, uint32_t t);
static double predictor_lagreg_mean(const double *sum, uint32_t end,
    uint32_t window);


int
predictor_lagreg_plan(const predictor_series_t *series,
    const predictor_ask_t *ask, predictor_lagreg_plan_t *plan)
{
    uint32_t  n, day, have, some;

    n = series->n;
    day = series->day;

    if (day < 4 || n / day < 3) {
        return SHARD_AGAIN;
    }

    /* bases within 45 % of the history leave the rest to learn from */

    have = n / day;
    some = (uint32_t) (0.45 * n / day);
    plan->days = have > 4 ? have - 3 : 1;
    plan->days = plan->days < some ? plan->days : some;
    plan->days = plan->days > 1 ? plan->days : 1;

    if (plan->days > PREDICTOR_LAGREG_DAYS) {
        plan->days = PREDICTOR_LAGREG_DAYS;
    }

    plan->day = day;
    plan->week = series->week;
    plan->weeks = 0;

    if (plan->week && n / day >= 18) {
        have = n / plan->week;
        some = (uint32_t) (0.45 * n / plan->week);
        plan->weeks = have > 1 ? have - 1 : 0;
        plan->weeks = plan->weeks < some ? plan->weeks : some;

        if (plan->weeks > PREDICTOR_LAGREG_WEEKS) {
            plan->weeks = PREDICTOR_LAGREG_WEEKS;
        }
    }

    if (ask->horizon > plan->days * day) {
        return SHARD_AGAIN;
    }

    plan->start = plan->days * day;

    if (plan->start < plan->weeks * plan->week) {
        plan->start = plan->weeks * plan->week;
    }

    plan->smooth = day / 96 < 6 ? day / 96 : 6;
    plan->wide = day / 24;
    plan->lags = 4;
    plan->hour = series->interval_s < 3600 ? 3600 / series->interval_s : 1;

    predictor_lagreg_windows(plan);

    return SHARD_OK;
}


/* from one step to a week, ascending, each length once */

static void
predictor_lagreg_windows(predictor_lagreg_plan_t *plan)
{
    uint32_t  i, j, w, hour = plan->hour;
    uint32_t  wish[PREDICTOR_LAGREG_WINDOWS] = {
        1, 2, 3, hour / 2 > 4 ? hour / 2 : 4, hour, 3 * hour, 6 * hour,
        plan->day / 2, plan->day, 3 * plan->day, 7 * plan->day
    };

    plan->nwindows = 0;

    for (i = 0; i < PREDICTOR_LAGREG_WINDOWS; i++) {
        w = wish[i];

        for (j = plan->nwindows; j > 0 && plan->window[j - 1] > w; j--) {
            /* finds the place */
        }

        if (w > 7 * plan->day || (j > 0 && plan->window[j - 1] == w)) {
            continue;
        }

        for (w = plan->nwindows++; w > j; w--) {
            plan->window[w] = plan->window[w - 1];
        }

        plan->window[j] = wish[i];
    }
}


size_t
predictor_lagreg_view_size(uint32_t n)
{
    return 5 * ((size_t) n + 1);
}


double *
predictor_lagreg_view_place(predictor_lagreg_view_t *view, double *memory,
    uint32_t n)
{
    view->n = n;
    view->z = memory;
    view->zsum = view->z + n + 1;
    view->smooth = view->zsum + n + 1;
    view->anomaly = view->smooth + n + 1;
    view->asum = view->anomaly + n + 1;

    return view->asum + n + 1;
}


void
predictor_lagreg_view_fill(const predictor_lagreg_plan_t *plan,
    predictor_lagreg_view_t *view, uint32_t from)
{
    double    one;
    uint32_t  i;

    view->zsum[0] = 0;

    for (i = 0; i < view->n; i++) {
        view->zsum[i + 1] = view->zsum[i] + view->z[i];
    }

    one = 1.0 / (2 * plan->smooth + 1);

    for (i = plan->smooth; i + plan->smooth < view->n; i++) {
        view->smooth[i] = (view->zsum[i + plan->smooth + 1]
                           - view->zsum[i - plan->smooth]) * one;
    }

    if (from < plan->start + plan->smooth + 1) {
        from = plan->start + plan->smooth + 1;
    }

    predictor_lagreg_anomalies(plan, view, from);

    view->asum[0] = 0;

    for (i = 0; i < view->n; i++) {
        view->asum[i + 1] = view->asum[i] + view->anomaly[i];
    }
}


/* values without predictor_lagreg_base() of the step before, all at once */

static void
predictor_lagreg_anomalies(const predictor_lagreg_plan_t *plan,
    predictor_lagreg_view_t *view, uint32_t from)
{
    double    weight, weights, half;
    uint32_t  i, k;

    from = from < view->n ? from : view->n;

    for (i = 0; i < from; i++) {
        view->anomaly[i] = 0;
    }

    for ( /* void */ ; i < view->n; i++) {
        view->anomaly[i] = view->z[i];
    }

    half = plan->weeks ? 0.5 : 1;
    weight = 1;
    weights = 0;

    for (k = 1; k <= plan->days; k++) {
        weights += weight;
        weight *= PREDICTOR_LAGREG_FADE;
    }

    weight = half / weights;

    for (k = 1; k <= plan->days; k++) {
        predictor_lagreg_take(view, from, k * plan->day, weight);
        weight *= PREDICTOR_LAGREG_FADE;
    }

    for (k = 1; k <= plan->weeks; k++) {
        predictor_lagreg_take(view, from, k * plan->week,
                              half / plan->weeks);
    }
}


/* what was "back" steps before; a slot's mean ends before the step itself */

static void
predictor_lagreg_take(predictor_lagreg_view_t *view, uint32_t from,
    uint32_t back, double weight)
{
    uint32_t       i;
    double        *anomaly;
    const double  *smooth;

    anomaly = view->anomaly;
    smooth = view->smooth;

    for (i = from; i < view->n; i++) {
        anomaly[i] -= weight * smooth[i - back];
    }
}


uint32_t
predictor_lagreg_row(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t t, uint32_t h, float *row,
    double *base)
{
    double         b, daily, mean;
    float         *p;
    uint32_t       i, slot, days, weeks;
    const double  *z;

    z = view->z;
    p = row;
    slot = t + h;
    b = predictor_lagreg_base(plan, view, t, h, &daily);

    /* whole seasons that lie between the origin and the slot are not known */

    days = (h + plan->day - 1) / plan->day;
    weeks = plan->weeks ? (h + plan->week - 1) / plan->week : 1;

    *p++ = 1;
    *p++ = (float) (daily - b);

    for (i = days; i < days + 3 && i <= plan->days; i++) {
        *p++ = (float) (z[slot - i * plan->day] - b);
    }

    for (i = weeks; i < weeks + 2 && i <= plan->weeks; i++) {
        *p++ = (float) (z[slot - i * plan->week] - b);
    }

    *p++ = (float) view->anomaly[slot - days * plan->day];

    for (i = 0; i < plan->nwindows; i++) {
        *p++ = (float) predictor_lagreg_mean(view->asum, t, plan->window[i]);
    }

    for (i = 1; i < plan->lags; i++) {
        *p++ = (float) view->anomaly[t - i];
    }

    /* what repeats every hour does so between the days, too */

    if (plan->hour > 2) {
        i = (h + plan->hour - 1) / plan->hour;
        *p++ = (float) view->anomaly[slot - i * plan->hour];
    }

    i = slot - days * plan->day;
    *p++ = (float) predictor_lagreg_around(view->asum, i, plan->wide, t);

    if (weeks <= plan->weeks) {
        i = slot - weeks * plan->week;
        *p++ = (float) (predictor_lagreg_around(view->zsum, i, plan->wide, t)
                        - b);
    }

    mean = predictor_lagreg_mean(view->zsum, t, plan->day);

    *p++ = (float) (b - mean);
    *p++ = (float) (z[t] - mean);
    *p++ = (float) (z[t] - z[t - 1]);
    *p++ = (float) (z[t] - b);

    *base = b;

    return (uint32_t) (p - row);
}


/* of step t + h, from what is known at t */

static double
predictor_lagreg_base(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t t, uint32_t h,
    double *daily)
{
    double    sum, weight, weights;
    uint32_t  i, slot, first;

    slot = t + h;
    first = (h + plan->day - 1) / plan->day;
    sum = 0;
    weights = 0;
    weight = 1;

    for (i = first; i <= plan->days; i++) {
        sum += weight * predictor_lagreg_near(plan, view,
                                              slot - i * plan->day, t);
        weights += weight;
        weight *= PREDICTOR_LAGREG_FADE;
    }

    *daily = sum / weights;

    first = plan->weeks ? (h + plan->week - 1) / plan->week : 1;

    if (first > plan->weeks) {
        return *daily;
    }

    sum = 0;

    for (i = first; i <= plan->weeks; i++) {
        sum += predictor_lagreg_near(plan, view, slot - i * plan->week, t);
    }

    return 0.5 * (*daily + sum / (plan->weeks - first + 1));
}


/* mean around a slot, of nothing after t */

static double
predictor_lagreg_near(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t slot, uint32_t t)
{
    uint32_t  low;

    if (slot + plan->smooth <= t) {
        return view->smooth[slot];
    }

    low = slot - plan->smooth;

    return (view->zsum[t + 1] - view->zsum[low]) / (t + 1 - low);
}


/* mean of 2 wide + 1 values around a slot, of nothing after t */

static double
predictor_lagreg_around(const double *sum, uint32_t slot, uint32_t wide,
    uint32_t t)
{
    uint32_t  low, end;

    low = slot > wide ? slot - wide : 0;
    end = slot + wide < t ? slot + wide : t;

    return (sum[end + 1] - sum[low]) / (end + 1 - low);
}


static double
predictor_lagreg_mean(const double *sum, uint32_t end, uint32_t window)
{
    uint32_t  low;

    low = end + 1 > window ? end + 1 - window : 0;

    return (sum[end + 1] - sum[low]) / (end + 1 - low);
}
