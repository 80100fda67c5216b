
/*
 * A whole new table, however large, without holding up Redis:
 *
 *     shardd_stage() ... shardd_stage()    pieces, each checked and kept
 *                 │                        apart; nobody reads them
 *                 ▼
 *     shardd_stage_commit()                renames them into place
 *
 * A stage of which no piece came for ten minutes is gone.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../core/shard_codec.h"
#include "shardd_store_redis.h"


int
shardd_version(shardd_store_t *s, uint64_t *version)
{
    int    rc;
    char  *value;

    *version = 0;

    rc = shardd_hash_get(s, "meta", "version", &value);

    if (rc != SHARDD_OK) {
        return rc == SHARDD_NONE ? SHARDD_OK : rc;
    }

    if (shard_uint64_decode((shard_str_t) { strlen(value), value }, version)
        != SHARD_OK)
    {
        rc = shardd_store_fail(s, SHARDD_BAD, "keyspace %s: meta.version is "
                               "no number: \"%.40s\"", s->keyspace, value);
    }

    free(value);

    return rc;
}


int
shardd_stage(shardd_store_t *s, const shardd_claim_t *claim,
    shardd_stage_t *stage, const shardd_change_t *changes, size_t n)
{
    int           rc;
    char          keys[7][SHARDD_KEY_SIZE], token[32], version[32], seq[32];
    size_t        i, argc;
    const char  **argv;

    static const char *const  names[] = {
        "meta", "table", "claims", "stage", "stage:table", "stage:nodes",
        "stage:units"
    };

    if (n == 0) {
        return SHARDD_OK;
    }

    argv = malloc((15 + n * 3) * sizeof(char *));
    if (argv == NULL) {
        return shardd_store_fail(s, SHARDD_BAD, "no memory");
    }

    snprintf(token, sizeof(token), "%llu",
             (unsigned long long) claim->token);
    snprintf(version, sizeof(version), "%llu",
             (unsigned long long) stage->version);
    snprintf(seq, sizeof(seq), "%llu", (unsigned long long) stage->seq);

    argc = 0;
    argv[argc++] = "FCALL";
    argv[argc++] = "shard_stage";
    argv[argc++] = "7";

    for (i = 0; i < 7; i++) {
        argv[argc++] = shardd_store_key(s, keys[i], "%s", names[i]);
    }

    argv[argc++] = token;
    argv[argc++] = claim->holder;
    argv[argc++] = version;
    argv[argc++] = seq;
    argv[argc++] = shard_kind_name(stage->kind);

    for (i = 0; i < n; i++) {
        argv[argc++] = changes[i].kind;
        argv[argc++] = changes[i].id;
        argv[argc++] = changes[i].json;
    }

    rc = shardd_store_call(s, (int) argc, argv, &stage->seq, NULL);

    free(argv);

    return rc;
}


int
shardd_stage_commit(shardd_store_t *s, const shardd_claim_t *claim,
    shardd_stage_t *stage, const char *operation, const char *by,
    const char *policy)
{
    int          rc;
    char         keys[10][SHARDD_KEY_SIZE], token[32], version[32], seq[32];
    size_t       i, argc;
    const char  *argv[20];

    static const char *const  names[] = {
        "meta", "table", "nodes", "log", "claims", NULL, "stage",
        "stage:table", "stage:nodes", "stage:units"
    };

    snprintf(token, sizeof(token), "%llu",
             (unsigned long long) claim->token);
    snprintf(version, sizeof(version), "%llu",
             (unsigned long long) stage->version);
    snprintf(seq, sizeof(seq), "%llu", (unsigned long long) stage->seq);

    argc = 0;
    argv[argc++] = "FCALL";
    argv[argc++] = "shard_stage_commit";
    argv[argc++] = "10";

    for (i = 0; i < 10; i++) {
        argv[argc++] = names[i] ? shardd_store_key(s, keys[i], "%s", names[i])
                                : shardd_store_key(s, keys[i], "op:%.128s",
                                                   operation);
    }

    argv[argc++] = token;
    argv[argc++] = claim->holder;
    argv[argc++] = version;
    argv[argc++] = operation;
    argv[argc++] = by;
    argv[argc++] = seq;
    argv[argc++] = policy ? policy : "";

    rc = shardd_store_call(s, (int) argc, argv, &stage->version, NULL);

    return rc;
}
