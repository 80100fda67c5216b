--
-- Tables of shardkv --store postgres://, upon conf/postgres.sql.  Every
-- write is one call: the guards refuse it (SH421) when the shard is another
-- node's, in the transaction of the write.
--

BEGIN;

SET LOCAL client_min_messages = warning;

SELECT pg_advisory_xact_lock(6001118319619342336);

CREATE SCHEMA IF NOT EXISTS shardkv;

CREATE TABLE IF NOT EXISTS shardkv.kv (
    shard  bigint,
    key    bytea,
    value  bytea NOT NULL,
    PRIMARY KEY (shard, key)
);

CREATE TABLE IF NOT EXISTS shardkv.entry (
    shard  bigint,
    key    bytea,
    n      bigint,
    value  bytea NOT NULL,
    PRIMARY KEY (shard, key, n)
);

SELECT shard.install('shardkv.kv', 'shard', 'key');
SELECT shard.install('shardkv.entry', 'shard', 'key');


CREATE OR REPLACE FUNCTION shardkv.put(p_shard bigint, p_epoch text,
    p_key bytea, p_value bytea) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('shard.epoch', coalesce(p_epoch, ''), true);

    INSERT INTO shardkv.kv VALUES (p_shard, p_key, p_value)
    ON CONFLICT (shard, key) DO UPDATE SET value = EXCLUDED.value;

    RETURN 1;
END
$$;


-- a row that is not there fires no guard: the owner is asked for it

CREATE OR REPLACE FUNCTION shardkv.del(p_shard bigint, p_epoch text,
    p_key bytea) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('shard.epoch', coalesce(p_epoch, ''), true);
    PERFORM shard.owned(p_shard);

    DELETE FROM shardkv.kv WHERE shard = p_shard AND key = p_key;

    RETURN CASE WHEN FOUND THEN 1 ELSE 0 END;
END
$$;


-- one after another per key: the number behind the last one is free

CREATE OR REPLACE FUNCTION shardkv.append(p_shard bigint, p_epoch text,
    p_key bytea, p_value bytea) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    num  bigint;
BEGIN
    PERFORM set_config('shard.epoch', coalesce(p_epoch, ''), true);
    PERFORM shard.owned(p_shard);
    PERFORM pg_advisory_xact_lock(hashtextextended(p_key::text, p_shard));

    INSERT INTO shardkv.entry
    SELECT p_shard, p_key, coalesce(max(e.n), 0) + 1, p_value
      FROM shardkv.entry e WHERE e.shard = p_shard AND e.key = p_key
    RETURNING n INTO num;

    RETURN num;
END
$$;

-- run by a hand: whichever shardkv comes takes it as it is

COMMENT ON SCHEMA shardkv IS NULL;

COMMIT;
