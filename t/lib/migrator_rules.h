
/*
 * What must be true whenever the table of migrator_world.h changes.
 */


#ifndef _MIGRATOR_RULES_H_INCLUDED_
#define _MIGRATOR_RULES_H_INCLUDED_


#include "migrator_world.h"


/* a promotion: committed, held, and opened when it was heard of */

static void
world_promote_rules(world_t *w, const shard_record_t *rec)
{
    world_node_t  *n2;

    n2 = &w->node[1];

    if (strcmp(rec->primary, w->rec.primary) != 0) {
        w->commits++;

        if (rec->phase != SHARD_HELD || rec->epoch != WORLD_BASE + 1) {
            world_bad(w, "promoted without a hold or an epoch");
        }

        if (n2->role != MIGRATOR_ROLE_STANDBY || n2->epoch >= rec->epoch) {
            world_bad(w, "promoted with the standby at epoch %u", n2->epoch);
        }

        if (!w->node[0].down) {
            world_bad(w, "promoted while the primary lives");
        }

        /* what the standby never got is lost; nothing else may be */

        w->nacked = n2->n;

        return;
    }

    if (rec->phase == SHARD_STEADY && w->rec.phase == SHARD_HELD
        && !w->lost_pm
        && (n2->role != MIGRATOR_ROLE_PRIMARY || w->view.phase != SHARD_HELD))
    {
        world_bad(w, "released before it was opened, or heard of");
    }
}


/* the rules of the cutover's order, at each change of the table */

static void
world_rules(world_t *w, const shard_record_t *rec)
{
    world_node_t  *n1, *n2;

    n1 = &w->node[0];
    n2 = &w->node[1];

    if (rec->shift_bp > w->shift_max) {
        w->shift_max = rec->shift_bp;
    }

    if (rec->strategy == SHARD_STATELESS) {
        w->commits += rec->epoch != w->rec.epoch;
        return;
    }

    if (w->stored.verb != MIGRATOR_MOVE) {
        world_promote_rules(w, rec);
        return;
    }

    if (rec->strategy == SHARD_COPY_ON_WRITE && !w->switched
        && rec->phase == SHARD_SHIFTING)
    {
        w->switched = 1;

        if (w->rec.phase != SHARD_HELD || n1->role == MIGRATOR_ROLE_PRIMARY
            || n1->mode != MIGRATOR_MODE_FALLBACK || n1->n != n2->n
            || rec->epoch != WORLD_BASE + 1)
        {
            world_bad(w, "switched before the source was frozen");
        }
    }

    if (strcmp(rec->primary, w->rec.primary) != 0) {
        w->commits++;

        if (w->rec.phase != SHARD_HELD || rec->phase != SHARD_HELD) {
            world_bad(w, "committed without a hold");
        }

        if (n1->role == MIGRATOR_ROLE_PRIMARY) {
            world_bad(w, "committed before the source was sealed");
        }

        if (n1->n != n2->n
            || memcmp(n1->data, n2->data, n1->n * sizeof(uint32_t)) != 0)
        {
            world_bad(w, "committed with %llu entries at the source, %llu "
                      "at the target", (unsigned long long) n1->n,
                      (unsigned long long) n2->n);
        }
    }

    if (rec->phase == SHARD_HELD && w->rec.phase != SHARD_HELD
        && w->claim_until > w->now + (uint64_t) w->policy.cutover_ttl_ms)
    {
        world_bad(w, "held with a long lease");
    }

    if (w->rec.phase == SHARD_HELD && rec->phase != SHARD_HELD) {
        n2 = strcmp(rec->primary, "n2") == 0
             || (rec->phase == SHARD_SHIFTING
                 && rec->strategy == SHARD_COPY_ON_WRITE) ? n2 : n1;

        if (!n2->down && !w->lost_pm
            && (n2->role != MIGRATOR_ROLE_PRIMARY || n2->epoch != rec->epoch))
        {
            world_bad(w, "released before %s was opened", rec->primary);
        }
    }
}


#endif /* _MIGRATOR_RULES_H_INCLUDED_ */
