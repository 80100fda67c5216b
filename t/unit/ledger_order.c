
/*
 * The order that the ledger's proof rests on, in rounds that both sides begin
 * at once: a request enters and reads the word, the leader writes the word and
 * scans.  One of the two must see the other.  The window is some nanoseconds,
 * which the race of ledger.c hardly ever hits.
 */

#include "shard_ledger.h"

#include "../lib/tap.h"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS  2


typedef struct {
    shard_ledger_t      ledger;
    uint32_t            round;             /* begun, by the leader */
    uint32_t            done;              /* by the worker */
    uint32_t            held;              /* the round that is held */
    uint32_t            went_on;           /* the round that was not */
    _Alignas(64) char   memory[4096];
} pair_t;


/* for another word than this, at once where there are two processors */

static void
await(uint32_t *word, uint32_t old)
{
    uint32_t  n;

    for (n = 1; __atomic_load_n(word, __ATOMIC_ACQUIRE) == old; n++) {
        if (n % 4096 == 0) {
            sched_yield();
        }
    }
}


static void
run_pair(pair_t *p)
{
    uint32_t            k, round;
    shard_ledger_row_t  row;

    /* should the leader die */
    (void) alarm(30 * SECONDS);

    shard_ledger_open(&row, &p->ledger, 0);

    /* the first use of an entry is another way */
    shard_ledger_leave(&row, shard_ledger_enter(&row, 1, 0));

    for (round = 1; ; round++) {
        await(&p->round, 0);
        k = shard_ledger_enter(&row, 1, 0);

        if (__atomic_load_n(&p->held, __ATOMIC_SEQ_CST) != round) {
            __atomic_store_n(&p->went_on, round, __ATOMIC_RELEASE);
        }

        __atomic_store_n(&p->done, round, __ATOMIC_RELEASE);

        await(&p->round, round);
        shard_ledger_leave(&row, k);
        __atomic_store_n(&p->done, 0, __ATOMIC_RELEASE);
    }
}


static void
test_order(void)
{
    int                 missed, went_on;
    time_t              until;
    pid_t               pid;
    pair_t             *p;
    uint32_t            round, seen;
    cpu_set_t           cpus;
    volatile uint32_t   wait;

    p = mmap(NULL, sizeof(pair_t), PROT_READ|PROT_WRITE,
             MAP_SHARED|MAP_ANONYMOUS, -1, 0);

    shard_ledger_place(&p->ledger, p->memory, 1, 1, 4);
    pid = fork();

    if (pid == -1) {
        tap_ok(0, "fork");
        return;
    }

    if (pid == 0) {
        run_pair(p);
    }

    missed = 0;
    went_on = 0;
    until = time(NULL) + SECONDS;

    for (round = 1; time(NULL) < until; round++) {
        __atomic_store_n(&p->round, round, __ATOMIC_SEQ_CST);

        for (wait = round % 256; wait; wait--) {
            /* until the worker has heard of it, more or less */
        }

        __atomic_store_n(&p->held, round, __ATOMIC_SEQ_CST);
        seen = shard_ledger_count(&p->ledger, 1);

        await(&p->done, 0);
        went_on += p->went_on == round;
        missed += p->went_on == round && seen == 0;

        __atomic_store_n(&p->round, 0, __ATOMIC_RELEASE);
        await(&p->done, round);
    }

    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);

    tap_diag("%u rounds: in %d of them the request went on", round, went_on);
    tap_is_int(missed, 0, "and was seen each time");

    /* with one processor it never does: both wait for each other */

    CPU_ZERO(&cpus);
    (void) sched_getaffinity(0, sizeof(cpus), &cpus);
    tap_ok(went_on > 0 || CPU_COUNT(&cpus) == 1, "which there was to see");

    munmap(p, sizeof(pair_t));
}


int
main(void)
{
    test_order();

    return tap_done();
}
