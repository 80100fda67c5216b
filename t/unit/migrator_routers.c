
/* what routers' entries say of mirrored reads: hostile text adds nothing */

#include "../../migrator/io_store.h"

#include "../lib/tap.h"


#define ID  0x5f0c6d1e2a3b4c5dULL


static const char *const  bad[] = {
    "", "x", "[]", "{}", "{\"mirrors\":7}", "{\"mirrors\":[]}",
    "{\"mirrors\":{}}", "{\"mirrors\":{\"5f0c6d1e2a3b4c5d\":[]}}",
    "{\"mirrors\":{\"5f0c6d1e2a3b4c5d\":{\"sent\":\"7\",\"same\":1.5}}}",
    "{\"mirrors\":{\"5f0c6d1e2a3b4c5d\":{\"sent\":-7,\"same\":null}}}",
    "{\"mirrors\":{\"5f0c6d1e2a3b4c5d\":{\"sent\":4294967296}}}",
    "{\"mirrors\":{\"5f0c6d1e2a3b4c5d\":{\"sent\":7}},",
    "{\"mirrors\":{\"5f0c6d1e2a3b4c5e\":{\"sent\":7,\"same\":7}}}",
};


int
main(void)
{
    size_t              i;
    migrator_mirrors_t  sum, none;

    static const char  good[] =
        "{\"time_ms\":1,\"mirrors\":{\"0000000000000001\":{\"sent\":900},"
        "\"5f0c6d1e2a3b4c5d\":{\"shard\":42,\"sent\":250,\"same\":247,"
        "\"status\":1,\"body\":2,\"failed\":3,\"skipped\":4,"
        "\"source_ms\":912,\"target_ms\":1004}},\"nodes\":{}}";

    memset(&none, 0, sizeof(none));

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memset(&sum, 0, sizeof(sum));
        migrator_router_mirrors(bad[i], ID, &sum);
        tap_ok(memcmp(&sum, &none, sizeof(sum)) == 0, "nothing: %s", bad[i]);
    }

    migrator_router_mirrors(good, ID, &sum);
    migrator_router_mirrors(good, ID, &sum);

    tap_ok(sum.sent == 500 && sum.same == 494 && sum.status == 2
           && sum.body == 4 && sum.failed == 6 && sum.source_ms == 1824
           && sum.target_ms == 2008, "two routers are summed up");

    return tap_done();
}
