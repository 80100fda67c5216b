
/* Client groups that come and go: series of those that went make room. */

#include <stdlib.h>

#include "../lib/tap.h"
#include "../../predictor/clients.h"
#include "shard_metrics.h"
#include "shard_text.h"


#define RES      300
#define HORIZON  24
#define SERIES   8
#define LIMIT    2
#define SHARDS   20
#define SLOTS    500                /* until who is silent is forgotten */


/* two groups ask one shard */

static void
asked(predictor_clients_t *c, shard_id_t id, long slot)
{
    int                      i;
    char                     buf[2048], err[SHARD_ERR_SIZE];
    shard_str_t              names[2], text;
    shard_metrics_head_t     head;
    shard_metrics_entry_t    e;
    shard_metrics_client_t   client;
    shard_metrics_writer_t   w;

    memset(&head, 0, sizeof(head));
    head.router = shard_text_str("edge-1");
    head.interval_ms = RES * 1000;
    names[0] = shard_text_str("shop");
    names[1] = shard_text_str("app");

    (void) shard_metrics_begin(&w, (uint8_t *) buf, sizeof(buf), &head);
    (void) shard_metrics_add_names(&w, names, 2);
    memset(&client, 0, sizeof(client));

    for (i = 0; i < 2; i++) {
        client.id = id;
        client.client = (uint16_t) i;
        client.offered = 1;
        (void) shard_metrics_add_client(&w, &client);
    }

    text.data = buf;
    text.len = (size_t) shard_metrics_end(&w);

    if (shard_metrics_decode(text, &e, err) == SHARD_OK) {
        predictor_clients_count(c, &e, slot, 1);
    }
}


static void
test_room(void)
{
    int                   found;
    long                  slot, end;
    float                 load[SHARDS];
    uint32_t              i, changed[SERIES];
    shard_id_t            id;
    predictor_names_t    *names;
    predictor_clients_t  *c;

    names = predictor_names_create(SERIES);
    c = predictor_clients_create(names, LIMIT, HORIZON, RES);

    for (i = 0; i < SHARDS; i++) {
        load[i] = 1;
    }

    found = 0;
    slot = 1;

    for (id = 0; id < SHARDS; id++) {

        for (end = slot + SLOTS; slot < end; slot++) {
            asked(c, id, slot);
            (void) predictor_clients_close(c, slot, load, SHARDS, changed);
            predictor_names_close(names, slot);
        }

        found += predictor_clients_of(c, id) != NULL;
    }

    tap_is_int(found, SHARDS, "each shard's groups had series in its time");
    tap_ok(predictor_clients_of(c, 0) == NULL, "those of the first are gone");
    tap_ok(c->nshards <= SERIES / LIMIT, "%u shards are kept", c->nshards);

    predictor_clients_destroy(c);
    predictor_names_destroy(names);
}


int
main(void)
{
    test_room();

    return tap_done();
}
