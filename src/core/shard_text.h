
/*
 * Bounded text without stdio: what encoders write and what "err" says.
 *
 * A writer never goes beyond its memory; once something did not fit it stays
 * full and takes no more, so that only the end has to be checked.
 */


#ifndef _SHARD_TEXT_H_INCLUDED_
#define _SHARD_TEXT_H_INCLUDED_


#include "shard_types.h"


typedef struct {
    char  *pos;
    char  *last;            /* room for the terminating zero lies there */
    int    full;
} shard_text_t;


void shard_text_open(shard_text_t *text, char *buf, size_t size);
void shard_text_add(shard_text_t *text, const char *string);
void shard_text_add_str(shard_text_t *text, shard_str_t str);
void shard_text_add_uint(shard_text_t *text, uint64_t value);

/* "name":"value", the value from an array of "size"; nothing is escaped */

void shard_text_add_field(shard_text_t *text, const char *name,
    const char *value, size_t size);

/* in quotes, cut to 48 bytes, unprintable bytes as "?": for messages */

void shard_text_add_quoted(shard_text_t *text, shard_str_t str);

/* unprintable bytes become "?": for JSON, whoever wrote the text */

void shard_text_printable(char *string);

shard_str_t shard_text_str(const char *string);

/* an array that may lack its terminating zero */

shard_str_t shard_text_array(const char *array, size_t size);

/* 1 when "str" is exactly the word */

int shard_text_equal(shard_str_t str, const char *word);

/* of a lower-case hex digit; -1: it is none */

int shard_hex_digit(char c);

/*
 * Fills "err" and returns SHARD_ERROR.  In the format %s takes a C string,
 * %q a const shard_str_t * to be quoted, %u an unsigned.
 */

int shard_refuse(char *err, const char *fmt, ...);

/*
 * SHARD_OK with the index of the word of "words" (NULL-terminated) that
 * "got" is, or a refusal that names all words and the nearest one.
 */

int shard_text_word(shard_str_t got, const char *const *words,
    const char *name, unsigned *index, char *err);


#endif /* _SHARD_TEXT_H_INCLUDED_ */
