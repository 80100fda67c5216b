
/*
 * The seam's part of mirrored reads: the policy's share, and what routers
 * have counted of one migration.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shard_codec.h"
#include "shard_policy.h"
#include "io_store.h"


/* a policy that routers refuse is none here, too */

int
migrator_store_mirror(void *data, uint32_t *bp)
{
    migrator_store_t  *s = data;

    int                   rc;
    char                 *value, err[SHARD_ERR_SIZE];
    shard_str_t           json;
    shard_policy_t        policy;
    shard_policy_work_t  *work;

    *bp = 0;
    value = NULL;
    rc = shardd_hash_get(&s->store, "meta", "policy", &value);

    if (rc != SHARDD_OK || value == NULL) {
        free(value);
        return rc == SHARDD_NONE ? SHARDD_OK
                                 : migrator_store_say(s, rc, s->store.err);
    }

    work = malloc(sizeof(shard_policy_work_t));

    if (work == NULL) {
        free(value);
        return migrator_store_say(s, SHARDD_DOWN, "no memory");
    }

    json.data = value;
    json.len = strlen(value);

    if (shard_policy_decode(json, work, &policy, err) == SHARD_OK) {
        *bp = policy.mirror_bp;
    }

    free(work);
    free(value);

    return SHARDD_OK;
}


int
migrator_store_mirrors(void *data, uint64_t migration,
    migrator_mirrors_t *out)
{
    migrator_store_t  *s = data;

    int             rc;
    size_t          i;
    shardd_entry_t  entry;

    memset(out, 0, sizeof(migrator_mirrors_t));
    rc = migrator_store_entries(s, &entry);

    if (rc != SHARDD_OK) {
        return rc;
    }

    for (i = 0; i < entry.nfields; i++) {
        migrator_router_mirrors(entry.fields[i].value, migration, out);
    }

    shardd_entry_free(&entry);

    return SHARDD_OK;
}
