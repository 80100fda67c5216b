
/*
 * One metrics entry: what one router counted in one interval.
 *
 *   header   "SHM1" | u8 name length, router name | u64 instance |
 *            u64 sequence | u64 end_ms | u32 interval_ms | u16 sections
 *   section  u16 type | u32 length in bytes | body
 *     type 1, shards:   u32 count, then count x shard_metrics_shard_t packed
 *                       in the order of its members (48 bytes each)
 *     type 2, latency:  u16 buckets, then u32 per bucket
 *     type 3, position: u16 buckets, then u32 per bucket: requests by key
 *                       position, equal parts of the keyspace
 *     type 4, clients:  u16 names, then u8 length and bytes of each; u32
 *                       count, then count x shard_metrics_client_t packed
 *                       (22 bytes each), client: number of its name
 *     type 5, samples:  u32 count, at most 4096, then count x u32 shard id,
 *                       u64 position, u64 key (what it is sticky by), u32
 *                       bits: 0 to 23 weight, 24 to 30 skip, 31 a write
 *
 * All little endian, no padding.  A reader skips sections it does not know.
 * An entry is idempotent by (router, instance, sequence).
 *
 * A sample is one request of "weight" that arrived at a worker: which one was
 * not chosen by what it asked for.  Its position is the key's in the keyspace;
 * of "range bytes" it is made of the key's bytes behind the first "skip" ones,
 * those that all keys of the shard begin with (shard_key_frame()).
 *
 * Latency bucket b counts requests of [2^(b/2), 2^((b+1)/2)) * 100 us, the
 * first and last ones are open: 100 us .. 6.5 s in 32 half-octaves.
 */


#ifndef _SHARD_METRICS_H_INCLUDED_
#define _SHARD_METRICS_H_INCLUDED_


#include "shard_types.h"


#define SHARD_METRICS_LATENCY_BUCKETS   32
#define SHARD_METRICS_POSITION_BUCKETS  64
#define SHARD_METRICS_ENTRY_MAX         (64 * 1024 * 1024)
#define SHARD_METRICS_SHARD_BYTES       48
#define SHARD_METRICS_CLIENT_BYTES      22
#define SHARD_METRICS_NAMES_MAX         256
#define SHARD_METRICS_SAMPLE_BYTES      24
#define SHARD_METRICS_SAMPLES_MAX       4096
#define SHARD_METRICS_WEIGHT_MAX        0xffffff


typedef struct {
    shard_id_t  id;
    uint32_t    offered;        /* with rejected and held ones */
    uint32_t    completed;      /* answered below 500 */
    uint32_t    errors;         /* answered 5xx or not at all */
    uint32_t    reads;
    uint32_t    writes;
    uint64_t    bytes;          /* in and out */
    uint64_t    latency_us;     /* sum over the completed ones */
    uint32_t    inflight;       /* at the interval's end */
    uint32_t    held;           /* parked in the interval */
} shard_metrics_shard_t;

/* what one client group asked of one shard */

typedef struct {
    shard_id_t   id;
    uint16_t     client;
    uint32_t     offered;
    uint32_t     errors;
    uint64_t     bytes;         /* in and out */
} shard_metrics_client_t;

/* one request that stands for "weight" of them */

typedef struct {
    uint64_t     position;
    uint64_t     key;           /* shard_key_t's "sticky" */
    shard_id_t   id;
    uint32_t     weight:24;     /* at least 1 */
    uint32_t     skip:7;        /* at most SHARD_BOUND_MAX */
    uint32_t     write:1;
} shard_metrics_sample_t;

typedef struct {
    shard_str_t  router;        /* points into the entry when decoded */
    uint64_t     instance;
    uint64_t     sequence;
    uint64_t     end_ms;        /* ms since 1970 */
    uint32_t     interval_ms;
} shard_metrics_head_t;


/* writer: begin, shards*, histograms, names and clients*, samples*, end;
 * memory is the caller's */

typedef struct {
    uint8_t   *start;
    uint8_t   *pos;
    uint8_t   *end;
    uint8_t   *sections;        /* where their number goes */
    uint8_t   *count;           /* where the open shard section's counts go */
    uint8_t   *clients;         /* where the section of clients' length goes */
    uint8_t   *nclients;        /* and their number */
    uint8_t   *samples;         /* where the section of samples' length goes */
    uint16_t   nsections;
    uint16_t   nnames;
    uint32_t   nshards;
    uint32_t   ncounts;
    uint32_t   nsamples;
} shard_metrics_writer_t;

/* an upper bound of an entry's size */

size_t shard_metrics_entry_size(uint32_t nshards);

/* ... and of the sections of clients and samples, to be added to it */

size_t shard_metrics_clients_size(uint32_t nnames, uint32_t nclients);
size_t shard_metrics_samples_size(uint32_t nsamples);

int shard_metrics_begin(shard_metrics_writer_t *w, void *buf, size_t size,
    const shard_metrics_head_t *head);
int shard_metrics_add_shard(shard_metrics_writer_t *w,
    const shard_metrics_shard_t *shard);
int shard_metrics_add_histogram(shard_metrics_writer_t *w, uint16_t type,
    const uint32_t *buckets, uint16_t n);

/* names of 1 to 63 bytes that shard_client_clean() leaves as they are */

int shard_metrics_add_names(shard_metrics_writer_t *w,
    const shard_str_t *names, uint32_t n);
int shard_metrics_add_client(shard_metrics_writer_t *w,
    const shard_metrics_client_t *client);
int shard_metrics_add_sample(shard_metrics_writer_t *w,
    const shard_metrics_sample_t *sample);

/* the entry's length, or SHARD_AGAIN */

long shard_metrics_end(shard_metrics_writer_t *w);


/* reader: every offset is checked; SHARD_ERROR and "err" on a bad entry */

typedef struct {
    shard_metrics_head_t  head;
    uint32_t              nshards;
    const uint8_t        *shards;       /* nshards packed records */
    uint16_t              nlatency;
    const uint8_t        *latency;      /* nlatency x u32 */
    uint16_t              nposition;
    const uint8_t        *position;
    uint16_t              nnames;
    const uint8_t        *names;        /* length and bytes of each */
    uint32_t              nclients;
    const uint8_t        *clients;      /* nclients packed records */
    uint32_t              nsamples;
    const uint8_t        *samples;      /* nsamples packed records */
} shard_metrics_entry_t;

int shard_metrics_decode(shard_str_t entry, shard_metrics_entry_t *out,
    char *err);
void shard_metrics_shard(const shard_metrics_entry_t *entry, uint32_t i,
    shard_metrics_shard_t *out);
void shard_metrics_client(const shard_metrics_entry_t *entry, uint32_t i,
    shard_metrics_client_t *out);
void shard_metrics_sample(const shard_metrics_entry_t *entry, uint32_t i,
    shard_metrics_sample_t *out);
shard_str_t shard_metrics_name(const shard_metrics_entry_t *entry,
    uint32_t i);
uint32_t shard_metrics_bucket(const uint8_t *buckets, uint16_t i);

uint32_t shard_metrics_latency_bucket(uint64_t us)
    __attribute__((hot));

/* upper bound of a bucket in us */

uint64_t shard_metrics_latency_us(uint32_t bucket);


#endif /* _SHARD_METRICS_H_INCLUDED_ */
