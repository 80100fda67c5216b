
/*
 * HTTP GETs of many small texts at once, by libcurl's multi interface, and
 * without ever waiting:
 *
 *   ask(url, id) ──▶ transfers, at most so many at once ──step()──▶ each(id,
 *                                                            text or error)
 *
 * An answer is whole, of status 200, and smaller than a limit, or it is an
 * error.  No redirects, no proxies, http and https only.
 */


#ifndef _PREDICTOR_SCRAPE_H_INCLUDED_
#define _PREDICTOR_SCRAPE_H_INCLUDED_


#include "../src/core/shard_types.h"


#define PREDICTOR_SCRAPE_MAX     (8 * 1024 * 1024)
#define PREDICTOR_SCRAPE_AT_ONCE 64


typedef struct predictor_scrape_s  predictor_scrape_t;

/* text.data NULL: it failed, and why */

typedef void (*predictor_scrape_pt)(void *data, uint64_t id, shard_str_t text,
    const char *why);


/* NULL without memory */

predictor_scrape_t *predictor_scrape_create(void);
void predictor_scrape_destroy(predictor_scrape_t *s);

/* SHARD_ERROR: not begun, for want of memory or as libcurl refuses the url */

int predictor_scrape_ask(predictor_scrape_t *s, const char *url,
    long timeout_ms, uint64_t id);

/* as far as it goes now; each() for what has ended */

void predictor_scrape_step(predictor_scrape_t *s, predictor_scrape_pt each,
    void *data);


#endif /* _PREDICTOR_SCRAPE_H_INCLUDED_ */
