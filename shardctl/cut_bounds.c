
/*
 * Where a shard is cut: at a bound that was said, around a key, where the
 * predictor found it best, or in the middle.
 */


#include <stdlib.h>
#include <string.h>

#include "shard_bytes.h"
#include "shard_codec.h"
#include "shard_key.h"
#include "move.h"


static int cut_position(shardctl_t *ctl, const shard_record_t *rec,
    const char *text, char *out);
static int cut_default(shardctl_t *ctl, const shard_record_t *rec, char *out);
static int cut_around(shardctl_t *ctl, const shard_record_t *rec,
    const char *key, char *cut, char *end);
static int cut_inside(shardctl_t *ctl, const shard_record_t *rec,
    const char *text);


int
cut_bounds(shardctl_t *ctl, const shard_record_t *rec, char cut[CUT_TEXT],
    char end[CUT_TEXT])
{
    int          rc;
    const char  *at, *around;

    at = shardctl_option(ctl, "at");
    around = shardctl_option(ctl, "around");
    end[0] = '\0';

    rc = around ? cut_around(ctl, rec, around, cut, end)
                : at ? cut_position(ctl, rec, at, cut)
                     : cut_default(ctl, rec, cut);

    /* a key at the lower bound needs no cut below it */

    return rc == SHARDCTL_OK ? cut_inside(ctl, rec, end[0] ? end : cut) : rc;
}


const char *
cut_words(const shard_record_t *rec, const char *cut, char buf[CUT_TEXT])
{
    if (rec->kind != SHARD_KIND_RANGE_UINT64) {
        return cut;
    }

    snprintf(buf, CUT_TEXT, "%llu", strtoull(cut, NULL, 16));

    return buf;
}


/* a bound in the words of the command line, as records have it */

static int
cut_position(shardctl_t *ctl, const shard_record_t *rec, const char *text,
    char *out)
{
    char           err[SHARD_ERR_SIZE];
    uint64_t       value;
    shard_str_t    str;
    shard_bytes_t  bytes;

    str.data = text;
    str.len = strlen(text);

    switch (rec->kind) {

    case SHARD_KIND_RANGE_UINT64:

        if (shard_uint64_decode(str, &value) != SHARD_OK) {
            return shardctl_usage(ctl, "--at \"%s\" is no number: keys of "
                                  "this keyspace are numbers", text);
        }

        shard_hex_encode(value, out);
        break;

    case SHARD_KIND_RANGE_BYTES:

        if (shard_bytes_decode(str, "--at", &bytes, err) != SHARD_OK) {
            return shardctl_usage(ctl, "%s", err);
        }

        out[shard_bytes_encode(&bytes, out)] = '\0';
        break;

    default:

        if (shard_hex_decode(str, &value) != SHARD_OK) {
            return shardctl_usage(ctl, "--at \"%s\" is not 16 lower-case hex "
                                  "digits, as \"shardctl shards\" shows "
                                  "bounds", text);
        }

        shard_hex_encode(value, out);
    }

    return SHARDCTL_OK;
}


/* what the predictor found in the keys' distribution, else the middle */

static int
cut_default(shardctl_t *ctl, const shard_record_t *rec, char *out)
{
    json_t      *row, *resize;
    uint64_t     width;
    const char  *cut;

    row = json_object();

    if (shardctl_resize_read(ctl, rec->id, row) != SHARDCTL_OK) {
        json_decref(row);
        return SHARDCTL_FAILED;
    }

    resize = json_object_get(row, "resize");
    cut = json_is_object(resize) ? shardctl_get_text(resize, "cut") : "";

    if (cut[0] && strlen(cut) < CUT_TEXT
        && strcmp(shardctl_get_text(resize, "verb"), "split") == 0)
    {
        strcpy(out, cut);
        json_decref(row);
        return SHARDCTL_OK;
    }

    json_decref(row);

    if (rec->kind == SHARD_KIND_RANGE_BYTES
        || (rec->kind == SHARD_KIND_RANGE_UINT64 && rec->hi == 0))
    {
        return shardctl_fail(ctl, "shard %u has no middle and the predictor "
                             "knows no cut: --at says where", rec->id);
    }

    width = rec->hi - rec->lo;

    if (width == 1) {
        return shardctl_fail(ctl, "shard %u has one position only", rec->id);
    }

    /* hi == 0 is 2^64; all of it is 0 wide */

    shard_hex_encode(rec->lo + (width ? width / 2 : (uint64_t) 1 << 63), out);

    return SHARDCTL_OK;
}


/* the last key of all is alone above its cut: "end" stays as it is */

static int
cut_around(shardctl_t *ctl, const shard_record_t *rec, const char *key,
    char *cut, char *end)
{
    size_t         len;
    shard_key_t    at;
    shard_bytes_t  bytes;

    len = strlen(key);

    if (shard_key_locate(rec->kind, key, len, &at) != SHARD_OK
        || !shard_record_holds(rec, &at, key, len))
    {
        return shardctl_fail(ctl, "key \"%s\" is not one of shard %u: "
                             "\"shardctl locate\" says whose it is", key,
                             rec->id);
    }

    if (rec->kind != SHARD_KIND_RANGE_BYTES) {
        shard_hex_encode(at.position, cut);

        if (at.position + 1 != rec->hi) {
            shard_hex_encode(at.position + 1, end);
        }

        return SHARDCTL_OK;
    }

    if (len + 1 > SHARD_BOUND_MAX) {
        return shardctl_fail(ctl, "the key is longer than %d bytes: bounds "
                             "are not", SHARD_BOUND_MAX - 1);
    }

    /* the next name of all is the key and a zero byte */

    memset(&bytes, 0, sizeof(bytes));
    memcpy(bytes.data, key, len);
    bytes.len = (uint8_t) len;
    cut[shard_bytes_encode(&bytes, cut)] = '\0';
    bytes.len++;

    if (shard_bytes_compare(bytes.data, bytes.len, rec->hi_text.data,
                            rec->hi_text.len)
        != 0)
    {
        end[shard_bytes_encode(&bytes, end)] = '\0';
    }

    return SHARDCTL_OK;
}


static int
cut_inside(shardctl_t *ctl, const shard_record_t *rec, const char *text)
{
    int            inside;
    char           err[SHARD_ERR_SIZE], words[CUT_TEXT];
    uint64_t       value;
    shard_str_t    str;
    shard_bytes_t  bytes;

    str.data = text;
    str.len = strlen(text);

    if (rec->kind == SHARD_KIND_RANGE_BYTES) {
        inside = shard_bytes_decode(str, "cut", &bytes, err) == SHARD_OK
                 && shard_bytes_compare(bytes.data, bytes.len,
                                        rec->lo_text.data, rec->lo_text.len)
                    > 0
                 && (rec->hi_text.len == 0
                     || shard_bytes_compare(bytes.data, bytes.len,
                                            rec->hi_text.data,
                                            rec->hi_text.len)
                        < 0);
    } else {
        inside = shard_hex_decode(str, &value) == SHARD_OK && value > rec->lo
                 && (rec->hi == 0 || value < rec->hi);
    }

    return inside ? SHARDCTL_OK
           : shardctl_fail(ctl, "%s is not between the bounds of shard %u: "
                           "\"shardctl shards\" shows them",
                           cut_words(rec, text, words), rec->id);
}
