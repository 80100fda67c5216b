
/* the time a client still has, as headers say it */

#include "shard_deadline.h"

#include "../lib/tap.h"


typedef struct {
    const char  *text;
    long long    ms;               /* -1: none of these */
} case_t;


static const case_t  cases[] = {
    { "0", 0 },
    { "250", 250 },
    { "0000000250", 250 },
    { "250ms", 250 },
    { "2s", 2000 },
    { "2S", 2000 },
    { "3M", 180000 },
    { "1H", 3600000 },
    { "100m", 100 },
    { "1999u", 1 },
    { "999u", 0 },
    { "2000000n", 2 },
    { "99999999H", 359999996400000LL },
    { "9999999999", 9999999999LL },

    { "", -1 },
    { "ms", -1 },
    { " 250", -1 },
    { "250 ", -1 },
    { "250 ms", -1 },
    { "-1", -1 },
    { "+1", -1 },
    { "1.5s", -1 },
    { "2h", -1 },
    { "2sec", -1 },
    { "2MS", -1 },
    { "2mss", -1 },
    { "0x10", -1 },
    { "12345678901", -1 },
    { "99999999999999999999999S", -1 }
};


static long long
decode(const char *data, size_t len)
{
    uint64_t     ms;
    shard_str_t  text;

    text.data = data;
    text.len = len;
    ms = 4711;

    if (shard_deadline_decode(text, &ms) != SHARD_OK) {
        return ms == 4711 ? -1 : -2;
    }

    return (long long) ms;
}


int
main(void)
{
    size_t  i;

    for (i = 0; i < sizeof(cases) / sizeof(case_t); i++) {
        tap_is_int(decode(cases[i].text, strlen(cases[i].text)), cases[i].ms,
                   "\"%s\"", cases[i].text);
    }

    tap_is_int(decode("2ss", 2), 2000, "no byte beyond its end");
    tap_is_int(decode("2m\0", 3), -1, "a zero is no end");

    return tap_done();
}
