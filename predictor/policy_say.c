
/* What is known of moves in general, for people: field "moves" of the
 * "predictor" hash. */

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "number.h"
#include "policy.h"


#define PREDICTOR_POLICY_GB  1e9


/* how many more may begin, null: no limit */

static json_t *
predictor_policy_left(const predictor_budget_t *b)
{
    uint32_t  left;

    left = predictor_budget_left(b);

    return left == UINT32_MAX ? json_null() : json_integer(left);
}


int
predictor_policy_say(const predictor_policy_t *p, const predictor_fleet_t *f,
    const predictor_io_t *io)
{
    int                              rc;
    char                            *text;
    json_t                          *root;
    const predictor_duration_t      *d;
    const predictor_duration_fit_t  *all;

    d = &f->duration;
    all = &d->all;

    root = json_pack("{s{sI sf sf sf sf sf} s{sf sI sf so} sI}",
                     "duration",
                     "seen", (json_int_t) (all->n + d->promoted.n),
                     "move_s", f->plan.limits.move_s,
                     "fixed_s", all->fixed_s,
                     "gb_s", all->byte_s * PREDICTOR_POLICY_GB,
                     "hi", f->plan.limits.move_spread + 1,
                     "hold_s", d->hold_s,
                     "window",
                     "window_s", f->budget.window_s,
                     "moves", (json_int_t) f->budget.fleet.moves,
                     "gb", f->budget.fleet.bytes / PREDICTOR_POLICY_GB,
                     "left", predictor_policy_left(&f->budget),
                     "sizes", (json_int_t) p->sizes.known);

    if (root && p->err[0]) {
        json_object_set_new(root, "policy", json_string(p->err));
    }

    text = predictor_number_text(root);

    if (text == NULL) {
        return SHARDD_BAD;
    }

    const shardd_field_t  fields[] = {
        { "moves", text }
    };

    rc = io->hash_put(io->data, "predictor", fields, 1);
    free(text);

    return rc;
}
