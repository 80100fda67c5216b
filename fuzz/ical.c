
/* an iCalendar file: refused with a line and a reason, or sound records */

#include "../src/daemon/shardd_ical.h"
#include "shard_codec.h"
#include "shard_text.h"
#include "shard_wish.h"

#include "fuzz.h"


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char               err[SHARD_ERR_SIZE];
    size_t             i;
    shard_event_t      event;
    shardd_ical_t      ical;
    shardd_ical_ask_t  ask;

    memset(&ask, 0, sizeof(ask));
    ask.now_s = 1796083200;
    err[0] = '\0';

    if (shardd_ical_read((const char *) data, size, &ask, &ical, err) != 0) {
        fuzz_must(strncmp(err, "line ", 5) == 0, "no line");
        fuzz_must(ical.n == 0 && ical.events == NULL, "half a calendar");
        return 0;
    }

    for (i = 0; i < ical.n; i++) {
        fuzz_must(shard_name_valid(shard_text_str(ical.events[i].id)),
                  "no name");
        fuzz_must(shard_wish_event(shard_text_str(ical.events[i].json),
                                   &event, err)
                  == SHARD_OK, err);
    }

    shardd_ical_free(&ical);

    return 0;
}
