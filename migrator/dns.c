
/*
 * The thread that writes names: whoever has the claim "dns" compares what the
 * table says with what was written, each time there is another table, and
 * again, less and less often, while the server does not take it.
 */


#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <arpa/inet.h>
#include <sys/socket.h>

#include "../src/daemon/shardd_log.h"
#include "../src/daemon/shardd_loop.h"
#include "shard_codec.h"
#include "conf.h"


#define LOOK_MS         100
#define BACKOFF_MIN_MS  200
#define BACKOFF_MAX_MS  10000
#define SAY_MS          60000
#define RACES           3
#define TEXT_SIZE       (32 + MIGRATOR_DNS_ADDRS * (MIGRATOR_DNS_ADDR + 1))


struct migrator_dns_s {
    const migrator_conf_t  *conf;
    const char             *holder;
    pthread_t               thread;
    int                     stop;       /* atomic */

    shardd_store_t          store;
    shardd_claim_t          claim;
    int                     ours;
    uint64_t                claimed_ms;
    uint64_t                version;
    unsigned                pending:1;  /* something was not written */
    uint64_t                retry_ms;
    long                    backoff_ms;
    uint64_t                said_ms;
    char                    said[MIGRATOR_DNS_ERR];
};


static void *migrator_dns_run(void *data);
static void migrator_dns_pass(migrator_dns_t *d);
static int migrator_dns_shards(migrator_dns_t *d, shardd_table_t *table,
    const migrator_dns_set_t *nodes, const shardd_entry_t *written);
static int migrator_dns_group(migrator_dns_t *d, shardd_table_t *table,
    const migrator_dns_set_t *nodes, const shardd_entry_t *written);
static int migrator_dns_put(migrator_dns_t *d, const char *field,
    const char *name, const migrator_dns_set_t *set);


migrator_dns_t *
migrator_dns_start(const migrator_conf_t *conf, const char *holder)
{
    migrator_dns_t  *d;

    if (conf->dns.server == NULL) {
        return NULL;
    }

    d = calloc(1, sizeof(migrator_dns_t));

    if (d == NULL) {
        return NULL;
    }

    d->conf = conf;
    d->holder = holder;

    if (pthread_create(&d->thread, NULL, migrator_dns_run, d) != 0) {
        shardd_log(SHARDD_LOG_ERROR, "dns: no thread");
        free(d);
        return NULL;
    }

    return d;
}


void
migrator_dns_stop(migrator_dns_t *d)
{
    if (d) {
        __atomic_store_n(&d->stop, 1, __ATOMIC_RELEASE);
        pthread_join(d->thread, NULL);
        free(d);
    }
}


static int
migrator_dns_stopping(migrator_dns_t *d)
{
    return __atomic_load_n(&d->stop, __ATOMIC_ACQUIRE);
}


/* 1: the claim is ours */

static int
migrator_dns_claim(migrator_dns_t *d, uint64_t now)
{
    int   rc;
    long  ttl;

    ttl = d->conf->policy.claim_ttl_ms;

    if (d->claimed_ms && now - d->claimed_ms < (uint64_t) ttl / 3) {
        return d->ours;
    }

    d->claimed_ms = now;
    rc = shardd_claim(&d->store, "dns", d->holder, ttl, &d->claim);

    if (rc == SHARDD_OK && !d->ours) {
        d->pending = 1;
        d->retry_ms = 0;
    }

    d->ours = rc == SHARDD_OK;

    return d->ours;
}


static void *
migrator_dns_run(void *data)
{
    uint64_t         now, version;
    migrator_dns_t  *d = data;

    (void) shardd_store_open(&d->store, &d->conf->redis, d->conf->keyspace);

    while (!migrator_dns_stopping(d)) {
        now = shardd_monotonic_ms();

        if (migrator_dns_claim(d, now)
            && shardd_version(&d->store, &version) == SHARDD_OK
            && (version != d->version || d->pending) && now >= d->retry_ms)
        {
            migrator_dns_pass(d);
        }

        nanosleep(&(struct timespec) { 0, LOOK_MS * 1000000 }, NULL);
    }

    if (d->ours) {
        (void) shardd_release(&d->store, &d->claim);
    }

    shardd_store_close(&d->store);

    return NULL;
}


/* once, and again when it lasts */

static void
migrator_dns_say(migrator_dns_t *d, const char *err)
{
    uint64_t  now;

    now = shardd_monotonic_ms();

    if (strcmp(d->said, err) == 0 && now - d->said_ms < SAY_MS) {
        return;
    }

    snprintf(d->said, sizeof(d->said), "%s", err);
    d->said_ms = now;
    shardd_log(SHARDD_LOG_WARN, "dns: %s; trying again, nothing else waits "
               "for it", err);
}


/* a host's name is resolved here: this thread may wait */

static void
migrator_dns_node(const shard_node_t *node, migrator_dns_set_t *set)
{
    char              host[256], text[MIGRATOR_DNS_ADDR], *colon;
    size_t            len;
    const void       *from;
    struct addrinfo   hints, *all, *ai;

    memset(set, 0, sizeof(migrator_dns_set_t));
    len = strlen(node->addr);

    if (strncmp(node->addr, "unix:", 5) == 0 || len >= sizeof(host)) {
        return;
    }

    memcpy(host, node->addr, len + 1);
    colon = strrchr(host, ':');

    if (colon) {
        *colon = '\0';
    }

    len = strlen(host);

    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        memmove(host, host + 1, len);
        host[len - 2] = '\0';
    }

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;

    if (getaddrinfo(host, NULL, &hints, &all) != 0) {
        return;
    }

    for (ai = all; ai; ai = ai->ai_next) {
        from = ai->ai_family == AF_INET
               ? (const void *) &((struct sockaddr_in *) (void *)
                                  ai->ai_addr)->sin_addr
               : (const void *) &((struct sockaddr_in6 *) (void *)
                                  ai->ai_addr)->sin6_addr;

        if ((ai->ai_family == AF_INET || ai->ai_family == AF_INET6)
            && inet_ntop(ai->ai_family, from, text, sizeof(text)))
        {
            migrator_dns_set_add(set, text);
        }
    }

    freeaddrinfo(all);
}


static void
migrator_dns_pass(migrator_dns_t *d)
{
    int                  rc;
    size_t               i;
    shardd_table_t       table;
    shardd_entry_t       written;
    migrator_dns_set_t  *nodes;

    if (shardd_table_load(&d->store, &table) != SHARDD_OK) {
        return;
    }

    rc = shardd_hash_load(&d->store, "dns", &written);
    nodes = calloc(table.nnodes + 1, sizeof(migrator_dns_set_t));

    if ((rc == SHARDD_OK || rc == SHARDD_NONE) && nodes) {

        for (i = 0; i < table.nnodes; i++) {
            migrator_dns_node(&table.nodes[i], &nodes[i]);
        }

        d->pending = 0;
        d->version = table.version;

        if (migrator_dns_shards(d, &table, nodes, &written) == SHARD_OK) {
            (void) migrator_dns_group(d, &table, nodes, &written);
        }

        if (d->pending) {
            d->backoff_ms = d->backoff_ms ? d->backoff_ms * 2
                                          : BACKOFF_MIN_MS;

            if (d->backoff_ms > BACKOFF_MAX_MS) {
                d->backoff_ms = BACKOFF_MAX_MS;
            }

            d->retry_ms = shardd_monotonic_ms() + (uint64_t) d->backoff_ms;

        } else {
            d->backoff_ms = 0;
            d->retry_ms = 0;
        }
    }

    free(nodes);
    shardd_entry_free(&written);
    shardd_table_free(&table);
}


static int
migrator_dns_is(const migrator_dns_set_t *a, const migrator_dns_set_t *b)
{
    unsigned  i;

    if (a->n != b->n) {
        return 0;
    }

    for (i = 0; i < a->n; i++) {
        if (strcmp(a->addr[i], b->addr[i]) != 0) {
            return 0;
        }
    }

    return 1;
}


/* what was written last; "dns" is as hostile as all of Redis */

static int
migrator_dns_written(const shardd_entry_t *written, const char *field,
    migrator_dns_set_t *set)
{
    const char  *text;

    text = shardd_entry_field(written, field);

    return text && migrator_dns_set_read(text, set) == SHARD_OK;
}


/* SHARD_ERROR: the server takes none, the others need not be tried */

static int
migrator_dns_shards(migrator_dns_t *d, shardd_table_t *table,
    const migrator_dns_set_t *nodes, const shardd_entry_t *written)
{
    char                   field[16], name[MIGRATOR_DNS_NAME];
    size_t                 i;
    migrator_dns_set_t     set, old;
    const shard_node_t    *node;
    const shard_record_t  *rec;

    for (i = 0; i < table->nshards && !migrator_dns_stopping(d); i++) {
        rec = &table->shards[i];
        node = shardd_table_node(table, rec->primary);

        /* names follow the release: its commit is another version */

        if (node == NULL || rec->phase == SHARD_HELD) {
            continue;
        }

        set = nodes[node - table->nodes];
        set.epoch = rec->epoch;
        snprintf(field, sizeof(field), "%u", (unsigned) rec->id);

        if (set.n == 0
            || (migrator_dns_written(written, field, &old)
                && old.epoch == set.epoch && migrator_dns_is(&old, &set)))
        {
            continue;
        }

        if (migrator_dns_name(d->conf->dns.name, d->conf->keyspace, rec->id,
                              name) != SHARD_OK)
        {
            migrator_dns_say(d, "the keyspace's name makes no good name");
            continue;
        }

        if (migrator_dns_put(d, field, name, &set) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


/* its epoch is the table's version, but another version alone is no change */

static int
migrator_dns_group(migrator_dns_t *d, shardd_table_t *table,
    const migrator_dns_set_t *nodes, const shardd_entry_t *written)
{
    char                   name[MIGRATOR_DNS_NAME];
    size_t                 i;
    unsigned               k;
    migrator_dns_set_t     set, old;
    const shard_node_t    *node;

    if (d->conf->dns.group == NULL
        || migrator_dns_name(d->conf->dns.group, d->conf->keyspace, 0, name)
           != SHARD_OK)
    {
        return SHARD_OK;
    }

    memset(&set, 0, sizeof(set));
    set.epoch = table->version;

    for (i = 0; i < table->nshards; i++) {
        node = shardd_table_node(table, table->shards[i].primary);

        for (k = 0; node && k < nodes[node - table->nodes].n; k++) {
            migrator_dns_set_add(&set, nodes[node - table->nodes].addr[k]);
        }
    }

    if (set.n == 0 || (migrator_dns_written(written, "group", &old)
                       && migrator_dns_is(&old, &set)))
    {
        return SHARD_OK;
    }

    return migrator_dns_put(d, "group", name, &set);
}


static int
migrator_dns_put(migrator_dns_t *d, const char *field, const char *name,
    const migrator_dns_set_t *set)
{
    int                 i;
    char                err[MIGRATOR_DNS_ERR], text[TEXT_SIZE];
    shardd_field_t      value;
    migrator_dns_rc_e   rc;

    for (i = 0; i < RACES; i++) {
        rc = migrator_dns_update(&d->conf->dns, name, set, err);

        if (rc != MIGRATOR_DNS_RACE) {
            break;
        }
    }

    if (rc != MIGRATOR_DNS_OK) {
        d->pending = 1;
        migrator_dns_say(d, err);
        return rc == MIGRATOR_DNS_FAILED ? SHARD_ERROR : SHARD_OK;
    }

    migrator_dns_set_write(set, text, sizeof(text));
    value.name = (char *) field;
    value.value = text;

    /* unknown whether it was kept: written again, which does no harm */

    if (shardd_hash_put(&d->store, "dns", &value, 1) != SHARDD_OK) {
        d->pending = 1;
    }

    shardd_log(SHARDD_LOG_INFO, "dns: %s is %s", name, text);
    d->said[0] = '\0';

    return SHARD_OK;
}
