
#include "lagreg_features.h"


/* how fast yesterday's weight fades in the daily base */

#define PREDICTOR_LAGREG_FADE  0.6


static void predictor_lagreg_windows(predictor_lagreg_plan_t *plan);
static void predictor_lagreg_backs(predictor_lagreg_plan_t *plan);
static double predictor_lagreg_left(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t i);
static double predictor_lagreg_left_sum(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t low, uint32_t end);
static double predictor_lagreg_smooth(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t slot);
static double predictor_lagreg_anomaly(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t i);
static double predictor_lagreg_anomalies(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t low, uint32_t end);
static double predictor_lagreg_base(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t t, uint32_t h,
    double *daily);
static double predictor_lagreg_near(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t slot, uint32_t t);
static double predictor_lagreg_mean(const predictor_lagreg_view_t *view,
    uint32_t low, uint32_t end);
static double predictor_lagreg_sum(const predictor_lagreg_view_t *view,
    uint32_t low, uint32_t end);
static double predictor_lagreg_z(const predictor_lagreg_view_t *view,
    uint32_t i);
static uint32_t predictor_lagreg_low(uint32_t end, uint32_t window);


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
    plan->even = 1.0 / (2 * plan->smooth + 1);
    plan->wide = day / 24;
    plan->hour = series->interval_s < 3600 ? 3600 / series->interval_s : 1;

    predictor_lagreg_windows(plan);
    predictor_lagreg_backs(plan);

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


/* the base of the step after the last known one, as shares of slots */

static void
predictor_lagreg_backs(predictor_lagreg_plan_t *plan)
{
    double    weight, weights, half;
    uint32_t  k;

    half = plan->weeks ? 0.5 : 1;
    weight = 1;
    weights = 0;
    plan->nbacks = 0;

    for (k = 1; k <= plan->days; k++) {
        weights += weight;
        weight *= PREDICTOR_LAGREG_FADE;
    }

    weight = half / weights;

    for (k = 1; k <= plan->days; k++) {
        plan->back[plan->nbacks] = k * plan->day;
        plan->share[plan->nbacks++] = weight;
        weight *= PREDICTOR_LAGREG_FADE;
    }

    for (k = 1; k <= plan->weeks; k++) {
        plan->back[plan->nbacks] = k * plan->week;
        plan->share[plan->nbacks++] = half / plan->weeks;
    }
}


void
predictor_lagreg_list(const predictor_lagreg_plan_t *plan,
    predictor_lagreg_view_t *view)
{
    double    *anomaly, *asum, *daily, *base;
    uint32_t   i, from;

    anomaly = view->zsum + view->n + 1;
    asum = anomaly + view->n;
    from = plan->start + plan->smooth + 1;
    asum[0] = 0;

    for (i = 0; i < view->n; i++) {
        anomaly[i] = i < from ? 0 : predictor_lagreg_left(plan, view, i);
        asum[i + 1] = asum[i] + anomaly[i];
    }

    view->anomaly = anomaly;
    view->asum = asum;

    daily = asum + view->n + 1;
    base = daily + view->n;

    for (i = from; i < view->n; i++) {
        base[i] = predictor_lagreg_base(plan, view, i - 1, 1, &daily[i]);
    }

    view->daily = daily;
    view->base = base;
}


/* what the base leaves of a value; a slot's mean ends before the step itself */

static double
predictor_lagreg_left(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t i)
{
    double    left;
    uint32_t  k;

    left = predictor_lagreg_z(view, i);

    for (k = 0; k < plan->nbacks; k++) {
        left -= plan->share[k]
                * predictor_lagreg_smooth(plan, view, i - plan->back[k]);
    }

    return left;
}


/* of low .. end - 1 together: the ends of a mean over means tell it */

static double
predictor_lagreg_left_sum(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t low, uint32_t end)
{
    double         sum, means;
    uint32_t       i, j, k, around;
    const double  *last, *first;

    around = 2 * plan->smooth;
    sum = predictor_lagreg_sum(view, low, end);

    for (k = 0; k < plan->nbacks; k++) {
        i = end - plan->back[k] - plan->smooth;
        predictor_lagreg_view_need(view, i, i + around);
        last = view->zsum + i;

        i = low - plan->back[k] - plan->smooth;
        predictor_lagreg_view_need(view, i, i + around);
        first = view->zsum + i;

        means = 0;

        for (j = 0; j <= around; j++) {
            means += last[j] - first[j];
        }

        sum -= plan->share[k] * means * plan->even;
    }

    return sum;
}


static double
predictor_lagreg_smooth(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t slot)
{
    return predictor_lagreg_sum(view, slot - plan->smooth,
                                slot + plan->smooth + 1) * plan->even;
}


/* a forecast asks for few: it has no list of them */

static double
predictor_lagreg_anomaly(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t i)
{
    return view->anomaly ? view->anomaly[i]
                         : predictor_lagreg_left(plan, view, i);
}


/* mean of low .. end - 1 */

static double
predictor_lagreg_anomalies(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t low, uint32_t end)
{
    double    sum;
    uint32_t  from;

    if (view->asum) {
        sum = view->asum[end] - view->asum[low];

    } else {
        from = plan->start + plan->smooth + 1;
        sum = predictor_lagreg_left_sum(plan, view, low > from ? low : from,
                                        end);
    }

    return sum / (end - low);
}


void
predictor_lagreg_origin(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view, uint32_t t,
    predictor_lagreg_origin_t *origin)
{
    float     *p;
    uint32_t   i, low;

    p = origin->recent;

    for (i = 0; i < plan->nwindows; i++) {
        low = predictor_lagreg_low(t + 1, plan->window[i]);
        *p++ = (float) predictor_lagreg_anomalies(plan, view, low, t + 1);
    }

    for (i = 1; i <= PREDICTOR_LAGREG_LAGS; i++) {
        *p++ = (float) predictor_lagreg_anomaly(plan, view, t - i);
    }

    low = predictor_lagreg_low(t + 1, plan->day);

    origin->mean = predictor_lagreg_mean(view, low, t + 1);
    origin->n = (uint32_t) (p - origin->recent);
    origin->t = t;
}


uint32_t
predictor_lagreg_row(const predictor_lagreg_plan_t *plan,
    const predictor_lagreg_view_t *view,
    const predictor_lagreg_origin_t *origin, uint32_t h, float *row,
    double *base)
{
    double     b, z, daily;
    float     *p;
    uint32_t   i, t, slot, low, end, days, weeks;

    p = row;
    t = origin->t;
    slot = t + h;

    if (view->base && h + plan->smooth <= plan->day) {
        b = view->base[slot];
        daily = view->daily[slot];

    } else {
        b = predictor_lagreg_base(plan, view, t, h, &daily);
    }

    /* whole seasons that lie between the origin and the slot are not known */

    days = (h + plan->day - 1) / plan->day;
    weeks = plan->weeks ? (h + plan->week - 1) / plan->week : 1;

    *p++ = 1;
    *p++ = (float) (daily - b);

    for (i = days; i < days + 3 && i <= plan->days; i++) {
        *p++ = (float) (predictor_lagreg_z(view, slot - i * plan->day) - b);
    }

    for (i = weeks; i < weeks + 2 && i <= plan->weeks; i++) {
        *p++ = (float) (predictor_lagreg_z(view, slot - i * plan->week) - b);
    }

    i = slot - days * plan->day;
    *p++ = (float) predictor_lagreg_anomaly(plan, view, i);

    for (i = 0; i < origin->n; i++) {
        *p++ = origin->recent[i];
    }

    /* what repeats every hour does so between the days, too */

    if (plan->hour > 2 && plan->hour <= plan->day) {
        i = (h + plan->hour - 1) / plan->hour;
        *p++ = (float) predictor_lagreg_anomaly(plan, view,
                                                slot - i * plan->hour);
    }

    i = slot - days * plan->day;
    low = predictor_lagreg_low(i, plan->wide);
    end = i + plan->wide < t ? i + plan->wide : t;
    *p++ = (float) predictor_lagreg_anomalies(plan, view, low, end + 1);

    if (weeks <= plan->weeks) {
        i = slot - weeks * plan->week;
        low = predictor_lagreg_low(i, plan->wide);
        end = i + plan->wide < t ? i + plan->wide : t;
        *p++ = (float) (predictor_lagreg_mean(view, low, end + 1) - b);
    }

    z = predictor_lagreg_z(view, t);

    *p++ = (float) (b - origin->mean);
    *p++ = (float) (z - origin->mean);
    *p++ = (float) (z - predictor_lagreg_z(view, t - 1));
    *p++ = (float) (z - b);

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
        return predictor_lagreg_smooth(plan, view, slot);
    }

    low = slot - plan->smooth;

    return predictor_lagreg_mean(view, low, t + 1);
}


/* of low .. end - 1 */

static double
predictor_lagreg_mean(const predictor_lagreg_view_t *view, uint32_t low,
    uint32_t end)
{
    return predictor_lagreg_sum(view, low, end) / (end - low);
}


/* of low .. end - 1 */

static double
predictor_lagreg_sum(const predictor_lagreg_view_t *view, uint32_t low,
    uint32_t end)
{
    predictor_lagreg_view_need(view, low, low);
    predictor_lagreg_view_need(view, end, end);

    return view->zsum[end] - view->zsum[low];
}


static double
predictor_lagreg_z(const predictor_lagreg_view_t *view, uint32_t i)
{
    predictor_lagreg_view_need(view, i, i);

    return view->z[i];
}


/* so many steps before, or the first */

static uint32_t
predictor_lagreg_low(uint32_t end, uint32_t window)
{
    return end > window ? end - window : 0;
}
