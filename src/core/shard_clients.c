
#include <string.h>

#include "shard_clients.h"
#include "shard_key.h"


#define SHARD_CLIENT_PROBES  16

#define shard_clients_add(counter, n)                                         \
    (void) __atomic_fetch_add(&(counter), (n), __ATOMIC_RELAXED)


static int shard_clients_claim(shard_clients_t *clients,
    shard_client_name_t *name, uint64_t hash);
static void shard_clients_write(shard_client_name_t *name, const char *text,
    size_t len);
static shard_client_count_t *shard_clients_find(shard_clients_t *clients,
    uint64_t key);


size_t
shard_clients_size(uint32_t capacity)
{
    return SHARD_CLIENT_PLACES * sizeof(shard_client_name_t)
           + 2 * (size_t) capacity * sizeof(shard_client_count_t);
}


void
shard_clients_place(shard_clients_t *clients, void *memory, uint32_t capacity)
{
    shard_client_name_t  *other;

    clients->capacity = capacity;
    clients->names = memory;
    clients->counts[0] = (shard_client_count_t *) (clients->names
                                                   + SHARD_CLIENT_PLACES);
    clients->counts[1] = clients->counts[0] + capacity;

    other = &clients->names[SHARD_CLIENT_OTHER];

    shard_clients_write(other, "other", 5);
    other->hash = shard_key_position("other", 5) | 1;
}


size_t
shard_client_clean(char buf[SHARD_CLIENT_SIZE], shard_str_t text)
{
    char    c;
    size_t  i;

    for (i = 0; i < text.len && i < SHARD_CLIENT_SIZE - 1; i++) {
        c = text.data[i];
        buf[i] = (c > ' ' && c < 0x7f && c != '"' && c != '\\') ? c : '_';
    }

    if (i == 0) {
        buf[i++] = '-';
    }

    buf[i] = '\0';

    return i;
}


uint32_t
shard_clients_name(shard_clients_t *clients, shard_str_t text)
{
    char                  buf[SHARD_CLIENT_SIZE];
    size_t                len;
    uint32_t              i, n;
    uint64_t              hash, seen;
    shard_client_name_t  *name;

    len = shard_client_clean(buf, text);
    hash = shard_key_position(buf, len) | 1;

    if (hash == clients->names[SHARD_CLIENT_OTHER].hash) {
        return SHARD_CLIENT_OTHER;
    }

    i = (uint32_t) (hash >> 32);

    /* at most half of the places are taken, so that there is a free one */

    for (n = 0; n < SHARD_CLIENT_PLACES; n++, i++) {
        i &= SHARD_CLIENT_PLACES - 1;

        if (i == SHARD_CLIENT_OTHER) {
            continue;
        }

        name = &clients->names[i];
        seen = __atomic_load_n(&name->hash, __ATOMIC_RELAXED);

        if (seen == 0 && !shard_clients_claim(clients, name, hash)) {
            seen = __atomic_load_n(&name->hash, __ATOMIC_RELAXED);

            if (seen == 0) {
                return SHARD_CLIENT_OTHER;
            }

        } else if (seen == 0) {
            seen = hash;
        }

        if (seen == hash) {
            if (!__atomic_load_n(&name->ready, __ATOMIC_RELAXED)) {
                shard_clients_write(name, buf, len);
            }

            return i;
        }
    }

    return SHARD_CLIENT_OTHER;
}


/* 1: the place is this name's now */

static int
shard_clients_claim(shard_clients_t *clients, shard_client_name_t *name,
    uint64_t hash)
{
    uint64_t  none;

    none = 0;

    if (__atomic_load_n(&clients->nnames, __ATOMIC_RELAXED)
        >= SHARD_CLIENT_NAMES
        || __atomic_fetch_add(&clients->nnames, 1, __ATOMIC_RELAXED)
           >= SHARD_CLIENT_NAMES)
    {
        return 0;
    }

    if (__atomic_compare_exchange_n(&name->hash, &none, hash, 0,
                                    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    {
        return 1;
    }

    (void) __atomic_fetch_sub(&clients->nnames, 1, __ATOMIC_RELAXED);

    return 0;
}


static void
shard_clients_write(shard_client_name_t *name, const char *text, size_t len)
{
    memcpy(name->name, text, len);
    name->len = (uint32_t) len;
    __atomic_store_n(&name->ready, 1, __ATOMIC_RELEASE);
}


shard_str_t
shard_clients_name_at(const shard_clients_t *clients, uint32_t place)
{
    shard_str_t                 text;
    const shard_client_name_t  *name;

    text.len = 0;
    text.data = "";

    if (place < SHARD_CLIENT_PLACES) {
        name = &clients->names[place];

        if (__atomic_load_n(&name->ready, __ATOMIC_ACQUIRE)) {
            text.data = name->name;
            text.len = name->len < SHARD_CLIENT_SIZE ? name->len
                                                     : SHARD_CLIENT_SIZE - 1;
        }
    }

    return text;
}


void
shard_clients_count(shard_clients_t *clients, uint32_t place,
    shard_id_t shard, int error, uint64_t bytes)
{
    shard_client_count_t  *count;

    shard_clients_add(clients->names[place].requests, 1);

    count = shard_clients_find(clients,
                               ((uint64_t) shard << 16 | place) + 1);

    if (count == NULL) {
        shard_clients_add(clients->overflows, 1);
        return;
    }

    shard_clients_add(count->offered, 1);
    shard_clients_add(count->bytes, bytes);

    if (error) {
        shard_clients_add(count->errors, 1);
    }
}


static shard_client_count_t *
shard_clients_find(shard_clients_t *clients, uint64_t key)
{
    uint32_t               i, n, live;
    uint64_t               seen;
    shard_client_count_t  *count;

    live = (uint32_t) __atomic_load_n(&clients->live, __ATOMIC_RELAXED) & 1;
    i = (uint32_t) (key * 0x9e3779b97f4a7c15ULL >> 32);

    for (n = 0; n < SHARD_CLIENT_PROBES; n++, i++) {
        count = &clients->counts[live][i & (clients->capacity - 1)];
        seen = __atomic_load_n(&count->key, __ATOMIC_RELAXED);

        if (seen == 0
            && __atomic_compare_exchange_n(&count->key, &seen, key, 0,
                                           __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED))
        {
            shard_clients_add(clients->used[live], 1);
            return count;
        }

        if (seen == key) {
            return count;
        }
    }

    return NULL;
}


uint32_t
shard_clients_taken_most(const shard_clients_t *clients)
{
    uint32_t  used;

    used = __atomic_load_n(&clients->used[~clients->live & 1],
                           __ATOMIC_RELAXED);

    return used < clients->capacity ? used : clients->capacity;
}


int
shard_clients_take(shard_clients_t *clients, uint32_t i, shard_id_t *shard,
    uint32_t *place, shard_client_count_t *out)
{
    uint64_t               key;
    shard_client_count_t  *count;

    count = &clients->counts[~clients->live & 1][i];
    key = __atomic_load_n(&count->key, __ATOMIC_RELAXED);

    if (key == 0) {
        return 0;
    }

    out->key = key;
    out->offered = __atomic_exchange_n(&count->offered, 0, __ATOMIC_RELAXED);
    out->errors = __atomic_exchange_n(&count->errors, 0, __ATOMIC_RELAXED);
    out->bytes = __atomic_exchange_n(&count->bytes, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&count->key, 0, __ATOMIC_RELAXED);

    *shard = (shard_id_t) ((key - 1) >> 16);
    *place = (uint32_t) (key - 1) & 0xffff;

    return *place < SHARD_CLIENT_PLACES;
}


void
shard_clients_swap(shard_clients_t *clients)
{
    clients->used[~clients->live & 1] = 0;

    (void) __atomic_fetch_add(&clients->live, 1, __ATOMIC_SEQ_CST);
}
