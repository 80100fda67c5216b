
/*
 * Lines of snapshots and logs, docs/backend-contract.md, and the items that
 * are read from them and written as them.
 *
 *   line ──▶ plain.c ─── another form ──▶ line.c: JSON ──▶ items, packed
 *            the very form of ours ─────────────────────▶ (items.c)
 *
 * An item points into memory that is not its own: the packed ones, a page of
 * the store, a request.
 */


#ifndef _SHARDKV_ITEMS_H_INCLUDED_
#define _SHARDKV_ITEMS_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define SHARDKV_KEY_MAX        255
#define SHARDKV_VALUE_MAX      (1024 * 1024)
#define SHARDKV_BASE64_MAX     ((SHARDKV_VALUE_MAX + 2) / 3 * 4)
#define SHARDKV_LINE_MAX       (SHARDKV_BASE64_MAX + 6 * SHARDKV_KEY_MAX + 256)


typedef enum {
    SHARDKV_PUT = 1,
    SHARDKV_DEL,
    SHARDKV_APPEND,
    SHARDKV_CLEAR,              /* all of a key's queue is gone */
    SHARDKV_SKIP,               /* a position, of a key that is not here */
    SHARDKV_TAKEN               /* of a queue up to value's 8 bytes */
} shardkv_op_e;


/* one entry of a log, or line of a snapshot; points into foreign memory */

typedef struct {
    shardkv_op_e     op;
    uint64_t         n;             /* log: position; append: index */
    size_t           klen;
    size_t           vlen;
    const char      *key;
    const char      *value;
} shardkv_item_t;

/* items behind each other, packed */

typedef struct {
    size_t           len;
    size_t           size;
    char            *data;
} shardkv_buf_t;


/* items.c */

int shardkv_buf_reserve(shardkv_buf_t *b, size_t more);
int shardkv_items_add(shardkv_buf_t *b, const shardkv_item_t *item);

/* its value from Base64 of at most SHARDKV_BASE64_MAX bytes; NULL, or why
 * not, and "b" is untouched */

const char *shardkv_items_add_base64(shardkv_buf_t *b,
    const shardkv_item_t *item, const char *text, size_t len);

/* the item at *offset, which moves on; 0 at the end */

int shardkv_items_next(const shardkv_buf_t *b, size_t *offset,
    shardkv_item_t *item);

/* plain.c: a line in the very form shardkv writes; SHARD_AGAIN: it is not */

int shardkv_plain_decode(const char *line, size_t len, unsigned log,
    shardkv_buf_t *items);

/* line.c: appends the line's item; -1 with "err", and "items" untouched */

int shardkv_line_decode_log(const char *line, size_t len,
    shardkv_buf_t *items, char *err);
int shardkv_line_decode_snapshot(const char *line, size_t len,
    shardkv_buf_t *items, char *err);

typedef enum {
    SHARDKV_LINE_LOG,
    SHARDKV_LINE_SNAPSHOT,
    SHARDKV_LINE_QUEUE
} shardkv_line_e;

/* appends a line with its newline to "out"; -1: no memory */

int shardkv_line_encode(shardkv_line_e kind, const shardkv_item_t *item,
    shardkv_buf_t *out);

/* keys are UTF-8, as JSON has no other strings */

int shardkv_key_valid(const char *key, size_t len);

/* base64.c: strict, padded; decode returns the length or -1 */

size_t shardkv_base64_encode(char *dst, const void *src, size_t len);
long shardkv_base64_decode(char *dst, const char *src, size_t len);

/* base64_x86.c: as much as goes fast, and how much of "src" that was: a
 * multiple of 3 bytes, or of 4 digits */

size_t shardkv_base64_encode_most(char *dst, const void *src, size_t len);
size_t shardkv_base64_decode_most(char *dst, const char *src, size_t len);


#endif /* _SHARDKV_ITEMS_H_INCLUDED_ */
