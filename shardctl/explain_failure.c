
/* Why a dead node's shard was promoted, or is to have a new replica. */


#include <math.h>
#include <string.h>

#include "shardctl.h"


static void
failure_line(shardctl_t *ctl, const char *text)
{
    shardctl_put(ctl, SHARDCTL_PLAIN, text);
    printf("\n");
}


static void
failure_behind(shardctl_t *ctl, const json_t *r)
{
    char    text[256], span[40];
    double  behind;

    behind = shardctl_get_number(r, "behind_s");

    if (!isfinite(behind)) {
        failure_line(ctl, "what may be lost: unknown, nobody has seen the "
                     "standby level with it");
        return;
    }

    shardctl_span(1000 * behind, span, sizeof(span));
    snprintf(text, sizeof(text), "what may be lost: what it acknowledged in "
             "the %s before it died, since when the standby was level", span);
    failure_line(ctl, text);
}


int
shardctl_explain_failure(shardctl_t *ctl, const char *verb, const json_t *r)
{
    char    text[512], span[40];
    double  votes, routers;

    if (strcmp(shardctl_get_text(r, "why"), "failure") != 0) {
        return 0;
    }

    votes = shardctl_get_number(r, "votes");
    routers = shardctl_get_number(r, "routers");
    shardctl_span(1000 * shardctl_get_number(r, "dead_s"), span, sizeof(span));

    if (json_is_true(json_object_get(r, "down"))) {
        snprintf(text, sizeof(text), "why: node %.63s is \"down\" in the "
                 "table, %.0f of %.0f routers see it dead",
                 shardctl_get_text(r, "node"), votes, routers);

    } else {
        snprintf(text, sizeof(text), "why: node %.63s is dead: %.0f of %.0f "
                 "routers saw it so, for %s",
                 shardctl_get_text(r, "node"), votes, routers,
                 isfinite(shardctl_get_number(r, "dead_s")) ? span : "long");
    }

    failure_line(ctl, text);

    if (strcmp(verb, "promote") == 0) {
        failure_behind(ctl, r);
    }

    snprintf(text, sizeof(text), "what: the new node will be %.0f%% used at "
             "worst, %.0f%% before",
             100 * shardctl_get_number(r, "utilisation_to_after"),
             100 * shardctl_get_number(r, "utilisation_to_before"));
    failure_line(ctl, text);

    return 1;
}
