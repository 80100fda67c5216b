
/* an answer of a backend, and a client's list of keys: any bytes */

#include "shard_merge.h"

#include "fuzz.h"


#define ROOM  8192


static size_t  feed(shard_merge_t *part, const uint8_t *data, size_t size,
    size_t piece, char *out);
static void  keys(const uint8_t *data, size_t size);


/* what is kept does not depend on where the pieces were cut */

static size_t
feed(shard_merge_t *part, const uint8_t *data, size_t size, size_t piece,
    char *out)
{
    char    *copy;
    size_t   at, n, kept, used;

    used = 0;
    piece = piece < size ? piece : size;

    /* of its very size: the sanitizer sees a byte too much */

    copy = malloc(piece ? piece : 1);
    fuzz_must(copy != NULL, "no memory");

    for (at = 0; at < size; at += n) {
        n = piece < size - at ? piece : size - at;
        memcpy(copy, data + at, n);

        kept = shard_merge_feed(part, copy, n);
        fuzz_must(kept <= n, "more than there was");

        memcpy(out + used, copy, kept);
        used += kept;
    }

    free(copy);

    return used;
}


static void
keys(const uint8_t *data, size_t size)
{
    char         *buf;
    shard_str_t   list, key;

    buf = malloc(size ? size : 1);
    fuzz_must(buf != NULL, "no memory");

    list.data = (const char *) data;
    list.len = size;

    while (shard_merge_key(&list, buf, &key) == SHARD_OK) {
        fuzz_must(key.len > 0 && key.len <= size, "no key");
    }

    free(buf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int            rc;
    size_t         n, lines, i;
    uint32_t       kind;
    shard_merge_t  whole, pieces;

    static char  a[ROOM], b[ROOM];

    if (size == 0 || size > ROOM) {
        return 0;
    }

    kind = data[0] % 4;
    data++;
    size--;

    shard_merge_init(&whole, kind);
    shard_merge_init(&pieces, kind);

    n = feed(&whole, data, size, ROOM, a);
    rc = shard_merge_end(&whole);

    lines = feed(&pieces, data, size, 1, b);
    fuzz_must(shard_merge_end(&pieces) == rc, "pieces are judged otherwise");

    if (rc == SHARD_OK) {
        fuzz_must(n == lines && memcmp(a, b, n) == 0, "pieces differ");
    }

    if (rc == SHARD_OK && kind == SHARD_MERGE_NDJSON) {
        lines = 0;

        for (i = 0; i < n; i++) {
            lines += a[i] == '\n';
        }

        fuzz_must(lines + whole.open == whole.values, "not a value a line");
    }

    keys(data, size);

    return 0;
}
