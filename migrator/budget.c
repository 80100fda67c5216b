
/* How many migrations may run at once: of a shard one, then by budgets. */


#include <stdio.h>
#include <string.h>

#include "preconditions.h"


static int migrator_budget_touches(const migrator_running_t *r,
    const char *name, int zone);


static int
migrator_budget_touches(const migrator_running_t *r, const char *name,
    int zone)
{
    return zone ? strcmp(r->zones[0], name) == 0
                  || strcmp(r->zones[1], name) == 0
                : strcmp(r->from, name) == 0 || strcmp(r->to, name) == 0;
}


static int
migrator_budget_of(const migrator_running_t *running, uint32_t n,
    const char *name, int zone, long most, char *why, size_t size)
{
    long      count;
    uint32_t  i;

    if (most == 0 || name[0] == '\0') {
        return 0;
    }

    count = 0;

    for (i = 0; i < n; i++) {
        count += migrator_budget_touches(&running[i], name, zone);
    }

    if (count < most) {
        return 0;
    }

    snprintf(why, size, "%ld migrations of %s%s run, %ld may at once", count,
             zone ? "zone " : "", name, most);

    return 1;
}


int
migrator_budget_full(const migrator_policy_t *policy,
    const migrator_running_t *running, uint32_t n,
    const migrator_running_t *one, char *why, size_t size)
{
    uint32_t  i;

    for (i = 0; i < n; i++) {
        if (running[i].shard == one->shard) {
            snprintf(why, size, "migration %016llx of the shard runs",
                     (unsigned long long) running[i].id);
            return 1;
        }
    }

    if (policy->max_fleet && n >= (uint32_t) policy->max_fleet) {
        snprintf(why, size, "%u migrations run, %ld may at once", n,
                 policy->max_fleet);
        return 1;
    }

    return migrator_budget_of(running, n, one->from, 0, policy->max_per_node,
                              why, size)
           || migrator_budget_of(running, n, one->to, 0,
                                 policy->max_per_node, why, size)
           || migrator_budget_of(running, n, one->zones[0], 1,
                                 policy->max_per_zone, why, size)
           || migrator_budget_of(running, n, one->zones[1], 1,
                                 policy->max_per_zone, why, size);
}
