
#include "driver_http.h"
#include "driver_postgres.h"
#include "driver_redis.h"
#include "driver.h"


/* in the same order; conf.c refuses any other word and tells these */

const char *const  migrator_driver_words[] = {
    "http", "postgres", "redis", NULL
};

static const migrator_driver_t *const  migrator_drivers[] = {
    &migrator_driver_http, &migrator_driver_postgres, &migrator_driver_redis
};


const migrator_driver_t *
migrator_driver_of(const migrator_conf_t *conf, shard_strategy_e strategy)
{
    return strategy == SHARD_STATELESS ? &migrator_driver_none
                                       : migrator_drivers[conf->driver];
}
