
/*
 * The seam between the predictor and the world: the clock and the store.
 * predictor_io_store() is the real one; tests put a world of their own
 * behind the same calls, with its clock and its faults.
 *
 * Calls return shardd_rc_e; err() is one line about the last failure.  What
 * a call allocates is given back with the shardd_..._free() of its type.
 */


#ifndef _PREDICTOR_IO_H_INCLUDED_
#define _PREDICTOR_IO_H_INCLUDED_


#include "../src/daemon/shardd_store.h"
#include "scrape.h"


typedef struct {
    void         *data;

    uint64_t    (*now_ms)(void *data);
    const char *(*err)(void *data);

    /* the right to plan; SHARDD_FENCED while somebody else has it */
    int         (*claim)(void *data, long ttl_ms);
    int         (*release)(void *data);

    int         (*table)(void *data, shardd_table_t *table);
    int         (*migrations)(void *data, size_t limit, shardd_entries_t *out);
    int         (*decisions)(void *data, size_t limit, shardd_entries_t *out);
    int         (*decision_add)(void *data, const char *id,
                                const shardd_field_t *fields, size_t n);

    int         (*hash_load)(void *data, const char *key,
                             shardd_entry_t *out);
    int         (*hash_put)(void *data, const char *key,
                            const shardd_field_t *fields, size_t n);

    int         (*metrics)(void *data, char *cursor, size_t limit,
                           shardd_metrics_pt each, void *ctx);

    int         (*rows_put)(void *data, long res_s, long slot,
                            const float *values, size_t n);
    int         (*rows_range)(void *data, long res_s, long first,
                              size_t nslots, float *values, size_t n);

    /* rows of other figures than the load, kept for live_s */
    int         (*named_put)(void *data, const char *name, long live_s,
                             long res_s, long slot, const float *values,
                             size_t n);
    int         (*named_range)(void *data, const char *name, long res_s,
                               long first, size_t nslots, float *values,
                               size_t n);

    /* *bytes is to be freed */
    int         (*bytes_put)(void *data, const char *key, const void *bytes,
                             size_t len, long live_s);
    int         (*bytes_get)(void *data, const char *key, size_t most,
                             void **bytes, size_t *len);

    /* distributions inside shards */
    int         (*spread_put)(void *data, const shard_id_t *ids,
                              const shard_str_t *texts, size_t n);
    int         (*spread_load)(void *data, shardd_spread_pt each, void *ctx);

    /* texts of nodes, see scrape.h; NULL: there are none */
    int         (*scrape_ask)(void *data, const char *url, long timeout_ms,
                              uint64_t id);
    void        (*scrape_step)(void *data, predictor_scrape_pt each,
                               void *ctx);

    /* of backends about shards, the same way */
    int         (*size_ask)(void *data, const char *url, long timeout_ms,
                            uint64_t id);
    void        (*size_step)(void *data, predictor_scrape_pt each, void *ctx);
} predictor_io_t;


/* "holder" names this process in the claim; the store is the caller's */

typedef struct {
    shardd_store_t       store;
    shardd_claim_t       claim;
    char                 holder[SHARD_NAME_SIZE];
    predictor_scrape_t  *scrape;        /* NULL until something is asked */
    predictor_scrape_t  *sizes;
} predictor_io_store_t;

void predictor_io_store(predictor_io_t *io, predictor_io_store_t *world);


#endif /* _PREDICTOR_IO_H_INCLUDED_ */
