
/*
 * The files: one LMDB environment, held by one process (a lock file).
 *
 *   meta      shard                                  shardkv_shard_t
 *             "import" shard                         what comes, import.c
 *             "token" shard                          who imports, token.c
 *             "generation"                           the last one given
 *             "layout"                               of all this
 *   part      shard number                           shardkv_part_t
 *   data      generation shard mix key               value
 *   queue     generation shard mix klen key n        value
 *             generation shard mix klen key 0        n, taken up to it
 *   kept      shard [number]                         sums of a range, kept.c
 *   gone      generation shard mix key               (empty)
 *   log       generation shard position              op klen key value
 *   garbage   generation shard [part]                (empty)
 *
 * Numbers in keys are big-endian: LMDB's order is theirs.  A generation is
 * what one snapshot brought and the writes on top of it; a replaced or
 * half-received one is in "garbage" from the transaction that made it so.
 * "mix" is of the key and puts those of one part together, see part.c.
 */


#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shardkv.h"


#define SHARDKV_READERS  2048


static int shardkv_store_lock(shardkv_store_t *store, char *err);
static int shardkv_store_dbs(shardkv_store_t *store);
static int shardkv_store_layout(shardkv_store_t *store, MDB_txn *txn);


int
shardkv_store_open(shardkv_store_t *store, const char *dir, uint64_t map_size,
    unsigned sync, char err[SHARD_ERR_SIZE])
{
    int  rc;

    store->map_size = map_size;
    store->dir = strdup(dir);
    store->lock_fd = -1;
    pthread_mutex_init(&store->mutex, NULL);

    if (store->dir == NULL) {
        snprintf(err, SHARD_ERR_SIZE, "no memory");
        return SHARD_ERROR;
    }

    if (mkdir(dir, 0700) == -1 && errno != EEXIST) {
        snprintf(err, SHARD_ERR_SIZE, "--dir %.180s cannot be made: %s%s", dir,
                 strerror(errno),
                 errno == ENOENT ? "; make the folder above it first" : "");
        return SHARD_ERROR;
    }

    if (shardkv_store_lock(store, err) != SHARD_OK) {
        return SHARD_ERROR;
    }

    rc = mdb_env_create(&store->env);

    if (rc == 0) {
        mdb_env_set_maxdbs(store->env, 16);
        mdb_env_set_maxreaders(store->env, SHARDKV_READERS);
        rc = mdb_env_set_mapsize(store->env, map_size + SHARDKV_RESERVE);
    }

    if (rc == 0) {
        rc = mdb_env_open(store->env, dir,
                          MDB_NOTLS | (sync ? 0 : MDB_NOSYNC), 0600);
    }

    if (rc == 0) {
        rc = shardkv_store_dbs(store);
    }

    if (rc == MDB_VERSION_MISMATCH) {
        snprintf(err, SHARD_ERR_SIZE, "the data in --dir %.120s are of "
                 "another shardkv's layout; move its shards away with that "
                 "one and begin with an empty folder", dir);
        return SHARD_ERROR;
    }

    if (rc != 0) {
        snprintf(err, SHARD_ERR_SIZE, "the data in --dir %.180s cannot be "
                 "opened: %s", dir, mdb_strerror(rc));
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


static int
shardkv_store_lock(shardkv_store_t *store, char *err)
{
    int   rc;
    char  path[4096];

    rc = snprintf(path, sizeof(path), "%s/shardkv.lock", store->dir);

    if (rc >= (int) sizeof(path)) {
        snprintf(err, SHARD_ERR_SIZE, "the name of --dir is too long");
        return SHARD_ERROR;
    }

    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (store->lock_fd == -1) {
        snprintf(err, SHARD_ERR_SIZE, "--dir %.180s cannot be written: %s",
                 store->dir, strerror(errno));
        return SHARD_ERROR;
    }

    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == -1) {
        snprintf(err, SHARD_ERR_SIZE, "--dir %.180s is in use by another "
                 "shardkv", store->dir);
        return SHARD_ERROR;
    }

    return SHARD_OK;
}


static int
shardkv_store_dbs(shardkv_store_t *store)
{
    int       rc;
    size_t    i;
    MDB_txn  *txn;

    struct {
        const char  *name;
        MDB_dbi     *dbi;
    } dbs[] = {
        { "meta", &store->meta },
        { "part", &store->part },
        { "data", &store->data },
        { "queue", &store->queue },
        { "log", &store->log },
        { "gone", &store->gone },
        { "kept", &store->kept },
        { "garbage", &store->garbage }
    };

    rc = mdb_txn_begin(store->env, NULL, 0, &txn);

    if (rc != 0) {
        return rc;
    }

    for (i = 0; i < sizeof(dbs) / sizeof(dbs[0]); i++) {
        rc = mdb_dbi_open(txn, dbs[i].name, MDB_CREATE, dbs[i].dbi);

        if (rc != 0) {
            mdb_txn_abort(txn);
            return rc;
        }
    }

    rc = shardkv_store_layout(store, txn);

    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }

    return mdb_txn_commit(txn);
}


/* a store of another layout would read as if it were empty */

static int
shardkv_store_layout(shardkv_store_t *store, MDB_txn *txn)
{
    int       rc;
    MDB_val   key;
    MDB_stat  st;
    uint32_t  layout;

    key.mv_data = (void *) "layout";
    key.mv_size = sizeof("layout") - 1;

    rc = shardkv_record_get(txn, store->meta, key, &layout, sizeof(layout));

    if (rc == MDB_CORRUPTED || (rc == 0 && layout != SHARDKV_META_VERSION)) {
        return MDB_VERSION_MISMATCH;
    }

    if (rc != MDB_NOTFOUND) {
        return rc;
    }

    rc = mdb_stat(txn, store->meta, &st);

    if (rc != 0 || st.ms_entries) {
        return rc ? rc : MDB_VERSION_MISMATCH;
    }

    layout = SHARDKV_META_VERSION;

    return shardkv_record_put(txn, store->meta, key, &layout, sizeof(layout));
}


void
shardkv_store_close(shardkv_store_t *store)
{
    while (store->nidle) {
        mdb_txn_abort(store->idle[--store->nidle]);
    }

    if (store->env) {
        mdb_env_close(store->env);
    }

    if (store->lock_fd != -1) {
        close(store->lock_fd);
    }

    free(store->dir);
}


/* read transactions are renewed rather than begun: no reader slot is sought */

int
shardkv_read_begin(shardkv_store_t *store, MDB_txn **txn)
{
    int       rc;
    MDB_txn  *idle;

    idle = NULL;

    pthread_mutex_lock(&store->mutex);

    if (store->nidle) {
        idle = store->idle[--store->nidle];
    }

    pthread_mutex_unlock(&store->mutex);

    if (idle == NULL) {
        return mdb_txn_begin(store->env, NULL, MDB_RDONLY, txn);
    }

    rc = mdb_txn_renew(idle);

    if (rc != 0) {
        mdb_txn_abort(idle);
        return rc;
    }

    *txn = idle;

    return 0;
}


void
shardkv_read_end(shardkv_store_t *store, MDB_txn *txn)
{
    mdb_txn_reset(txn);

    pthread_mutex_lock(&store->mutex);

    if (store->nidle < sizeof(store->idle) / sizeof(store->idle[0])) {
        store->idle[store->nidle++] = txn;
        txn = NULL;
    }

    pthread_mutex_unlock(&store->mutex);

    if (txn) {
        mdb_txn_abort(txn);
    }
}


int
shardkv_record_get(MDB_txn *txn, MDB_dbi dbi, MDB_val key, void *record,
    size_t size)
{
    int      rc;
    MDB_val  data;

    rc = mdb_get(txn, dbi, &key, &data);

    if (rc != 0) {
        return rc;
    }

    if (data.mv_size != size) {
        return MDB_CORRUPTED;
    }

    memcpy(record, data.mv_data, size);

    return 0;
}


int
shardkv_record_put(MDB_txn *txn, MDB_dbi dbi, MDB_val key, const void *record,
    size_t size)
{
    MDB_val  data;

    data.mv_data = (void *) record;
    data.mv_size = size;

    return mdb_put(txn, dbi, &key, &data, 0);
}


int
shardkv_generation_next(shardkv_store_t *store, MDB_txn *txn,
    uint32_t *generation)
{
    int      rc;
    MDB_val  key;

    key.mv_data = (void *) "generation";
    key.mv_size = sizeof("generation") - 1;

    *generation = 0;

    rc = shardkv_record_get(txn, store->meta, key, generation,
                            sizeof(*generation));

    if (rc != 0 && rc != MDB_NOTFOUND) {
        return rc;
    }

    (*generation)++;

    return shardkv_record_put(txn, store->meta, key, generation,
                              sizeof(*generation));
}
