
/*
 * What --verify reads back, against the ledger.  A key stays "busy" until it
 * was read; then it is judged once.
 */


#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "shardload.h"


static long shardload_value_number(const shardload_key_t *key,
    const char *value, size_t len);
static long shardload_entry(const shardload_key_t *key, const char *line,
    size_t len, long index);
static int shardload_base64(const char *text, char *out, size_t room);


void
shardload_check_key(shardload_t *load, shardload_key_t *key,
    const shardload_answer_t *answer)
{
    long  n;

    if (answer->status == 404) {
        n = 0;

    } else if (answer->status == 200) {
        n = shardload_value_number(key, answer->body, answer->len);

    } else {
        return;
    }

    key->busy = 0;

    if (n < (long) key->acked || n > (long) key->sent) {
        load->lost++;
        shardload_note(load, "lost: GET /kv/%s shard %u has value %ld, "
                       "acknowledged %u, sent %u", key->name, key->shard, n,
                       key->acked, key->sent);
    }
}


/* N of "KEY:N", -1 when it is something else */

static long
shardload_value_number(const shardload_key_t *key, const char *value,
    size_t len)
{
    char    *end;
    long     n;
    size_t   name;

    name = strlen(key->name);

    if (len < name + 2 || len > name + 12 || value[name] != ':'
        || memcmp(value, key->name, name) != 0)
    {
        return -1;
    }

    n = strtol(value + name + 1, &end, 10);

    return end == value + len && n > 0 ? n : -1;
}


/*
 * The queue has to be 1 .. n in order, n at least what was acknowledged; the
 * one entry without an answer may be there or not.
 */

void
shardload_check_queue(shardload_t *load, shardload_key_t *key,
    const shardload_answer_t *answer)
{
    long         index, n, wrong;
    size_t       len;
    const char  *p, *end, *eol;

    if (answer->status != 200 && answer->status != 404) {
        return;
    }

    key->busy = 0;
    p = answer->body;
    end = answer->status == 200 ? p + answer->len : p;
    wrong = 0;

    for (index = 0; p < end; p = eol + 1) {
        eol = memchr(p, '\n', (size_t) (end - p));
        if (eol == NULL) {
            eol = end;
        }

        len = (size_t) (eol - p);
        if (len == 0) {
            continue;
        }

        n = shardload_entry(key, p, len, ++index);

        if (n != index && wrong++ == 0) {
            shardload_note(load, "reordered: queue %s shard %u entry %ld is "
                           "number %ld: %.*s", key->name, key->shard, index, n,
                           len > 80 ? 80 : (int) len, p);
        }
    }

    load->reordered += (uint64_t) wrong;

    if (index < (long) key->acked) {
        load->lost += (uint64_t) ((long) key->acked - index);
        shardload_note(load, "lost: queue %s shard %u has %ld entries, "
                       "acknowledged %u", key->name, key->shard, index,
                       key->acked);

    } else if (index > (long) key->sent) {
        load->reordered += (uint64_t) (index - (long) key->sent);
        shardload_note(load, "duplicated: queue %s shard %u has %ld entries, "
                       "sent %u", key->name, key->shard, index, key->sent);
    }
}


/* {"n":INDEX,"v":"BASE64 of KEY:N"}: N, or -1 */

static long
shardload_entry(const shardload_key_t *key, const char *line, size_t len,
    long index)
{
    int     size;
    long    n;
    char    value[64];
    json_t *entry, *v;

    entry = json_loadb(line, len, 0, NULL);
    v = json_object_get(entry, "v");
    n = -1;

    if (json_integer_value(json_object_get(entry, "n")) == index
        && json_is_string(v))
    {
        size = shardload_base64(json_string_value(v), value, sizeof(value) - 1);

        if (size > 0) {
            value[size] = '\0';
            n = shardload_value_number(key, value, (size_t) size);
        }
    }

    json_decref(entry);

    return n;
}


static int
shardload_base64(const char *text, char *out, size_t room)
{
    size_t              n;
    unsigned            bits, value;
    const char         *p, *found;
    static const char   digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz0123456789+/";

    n = 0;
    bits = 0;
    value = 0;

    for (p = text; *p && *p != '='; p++) {
        found = strchr(digits, *p);

        if (found == NULL || n == room) {
            return -1;
        }

        value = (value << 6 | (unsigned) (found - digits)) & 0xffff;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            out[n++] = (char) (value >> bits & 0xff);
        }
    }

    return (int) n;
}
