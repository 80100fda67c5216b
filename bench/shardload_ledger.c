
/*
 * The account of keys: which are used, what was sent, what was acknowledged.
 */


#include <stdlib.h>
#include <string.h>

#include "shardload.h"


static shardload_key_t *shardload_key_make(shardload_t *load, uint32_t *shard);
static int shardload_key_keep(shardload_t *load, shardload_key_t *key);
static void shardload_key_retire(shardload_t *load, shardload_key_t *key);
static int shardload_read_good(shardload_t *load,
    const shardload_request_t *request, const shardload_answer_t *answer);
static int shardload_append_good(shardload_t *load,
    const shardload_request_t *request, const shardload_answer_t *answer);


/* names are tried until each shard has its keys */

int
shardload_ledger_init(shardload_t *load)
{
    size_t            left;
    uint32_t          shard, *filled;
    shardload_key_t  *key;

    load->per_shard = load->conf.keys + load->conf.queues;
    left = (size_t) load->conf.shards * load->per_shard;

    load->keys = calloc(left, sizeof(shardload_key_t *));
    filled = calloc(load->conf.shards, sizeof(uint32_t));

    while (load->keys && filled && left) {
        key = shardload_key_make(load, &shard);
        if (key == NULL) {
            break;
        }

        if (filled[shard] == load->per_shard) {
            free(key);
            continue;
        }

        key->queue = filled[shard] >= load->conf.keys;
        load->keys[(size_t) shard * load->per_shard + filled[shard]++] = key;
        left--;

        if (shardload_key_keep(load, key) != 0) {
            break;
        }
    }

    free(filled);

    if (left) {
        fputs("shardload: out of memory\n", stderr);
        return -1;
    }

    return 0;
}


/* the next name, and the shard it happens to fall into */

static shardload_key_t *
shardload_key_make(shardload_t *load, uint32_t *shard)
{
    int               n;
    uint64_t          position;
    shardload_key_t  *key;

    key = calloc(1, sizeof(*key));
    if (key == NULL) {
        return NULL;
    }

    n = snprintf(key->name, sizeof(key->name), "%s%llu", load->conf.prefix,
                 (unsigned long long) ++load->key_number);

    position = shard_key_position(key->name, (size_t) n);
    key->shard = (uint32_t) ((unsigned __int128) position * load->conf.shards
                             >> 64);
    *shard = key->shard;

    return key;
}


static int
shardload_key_keep(shardload_t *load, shardload_key_t *key)
{
    size_t             room;
    shardload_key_t  **ledger;

    if (load->nledger == load->ledger_room) {
        room = load->ledger_room ? load->ledger_room * 2 : 1024;
        ledger = realloc(load->ledger, room * sizeof(*ledger));
        if (ledger == NULL) {
            return -1;
        }

        load->ledger = ledger;
        load->ledger_room = room;
    }

    load->ledger[load->nledger++] = key;

    return 0;
}


/* its place goes to a new key, which inherits those that wait */

static void
shardload_key_retire(shardload_t *load, shardload_key_t *key)
{
    uint32_t              shard, i;
    shardload_key_t     **place, *fresh;
    shardload_request_t  *request;

    for ( ;; ) {
        fresh = shardload_key_make(load, &shard);

        if (fresh == NULL || shard == key->shard) {
            break;
        }

        free(fresh);
    }

    if (fresh == NULL || shardload_key_keep(load, fresh) != 0) {
        fputs("shardload: out of memory\n", stderr);
        exit(1);
    }

    fresh->queue = key->queue;
    fresh->first = key->first;
    fresh->last = key->last;
    key->first = NULL;
    key->last = NULL;
    key->retired = 1;

    for (request = fresh->first; request; request = request->next) {
        request->key = fresh;
    }

    place = &load->keys[(size_t) key->shard * load->per_shard];

    for (i = 0; i < load->per_shard; i++) {
        if (place[i] == key) {
            place[i] = fresh;
        }
    }
}


/* a write takes a key without one in flight if it can: an order of values
 * needs one at a time, but only appends are meant to wait for it */

shardload_key_t *
shardload_ledger_key(shardload_t *load, uint32_t shard, shardload_op_e op)
{
    uint32_t           i, n;
    shardload_key_t  **keys;

    keys = &load->keys[(size_t) shard * load->per_shard];

    if (op == SHARDLOAD_APPEND) {
        n = (uint32_t) (shardload_random(load) % load->conf.queues);
        return keys[load->conf.keys + n];
    }

    n = (uint32_t) (shardload_random(load) % load->conf.keys);

    for (i = 0; op == SHARDLOAD_WRITE && i < load->conf.keys; i++) {
        if (!keys[(n + i) % load->conf.keys]->busy) {
            return keys[(n + i) % load->conf.keys];
        }
    }

    return keys[n];
}


int
shardload_ledger_begin(shardload_t *load, shardload_request_t *request)
{
    shardload_key_t  *key;

    (void) load;
    key = request->key;

    request->acked = key->acked;
    request->seen = key->sent;

    if (request->op != SHARDLOAD_WRITE && request->op != SHARDLOAD_APPEND) {
        return 1;
    }

    if (key->busy) {
        request->next = NULL;

        if (key->first) {
            key->last->next = request;

        } else {
            key->first = request;
        }

        key->last = request;
        return 0;
    }

    key->busy = 1;
    request->n = ++key->sent;

    return 1;
}


int
shardload_ledger_end(shardload_t *load, shardload_request_t *request,
    const shardload_answer_t *answer, shardload_request_t **next)
{
    int               good;
    shardload_key_t  *key;

    *next = NULL;
    key = request->key;

    if (request->op == SHARDLOAD_READ) {
        return shardload_read_good(load, request, answer);
    }

    good = answer->status >= 200 && answer->status < 300;

    if (good && request->op == SHARDLOAD_APPEND) {
        good = shardload_append_good(load, request, answer);
    }

    if (good) {
        key->acked = request->n;

        if (request->op == SHARDLOAD_APPEND) {
            load->acked_appends++;

        } else {
            load->acked_writes++;
        }
    }

    key->busy = 0;

    if (!good) {
        shardload_key_retire(load, key);
        key = load->ledger[load->nledger - 1];
    }

    if (key->first) {
        *next = key->first;
        key->first = key->first->next;

        if (key->first == NULL) {
            key->last = NULL;
        }
    }

    return good;
}


/*
 * A read has to show what was acknowledged before it was sent; the value may
 * be younger, never older.
 */

static int
shardload_read_good(shardload_t *load, const shardload_request_t *request,
    const shardload_answer_t *answer)
{
    size_t                 len;
    unsigned long          n;
    const shardload_key_t *key;

    key = request->key;

    if (answer->status == 404) {
        return request->acked == 0;
    }

    if (answer->status < 200 || answer->status >= 300) {
        return 0;
    }

    len = strlen(key->name);
    n = 0;

    if (answer->len > len + 1 && answer->len < len + 12
        && memcmp(answer->body, key->name, len) == 0
        && answer->body[len] == ':')
    {
        n = strtoul(answer->body + len + 1, NULL, 10);
    }

    if (n == 0 || n < request->acked || n > key->sent) {
        load->stale_reads++;
        shardload_note(load, "GET %s shard %u: value %lu, acknowledged %u, "
                       "sent %u", key->name, key->shard, n, request->acked,
                       key->sent);
    }

    return 1;
}


/* {"n":INDEX}: entries of a queue are counted from 1 */

static int
shardload_append_good(shardload_t *load, const shardload_request_t *request,
    const shardload_answer_t *answer)
{
    unsigned long  n;
    const char    *p;

    n = 0;
    p = answer->len > 4 ? memmem(answer->body, answer->len, "\"n\":", 4) : NULL;

    if (p) {
        n = strtoul(p + 4, NULL, 10);
    }

    if (n == request->n) {
        return 1;
    }

    load->reordered++;
    shardload_note(load, "POST %s shard %u: entry %u was given index %lu",
                   request->key->name, request->key->shard, request->n, n);

    return 0;
}
