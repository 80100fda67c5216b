
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "shard_bytes.h"
#include "shard_key.h"
#include "shard_text.h"


/* "4294967294|4294967295|" and two names with "|" between */

#define SHARD_DECISION_TEXT  (22 + 2 * SHARD_NAME_SIZE)


/* the same with a verb, and a bound that has up to 192 bytes */

#define SHARD_CUT_TEXT  (SHARD_DECISION_TEXT + SHARD_BYTES_TEXT + 1)


static int shard_key_number(const uint8_t *key, size_t len, shard_key_t *out);


int
shard_key_locate(shard_kind_e kind, const void *key, size_t len,
    shard_key_t *out)
{
    if (kind == SHARD_KIND_RANGE_UINT64) {
        return shard_key_number(key, len, out);
    }

    out->sticky = XXH3_64bits(key, len);
    out->position = kind == SHARD_KIND_RANGE_BYTES
                    ? shard_key_behind(key, len, 0) : out->sticky;

    return SHARD_OK;
}


uint64_t
shard_key_behind(const void *key, size_t len, size_t skip)
{
    size_t          i;
    uint64_t        position;
    const uint8_t  *p;

    p = key;
    position = 0;

    for (i = skip; i < skip + 8; i++) {
        position = position << 8 | (i < len ? p[i] : 0);
    }

    return position;
}


size_t
shard_key_frame(shard_str_t lo, shard_str_t hi)
{
    size_t  n;

    for (n = 0; n < lo.len && n < hi.len; n++) {

        if (lo.data[n] != hi.data[n]) {
            break;
        }
    }

    return n;
}


/* 007 is the key 7: it is sticky with it */

static int
shard_key_number(const uint8_t *key, size_t len, shard_key_t *out)
{
    size_t    i;
    uint64_t  n, digit;

    if (len == 0) {
        return SHARD_ERROR;
    }

    while (len > 1 && *key == '0') {
        key++;
        len--;
    }

    n = 0;

    for (i = 0; i < len; i++) {
        digit = (uint64_t) key[i] - '0';

        if (digit > 9 || n > (UINT64_MAX - digit) / 10) {
            return SHARD_ERROR;
        }

        n = n * 10 + digit;
    }

    out->position = n;
    out->sticky = XXH3_64bits(key, len);

    return SHARD_OK;
}


__attribute__((hot, flatten)) uint64_t
shard_key_position(const void *key, size_t len)
{
    return XXH3_64bits(key, len);
}


int
shard_record_holds(const shard_record_t *rec, const shard_key_t *located,
    const void *key, size_t len)
{
    shard_str_t    left;
    shard_bytes_t  unit;

    switch (rec->kind) {

    case SHARD_KIND_RANGE_BYTES:
        return shard_bytes_compare(key, len, rec->lo_text.data,
                                   rec->lo_text.len)
               >= 0
               && (rec->hi_text.len == 0
                   || shard_bytes_compare(key, len, rec->hi_text.data,
                                          rec->hi_text.len)
                      < 0);

    case SHARD_KIND_LIST:
        left = rec->units;

        while (shard_units_next(&left, &unit) == SHARD_OK) {
            if (shard_bytes_compare(key, len, unit.data, unit.len) == 0) {
                return 1;
            }
        }

        return 0;

    default:
        return located->position >= rec->lo
               && (rec->hi == 0 || located->position < rec->hi);
    }
}


/*
 * Positions of one shard share their upper bits, migrations are arbitrary:
 * both must spread over all bits before the upper half is scaled.  Scaling
 * 2^32 values to 10,000 points makes points differ by 1 in 429,496.
 */

uint32_t
shard_shift_point(uint64_t sticky, uint64_t migration)
{
    uint64_t  h;

    h = sticky ^ (migration * 0x9e3779b97f4a7c15ULL);
    h = (h ^ (h >> 32)) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ (h >> 29)) * 0x94d049bb133111ebULL;
    h ^= h >> 32;

    return (uint32_t) ((h & 0xffffffff) * SHARD_BP_ALL >> 32);
}


uint64_t
shard_decision_id(shard_id_t shard, uint32_t epoch, const char *from,
    const char *to)
{
    char          buf[SHARD_DECISION_TEXT];
    uint64_t      id;
    shard_text_t  text;

    shard_text_open(&text, buf, sizeof(buf));

    shard_text_add_uint(&text, shard);
    shard_text_add(&text, "|");
    shard_text_add_uint(&text, epoch);
    shard_text_add(&text, "|");
    shard_text_add_str(&text, shard_text_array(from, SHARD_NAME_SIZE - 1));
    shard_text_add(&text, "|");
    shard_text_add_str(&text, shard_text_array(to, SHARD_NAME_SIZE - 1));

    id = XXH3_64bits(buf, (size_t) (text.pos - buf));

    return id ? id : 1;
}


uint64_t
shard_cut_id(shard_id_t shard, uint32_t epoch, const char *verb,
    const char *what, const char *to)
{
    char          buf[SHARD_CUT_TEXT];
    uint64_t      id;
    shard_text_t  text;

    shard_text_open(&text, buf, sizeof(buf));

    shard_text_add_uint(&text, shard);
    shard_text_add(&text, "|");
    shard_text_add_uint(&text, epoch);
    shard_text_add(&text, "|");
    shard_text_add_str(&text, shard_text_array(verb, SHARD_NAME_SIZE - 1));
    shard_text_add(&text, "|");
    shard_text_add_str(&text, shard_text_array(what, SHARD_BYTES_TEXT));
    shard_text_add(&text, "|");
    shard_text_add_str(&text, shard_text_array(to, SHARD_NAME_SIZE - 1));

    id = XXH3_64bits(buf, (size_t) (text.pos - buf));

    return id ? id : 1;
}
