
/* policy "shards": what is taken, what is refused and how it is said */

#include "../lib/tap.h"
#include "../../predictor/resize_policy.h"


typedef struct {
    const char  *json;
    const char  *reason;
} bad_t;


static const bad_t  bad[] = {
    { "{\"shards\":", "JSON" },
    { "{\"shards\":8}", "not an object" },
    { "{\"shards\":[8]}", "not an object" },
    { "{\"shards\":{\"mni\":8}}", "\"mni\", known are min, max" },
    { "{\"shards\":{\"min\":0}}", "whole number from 1 to 1000000: \"0\"" },
    { "{\"shards\":{\"min\":1.5}}", "whole number" },
    { "{\"shards\":{\"min\":-1}}", "whole number" },
    { "{\"shards\":{\"min\":\"8\"}}", "whole number" },
    { "{\"shards\":{\"min\":{}}}", "whole number" },
    { "{\"shards\":{\"min\":true}}", "whole number" },
    { "{\"shards\":{\"max\":1000001}}", "1 to 1000000" },
    { "{\"shards\":{\"split_above\":0}}", "number from 0.01 to 1" },
    { "{\"shards\":{\"split_above\":1.1}}", "number from 0.01 to 1" },
    { "{\"shards\":{\"merge_below\":0.3}}", "number from 0 to 0.25" },
    { "{\"shards\":{\"hold_s\":86401}}", "0 to 86400" },
    { "{\"shards\":{\"season_s\":60}}", "3600 to 3024000" },
    { "{\"shards\":{\"min\":9,\"max\":8}}", "min is above max" },
    { "{\"shards\":{\"min\":9,\"min\":9}}", "there twice" },
    { "{\"shards\":{\"split_above\":0.1}}", "more than a quarter" },
    { "{\"shards\":{\"merge_below\":0.1}}", "more than a quarter" },
    { "{\"shards\":{\"hold_s\":7200,\"season_s\":3600}}", "longer than a season" },
};


static shard_policy_work_t        work;
static predictor_resize_policy_t  p;


static int
decode(const char *json, char *err)
{
    shard_str_t  text;

    text.data = json;
    text.len = strlen(json);

    return predictor_resize_policy_decode(text, &work, &p, err);
}


int
main(void)
{
    char      err[SHARD_ERR_SIZE];
    unsigned  i;

    predictor_resize_policy_init(&p);
    tap_is_int(predictor_resize_policy_check(&p, err), SHARD_OK,
               "the defaults are good");
    tap_is_int(decode("", err), SHARD_OK, "no policy");
    tap_is_int(decode("{\"mirror\":5,\"shards\":{\"min\":8,\"hold_s\":60}}",
                      err), SHARD_OK, "some of it");
    tap_ok(p.min == 8 && p.hold_s == 60 && p.max == 1000000
           && p.season_s == 604800, "the rest stays");
    tap_is_int(decode("{\"shards\":{\"min\":4,\"max\":16,\"split_above\":0.5,"
                      "\"merge_below\":0.05,\"hold_s\":0,\"season_s\":86400}}",
                      err), SHARD_OK, "all of it");
    tap_ok(p.min == 4 && p.max == 16 && p.split_above == 0.5
           && p.merge_below == 0.05 && p.hold_s == 0 && p.season_s == 86400,
           "is what is said");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        predictor_resize_policy_init(&p);
        err[0] = '\0';
        tap_is_int(decode(bad[i].json, err), SHARD_ERROR, "refused: %s",
                   bad[i].json);
        tap_ok(strstr(err, bad[i].reason) != NULL, "it says why: %s", err);
        tap_ok(p.min == 1 && p.max == 1000000, "and nothing is taken");
    }

    return tap_done();
}
