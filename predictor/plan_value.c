
/* What a second at a load costs, and how much a second ahead counts. */

#include "normal.h"
#include "plan_parts.h"


#define PREDICTOR_PLAN_EXCESS   2       /* weight of the second term */
#define PREDICTOR_PLAN_FAR      6       /* sigmas that nothing is beyond */


/* P(Z < z), to 2e-4: a logistic curve (Bowling et al., 2009) */

static double
predictor_plan_normal(double z)
{
    return 1 / (1 + exp(-z * (1.5976 + 0.07056 * z * z)));
}


/* of the load's distance to one limit, "above" it */

static double
predictor_plan_above(double above, double sigma, double limit)
{
    double  z, p, excess;

    if (above < -PREDICTOR_PLAN_FAR * sigma) {
        return 0;
    }

    if (above > PREDICTOR_PLAN_FAR * sigma) {
        return 1 + PREDICTOR_PLAN_EXCESS * above / limit;
    }

    if (sigma <= 0) {
        return 0;                                  /* just at the limit */
    }

    z = above / sigma;
    p = predictor_plan_normal(z);
    excess = sigma * exp(-z * z / 2) * 0.39894228 + above * p;

    return p + PREDICTOR_PLAN_EXCESS * predictor_plan_least0(excess) / limit;
}


double
predictor_plan_value(const predictor_plan_t *plan,
    const predictor_plan_node_t *node, const predictor_plan_load_t *load)
{
    double  limit, sigma, value;

    /* beyond what any correlation makes of it: most nodes, most of the time */

    limit = node->capacity;

    if (plan->limits.threshold < 1) {
        limit *= plan->limits.threshold;
    }

    sigma = plan->limits.caution * load->deviation;

    if (load->mean + PREDICTOR_PLAN_FAR * sigma < limit) {
        return 0;
    }

    sigma = plan->limits.caution * predictor_plan_deviation(plan, load);
    value = predictor_plan_above(load->mean - limit, sigma, limit);

    if (limit < node->capacity) {
        value += predictor_plan_above(load->mean - node->capacity, sigma,
                                      node->capacity);
        value /= 2;
    }

    return value;
}


double
predictor_plan_caution(double caution, double quantile)
{
    /* a quantile near the middle says little of the deviation */

    return caution / predictor_normal_quantile(fmin(fmax(quantile, 0.75),
                                                    0.999));
}


void
predictor_plan_weigh(predictor_plan_t *plan)
{
    double    *weight, w;
    uint32_t   h, last, full;

    weight = predictor_plan_weights(plan);
    last = plan->nsteps;
    full = predictor_plan_ahead(plan, 2 * plan->limits.move_s
                                         * (1 + plan->limits.move_spread)
                                      + plan->limits.margin_s);

    for (h = 0; h <= last; h++) {
        w = h > full ? (double) (last + 1 - h) / (last + 1 - full) : 1;
        weight[h] = plan->limits.step_s * w;
    }
}
