
/*
 * Connections of the driver "redis": one of each node it spoke to of late.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver_redis.h"


static int migrator_redis_connect(migrator_redis_t *d,
    migrator_redis_conn_t *c);
static int migrator_redis_password(migrator_redis_t *d,
    migrator_redis_conn_t *c);


void
migrator_redis_close(migrator_redis_conn_t *c)
{
    shardd_redis_close(&c->redis);
    free(c->conf.addr);
    free(c->conf.user);
    free(c->conf.password);
    memset(c, 0, sizeof(migrator_redis_conn_t));
}


static const char *
migrator_redis_named(char **map, const char *name)
{
    for ( /* void */ ; map && *map; map += 2) {
        if (strcmp(map[0], name) == 0) {
            return map[1];
        }
    }

    return NULL;
}


/* the node's own, or a free one, or in turn one that is not the other end of
 * the call under way */

static migrator_redis_conn_t *
migrator_redis_slot(migrator_redis_t *d, const char *name)
{
    unsigned                i;
    migrator_redis_conn_t  *c, *found;

    found = NULL;

    for (i = 0; i < MIGRATOR_REDIS_CONNS; i++) {
        c = &d->conns[i];

        if (strcmp(c->name, name) == 0) {
            return c;
        }

        if (c->name[0] == '\0') {
            found = c;
        }
    }

    if (found) {
        return found;
    }

    do {
        c = &d->conns[d->next++ % MIGRATOR_REDIS_CONNS];
    } while (c == d->last);

    migrator_redis_close(c);

    return c;
}


int
migrator_redis_conn(migrator_redis_t *d, const shard_node_t *node,
    migrator_redis_conn_t **conn)
{
    int                     rc;
    migrator_redis_conn_t  *c;

    c = migrator_redis_slot(d, node->name);

    if (c->redis.ctx) {
        d->last = c;
        *conn = c;
        return MIGRATOR_OK;
    }

    migrator_redis_close(c);

    snprintf(c->name, sizeof(c->name), "%s", node->name);
    rc = migrator_redis_connect(d, c);

    if (rc != MIGRATOR_OK) {
        migrator_redis_close(c);
        return rc;
    }

    d->last = c;
    *conn = c;

    return MIGRATOR_OK;
}


static int
migrator_redis_connect(migrator_redis_t *d, migrator_redis_conn_t *c)
{
    int          rc;
    char         why[SHARDD_ERR_SIZE];
    const char  *url;

    url = migrator_redis_named(d->conf->data_redis.nodes, c->name);

    if (url == NULL) {
        snprintf(d->err, sizeof(d->err), "%s: no line of data_redis.nodes "
                 "says where its Redis is", c->name);
        return MIGRATOR_REFUSED;
    }

    if (shardd_redis_url(url, &c->conf, why) != 0) {
        snprintf(d->err, sizeof(d->err), "%s: %.300s", c->name, why);
        return MIGRATOR_REFUSED;
    }

    rc = migrator_redis_password(d, c);

    if (rc != MIGRATOR_OK) {
        return rc;
    }

    shardd_redis_init(&c->redis, &c->conf);

    return migrator_redis_dial(d, c);
}


/* read at each connect: it may be another one by then */

static int
migrator_redis_password(migrator_redis_t *d, migrator_redis_conn_t *c)
{
    FILE        *f;
    char         line[512];
    const char  *path;

    path = migrator_redis_named(d->conf->data_redis.password_files, c->name);

    if (path == NULL) {

        if (d->conf->data_redis.password && c->conf.password == NULL) {
            c->conf.password = strdup(d->conf->data_redis.password);
        }

        return MIGRATOR_OK;
    }

    f = fopen(path, "re");

    if (f == NULL || fgets(line, sizeof(line), f) == NULL) {
        snprintf(d->err, sizeof(d->err), "%s: its password: %.300s: %s",
                 c->name, path, f ? "is empty" : strerror(errno));

        if (f) {
            fclose(f);
        }

        return MIGRATOR_REFUSED;
    }

    fclose(f);
    line[strcspn(line, "\r\n")] = '\0';

    free(c->conf.password);
    c->conf.password = strdup(line);

    return c->conf.password ? MIGRATOR_OK : migrator_redis_no_memory(d);
}
