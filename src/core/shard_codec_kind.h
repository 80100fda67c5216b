
/*
 * The fields of a shard record that depend on the keyspace's kind:
 *
 *     hash, range uint64   "lo", "hi" of 16 hex digits
 *     range bytes          "lo", "hi" percent-encoded
 *     list                 "units", "default"
 */


#ifndef _SHARD_CODEC_KIND_H_INCLUDED_
#define _SHARD_CODEC_KIND_H_INCLUDED_


#include "shard_json.h"
#include "shard_text.h"


/* rec->kind says which; those of the other kinds are refused */

int shard_codec_kind_bind(const shard_json_t *json, shard_record_t *rec,
    char *err);

/* without a comma before or behind them */

void shard_codec_kind_add(shard_text_t *text, const shard_record_t *rec);


#endif /* _SHARD_CODEC_KIND_H_INCLUDED_ */
