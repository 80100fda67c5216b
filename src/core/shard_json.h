
/*
 * One flat JSON object of hostile text, bound to a struct by a table:
 *
 *     text ──▶ jsmn (tokens) ──▶ grammar check ──▶ fields[] ──▶ struct
 *
 * jsmn splits the text but lets missing commas and odd keys through, so the
 * grammar is checked here, over its tokens.  Nothing is unescaped: a
 * backslash in a field's name or in the string of a known field is refused.
 */


#ifndef _SHARD_JSON_H_INCLUDED_
#define _SHARD_JSON_H_INCLUDED_


/* the same jsmn for every file, whichever of the two it includes first */

#define JSMN_STATIC
#define JSMN_STRICT
#include <jsmn.h>

#include "shard_codec.h"


typedef struct {
    shard_str_t  text;
    int          n;
    jsmntok_t   *token;                 /* own[], or the caller's */
    jsmntok_t    own[SHARD_JSON_TOKENS];
} shard_json_t;

typedef struct shard_json_field_s  shard_json_field_t;

/* stores token "value" at "dst", or refuses it */

typedef int (*shard_json_set_pt)(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);

struct shard_json_field_s {
    const char         *name;           /* NULL ends a table */
    int                 mandatory;
    shard_json_set_pt   set;
    size_t              offset;
    uint64_t            max;            /* _uint32, _uint16 */
    const char *const  *words;          /* _word */
};


int shard_json_parse(shard_json_t *json, shard_str_t text, char *err);

/* for text longer than a record: bounds and memory are the caller's */

int shard_json_parse_large(shard_json_t *json, shard_str_t text, size_t max,
    jsmntok_t *token, unsigned ntokens, char *err);

int shard_json_bind(const shard_json_t *json,
    const shard_json_field_t *fields, void *out, char *err);

/* refuses a field that is none of "fields", at most 15 of them */

int shard_json_known(const shard_json_t *json,
    const shard_json_field_t *fields, char *err);

/* the token after "value" and all it contains */

int shard_json_next(const shard_json_t *json, int value);

/* a token's text as it stands, a string's without its quotes */

shard_str_t shard_json_text(const shard_json_t *json, int token);

/* a string without escapes */

int shard_json_string(const shard_json_t *json, int value, const char *name,
    shard_str_t *str, char *err);

/* digits only, at most "max" */

int shard_json_uint(const shard_json_t *json, int value,
    const shard_json_field_t *field, uint64_t *number, char *err);

/*
 * The value of a primitive's text, -1 for words, negative numbers and exponents that
 * are out of any use.  Digits beyond the 17th do not count.
 */

double shard_json_double(shard_str_t text);


/* setters: char[SHARD_NAME_SIZE], uint64_t, uint32_t, uint16_t, uint8_t of
 * true and false, an enum */

int shard_json_set_name(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
int shard_json_set_hex(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
int shard_json_set_uint32(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
int shard_json_set_uint16(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
int shard_json_set_bool(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);
int shard_json_set_word(const shard_json_t *json, int value,
    const shard_json_field_t *field, void *dst, char *err);


#endif /* _SHARD_JSON_H_INCLUDED_ */
