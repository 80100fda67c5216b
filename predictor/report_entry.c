
#include <stdio.h>
#include <string.h>

#include "report.h"


int
predictor_report_entry(const predictor_io_t *io,
    const predictor_report_entry_t *e)
{
    char    shard[16], epoch[16], ms[24];
    size_t  i, n;

    snprintf(shard, sizeof(shard), "%u", e->rec->id);
    snprintf(epoch, sizeof(epoch), "%u", e->rec->epoch);
    snprintf(ms, sizeof(ms), "%llu",
             (unsigned long long) io->now_ms(io->data));

    const shardd_field_t  common[] = {
        { "id", (char *) e->id },
        { "verb", (char *) e->verb },
        { "shard", shard },
        { "from", (char *) e->from },
        { "to", (char *) e->to },
        { "epoch", epoch },
        { "by", "predictor" },
        { "mode", (char *) predictor_mode_words[e->mode] },
        { "decided_ms", ms },
        { "reason", (char *) e->reason }
    };

    n = sizeof(common) / sizeof(common[0]);
    shardd_field_t  fields[sizeof(common) / sizeof(common[0])
                           + PREDICTOR_REPORT_MORE];

    memcpy(fields, common, sizeof(common));

    for (i = 0; i < e->nmore && i < PREDICTOR_REPORT_MORE; i++) {
        fields[n++] = e->more[i];
    }

    return io->decision_add(io->data, e->id, fields, n);
}
