
/* --wait: follows a migration, one line per phase, until it ends, and what
 * follows it. */


#include <string.h>

#include "shardd_loop.h"
#include "move.h"


#define MOVE_POLL_MS     200
#define MOVE_TIMEOUT_MS  600000
#define MOVE_CHAIN       4              /* migrations in a row, at most */


const char *
move_phase(const shardd_entry_t *m)
{
    const char  *phase;

    phase = shardd_entry_field(m, "phase");

    return phase ? phase : "planned";
}


/* 1 when it has ended; a new phase is a line */

static int
move_seen(shardctl_t *ctl, const shardd_entry_t *m, const char *stale,
    char *phase, size_t size)
{
    const char  *seq;

    seq = shardd_entry_field(m, "seq");

    if (stale[0] && strcmp(seq ? seq : "0", stale) == 0) {
        return 0;
    }

    if (strcmp(phase, move_phase(m)) != 0) {
        snprintf(phase, size, "%s", move_phase(m));

        if (!ctl->json) {
            shardctl_put(ctl, shardctl_state_colour(phase), phase);
            printf("\n");
            (void) shardctl_flush();
        }
    }

    return shardctl_phase_ended(phase);
}


/* polls until it ends; the last state as JSON in "row" */

static int
move_wait(shardctl_t *ctl, const char *id, const char *stale, json_t **row)
{
    int              rc, ended;
    char             phase[32];
    long             timeout;
    uint64_t         end;
    shardd_entry_t   m;

    timeout = MOVE_TIMEOUT_MS;
    *row = NULL;

    if (shardctl_option_ms(ctl, "timeout", 1, &timeout)) {
        return SHARDCTL_USAGE;
    }

    snprintf(phase, sizeof(phase), "not begun");
    end = shardd_monotonic_ms() + (uint64_t) timeout;

    for ( ;; ) {
        memset(&m, 0, sizeof(shardd_entry_t));
        rc = shardd_migration_get(&ctl->store, id, &m);

        if (rc == SHARDD_OK) {
            ended = move_seen(ctl, &m, stale, phase, sizeof(phase));

            if (ended) {
                *row = shardctl_row_migration(&m);
            }

            shardd_entry_free(&m);

            if (ended) {
                return SHARDCTL_OK;
            }

        } else if (rc != SHARDD_NONE && rc != SHARDD_DOWN) {
            return shardctl_store_fail(ctl, rc, "cannot read the migration");
        }

        if (shardd_monotonic_ms() >= end) {
            return shardctl_fail(ctl, "migration %s has not ended within %ld "
                                 "s, its phase is \"%s\": does a "
                                 "shard-migrator run? (it goes on, \"shardctl "
                                 "watch\" shows it)", id, timeout / 1000,
                                 phase);
        }

        if (shardd_loop_pause(MOVE_POLL_MS)) {
            return shardctl_fail(ctl, "interrupted; migration %s goes on", id);
        }
    }
}


/* done, with an id behind it, which is known before: what rolls back has
 * nothing behind it.  The length of such a chain is bounded. */

static int
move_follows(const json_t *row, const char *wanted, char *id, unsigned n)
{
    const char  *next;

    next = shardctl_get_text(row, "next");

    if (n == MOVE_CHAIN || strlen(next) != MOVE_ID_SIZE - 1
        || strcmp(wanted, "done") != 0
        || strcmp(shardctl_get_text(row, "phase"), wanted) != 0)
    {
        return 0;
    }

    memcpy(id, next, MOVE_ID_SIZE);

    return 1;
}


int
move_finish(shardctl_t *ctl, const char *id, const char *wanted,
    const char *stale, json_t *out)
{
    int          rc;
    char         next[MOVE_ID_SIZE];
    json_t      *row;
    unsigned     n;
    const char  *phase, *error;

    if (shardctl_option(ctl, "wait") == NULL) {
        return ctl->json ? shardctl_show(ctl, out) : (json_decref(out), 0);
    }

    if (shardd_loop_init() != 0) {
        json_decref(out);
        return shardctl_fail(ctl, "cannot catch signals: %m");
    }

    rc = move_wait(ctl, id, stale, &row);

    for (n = 0; rc == SHARDCTL_OK && move_follows(row, wanted, next, n); n++) {
        json_decref(row);
        id = next;
        rc = move_wait(ctl, id, "", &row);
    }

    if (rc != SHARDCTL_OK) {
        json_decref(out);
        return rc;
    }

    phase = shardctl_get_text(row, "phase");
    error = shardctl_get_text(row, "error");

    if (strcmp(phase, wanted) != 0) {
        rc = shardctl_fail(ctl, "migration %s ended as \"%s\"%s%s", id, phase,
                           error[0] ? ": " : "", error);
        json_decref(row);
        json_decref(out);
        return rc;
    }

    json_object_set_new(out, "migration", row);

    return ctl->json ? shardctl_show(ctl, out) : (json_decref(out), 0);
}
