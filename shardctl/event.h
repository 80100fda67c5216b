
/* Between the commands about scheduled events. */


#ifndef _EVENT_H_INCLUDED_
#define _EVENT_H_INCLUDED_


#include "shard_event.h"
#include "shardctl.h"


#define EVENTS_MAX  1000                /* of a keyspace: predictors read no more */


/* the option's list as JSON, NULL when it is not given; the exit status */

int event_shards(shardctl_t *ctl, json_t **list);
int event_nodes(shardctl_t *ctl, json_t **list);

/* every shard and node of the event must be there; the exit status */

int event_known(shardctl_t *ctl, shardd_table_t *table, const char *id,
    const shard_event_t *event);


#endif /* _EVENT_H_INCLUDED_ */
