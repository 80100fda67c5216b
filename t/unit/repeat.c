
/* recurrence rules, against known dates and against libical */

#include <libical/ical.h>

#include "../lib/tap.h"
#include "../../src/core/shard_event.h"
#include "../../src/core/shard_text.h"


#define ROUNDS  3000
#define SPANS   400


typedef struct {
    const char  *start;
    const char  *repeat;
    const char  *dates;             /* the first ones, then "..." or nothing */
} case_t;

static const case_t  cases[] = {
    { "2026-01-31T08:00Z", "once", "2026-01-31" },
    { "2026-01-31T08:00Z", "monthly", "2026-01-31 2026-03-31 2026-05-31 ..." },
    { "2024-02-29T08:00Z", "yearly", "2024-02-29 2028-02-29 ..." },
    { "2026-11-26T08:00Z", "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
      "2026-11-26 2027-11-25 2028-11-23 ..." },
    { "2026-11-30T08:00Z", "FREQ=MONTHLY;BYMONTHDAY=-1",
      "2026-11-30 2026-12-31 2027-01-31 2027-02-28 ..." },
    { "2026-11-27T08:00Z", "FREQ=MONTHLY;BYDAY=-1FR;COUNT=3",
      "2026-11-27 2026-12-25 2027-01-29" },
    { "2026-11-26T08:00Z", "FREQ=DAILY;UNTIL=20261128",
      "2026-11-26 2026-11-27 2026-11-28" },
    { "2026-11-26T08:00Z", "FREQ=DAILY;UNTIL=20261128T075959Z",
      "2026-11-26 2026-11-27" },
    { "2026-11-26T08:00Z", "FREQ=DAILY;UNTIL=20261128T080000",
      "2026-11-26 2026-11-27 2026-11-28" },
    { "2026-11-26T08:00Z", "FREQ=DAILY;INTERVAL=2;BYDAY=MO,TU",
      "2026-11-26 2026-11-30 2026-12-08 2026-12-14 ..." },
    /* RFC 5545, 3.3.10: the week's first day matters */
    { "1997-08-05T09:00Z", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
      "1997-08-05 1997-08-10 1997-08-19 1997-08-24" },
    { "1997-08-05T09:00Z", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
      "1997-08-05 1997-08-17 1997-08-19 1997-08-31" },
    { "1997-05-19T09:00Z", "FREQ=YEARLY;BYDAY=20MO",
      "1997-05-19 1998-05-18 1999-05-17 ..." },
    { "1997-09-13T09:00Z", "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
      "1997-09-13 1997-10-11 1997-11-08 ..." },
    /* a start that the rule does not take is the first one all the same */
    { "2026-11-25T08:00Z", "FREQ=WEEKLY;BYDAY=MO;COUNT=2",
      "2026-11-25 2026-11-30" },
    { "2026-01-30T08:00Z", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
      "2026-01-30" },
};


static void
decode(shard_event_t *event, const char *start, const char *repeat,
    const char *more)
{
    char         text[1024], err[SHARD_ERR_SIZE];
    uint64_t     ms;
    shard_str_t  s;

    s = shard_text_str(start);

    if (shard_time_decode(s, &ms) != SHARD_OK) {
        printf("Bail out! no time: %s\n", start);
        exit(1);
    }

    snprintf(text, sizeof(text), "{\"start\":\"%s\",\"end\":"
             "\"9999-01-01T00:00Z\",\"repeat\":\"%s\"%s}", start, repeat,
             more);

    if (shard_event_decode_strict(shard_text_str(text), event, err)
        != SHARD_OK)
    {
        printf("Bail out! %s: %s\n", text, err);
        exit(1);
    }

    event->end_ms = event->start_ms + 3600000;
}


static void
test_cases(void)
{
    char           got[256], at[SHARD_TIME_SIZE];
    int64_t        start;
    size_t         len, want;
    unsigned       i, k, n;
    shard_span_t   span[SPANS];
    shard_event_t  event;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        decode(&event, cases[i].start, cases[i].repeat, "");
        start = (int64_t) (event.start_ms / 1000);
        n = shard_event_spans(&event, start, start + 5000 * 86400LL, span,
                              SPANS);
        len = 0;
        want = strlen(cases[i].dates);

        for (k = 0; k < n && len + 12 < sizeof(got); k++) {
            shard_time_encode(span[k].start_s, at);

            len += (size_t) snprintf(got + len, sizeof(got) - len,
                                     k ? " %.10s" : "%.10s", at);
        }

        if (cases[i].dates[want - 1] == '.') {
            want -= 3;
            got[want] = '\0';
            tap_ok(strncmp(got, cases[i].dates, want) == 0, "%s %s: %s",
                   cases[i].start, cases[i].repeat, got);

        } else {
            tap_is_str(got, cases[i].dates, "%s %s", cases[i].start,
                       cases[i].repeat);
        }
    }
}


/* the clock of the zone, whatever it says in UTC */

static void
test_zone(void)
{
    char           at[SHARD_TIME_SIZE];
    unsigned       i, n;
    shard_span_t   span[8];
    shard_event_t  event;

    static const char  berlin[] =
        ",\"offsets\":[\"2026-03-29T01:00Z+02:00\",\"2026-10-25T01:00Z+01:00\","
        "\"2027-03-28T01:00Z+02:00\"],\"except\":[\"2026-10-24T18:00Z\"]";
    static const char *const  evening[] = {
        "2026-10-23T18:00Z", "2026-10-25T19:00Z", "2026-10-26T19:00Z"
    };
    static const char *const  night[] = {       /* 02:30 */
        "2027-03-27T01:30Z", "2027-03-28T01:30Z", "2027-03-29T00:30Z"
    };
    static const char *const  twice[] = {       /* 02:30 */
        "2026-10-24T00:30Z", "2026-10-25T00:30Z", "2026-10-26T01:30Z"
    };

    const struct {
        const char         *start;
        const char *const  *want;
    } zones[] = {
        { "2026-10-23T18:00Z", evening }, { "2027-03-27T01:30Z", night },
        { "2026-10-24T00:30Z", twice }
    };

    for (i = 0; i < 3; i++) {
        decode(&event, zones[i].start, "daily", berlin);
        n = shard_event_spans(&event, 0, INT64_MAX / 2, span, 3);
        tap_is_int(n, 3, "%s: three of them", zones[i].start);

        for (n = 0; n < 3; n++) {
            shard_time_encode(span[n].start_s, at);
            tap_is_str(at, zones[i].want[n], "%s by the clock",
                       zones[i].start);
        }
    }
}


static void
test_window(void)
{
    unsigned       n;
    shard_span_t   span[8];
    shard_event_t  event;

    decode(&event, "2026-11-01T00:00Z", "daily", "");
    event.end_ms = event.start_ms + 36 * 3600000LL;

    n = shard_event_spans(&event, 1796083199, 1796083200, span, 8);
    tap_is_int(n, 1, "one touches the second");
    tap_is_int(span[0].end_s - span[0].start_s, 36 * 3600,
               "that began the day before");

    n = shard_event_spans(&event, 1796083200, 1796083200 + 86400, span, 8);
    tap_is_int(n, 2, "two touch the day");
    tap_ok(span[0].end_s == span[1].start_s, "the first is cut");
    tap_is_int(shard_event_spans(&event, 0, 1793491200, span, 8), 0,
               "none before it begins");
    tap_is_int(shard_event_spans(&event, 0, INT64_MAX / 2, span, 8), 8,
               "no more than there is room for");
}


static int
pick(uint64_t *seed, int n)
{
    return (int) (tap_random(seed) % (uint64_t) n);
}


static void
random_rule(uint64_t *seed, char *buf, size_t size)
{
    int          freq, i, n;
    size_t       len;
    const char  *days[] = { "MO", "TU", "WE", "TH", "FR", "SA", "SU" };
    const char  *freqs[] = { "DAILY", "WEEKLY", "MONTHLY", "YEARLY" };

    freq = pick(seed, 4);
    len = (size_t) snprintf(buf, size, "FREQ=%s;INTERVAL=%d", freqs[freq],
                            1 + pick(seed, 3));

#define more(...)  len += (size_t) snprintf(buf + len, size - len, __VA_ARGS__)

    if (pick(seed, 2) && freq) {
        more(";WKST=%s", days[pick(seed, 2) ? 6 : 0]);
    }

    if (pick(seed, 3) == 0) {
        more(";COUNT=%d", 1 + pick(seed, 30));
    }

    if (freq == 3 || (freq < 3 && pick(seed, 4) == 0)) {
        more(";BYMONTH=%d", 1 + pick(seed, 12));
    }

    if (freq > 1 && pick(seed, 2)) {
        more(";BYMONTHDAY=%d", pick(seed, 2) ? 1 + pick(seed, 31)
                                             : -1 - pick(seed, 31));

    } else if (pick(seed, 2)) {
        more(";BYDAY=");
        n = 1 + pick(seed, 3);

        for (i = 0; i < n; i++) {
            more("%s", i ? "," : "");

            if (freq > 1 && pick(seed, 2)) {
                more("%d", pick(seed, 2) ? 1 + pick(seed, 4)
                                         : -1 - pick(seed, 4));
            }

            more("%s", days[2 * i + pick(seed, 2)]);
        }
    }

#undef more
}


static void
test_libical(void)
{
    int                           bad, k, same;
    char                          rule[160], start[SHARD_TIME_SIZE];
    uint64_t                      seed;
    unsigned                      n;
    shard_span_t                  span[40];
    shard_event_t                 event;
    icaltimetype                  first, next;
    icalrecur_iterator           *iter;
    struct icalrecurrencetype     recur;

    seed = tap_seed(20261126);
    bad = 0;
    same = 0;

    for (k = 0; k < ROUNDS && bad < 5; k++) {
        random_rule(&seed, rule, sizeof(rule));
        shard_time_encode(1767225600 + pick(&seed, 800) * 86400LL
                          + pick(&seed, 1440) * 60, start);

        recur = icalrecurrencetype_from_string(rule);
        decode(&event, start, rule, "");
        first = icaltime_from_timet_with_zone((time_t) (event.start_ms / 1000),
                                              0,
                                              icaltimezone_get_utc_timezone());
        iter = icalrecur_iterator_new(recur, first);

        if (iter == NULL) {
            continue;
        }

        next = icalrecur_iterator_next(iter);

        /* without a start that the rule takes, it is undefined */

        if (icaltime_compare(next, first) == 0) {
            n = shard_event_spans(&event, 0, (int64_t) (event.start_ms / 1000)
                                             + 3000 * 86400LL, span, 40);
            same++;

            for (unsigned i = 0; i < n; i++) {

                if (icaltime_is_null_time(next)
                    || icaltime_as_timet(next) != span[i].start_s)
                {
                    shard_time_encode(span[i].start_s, start);
                    tap_diag("%s from %s: %s, libical %s", rule,
                             icaltime_as_ical_string(first), start,
                             icaltime_as_ical_string(next));
                    bad++;
                    break;
                }

                next = icalrecur_iterator_next(iter);
            }
        }

        icalrecur_iterator_free(iter);
    }

    tap_is_int(bad, 0, "%d random rules as libical has them", same);
    tap_ok(same > ROUNDS / 20, "enough of them");
}


int
main(void)
{
    test_cases();
    test_zone();
    test_window();
    test_libical();

    return tap_done();
}
