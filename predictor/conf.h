
/*
 * The daemon's configuration: conf/predictor.yaml describes every key.
 * Durations are on the predictor's clock but where a name ends in "real".
 */


#ifndef _PREDICTOR_CONF_H_INCLUDED_
#define _PREDICTOR_CONF_H_INCLUDED_


#include "../src/daemon/shardd_redis.h"
#include "budget.h"
#include "resize_policy.h"


typedef enum {
    PREDICTOR_OBSERVE = 0,
    PREDICTOR_RECOMMEND,
    PREDICTOR_ACT
} predictor_mode_e;

extern const char *const predictor_mode_words[];


/* which standby of a strong shard takes over from a dead primary */

typedef enum {
    PREDICTOR_ANY = 0,
    PREDICTOR_CAUGHT_UP
} predictor_promote_e;


typedef struct {
    shardd_redis_conf_t  redis;
    char                *keyspace;
    int                  mode;
    int                  log_level;
    int                  log_format;
    char                *metrics;       /* host:port or NULL */

    long                 interval_ms;
    long                 history_ms;
    long                 history_mb;
    long                 horizon_ms;
    long                 refit_ms;
    long                 threads;       /* 0: as many as cores */
    long                 now_slots;
    long                 grace_real_ms;
    long                 lease_real_ms;

    long                 spread_half_life_ms;

    double               quantile;
    double               threshold;
    double               correlation;
    double               caution;
    long                 move_price_ms;
    double               move_extra;
    long                 move_time_ms;
    double               move_spread;
    long                 lead_margin_ms;
    long                 cooldown_ms;
    long                 max_moves_per_node;
    long                 max_moves;

    long                 budget_window_ms;
    long                 budget_moves[PREDICTOR_BUDGET_SCOPES];
    double               budget_gb[PREDICTOR_BUDGET_SCOPES];

    long                 failure_after_ms;
    int                  failure_promote;
    long                 failure_behind_ms;
    long                 failure_rebuild_ms;
    long                 failure_rebuilds;

    predictor_resize_policy_t  shards;  /* unless the policy says more */
    long                 shards_min;
    long                 shards_max;
    double               split_above;
    double               merge_below;
    long                 shards_hold_ms;
    long                 shards_season_ms;

    char               **signal_metrics;
    long                 signal_history_ms;
    long                 signal_series;
    long                 signal_clients;

    char                *scrape_url;
    char                *scrape_backend;
    long                 scrape_interval_ms;
    long                 scrape_timeout_ms;
    char               **gauges;

    char                *sizes_url;
    double               sizes_per_second;

    double               clock_speed;
    double               clock_real_ms;
    double               clock_epoch_s;
} predictor_conf_t;


/* 0, or -1 with "err" (SHARDD_ERR_SIZE bytes) */

int predictor_conf_load(const char *path, predictor_conf_t *conf, char *err);

/* the effective configuration as YAML, to stdout */

void predictor_conf_print(const predictor_conf_t *conf);


#endif /* _PREDICTOR_CONF_H_INCLUDED_ */
