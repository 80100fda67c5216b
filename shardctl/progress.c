
/*
 * How far a running migration is, how fast it gets on, and how long that will
 * take: of two looks at it, or of one and the time its phase began.
 *
 *    copy      bytes of the snapshot      of the source's bytes in check
 *    catch-up  entries behind             gains: shipped less changed
 *    shift     keys that have crossed     of all
 *    standby   entries behind             once level, it keeps level
 */


#include <math.h>
#include <string.h>

#include "shardctl.h"


static double
progress_rate(double now, double then, double span_ms)
{
    return span_ms > 0 && isfinite(then) ? (now - then) * 1000 / span_ms
                                         : NAN;
}


/* what is left of a lag; it may grow */

static double
progress_lag(const json_t *row, double lag, double rate)
{
    double  ships, changes;

    if (isfinite(rate) && rate < 0) {
        return lag / -rate;
    }

    ships = shardctl_get_number(row, "ship_rate");
    changes = shardctl_get_number(row, "change_rate");

    return ships > changes ? lag / (ships - changes) : NAN;
}


json_t *
shardctl_progress(const json_t *row, const json_t *before, double span_ms)
{
    double       done, total, rate, left;
    const char  *phase, *unit, *field;

    phase = shardctl_get_text(row, "phase");
    left = NAN;
    total = NAN;

    if (before && strcmp(shardctl_get_text(before, "phase"), phase) != 0) {
        before = NULL;
    }

    if (strcmp(phase, "copy") == 0) {
        unit = "bytes";
        field = "bytes";
        total = shardctl_get_number(row, "size");

    } else if (strcmp(phase, "shift") == 0) {
        unit = "bp";
        field = "shift";
        total = 10000;

    } else if (strcmp(phase, "catch-up") == 0
               || strcmp(phase, "standby") == 0)
    {
        unit = "entries behind";
        field = "lag";

    } else {
        return NULL;
    }

    done = shardctl_get_number(row, field);

    if (!isfinite(done)) {
        return NULL;
    }

    rate = progress_rate(done, before ? shardctl_get_number(before, field)
                                      : NAN, span_ms);

    if (!isfinite(total)) {
        left = progress_lag(row, done, rate);

    } else if (rate > 0 && total >= done) {
        left = (total - done) / rate;
    }

    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}",
                     "migration", json_incref(json_object_get(row, "id")),
                     "shard", json_incref(json_object_get(row, "shard")),
                     "phase", shardctl_text(phase),
                     "done", shardctl_number(done), "unit", unit,
                     "total", shardctl_number(total),
                     "share", shardctl_number(total > 0
                                              ? fmin(done / total, 1) : NAN),
                     "rate", shardctl_number(rate),
                     "left_ms", shardctl_number(1000 * left));
}


/* "12.4 of 96.0 MB (13 %), 8.1 MB/s, 10s left" */

void
shardctl_progress_text(const json_t *p, char *buf, size_t size)
{
    double       scale, total, rate, left;
    char         span[32];
    size_t       len;
    const char  *unit;

    unit = shardctl_get_text(p, "unit");
    total = shardctl_get_number(p, "total");
    rate = shardctl_get_number(p, "rate");
    left = shardctl_get_number(p, "left_ms");
    scale = 1;

    if (strcmp(unit, "bytes") == 0) {
        scale = 1e6;
        unit = "MB";

    } else if (strcmp(unit, "bp") == 0) {
        scale = 100;
        unit = "%";
    }

    snprintf(buf, size, "%.*f", scale > 1 ? 1 : 0,
             shardctl_get_number(p, "done") / scale);
    len = strlen(buf);

    if (isfinite(total)) {
        snprintf(buf + len, size - len, " of %.1f", total / scale);
        len = strlen(buf);
    }

    snprintf(buf + len, size - len, " %s", unit);
    len = strlen(buf);

    if (isfinite(rate)) {
        snprintf(buf + len, size - len, ", %+.1f %s/s", rate / scale,
                 scale > 1 ? unit : "entries");
        len = strlen(buf);
    }

    if (isfinite(left)) {
        shardctl_span(left, span, sizeof(span));
        snprintf(buf + len, size - len, ", %s left", span);
    }
}
