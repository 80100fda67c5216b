
/* What shard_terms.c, which decodes, and shard_terms_read.c share. */


#ifndef _SHARD_TERMS_PARTS_H_INCLUDED_
#define _SHARD_TERMS_PARTS_H_INCLUDED_


#include "shard_terms.h"


#define SHARD_TERMS_ZONE      "zone:"
#define SHARD_TERMS_ZONE_LEN  (sizeof(SHARD_TERMS_ZONE) - 1)


/* 1: "zone:NAME" */

int shard_terms_zone(shard_str_t label);

int shard_terms_same(shard_str_t a, shard_str_t b);

/* "42", "100-199", "*" */

int shard_terms_ids(shard_str_t text, shard_id_t *first, shard_id_t *last);


#endif /* _SHARD_TERMS_PARTS_H_INCLUDED_ */
