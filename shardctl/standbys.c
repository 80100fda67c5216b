
/* how far standbys are, as the migrators that keep them have said */


#include <string.h>

#include "../src/daemon/shardd_loop.h"
#include "../src/daemon/shardd_standbys.h"
#include "shard_codec.h"
#include "shardctl.h"


typedef struct {
    shardd_table_t  *table;
    json_t          *all;               /* shard -> node -> what is known */
    uint64_t         now_ms;
} standbys_t;


static int
standbys_named(const shard_record_t *rec, const char *node)
{
    uint8_t  i;

    for (i = 0; i < rec->nstandbys; i++) {
        if (strcmp(rec->standbys[i], node) == 0) {
            return 1;
        }
    }

    return 0;
}


/* what is of another epoch, or not in the table, says nothing of now */

static void
standbys_one(void *data, const shardd_standby_t *one)
{
    char             id[16];
    json_t          *shard, *behind;
    standbys_t      *s = data;
    shard_record_t  *rec;

    rec = shardd_table_shard(s->table, one->shard);

    if (rec == NULL || rec->epoch != one->epoch
        || !standbys_named(rec, one->node))
    {
        return;
    }

    snprintf(id, sizeof(id), "%u", (unsigned) one->shard);
    shard = json_object_get(s->all, id);

    if (shard == NULL) {
        shard = json_object();
        json_object_set_new(s->all, id, shard);
    }

    behind = one->level_ms == 0 ? json_null()
             : json_integer(s->now_ms > one->level_ms
                            ? (json_int_t) (s->now_ms - one->level_ms) : 0);

    json_object_set_new(shard, one->node,
                        json_pack("{s:o, s:I, s:o}", "state",
                                  shardctl_text(one->state), "lag",
                                  (json_int_t) one->lag, "behind_ms",
                                  behind));
}


int
shardctl_standbys(shardctl_t *ctl, shardd_table_t *table, json_t **all)
{
    standbys_t      s;
    shardd_entry_t  e;

    if (shardctl_hash(ctl, "standbys", &e) != SHARDCTL_OK) {
        return SHARDCTL_FAILED;
    }

    s.table = table;
    s.all = json_object();
    s.now_ms = shardd_now_ms();

    shardd_standbys_each(&e, standbys_one, &s);
    shardd_entry_free(&e);
    *all = s.all;

    return SHARDCTL_OK;
}


json_t *
shardctl_standbys_worst(const json_t *shard)
{
    json_t      *worst, *behind, *one;
    const char  *node;

    worst = NULL;

    json_object_foreach((json_t *) shard, node, one) {
        behind = json_object_get(one, "behind_ms");

        if (worst == NULL || json_is_null(behind)
            || (!json_is_null(worst)
                && json_integer_value(behind) > json_integer_value(worst)))
        {
            worst = behind;
        }
    }

    return worst ? json_incref(worst) : json_null();
}


/* of the whole keyspace; none is known of those that no migrator keeps */

json_t *
shardctl_standbys_sum(const shardd_table_t *table, const json_t *all)
{
    size_t                 i, n, level, known;
    uint8_t                k;
    char                   id[16];
    json_int_t             worst_ms, behind_ms;
    const json_t          *one;
    const shard_record_t  *rec, *worst;

    n = level = known = 0;
    worst_ms = -1;
    worst = NULL;

    for (i = 0; i < table->nshards; i++) {
        rec = &table->shards[i];

        if (rec->strategy == SHARD_STATELESS) {
            continue;
        }

        n += rec->nstandbys;
        snprintf(id, sizeof(id), "%u", (unsigned) rec->id);

        for (k = 0; k < rec->nstandbys; k++) {
            one = json_object_get(json_object_get(all, id),
                                  rec->standbys[k]);
            level += strcmp(shardctl_get_text(one, "state"), "level") == 0;

            if (!json_is_integer(json_object_get(one, "behind_ms"))) {
                continue;
            }

            behind_ms = json_integer_value(json_object_get(one,
                                                           "behind_ms"));
            known++;

            if (behind_ms > worst_ms) {
                worst_ms = behind_ms;
                worst = rec;
            }
        }
    }

    return json_pack("{s:I, s:I, s:I, s:o, s:o}", "n", (json_int_t) n,
                     "level", (json_int_t) level, "unknown",
                     (json_int_t) (n - known), "behind_ms",
                     worst ? json_integer(worst_ms) : json_null(), "shard",
                     worst ? json_integer(worst->id) : json_null());
}


void
shardctl_standbys_show(const json_t *sum)
{
    if (shardctl_get_number(sum, "n") == 0) {
        return;
    }

    printf("standbys: %.0f of %.0f level",
           shardctl_get_number(sum, "level"), shardctl_get_number(sum, "n"));

    if (json_is_integer(json_object_get(sum, "behind_ms"))) {
        printf(", the worst %.1f s behind (shard %.0f)",
               shardctl_get_number(sum, "behind_ms") / 1000,
               shardctl_get_number(sum, "shard"));
    }

    if (shardctl_get_number(sum, "unknown") > 0) {
        printf(", nothing known of %.0f",
               shardctl_get_number(sum, "unknown"));
    }

    printf("\n");
}
