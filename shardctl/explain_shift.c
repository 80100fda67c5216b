
/* Shifts of a shard's level and outages, as its forecast tells of them. */


#include <string.h>

#include "shardctl.h"


/* those of an array whose members are all numbers; it is only shown */

static json_t *
shift_list(const json_t *whole, const char *name, const char *const *words)
{
    size_t         i;
    json_t        *list, *one;
    const json_t  *given;

    list = json_array();

    json_array_foreach(json_object_get(whole, name), i, given) {

        if (!json_is_number(json_object_get(given, words[0]))
            || !json_is_number(json_object_get(given, words[1])))
        {
            continue;
        }

        one = json_object();
        json_object_set(one, words[0], json_object_get(given, words[0]));
        json_object_set(one, words[1], json_object_get(given, words[1]));
        json_array_append_new(list, one);
    }

    return list;
}


void
shardctl_shifts(const char *text, json_t *out)
{
    json_t  *whole;

    static const char *const  shift[] = { "since", "factor" };
    static const char *const  outage[] = { "from", "to" };

    whole = shardctl_json(text);

    json_object_set_new(out, "shifts", shift_list(whole, "shifts", shift));
    json_object_set_new(out, "outages", shift_list(whole, "outages", outage));
    json_decref(whole);
}


void
shardctl_shifts_show(const json_t *out)
{
    char           from[40], to[40];
    size_t         i;
    const json_t  *one;

    json_array_foreach(json_object_get(out, "shifts"), i, one) {
        shardctl_time(shardctl_get_number(one, "since"), from, sizeof(from));
        printf("level: x%.2f since %s; what was before counts as that much\n",
               shardctl_get_number(one, "factor"), from);
    }

    json_array_foreach(json_object_get(out, "outages"), i, one) {
        shardctl_time(shardctl_get_number(one, "from"), from, sizeof(from));
        shardctl_time(shardctl_get_number(one, "to"), to, sizeof(to));
        printf("outage: %s to %s, left out of the forecast\n", from, to);
    }
}
