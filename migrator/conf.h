
#ifndef _MIGRATOR_CONF_H_INCLUDED_
#define _MIGRATOR_CONF_H_INCLUDED_


#include "../src/daemon/shardd_conf.h"
#include "../src/daemon/shardd_redis.h"
#include "dns.h"
#include "keep.h"
#include "machine.h"


/* driver.c: what the key "driver" may say */

extern const char *const  migrator_driver_words[];


/* where the nodes' data are; maps are name, value, ..., NULL */

typedef struct {
    char                **nodes;            /* redis://[user@]host:port[/db] */
    char                **password_files;   /* of single nodes */
    char                 *password;         /* of all others, or NULL */
} migrator_data_redis_t;


/* names and values in turn, as SHARDD_CONF_MAP has them; NULL: none */

typedef struct {
    char                **nodes;            /* connection strings */
    char                **subscribe;        /* as other servers see them */
    char                **tables;           /* and their shard columns */
    char                 *password;
} migrator_postgres_conf_t;


typedef struct migrator_conf_s {
    char                 *keyspace;
    char                 *name;             /* NULL: the host's */
    shardd_redis_conf_t   redis;
    int                   log_level;
    int                   log_format;
    char                 *metrics;      /* host:port or NULL */

    long                  max_migrations;
    long                  decision_ttl_ms;
    long                  scan_ms;
    char                 *health_uri;
    int                   driver;           /* of migrator_driver_words */
    migrator_data_redis_t data_redis;       /* of driver "redis" */
    migrator_postgres_conf_t  postgres;     /* of driver "postgres" */

    migrator_policy_t     policy;
    migrator_keep_conf_t  keep;             /* some of it is policy's */
    migrator_dns_conf_t   dns;
} migrator_conf_t;


/* 0, or -1 and "err" */

int migrator_conf_load(const char *path, migrator_conf_t *conf,
    char err[SHARDD_ERR_SIZE]);

/* the commented defaults, to stdout */

void migrator_conf_print(void);

void migrator_policy_defaults(migrator_policy_t *policy);


#endif /* _MIGRATOR_CONF_H_INCLUDED_ */
