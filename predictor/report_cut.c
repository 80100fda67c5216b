
/* Where a shard is to be cut, in the words of its record. */

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "../src/core/shard_bytes.h"
#include "../src/core/shard_key.h"
#include "resizes.h"


/* a bound as a record has it: a position, or a name of what all keys begin
 * with and the position's bytes, but for zeros at its end */

static json_t *
predictor_report_bound(const shard_record_t *rec, unsigned skip,
    uint64_t position)
{
    char           text[SHARD_BYTES_TEXT + 1];
    size_t         n;
    unsigned       i;
    shard_bytes_t  bytes;

    if (rec->kind != SHARD_KIND_RANGE_BYTES) {
        snprintf(text, sizeof(text), "%016llx",
                 (unsigned long long) position);
        return json_string(text);
    }

    n = skip < SHARD_BOUND_MAX ? skip : SHARD_BOUND_MAX;
    memcpy(bytes.data, rec->lo_text.data, n);

    for (i = 0; i < 8 && n < SHARD_BOUND_MAX && position << 8 * i; i++) {
        bytes.data[n++] = (char) (position >> (56 - 8 * i));
    }

    bytes.len = (uint8_t) n;
    text[shard_bytes_encode(&bytes, text)] = '\0';

    return json_string(text);
}


/* of a list: the units that are the first part, or the isolated one */

static json_t *
predictor_report_units(const shard_record_t *rec, const predictor_resize_t *a)
{
    int            mine;
    char           text[SHARD_BYTES_TEXT + 1];
    json_t        *list;
    uint64_t       at;
    shard_str_t    left;
    shard_bytes_t  unit;

    list = json_array();
    left = rec->units;

    while (shard_units_next(&left, &unit) == SHARD_OK) {
        at = shard_key_position(unit.data, unit.len);
        mine = a->verb == PREDICTOR_RESIZE_SPLIT
               ? at < a->cut
               : at >= a->cut && (a->end == 0 || at < a->end);

        if (mine) {
            text[shard_bytes_encode(&unit, text)] = '\0';
            json_array_append_new(list, json_string(text));
        }
    }

    return list;
}


void
predictor_report_cut(const shard_record_t *rec,
    const predictor_resize_t *a, json_t *reason)
{
    unsigned  skip;

    (void) predictor_spread_range(rec, &skip);

    if (rec->kind == SHARD_KIND_LIST) {
        json_object_set_new(reason, "units", predictor_report_units(rec, a));

    } else if (a->cut) {
        json_object_set_new(reason, "cut",
                            predictor_report_bound(rec, skip, a->cut));
    }

    if (rec->kind != SHARD_KIND_LIST && a->end) {
        json_object_set_new(reason, "end",
                            predictor_report_bound(rec, skip, a->end));
    }
}
