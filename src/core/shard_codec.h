
/*
 * Records to and from the JSON of docs/redis-keys.md.
 *
 * Decoding is strict: a known field of a wrong type, length or range, a
 * missing mandatory field, a duplicate field or text after the object
 * refuses the record whole; "out" is then untouched and "err"
 * (SHARD_ERR_SIZE bytes) says what and where.  Unknown fields are skipped.
 * Input is hostile: at most SHARD_JSON_MAX bytes and SHARD_JSON_TOKENS
 * tokens.  Encoding returns the length written without the terminating
 * zero, SHARD_AGAIN when "size" does not suffice, SHARD_ERROR for a record
 * that decoding would refuse.
 */


#ifndef _SHARD_CODEC_H_INCLUDED_
#define _SHARD_CODEC_H_INCLUDED_


#include "shard_types.h"


/* 32 units of 64 bytes, each of three characters, and the other fields */

#define SHARD_JSON_MAX     8192
#define SHARD_JSON_TOKENS  96


/*
 * A field that another kind of keyspace has is refused.  The units of a list
 * stay where they are in "json", which must live as long as they are used.
 */

int shard_record_decode(shard_kind_e kind, shard_id_t id, shard_str_t json,
    shard_record_t *out, char *err);
int shard_record_encode(const shard_record_t *rec, char *buf, size_t size);

int shard_node_decode(shard_str_t name, shard_str_t json, shard_node_t *out,
    char *err);
int shard_node_encode(const shard_node_t *node, char *buf, size_t size);


/* decimal, no sign, no leading zero unless it is "0", below 2^32 - 1 */

int shard_id_decode(shard_str_t text, shard_id_t *id);

/* digits only, at most UINT64_MAX; any length of leading zeros refused */

int shard_uint64_decode(shard_str_t text, uint64_t *value);

/* exactly 16 lower-case hex digits; buf takes 17 bytes */

int shard_hex_decode(shard_str_t text, uint64_t *value);
void shard_hex_encode(uint64_t value, char *buf);

/* 1 .. 63 of A-Z a-z 0-9 _ . - : 1 when good */

int shard_name_valid(shard_str_t name);

/* "IPV4:PORT", "[IPV6]:PORT" or "unix:/path": 1 when good */

int shard_addr_valid(shard_str_t addr);

/* 1: it is a valid "NAME:PORT" with a name to be resolved */

int shard_addr_name(shard_str_t addr, shard_str_t *host, uint16_t *port);


/* "hash", "range uint64", "range bytes", "list", as meta.kind has them */

int shard_kind_parse(shard_str_t text, shard_kind_e *kind);
const char *shard_kind_name(shard_kind_e kind);

const char *shard_phase_name(shard_phase_e phase);
const char *shard_strategy_name(shard_strategy_e strategy);
const char *shard_consistency_name(shard_consistency_e consistency);
const char *shard_node_state_name(shard_node_state_e state);

/* the word of "words" (NULL-terminated) nearest to "text", NULL when none
 * is within a third of its length (Levenshtein) */

const char *shard_nearest(shard_str_t text, const char *const *words);


#endif /* _SHARD_CODEC_H_INCLUDED_ */
