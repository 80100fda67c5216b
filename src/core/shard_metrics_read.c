
#include "shard_codec.h"
#include "shard_metrics_parts.h"
#include "shard_text.h"


static int shard_metrics_section(shard_metrics_entry_t *out, unsigned type,
    const uint8_t *body, size_t len, char *err);
static int shard_metrics_histogram(const uint8_t *body, size_t len,
    unsigned max, const uint8_t **buckets, uint16_t *n, char *err);
static int shard_metrics_clients(shard_metrics_entry_t *out,
    const uint8_t *body, size_t len, char *err);


int
shard_metrics_decode(shard_str_t entry, shard_metrics_entry_t *out, char *err)
{
    size_t                 left, len;
    unsigned               n, type;
    const uint8_t         *p;
    shard_metrics_entry_t  e;

    memset(&e, 0, sizeof(e));
    p = (const uint8_t *) entry.data;

    if (entry.len > SHARD_METRICS_ENTRY_MAX) {
        return shard_refuse(err, "metrics entry is longer than %u bytes",
                            (unsigned) SHARD_METRICS_ENTRY_MAX);
    }

    if (entry.len < 5 || memcmp(p, "SHM1", 4) != 0) {
        return shard_refuse(err, "not a metrics entry of version 1");
    }

    e.head.router.data = entry.data + 5;
    e.head.router.len = p[4];
    left = entry.len - 5;

    if (left < e.head.router.len + SHARD_METRICS_FIXED) {
        return shard_refuse(err, "metrics entry ends in its head");
    }

    if (!shard_name_valid(e.head.router)) {
        return shard_refuse(err, "metrics entry of a router without a valid "
                            "name: %q", &e.head.router);
    }

    p += 5 + e.head.router.len;
    left -= e.head.router.len + SHARD_METRICS_FIXED;

    e.head.instance = shard_metrics_get(&p, 8);
    e.head.sequence = shard_metrics_get(&p, 8);
    e.head.end_ms = shard_metrics_get(&p, 8);
    e.head.interval_ms = (uint32_t) shard_metrics_get(&p, 4);

    if (e.head.interval_ms == 0) {
        return shard_refuse(err, "metrics entry of an interval of 0 ms");
    }

    for (n = (unsigned) shard_metrics_get(&p, 2); n > 0; n--) {

        if (left < SHARD_METRICS_SECTION) {
            return shard_refuse(err, "metrics entry lacks %u sections", n);
        }

        type = (unsigned) shard_metrics_get(&p, 2);
        len = (size_t) shard_metrics_get(&p, 4);
        left -= SHARD_METRICS_SECTION;

        if (len > left) {
            return shard_refuse(err, "metrics entry ends in a section of "
                                "type %u", type);
        }

        if (shard_metrics_section(&e, type, p, len, err) != SHARD_OK) {
            return SHARD_ERROR;
        }

        p += len;
        left -= len;
    }

    if (left) {
        return shard_refuse(err, "metrics entry has %u bytes after its last "
                            "section", (unsigned) left);
    }

    *out = e;

    return SHARD_OK;
}


static int
shard_metrics_section(shard_metrics_entry_t *out, unsigned type,
    const uint8_t *body, size_t len, char *err)
{
    uint32_t               i;
    shard_metrics_shard_t  shard;

    if (type == SHARD_METRICS_LATENCY) {
        return shard_metrics_histogram(body, len,
                                       SHARD_METRICS_LATENCY_BUCKETS,
                                       &out->latency, &out->nlatency, err);
    }

    if (type == SHARD_METRICS_POSITION) {
        return shard_metrics_histogram(body, len,
                                       SHARD_METRICS_POSITION_BUCKETS,
                                       &out->position, &out->nposition, err);
    }

    if (type == SHARD_METRICS_CLIENTS) {
        return shard_metrics_clients(out, body, len, err);
    }

    if (type == SHARD_METRICS_SAMPLES) {
        return shard_metrics_samples(out, body, len, err);
    }

    if (type != SHARD_METRICS_SHARDS) {
        return SHARD_OK;
    }

    if (out->shards != NULL) {
        return shard_refuse(err, "metrics entry has two sections of shards");
    }

    if (len < 4) {
        return shard_refuse(err, "metrics section of shards has no count");
    }

    out->nshards = (uint32_t) shard_metrics_get(&body, 4);
    out->shards = body;

    if ((uint64_t) out->nshards * SHARD_METRICS_SHARD_BYTES != len - 4) {
        return shard_refuse(err, "metrics section of %u shards has %u bytes",
                            out->nshards, (unsigned) len);
    }

    for (i = 0; i < out->nshards; i++) {
        shard_metrics_shard(out, i, &shard);

        if (shard.id == SHARD_ID_NONE) {
            return shard_refuse(err, "metrics of a shard without an id");
        }
    }

    return SHARD_OK;
}


static int
shard_metrics_histogram(const uint8_t *body, size_t len, unsigned max,
    const uint8_t **buckets, uint16_t *n, char *err)
{
    if (*buckets != NULL) {
        return shard_refuse(err, "metrics entry has a histogram twice");
    }

    if (len < 2) {
        return shard_refuse(err, "metrics histogram has no count");
    }

    *n = (uint16_t) shard_metrics_get(&body, 2);
    *buckets = body;

    if (*n == 0 || *n > max || (size_t) *n * 4 != len - 2) {
        return shard_refuse(err, "metrics histogram of %u buckets has %u "
                            "bytes, at most %u buckets", (unsigned) *n,
                            (unsigned) len, max);
    }

    return SHARD_OK;
}


static int
shard_metrics_clients(shard_metrics_entry_t *out, const uint8_t *body,
    size_t len, char *err)
{
    uint32_t                i;
    shard_str_t             name;
    const uint8_t          *last;
    shard_metrics_client_t  client;

    if (out->names != NULL) {
        return shard_refuse(err, "metrics entry has two sections of clients");
    }

    last = body + len;

    if (len < 2) {
        return shard_refuse(err, "metrics section of clients has no names");
    }

    out->nnames = (uint16_t) shard_metrics_get(&body, 2);
    out->names = body;

    if (out->nnames > SHARD_METRICS_NAMES_MAX) {
        return shard_refuse(err, "metrics of %u clients, at most %u",
                            (unsigned) out->nnames,
                            (unsigned) SHARD_METRICS_NAMES_MAX);
    }

    for (i = 0; i < out->nnames; i++) {
        name.len = body < last ? *body++ : 0;
        name.data = (const char *) body;

        if (name.len > (size_t) (last - body)
            || !shard_metrics_name_good(name))
        {
            return shard_refuse(err, "metrics of client %u without a good "
                                "name", (unsigned) i);
        }

        body += name.len;
    }

    if (last - body < 4) {
        return shard_refuse(err, "metrics section of clients has no count");
    }

    out->nclients = (uint32_t) shard_metrics_get(&body, 4);
    out->clients = body;

    if ((uint64_t) out->nclients * SHARD_METRICS_CLIENT_BYTES
        != (uint64_t) (last - body))
    {
        return shard_refuse(err, "metrics section of %u counts of clients has "
                            "%u bytes", (unsigned) out->nclients,
                            (unsigned) len);
    }

    for (i = 0; i < out->nclients; i++) {
        shard_metrics_client(out, i, &client);

        if (client.id == SHARD_ID_NONE || client.client >= out->nnames) {
            return shard_refuse(err, "metrics of a client without a shard or "
                                "a name");
        }
    }

    return SHARD_OK;
}


void
shard_metrics_client(const shard_metrics_entry_t *entry, uint32_t i,
    shard_metrics_client_t *out)
{
    const uint8_t  *p;

    p = entry->clients + (size_t) i * SHARD_METRICS_CLIENT_BYTES;

    out->id = (shard_id_t) shard_metrics_get(&p, 4);
    out->client = (uint16_t) shard_metrics_get(&p, 2);
    out->offered = (uint32_t) shard_metrics_get(&p, 4);
    out->errors = (uint32_t) shard_metrics_get(&p, 4);
    out->bytes = shard_metrics_get(&p, 8);
}


/* i < nnames */

shard_str_t
shard_metrics_name(const shard_metrics_entry_t *entry, uint32_t i)
{
    shard_str_t     name;
    const uint8_t  *p;

    for (p = entry->names; i > 0; i--) {
        p += 1 + p[0];
    }

    name.len = p[0];
    name.data = (const char *) p + 1;

    return name;
}


void
shard_metrics_shard(const shard_metrics_entry_t *entry, uint32_t i,
    shard_metrics_shard_t *out)
{
    const uint8_t  *p;

    p = entry->shards + (size_t) i * SHARD_METRICS_SHARD_BYTES;

    out->id = (shard_id_t) shard_metrics_get(&p, 4);
    out->offered = (uint32_t) shard_metrics_get(&p, 4);
    out->completed = (uint32_t) shard_metrics_get(&p, 4);
    out->errors = (uint32_t) shard_metrics_get(&p, 4);
    out->reads = (uint32_t) shard_metrics_get(&p, 4);
    out->writes = (uint32_t) shard_metrics_get(&p, 4);
    out->bytes = shard_metrics_get(&p, 8);
    out->latency_us = shard_metrics_get(&p, 8);
    out->inflight = (uint32_t) shard_metrics_get(&p, 4);
    out->held = (uint32_t) shard_metrics_get(&p, 4);
}


uint32_t
shard_metrics_bucket(const uint8_t *buckets, uint16_t i)
{
    const uint8_t  *p;

    p = buckets + (size_t) i * 4;

    return (uint32_t) shard_metrics_get(&p, 4);
}
