
/* What live routers say of nodes: who is dead, and by whom. */


#include <math.h>
#include <string.h>

#include "shardd_loop.h"
#include "shardctl.h"


static void health_of_router(const char *router, const json_t *nodes,
    json_t *by_name);


/* in "by_name" rows of nodes */

static void
health_of_router(const char *router, const json_t *nodes, json_t *by_name)
{
    json_t      *item, *row, *dead_by;
    const char  *name;

    json_object_foreach((json_t *) nodes, name, item) {
        row = json_object_get(by_name, name);

        if (row == NULL
            || strcmp(shardctl_get_text(item, "state"), "down") != 0)
        {
            continue;
        }

        dead_by = json_object_get(row, "dead_by");

        if (dead_by == NULL) {
            dead_by = json_array();
            json_object_set_new(row, "dead_by", dead_by);
        }

        json_array_append_new(dead_by, json_string(router));
    }
}


void
shardctl_rows_dead(json_t *rows, const shardd_entry_t *routers)
{
    size_t   i;
    double   age;
    json_t  *by_name, *row, *router, *name;

    by_name = json_object();

    json_array_foreach(rows, i, row) {
        json_object_set(by_name, shardctl_get_text(row, "name"), row);
    }

    for (i = 0; i < routers->nfields; i++) {
        router = shardctl_json(routers->fields[i].value);
        age = (double) shardd_now_ms()
              - shardctl_get_number(router, "time_ms");

        if (fabs(age) < SHARDCTL_LIVE_MS) {
            name = shardctl_text(routers->fields[i].name);
            health_of_router(json_string_value(name),
                             json_object_get(router, "nodes"), by_name);
            json_decref(name);
        }

        json_decref(router);
    }

    json_decref(by_name);
}
