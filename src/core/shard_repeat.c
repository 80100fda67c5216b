
#include <string.h>

#include "shard_codec.h"
#include "shard_repeat.h"
#include "shard_text.h"


typedef int (*shard_repeat_set_pt)(shard_repeat_t *r, shard_str_t value);

static int shard_repeat_rule(shard_repeat_t *r, shard_str_t text, char *err);
static int shard_repeat_part(shard_repeat_t *r, shard_str_t part,
    uint32_t *seen, char *err);
static int shard_repeat_fits(const shard_repeat_t *r, uint32_t seen,
    char *err);
static int shard_repeat_cut(shard_str_t *rest, char c, shard_str_t *word);
static int shard_repeat_number(shard_str_t text, uint64_t max, uint64_t *n);
static int shard_repeat_weekday(shard_str_t text, uint8_t *weekday);
static int shard_repeat_set_freq(shard_repeat_t *r, shard_str_t value);
static int shard_repeat_set_every(shard_repeat_t *r, shard_str_t value);
static int shard_repeat_set_count(shard_repeat_t *r, shard_str_t value);
static int shard_repeat_set_until(shard_repeat_t *r, shard_str_t value);
static int shard_repeat_set_days(shard_repeat_t *r, shard_str_t value);
static int shard_repeat_set_months(shard_repeat_t *r, shard_str_t value);
static int shard_repeat_set_month_days(shard_repeat_t *r, shard_str_t value);
static int shard_repeat_set_week(shard_repeat_t *r, shard_str_t value);


static const char *const  shard_repeat_words[] = {
    "once", "daily", "weekly", "monthly", "yearly", NULL
};


#define SHARD_REPEAT_FREQ   0
#define SHARD_REPEAT_COUNT  2
#define SHARD_REPEAT_UNTIL  3
#define SHARD_REPEAT_DATES  6

static const struct {
    const char           *name;
    shard_repeat_set_pt   set;
    const char           *shape;
} shard_repeat_parts[] = {
    { "FREQ", shard_repeat_set_freq, "DAILY, WEEKLY, MONTHLY or YEARLY" },
    { "INTERVAL", shard_repeat_set_every, "a number from 1 to 1000" },
    { "COUNT", shard_repeat_set_count, "a number from 1 to 100000" },
    { "UNTIL", shard_repeat_set_until, "as 20261231 or 20261231T235959Z" },
    { "BYDAY", shard_repeat_set_days, "up to 16 as MO or -1FR" },
    { "BYMONTH", shard_repeat_set_months, "numbers from 1 to 12" },
    { "BYMONTHDAY", shard_repeat_set_month_days,
      "numbers from 1 to 31, or from -31 to -1" },
    { "WKST", shard_repeat_set_week, "a day as MO" },
    { NULL, NULL, NULL }
};


const char *
shard_repeat_name(shard_repeat_e freq)
{
    return shard_repeat_words[freq];
}


int
shard_repeat_decode(shard_str_t text, shard_repeat_t *out, char *err)
{
    unsigned        freq;
    shard_repeat_t  r;

    memset(&r, 0, sizeof(r));
    r.every = 1;
    r.until_s = INT64_MAX;

    if (text.len > SHARD_REPEAT_TEXT_MAX) {
        return shard_refuse(err, "\"repeat\" is longer than %u bytes",
                            (unsigned) SHARD_REPEAT_TEXT_MAX);
    }

    if (text.len && memchr(text.data, '=', text.len) != NULL) {

        if (shard_repeat_rule(&r, text, err) != SHARD_OK) {
            return SHARD_ERROR;
        }

    } else {

        if (shard_text_word(text, shard_repeat_words, "repeat", &freq, err)
            != SHARD_OK)
        {
            return SHARD_ERROR;
        }

        r.freq = (shard_repeat_e) freq;
    }

    *out = r;

    return SHARD_OK;
}


static int
shard_repeat_rule(shard_repeat_t *r, shard_str_t text, char *err)
{
    uint32_t     seen;
    shard_str_t  part;

    seen = 0;

    while (shard_repeat_cut(&text, ';', &part)) {

        if (shard_repeat_part(r, part, &seen, err) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    return shard_repeat_fits(r, seen, err);
}


static int
shard_repeat_part(shard_repeat_t *r, shard_str_t part, uint32_t *seen,
    char *err)
{
    unsigned     i;
    const char  *equal;
    shard_str_t  name, value;

    equal = part.len ? memchr(part.data, '=', part.len) : NULL;

    if (equal == NULL) {
        return shard_refuse(err, "\"repeat\": %q is not NAME=VALUE", &part);
    }

    name.data = part.data;
    name.len = (size_t) (equal - part.data);
    value.data = equal + 1;
    value.len = part.len - name.len - 1;

    for (i = 0; shard_repeat_parts[i].name; i++) {

        if (!shard_text_equal(name, shard_repeat_parts[i].name)) {
            continue;
        }

        if (*seen & 1u << i) {
            return shard_refuse(err, "\"repeat\": %q twice", &name);
        }

        *seen |= 1u << i;

        if (shard_repeat_parts[i].set(r, value) != SHARD_OK) {
            return shard_refuse(err, "\"repeat\": %q is not %s", &part,
                                shard_repeat_parts[i].shape);
        }

        return SHARD_OK;
    }

    return shard_refuse(err, "\"repeat\": %q is not supported, there are FREQ "
                        "INTERVAL COUNT UNTIL BYDAY BYMONTH BYMONTHDAY WKST",
                        &name);
}


/* the parts with one another */

static int
shard_repeat_fits(const shard_repeat_t *r, uint32_t seen, char *err)
{
    unsigned  i;

    if (!(seen & 1u << SHARD_REPEAT_FREQ)) {
        return shard_refuse(err, "\"repeat\": FREQ is missing");
    }

    if (seen & 1u << SHARD_REPEAT_COUNT && seen & 1u << SHARD_REPEAT_UNTIL) {
        return shard_refuse(err, "\"repeat\": COUNT and UNTIL exclude each "
                            "other");
    }

    if (seen & 1u << SHARD_REPEAT_DATES && r->freq == SHARD_REPEAT_WEEKLY) {
        return shard_refuse(err, "\"repeat\": BYMONTHDAY is nothing for "
                            "FREQ=WEEKLY");
    }

    for (i = 0; i < r->ndays; i++) {

        if (r->days[i].nth && r->freq < SHARD_REPEAT_MONTHLY) {
            return shard_refuse(err, "\"repeat\": BYDAY with a number is for "
                                "FREQ=MONTHLY or YEARLY");
        }

        if ((r->days[i].nth > 5 || r->days[i].nth < -5)
            && (r->freq == SHARD_REPEAT_MONTHLY || r->months))
        {
            return shard_refuse(err, "\"repeat\": BYDAY: a month has no sixth "
                                "weekday");
        }
    }

    return SHARD_OK;
}


/* up to the next "c"; 0 behind the last one, an empty rest is one word */

static int
shard_repeat_cut(shard_str_t *rest, char c, shard_str_t *word)
{
    const char  *end;

    if (rest->data == NULL) {
        return 0;
    }

    end = rest->len ? memchr(rest->data, c, rest->len) : NULL;
    word->data = rest->data;
    word->len = end ? (size_t) (end - rest->data) : rest->len;

    rest->data = end ? end + 1 : NULL;
    rest->len = end ? rest->len - word->len - 1 : 0;

    return 1;
}


static int
shard_repeat_number(shard_str_t text, uint64_t max, uint64_t *n)
{
    return shard_uint64_decode(text, n) == SHARD_OK && *n >= 1 && *n <= max
           ? SHARD_OK : SHARD_ERROR;
}


static int
shard_repeat_weekday(shard_str_t text, uint8_t *weekday)
{
    uint8_t  i;

    static const char  names[] = "MOTUWETHFRSASU";

    for (i = 0; i < 7 && text.len == 2; i++) {

        if (memcmp(text.data, names + 2 * i, 2) == 0) {
            *weekday = i;
            return SHARD_OK;
        }
    }

    return SHARD_ERROR;
}


static int
shard_repeat_set_freq(shard_repeat_t *r, shard_str_t value)
{
    unsigned  i;

    static const char *const  names[] = {
        "DAILY", "WEEKLY", "MONTHLY", "YEARLY", NULL
    };

    for (i = 0; names[i]; i++) {

        if (shard_text_equal(value, names[i])) {
            r->freq = (shard_repeat_e) (SHARD_REPEAT_DAILY + i);
            return SHARD_OK;
        }
    }

    return SHARD_ERROR;
}


static int
shard_repeat_set_every(shard_repeat_t *r, shard_str_t value)
{
    uint64_t  n;

    if (shard_repeat_number(value, SHARD_REPEAT_EVERY_MAX, &n) != SHARD_OK) {
        return SHARD_ERROR;
    }

    r->every = (uint32_t) n;

    return SHARD_OK;
}


static int
shard_repeat_set_count(shard_repeat_t *r, shard_str_t value)
{
    uint64_t  n;

    if (shard_repeat_number(value, SHARD_REPEAT_COUNT_MAX, &n) != SHARD_OK) {
        return SHARD_ERROR;
    }

    r->count = (uint32_t) n;

    return SHARD_OK;
}


/* 20261231: all of that day; local time without a Z */

static int
shard_repeat_set_until(shard_repeat_t *r, shard_str_t value)
{
    char         text[] = "0000-00-00T23:59:59Z";
    size_t       i;
    uint64_t     ms;
    shard_str_t  whole;

    static const unsigned char  place[] = {
        0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 14, 15, 17, 18, 19
    };

    if (value.len != 8 && value.len != 15 && value.len != 16) {
        return SHARD_ERROR;
    }

    for (i = 0; i < value.len; i++) {
        text[place[i]] = value.data[i];
    }

    whole.data = text;
    whole.len = sizeof(text) - 1;

    if (shard_time_decode(whole, &ms) != SHARD_OK) {
        return SHARD_ERROR;
    }

    r->until_s = (int64_t) (ms / 1000);
    r->until_local = value.len != 16;

    return SHARD_OK;
}


static int
shard_repeat_set_days(shard_repeat_t *r, shard_str_t value)
{
    int                  sign;
    uint64_t             nth;
    shard_str_t          word;
    shard_repeat_day_t  *day;

    while (shard_repeat_cut(&value, ',', &word)) {

        if (r->ndays == SHARD_REPEAT_DAYS_MAX || word.len < 2) {
            return SHARD_ERROR;
        }

        day = &r->days[r->ndays++];
        nth = 0;
        sign = 1;

        if (*word.data == '-' || *word.data == '+') {
            sign = *word.data == '-' ? -1 : 1;
            word.data++;
            word.len--;
        }

        if (word.len > 2 || sign < 0) {
            word.len -= 2;

            if (shard_repeat_number(word, 53, &nth) != SHARD_OK) {
                return SHARD_ERROR;
            }

            word.data += word.len;
            word.len = 2;
        }

        day->nth = (int8_t) (sign * (int) nth);

        if (shard_repeat_weekday(word, &day->weekday) != SHARD_OK) {
            return SHARD_ERROR;
        }
    }

    return SHARD_OK;
}


static int
shard_repeat_set_months(shard_repeat_t *r, shard_str_t value)
{
    uint64_t     n;
    shard_str_t  word;

    while (shard_repeat_cut(&value, ',', &word)) {

        if (shard_repeat_number(word, 12, &n) != SHARD_OK) {
            return SHARD_ERROR;
        }

        r->months |= 1u << n;
    }

    return SHARD_OK;
}


static int
shard_repeat_set_month_days(shard_repeat_t *r, shard_str_t value)
{
    int          back;
    uint64_t     n;
    shard_str_t  word;

    while (shard_repeat_cut(&value, ',', &word)) {
        back = word.len && *word.data == '-';
        word.data += back;
        word.len -= (size_t) back;

        if (shard_repeat_number(word, 31, &n) != SHARD_OK) {
            return SHARD_ERROR;
        }

        if (back) {
            r->month_days_back |= 1u << n;

        } else {
            r->month_days |= 1u << n;
        }
    }

    return SHARD_OK;
}


static int
shard_repeat_set_week(shard_repeat_t *r, shard_str_t value)
{
    return shard_repeat_weekday(value, &r->week_start);
}
