
/*
 * What may still be added: pages of the map never used or given back (LMDB's
 * database 0 lists them), and no more than the disk has.
 */


#include <string.h>
#include <sys/statvfs.h>

#include "shardkv.h"


/* "txn" reads: LMDB lets no writer look into database 0 */

int
shardkv_store_free(shardkv_store_t *store, MDB_txn *txn, uint64_t *bytes)
{
    int             rc;
    size_t          n;
    MDB_val         key, data;
    MDB_stat        st;
    uint64_t        used, given_back;
    MDB_cursor     *cursor;
    MDB_envinfo     info;
    struct statvfs  vfs;

    given_back = 0;

    mdb_env_info(store->env, &info);

    rc = mdb_stat(txn, store->meta, &st);

    if (rc == 0) {
        rc = mdb_cursor_open(txn, 0, &cursor);
    }

    if (rc != 0) {
        return rc;
    }

    while ((rc = mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {

        if (data.mv_size >= sizeof(n)) {
            memcpy(&n, data.mv_data, sizeof(n));
            given_back += n;
        }
    }

    mdb_cursor_close(cursor);

    if (rc != MDB_NOTFOUND) {
        return rc;
    }

    used = ((uint64_t) info.me_last_pgno + 1) * st.ms_psize;
    given_back *= st.ms_psize;
    used = (used > given_back) ? used - given_back : 0;

    *bytes = (store->map_size > used) ? store->map_size - used : 0;

    if (statvfs(store->dir, &vfs) == 0
        && (uint64_t) vfs.f_bavail * vfs.f_frsize + given_back < *bytes)
    {
        *bytes = (uint64_t) vfs.f_bavail * vfs.f_frsize + given_back;
    }

    return 0;
}


/* counting free pages is for when the end of the map is near */

int
shardkv_store_full(shardkv_store_t *store, unsigned *full)
{
    int          rc;
    MDB_txn     *txn;
    uint64_t     bytes;
    MDB_stat     st;
    MDB_envinfo  info;

    *full = 0;

    mdb_env_info(store->env, &info);
    rc = mdb_env_stat(store->env, &st);

    if (rc != 0 || ((uint64_t) info.me_last_pgno + 1) * st.ms_psize
                   + SHARDKV_FULL_MARGIN <= store->map_size)
    {
        return rc;
    }

    rc = shardkv_read_begin(store, &txn);

    if (rc != 0) {
        return rc;
    }

    rc = shardkv_store_free(store, txn, &bytes);
    shardkv_read_end(store, txn);

    *full = (rc == 0 && bytes < SHARDKV_FULL_MARGIN);

    return rc;
}
