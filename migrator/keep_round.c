
/*
 * One look at one standby:
 *
 *    not told yet ▶ both are asked: is the primary one, at this epoch?  has
 *        the standby a part of its history, or another one?
 *      ▶ it becomes standby at this epoch: older shipments are refused now
 *    told ▶ a batch of the log
 *    trimmed, empty, of another history ▶ a snapshot, when one is granted
 *
 * A standby without the shard's data is none until the snapshot is there:
 * an empty standby might be promoted.
 */


#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "shard_text.h"
#include "keep.h"


typedef struct {
    const migrator_driver_t     *driver;
    void                        *data;
    const migrator_keep_conf_t  *conf;
    migrator_keep_job_t         *job;
    uint64_t                     wall_ms;
    migrator_limit_t             limit;
    migrator_limit_t             copy_limit;
} migrator_round_t;


static int migrator_round_tell(migrator_round_t *r);
static int migrator_round_known(migrator_round_t *r,
    const migrator_stats_t *primary, const migrator_stats_t *standby);
static int migrator_round_copy(migrator_round_t *r);
static void migrator_round_ship(migrator_round_t *r);


#if (__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
static int
migrator_round_say(migrator_round_t *r, migrator_keep_e state,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    vsnprintf(r->job->err, sizeof(r->job->err), fmt, args);
    va_end(args);

    /* a node's own words; one that is no UTF-8 would keep all from being
     * published */

    shard_text_printable(r->job->err);
    r->job->state = state;

    return -1;
}


/* who is silent is not always told by a call to both: the standby is asked */

static int
migrator_round_failed(migrator_round_t *r, int rc, const char *what)
{
    char              err[MIGRATOR_ERR_SIZE];
    migrator_stats_t  stats;

    snprintf(err, sizeof(err), "%s", r->driver->err(r->data));

    if (rc == MIGRATOR_DOWN) {

        if (r->driver->stats(r->data, &r->job->standby, r->job->shard,
                             &r->limit, &stats) == MIGRATOR_DOWN)
        {
            r->job->standby_down = 1;

        } else if (r->driver->stats(r->data, &r->job->primary, r->job->shard,
                                    &r->limit, &stats) == MIGRATOR_DOWN)
        {
            r->job->primary_down = 1;
        }
    }

    return migrator_round_say(r, rc == MIGRATOR_REFUSED
                              ? MIGRATOR_KEEP_REFUSED : MIGRATOR_KEEP_DOWN,
                              "%s: %.140s", what, err);
}


static int
migrator_round_role(migrator_round_t *r, migrator_role_e role)
{
    int  rc;

    rc = r->driver->role(r->data, &r->job->standby, r->job->shard, role,
                         r->job->epoch, &r->limit, &r->job->position);

    return rc == MIGRATOR_OK ? 0 : migrator_round_failed(r, rc, "role");
}


static int
migrator_round_tell(migrator_round_t *r)
{
    int                   rc;
    migrator_stats_t      primary, standby;
    migrator_keep_job_t  *job = r->job;

    rc = r->driver->stats(r->data, &job->standby, job->shard, &r->limit,
                          &standby);

    if (rc != MIGRATOR_OK) {
        job->standby_down = rc == MIGRATOR_DOWN;
        return migrator_round_failed(r, rc, "standby");
    }

    rc = r->driver->stats(r->data, &job->primary, job->shard, &r->limit,
                          &primary);

    if (rc != MIGRATOR_OK) {
        job->primary_down = rc == MIGRATOR_DOWN;
        return migrator_round_failed(r, rc, "primary");
    }

    if (primary.role != MIGRATOR_ROLE_PRIMARY || primary.epoch != job->epoch) {
        return migrator_round_say(r, MIGRATOR_KEEP_REFUSED, "%s is no "
                                  "primary at epoch %u, it has role %d at "
                                  "epoch %u", job->primary.name, job->epoch,
                                  primary.role, primary.epoch);
    }

    if (standby.epoch > job->epoch
        || (standby.role == MIGRATOR_ROLE_PRIMARY
            && standby.epoch == job->epoch))
    {
        return migrator_round_say(r, MIGRATOR_KEEP_REFUSED, "%s has role %d "
                                  "at epoch %u, later than this table",
                                  job->standby.name, standby.role,
                                  standby.epoch);
    }

    job->position = standby.position;
    job->lag = primary.position > standby.position
               ? primary.position - standby.position : 0;

    if (migrator_round_known(r, &primary, &standby) != 0) {
        return -1;
    }

    if (migrator_round_role(r, MIGRATOR_ROLE_STANDBY) != 0) {
        return -1;
    }

    job->told = 1;

    return 0;
}


/* what it has must be the beginning of what the primary has */

static int
migrator_round_known(migrator_round_t *r, const migrator_stats_t *primary,
    const migrator_stats_t *standby)
{
    if (standby->position > primary->position) {
        r->job->reset = 1;
        r->job->lost = 1;
        return migrator_round_say(r, MIGRATOR_KEEP_COPY, "%s is at %llu, the "
                                  "primary at %llu: another history",
                                  r->job->standby.name,
                                  (unsigned long long) standby->position,
                                  (unsigned long long) primary->position);
    }

    if (standby->role == MIGRATOR_ROLE_NONE && primary->position) {
        r->job->lost = 1;
        return migrator_round_say(r, MIGRATOR_KEEP_COPY, "%s has nothing of "
                                  "the shard yet", r->job->standby.name);
    }

    return 0;
}


static int
migrator_round_copy(migrator_round_t *r)
{
    int                   rc;
    migrator_keep_job_t  *job = r->job;

    /* only a standby gives its data up */

    if (job->reset && (migrator_round_role(r, MIGRATOR_ROLE_STANDBY) != 0
                       || migrator_round_role(r, MIGRATOR_ROLE_NONE) != 0))
    {
        return -1;
    }

    rc = r->driver->copy(r->data, &job->primary, &job->standby, job->shard,
                         &r->copy_limit, &job->position, &job->bytes);

    if (rc == MIGRATOR_INTERRUPTED) {
        return migrator_round_say(r, MIGRATOR_KEEP_COPY, "interrupted");
    }

    if (rc != MIGRATOR_OK) {
        return migrator_round_failed(r, rc, "copy");
    }

    job->reset = 0;

    return 0;
}


static void
migrator_round_ship(migrator_round_t *r)
{
    int                   rc;
    uint64_t              before;
    migrator_stats_t      stats;
    migrator_keep_job_t  *job = r->job;

    before = job->position;

    rc = r->driver->ship(r->data, &job->primary, &job->standby, job->shard,
                         (uint64_t) r->conf->batch, &r->limit,
                         &job->position, &job->bytes);

    if (rc == MIGRATOR_GONE) {
        migrator_round_say(r, MIGRATOR_KEEP_COPY, "the log is trimmed behind "
                           "%llu", (unsigned long long) before);
        return;
    }

    /* it may be told something else since: asked anew */

    if (rc != MIGRATOR_OK) {
        job->told = 0;
        migrator_round_failed(r, rc, "ship");
        return;
    }

    job->moved = job->position != before;

    if (job->position - before < (uint64_t) r->conf->batch) {
        job->state = MIGRATOR_KEEP_LEVEL;
        job->lag = 0;
        job->level_ms = r->wall_ms;
        return;
    }

    job->state = MIGRATOR_KEEP_BEHIND;

    if (r->driver->stats(r->data, &job->primary, job->shard, &r->limit,
                         &stats) == MIGRATOR_OK)
    {
        job->lag = stats.position > job->position
                   ? stats.position - job->position : 0;
    }
}


void
migrator_keep_round(const migrator_driver_t *driver, void *data,
    const migrator_keep_conf_t *conf, migrator_keep_job_t *job,
    uint64_t wall_ms, int (*tick)(void *data), void *tick_data)
{
    migrator_round_t  r;

    memset(&r, 0, sizeof(migrator_round_t));

    r.driver = driver;
    r.data = data;
    r.conf = conf;
    r.job = job;
    r.wall_ms = wall_ms;
    r.limit.timeout_ms = conf->request_timeout_ms;
    r.limit.epoch = job->epoch;
    r.copy_limit.timeout_ms = conf->copy_timeout_ms;
    r.copy_limit.tick = tick;
    r.copy_limit.data = tick_data;
    r.copy_limit.epoch = job->epoch;

    job->err[0] = '\0';

    if (job->copy) {

        /* told behind it, and only then: it is empty until then */

        job->told = 0;

        if (migrator_round_copy(&r) != 0
            || migrator_round_role(&r, MIGRATOR_ROLE_STANDBY) != 0)
        {
            return;
        }

        job->told = 1;
    }

    if (!job->told && migrator_round_tell(&r) != 0) {
        return;
    }

    migrator_round_ship(&r);
}
