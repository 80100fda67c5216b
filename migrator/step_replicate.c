
/*
 * A shard gets one more standby, or another one in place of one that is lost:
 *
 *    check ▶ copy ▶ catch-up   as in a move, from the primary
 *    commit    the table names the standby; owner and epoch stay
 *    standby   it is kept level for as long as a former primary is
 */


#include <string.h>

#include "machine.h"


/* the lost one goes, the new one is the last */

static migrator_result_e
migrator_replicate_name(migrator_t *m, shard_record_t *rec)
{
    unsigned  i, n;

    for (i = 0, n = 0; i < rec->nstandbys; i++) {
        if (strcmp(rec->standbys[i], m->state.replaces) != 0) {
            memmove(rec->standbys[n++], rec->standbys[i], SHARD_NAME_SIZE);
        }
    }

    if (n == SHARD_STANDBYS_MAX) {
        return migrator_say(m, MIGRATOR_FAIL, "the shard has %d standbys: no "
                            "more are possible", SHARD_STANDBYS_MAX);
    }

    memcpy(rec->standbys[n++], m->state.to, SHARD_NAME_SIZE);

    for (i = n; i < SHARD_STANDBYS_MAX; i++) {
        memset(rec->standbys[i], 0, SHARD_NAME_SIZE);
    }

    rec->nstandbys = (uint8_t) n;

    return MIGRATOR_NEXT;
}


migrator_result_e
migrator_replicate_commit(migrator_t *m)
{
    uint64_t           version;
    shard_record_t     rec;
    migrator_result_e  result;

    result = migrator_own_record(m, &rec, &version);

    if (result != MIGRATOR_NEXT) {
        return result;
    }

    if (rec.phase != SHARD_STEADY) {
        return migrator_say(m, MIGRATOR_FAIL, "the shard's record was "
                            "changed meanwhile");
    }

    if (migrator_to_standby(&m->state, &rec)) {
        return MIGRATOR_NEXT;
    }

    result = migrator_replicate_name(m, &rec);

    if (result == MIGRATOR_NEXT) {
        result = migrator_commit(m, "commit", &version, &rec);
    }

    return result == MIGRATOR_NEXT ? migrator_wait(m, 0) : result;
}
