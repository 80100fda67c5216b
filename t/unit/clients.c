
/* client groups: names, counts by many processes, their metrics section */

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shard_clients.h"
#include "shard_metrics.h"
#include "shard_text.h"

#include "../lib/tap.h"


#define CAPACITY   4096
#define PROCESSES  4
#define ROUNDS     20000
#define FLIPS      200000


static shard_clients_t *
create(uint32_t capacity)
{
    char             *memory;
    shard_clients_t  *clients;

    memory = mmap(NULL, sizeof(shard_clients_t) + shard_clients_size(capacity),
                  PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    clients = (shard_clients_t *) memory;
    shard_clients_place(clients, memory + sizeof(shard_clients_t), capacity);

    return clients;
}


static void
test_clean(void)
{
    char         buf[SHARD_CLIENT_SIZE], text[100];
    shard_str_t  str;

    str = shard_text_str("app 1\n\"x\"\\\x7f\xc3\xa9");
    tap_is_int(shard_client_clean(buf, str), 13, "cleaned");
    tap_ok(strcmp(buf, "app_1__x_____") == 0, "to %s", buf);

    str.len = 0;
    shard_client_clean(buf, str);
    tap_ok(strcmp(buf, "-") == 0, "nothing is -");

    memset(text, 'a', sizeof(text));
    str.data = text;
    str.len = sizeof(text);
    tap_is_int(shard_client_clean(buf, str), 63, "cut");
}


static void
test_names(void)
{
    char              text[16];
    unsigned          i, others, wrong;
    uint32_t          place[300];
    shard_str_t       name;
    shard_clients_t  *clients;

    clients = create(64);
    others = wrong = 0;

    for (i = 0; i < 300; i++) {
        sprintf(text, "app-%u", i);
        place[i] = shard_clients_name(clients, shard_text_str(text));
        others += place[i] == SHARD_CLIENT_OTHER;
    }

    for (i = 0; i < SHARD_CLIENT_NAMES; i++) {
        sprintf(text, "app-%u", i);
        name = shard_clients_name_at(clients, place[i]);
        wrong += !shard_text_equal(name, text)
                 || shard_clients_name(clients, shard_text_str(text))
                    != place[i];
    }

    tap_is_int(others, 300 - SHARD_CLIENT_NAMES, "255 names, then others");
    tap_is_int(wrong, 0, "each at its place");
    tap_is_int(shard_clients_name(clients, shard_text_str("other")),
               SHARD_CLIENT_OTHER, "one that calls itself other");
    tap_is_int(shard_clients_name_at(clients, 9999).len, 0, "no such place");
}


/* a writer that died between claim and name: the next one completes it */

static void
test_half_a_name(void)
{
    uint32_t          place;
    shard_clients_t  *clients;

    clients = create(64);
    place = shard_clients_name(clients, shard_text_str("shop"));

    memset(clients->names[place].name, 0, SHARD_CLIENT_SIZE);
    clients->names[place].len = 0;
    clients->names[place].ready = 0;

    tap_is_int(shard_clients_name_at(clients, place).len, 0, "half a name");
    tap_is_int(shard_clients_name(clients, shard_text_str("shop")), place,
               "its place is the same");
    tap_ok(shard_text_equal(shard_clients_name_at(clients, place), "shop"),
           "and it is whole then");
}


static void
count(shard_clients_t *clients, unsigned process)
{
    char      name[16];
    unsigned  i;

    for (i = 0; i < ROUNDS; i++) {
        sprintf(name, "app-%u", (i + process) % 20);
        shard_clients_count(clients,
                            shard_clients_name(clients, shard_text_str(name)),
                            i % 50, i % 4 == 0, 100);
    }
}


static void
test_processes(void)
{
    pid_t                  pid;
    unsigned               i, n, names, left;
    uint32_t               place;
    uint64_t               offered, errors, bytes, requests;
    shard_id_t             id;
    shard_clients_t       *clients;
    shard_client_count_t   got;

    clients = create(CAPACITY);
    fflush(stdout);

    for (i = 0; i < PROCESSES; i++) {
        pid = fork();

        if (pid == 0) {
            count(clients, i);
            _exit(0);
        }
    }

    while (wait(NULL) > 0) { /* void */ }

    shard_clients_swap(clients);
    n = names = left = 0;
    offered = errors = bytes = requests = 0;

    tap_is_int(shard_clients_taken_most(clients), 400,
               "20 names and 50 shards in four ways");

    for (i = 0; i < CAPACITY; i++) {
        if (shard_clients_take(clients, i, &id, &place, &got)) {
            n++;
            offered += got.offered;
            errors += got.errors;
            bytes += got.bytes;
            left += id >= 50
                    || shard_clients_name_at(clients, place).len == 0;
        }
    }

    for (i = 0; i < SHARD_CLIENT_PLACES; i++) {
        requests += clients->names[i].requests;
        names += clients->names[i].requests != 0;
    }

    tap_is_int(n, 400, "all taken");
    tap_is_int((long long) offered, PROCESSES * ROUNDS, "each counted once");
    tap_is_int((long long) errors, PROCESSES * ROUNDS / 4, "errors");
    tap_is_int((long long) bytes, PROCESSES * ROUNDS * 100LL, "bytes");
    tap_is_int((long long) requests, PROCESSES * ROUNDS, "totals");
    tap_is_int(names, 20, "of 20 names");
    tap_is_int(left, 0, "of shards and names there are");

    for (i = 0, n = 0; i < CAPACITY; i++) {
        n += (unsigned) shard_clients_take(clients, i, &id, &place, &got);
    }

    tap_is_int(n, 0, "what was taken is gone");
}


static void
test_full(void)
{
    uint32_t          i;
    shard_clients_t  *clients;

    clients = create(64);

    for (i = 0; i < 1000; i++) {
        shard_clients_count(clients, SHARD_CLIENT_OTHER, i, 0, 1);
    }

    tap_ok(clients->used[0] <= 64, "%u in a table of 64", clients->used[0]);
    tap_is_int((long long) clients->overflows, 1000 - clients->used[0],
               "the rest is counted as such");
    tap_is_int((long long) clients->names[SHARD_CLIENT_OTHER].requests, 1000,
               "and in the total");
}


static long
encode(uint8_t *buf, size_t size)
{
    uint32_t                 i;
    shard_str_t              names[2];
    shard_metrics_head_t     head;
    shard_metrics_client_t   client;
    shard_metrics_writer_t   w;

    head.router = shard_text_str("edge-1");
    head.instance = 1;
    head.sequence = 2;
    head.end_ms = 3;
    head.interval_ms = 1000;
    names[0] = shard_text_str("shop");
    names[1] = shard_text_str("other");

    (void) shard_metrics_begin(&w, buf, size, &head);

    if (shard_metrics_add_names(&w, names, 2) != SHARD_OK) {
        return -1;
    }

    for (i = 0; i < 3; i++) {
        client.id = i;
        client.client = (uint16_t) (i & 1);
        client.offered = 10 + i;
        client.errors = i;
        client.bytes = 1ULL << (30 + i);
        (void) shard_metrics_add_client(&w, &client);
    }

    return shard_metrics_end(&w);
}


static void
test_section(void)
{
    int                     k, taken, wrong;
    long                    len;
    char                    err[SHARD_ERR_SIZE];
    size_t                  n, size;
    uint8_t                *buf, *copy;
    uint64_t                seed;
    shard_str_t             str;
    shard_metrics_entry_t   e;
    shard_metrics_client_t  client;

    size = shard_metrics_entry_size(0) + shard_metrics_clients_size(2, 3);
    buf = malloc(size);
    copy = malloc(size);
    len = encode(buf, size);
    str.data = (const char *) buf;
    str.len = (size_t) len;

    if (!tap_ok(len > 0, "encoded")
        || !tap_is_int(shard_metrics_decode(str, &e, err), SHARD_OK,
                       "decoded"))
    {
        return;
    }

    shard_metrics_client(&e, 2, &client);
    tap_ok(e.nnames == 2 && e.nclients == 3 && client.id == 2
           && client.offered == 12 && client.errors == 2
           && client.bytes == 1ULL << 32, "the counts");
    tap_ok(shard_text_equal(shard_metrics_name(&e, 0), "shop")
           && shard_text_equal(shard_metrics_name(&e, 1), "other"), "the names");

    for (n = 0, taken = 0; n < (size_t) len; n++) {
        str.len = n;
        taken += shard_metrics_decode(str, &e, err) == SHARD_OK;
    }

    tap_is_int(taken, 0, "no truncation is taken");

    seed = tap_seed(20261125);
    str.data = (const char *) copy;
    str.len = (size_t) len;
    wrong = 0;

    for (k = 0; k < FLIPS; k++) {
        memcpy(copy, buf, (size_t) len);
        copy[tap_random(&seed) % (uint64_t) len] ^=
                                     (uint8_t) (1 << tap_random(&seed) % 8);
        err[0] = '\0';

        if (shard_metrics_decode(str, &e, err) != SHARD_OK) {
            wrong += err[0] == '\0';

        } else if (e.nclients) {
            shard_metrics_client(&e, e.nclients - 1, &client);
            wrong += shard_metrics_name(&e, client.client).len == 0;
        }
    }

    tap_is_int(wrong, 0, "damage is refused with a reason, or sound");
    free(buf);
    free(copy);
}


int
main(void)
{
    test_clean();
    test_names();
    test_half_a_name();
    test_processes();
    test_full();
    test_section();

    return tap_done();
}
