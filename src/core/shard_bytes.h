
/*
 * Names that may hold any byte: bounds of a "range bytes" keyspace and units
 * of a "list".  In JSON they are percent-encoded: printable ASCII but for
 * %, " and \ stands for itself, any other byte is %xx in lower case.  There
 * is one text for each name, so that equal names are equal texts.
 */


#ifndef _SHARD_BYTES_H_INCLUDED_
#define _SHARD_BYTES_H_INCLUDED_


#include "shard_types.h"


#define SHARD_BYTES_TEXT  (SHARD_BOUND_MAX * 3 + 1)


/* "err" names the field, "out" is untouched when the text is refused */

int shard_bytes_decode(shard_str_t text, const char *field,
    shard_bytes_t *out, char *err);

/* buf takes SHARD_BYTES_TEXT bytes; the length without the zero */

size_t shard_bytes_encode(const shard_bytes_t *bytes, char *buf);

/* below, above or 0: as unsigned bytes, a prefix comes first */

int shard_bytes_compare(const void *a, size_t alen, const void *b,
    size_t blen);

/*
 * The next unit of "left", which begins as a record's units: SHARD_OK,
 * SHARD_AGAIN behind the last one, SHARD_ERROR when it is no unit.
 */

int shard_units_next(shard_str_t *left, shard_bytes_t *unit);


#endif /* _SHARD_BYTES_H_INCLUDED_ */
