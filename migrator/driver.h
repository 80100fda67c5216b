
/*
 * Which drivers there are, and which one a migration takes.
 *
 *   migrator.yaml "driver:" ──▶ migrator_driver_words ──▶ migrator_drivers
 *   strategy "stateless"    ──────────────────────────▶ none
 *
 * Each thread opens its driver for itself: nothing of it is shared.
 */


#ifndef _MIGRATOR_DRIVER_H_INCLUDED_
#define _MIGRATOR_DRIVER_H_INCLUDED_


#include "conf.h"


/* by conf's "driver"; "none" is chosen by the strategy, never by name */

const migrator_driver_t *migrator_driver_of(const migrator_conf_t *conf,
    shard_strategy_e strategy);


#endif /* _MIGRATOR_DRIVER_H_INCLUDED_ */
