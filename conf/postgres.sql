--
-- nginx-shard in a PostgreSQL database (15 or later):
--
--     psql -d app -f postgres.sql
--     psql -d app -c "SELECT shard.install('orders', 'shard_id',
--                                          'customer')"
--
-- for every table whose rows move with their shard; its column of that name
-- holds the shard's number and is part of the primary key.  The last one has
-- the key and is needed for splits alone.  May be run again.
--
--   write of an application ──▶ guard (trigger) ──▶ shard.write()
--                                  │                 lock of the shard, shared
--                                  │                 owner? epoch? ── SH421
--                                  ▼                 counter + 1
--                        touched, while a migration compares
--
--   seal: shard.role() takes the lock alone, so no write is under way, and
--         writes a marker: what it finds at the target has all before it
--
-- Positions.  Every write takes a number from its shard's sequence, which
-- no writer waits for.  A marker carries the sequence's value through the
-- publication; a standby stands at the largest marker it has.  Numbers taken
-- by transactions that are still open make a marker of a shard in use a
-- lower bound only; a sealed shard's is exact, because nothing was open.
--
-- An application says which epoch it believes in, if it knows one, by
-- SET LOCAL shard.epoch = '7'; another one is refused like a shard that is
-- not owned here: SQLSTATE SH421, nothing was done, ask the new owner.
--

BEGIN;

SET LOCAL client_min_messages = warning;

SELECT pg_advisory_xact_lock(6001118319619342336);

CREATE SCHEMA IF NOT EXISTS shard;

-- kept by a shard that was given up too: its epoch goes on refusing

CREATE TABLE IF NOT EXISTS shard.owner (
    shard     bigint   PRIMARY KEY CHECK (shard BETWEEN 0 AND 4294967294),
    role      text     NOT NULL CHECK (role IN ('primary', 'standby', 'none')),
    epoch     bigint   NOT NULL,
    counter   regclass NOT NULL,
    opened    bigint   NOT NULL DEFAULT 0,     -- where it became the primary
    touching  boolean  NOT NULL DEFAULT false,
    compared  text     NOT NULL DEFAULT '',    -- the migration that has
    held      boolean  NOT NULL DEFAULT false,
    turned    pg_lsn,                          -- where the way back begins
    token     bigint   NOT NULL DEFAULT 0,     -- of the last claim on it that
    token_of  bigint   NOT NULL DEFAULT 0      -- cut it, and at which epoch
);

ALTER TABLE shard.owner
    ADD COLUMN IF NOT EXISTS token bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS token_of bigint NOT NULL DEFAULT 0;

CREATE TABLE IF NOT EXISTS shard.marker (
    shard     bigint NOT NULL,
    position  bigint NOT NULL,
    PRIMARY KEY (shard, position)
);

CREATE TABLE IF NOT EXISTS shard.tables (
    name      text   PRIMARY KEY,              -- schema.table
    tab       regclass NOT NULL,
    col       name   NOT NULL,
    keys      name[] NOT NULL,                 -- of the primary key
    types     text[] NOT NULL,
    touched   name   NOT NULL,                 -- its table in this schema
    place     name                             -- has the key, for splits
);

ALTER TABLE shard.tables ADD COLUMN IF NOT EXISTS place name;


-- "SHAR" and the number: an application's own advisory locks are elsewhere

CREATE OR REPLACE FUNCTION shard.lock(p_shard bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE AS 'SELECT 6001118323914309632 + p_shard';


CREATE OR REPLACE FUNCTION shard.position(o shard.owner) RETURNS bigint
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN o.role = 'primary'
                THEN coalesce(pg_sequence_last_value(o.counter), 0)
                ELSE coalesce((SELECT max(m.position) FROM shard.marker m
                               WHERE m.shard = o.shard), 0) END
$$;


-- By every guard, for every row.  A snapshot older than the seal must not
-- decide: beyond READ COMMITTED the row itself is locked, and a transaction
-- that began before the seal fails with 40001.

CREATE OR REPLACE FUNCTION shard.write(p_shard bigint, p_op text)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o  shard.owner;
    e  text := current_setting('shard.epoch', true);
BEGIN
    PERFORM pg_advisory_xact_lock_shared(shard.lock(p_shard));

    IF current_setting('transaction_isolation') = 'read committed' THEN
        SELECT * INTO o FROM shard.owner WHERE shard = p_shard;
    ELSE
        SELECT * INTO o FROM shard.owner WHERE shard = p_shard FOR SHARE;
    END IF;

    -- what is left of a shard that was given up may be swept out

    IF p_op = 'DELETE' AND o.role = 'none' THEN
        RETURN false;
    END IF;

    IF o.role IS DISTINCT FROM 'primary' OR (e <> '' AND e <> o.epoch::text)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'SH421', MESSAGE =
            format('shard %s is %s at epoch %s here: nothing was done, ask '
                   'its owner', p_shard, coalesce(o.role, 'unknown'),
                   coalesce(o.epoch, 0));
    END IF;

    PERFORM nextval(o.counter);

    RETURN o.touching;
END
$$;


-- For a statement that may find no row: it fires no guard, and an old owner
-- would say that there is none.

CREATE OR REPLACE FUNCTION shard.owned(p_shard bigint) RETURNS void
LANGUAGE sql AS $$ SELECT shard.write(p_shard, '') $$;


CREATE OR REPLACE FUNCTION shard.no_truncate() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'TRUNCATE % would empty every shard of it: DELETE one '
                    'shard''s rows', TG_RELID::regclass;
END
$$;


-- Makes a table's rows move with their shard.  The guard runs AFTER: it sees
-- the row as it is, whatever other triggers made of it, and what it refuses
-- takes the whole transaction back.  p_place: the column with the key by
-- which routers find the shard; it is known already, or there are no splits.

DROP FUNCTION IF EXISTS shard.install(regclass, name);

CREATE OR REPLACE FUNCTION shard.install(p_table regclass, p_column name,
    p_place name DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
    full_name  text;
    k          name[];
    ty         text[];
    touched    text;
    touch      text;
BEGIN
    SELECT n.nspname || '.' || c.relname INTO full_name
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = p_table;

    SELECT array_agg(a.attname ORDER BY i.n),
           array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY i.n)
      INTO k, ty
      FROM pg_index x
           CROSS JOIN unnest(x.indkey::int2[]) WITH ORDINALITY i(num, n)
           JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = i.num
     WHERE x.indrelid = p_table AND x.indisprimary;

    IF k IS NULL OR NOT p_column = ANY (k) THEN
        RAISE EXCEPTION '%: the primary key must contain the column "%": '
                        'changes are told apart by it', full_name, p_column;
    END IF;

    touched := 'touched ' || full_name;

    IF length(touched) > 63 THEN
        RAISE EXCEPTION '%: the name is too long, 55 bytes are possible',
                        full_name;
    END IF;

    IF p_place IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_attribute
                        WHERE attrelid = p_table AND attname = p_place
                              AND attnum > 0 AND NOT attisdropped)
    THEN
        RAISE EXCEPTION '%: there is no column "%"', full_name, p_place;
    END IF;

    EXECUTE format('CREATE TABLE IF NOT EXISTS shard.%I (LIKE %s)', touched,
                   p_table::text);
    EXECUTE (SELECT coalesce(string_agg(format(
                        'ALTER TABLE shard.%I DROP COLUMN IF EXISTS %I',
                        touched, a.attname), '; '), 'SELECT')
               FROM pg_attribute a
              WHERE a.attrelid = p_table AND a.attnum > 0
                    AND NOT a.attisdropped AND NOT a.attname = ANY (k));
    EXECUTE format('ALTER TABLE shard.%I ADD COLUMN IF NOT EXISTS '
                   'shard_touch bigserial', touched);
    EXECUTE format('CREATE UNIQUE INDEX IF NOT EXISTS %I ON shard.%I (%s, '
                   'shard_touch)', left(touched, 60) || ' pk', touched,
                   (SELECT string_agg(quote_ident(u), ', ') FROM unnest(k) u));
    EXECUTE format('ALTER TABLE shard.%I REPLICA IDENTITY USING INDEX %I',
                   touched, left(touched, 60) || ' pk');

    SELECT string_agg(format('%%1$s.%I', u), ', ') INTO touch
      FROM unnest(k) u;
    touch := format('INSERT INTO shard.%I (%s) VALUES (%s)', touched,
                    (SELECT string_agg(quote_ident(u), ', ') FROM unnest(k) u),
                    touch);

    EXECUTE format($f$
        CREATE OR REPLACE FUNCTION shard.%1$I() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $g$
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                IF shard.write(OLD.%2$I, TG_OP) THEN
                    %3$s;
                END IF;
            END IF;

            IF TG_OP <> 'DELETE' THEN
                IF shard.write(NEW.%2$I, TG_OP) THEN
                    %4$s;
                END IF;
            END IF;

            RETURN NULL;
        END
        $g$ $f$, 'guard ' || full_name, p_column, format(touch, 'OLD'),
        format(touch, 'NEW'));

    EXECUTE format('CREATE OR REPLACE TRIGGER shard_guard AFTER INSERT OR '
                   'UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION '
                   'shard.%I()', p_table::text, 'guard ' || full_name);
    EXECUTE format('CREATE OR REPLACE TRIGGER shard_no_truncate BEFORE '
                   'TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION '
                   'shard.no_truncate()', p_table::text);

    INSERT INTO shard.tables VALUES (full_name, p_table, p_column, k, ty,
                                     touched, p_place)
    ON CONFLICT (name) DO UPDATE SET tab = EXCLUDED.tab, col = EXCLUDED.col,
        keys = EXCLUDED.keys, types = EXCLUDED.types,
        touched = EXCLUDED.touched,
        place = coalesce(EXCLUDED.place, tables.place);
END
$$;


-- Who this node is to the shard; answers its position.  Only what is durable
-- was done.  Becoming a standby is the seal: the marker it writes has a
-- number no earlier marker can have.  Only who stops being the primary waits
-- for writes: an unseal must not, and a seal that still waits finds the
-- unseal's epoch when its turn comes: a primary ends by a greater epoch only,
-- so that what arrives late closes no owner.

CREATE OR REPLACE FUNCTION shard.role(p_shard bigint, p_role text,
    p_epoch bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    o  shard.owner;
    p  bigint;
BEGIN
    IF p_role <> 'primary' THEN
        PERFORM pg_advisory_xact_lock(shard.lock(p_shard));
    END IF;

    SELECT * INTO o FROM shard.owner WHERE shard = p_shard FOR UPDATE;

    IF NOT FOUND THEN
        EXECUTE format('CREATE SEQUENCE IF NOT EXISTS shard.%I MINVALUE 0 '
                       'START 1', 'position ' || p_shard);
        INSERT INTO shard.owner (shard, role, epoch, counter)
        VALUES (p_shard, 'none', 0,
                format('shard.%I', 'position ' || p_shard)::regclass)
        RETURNING * INTO o;
    END IF;

    IF p_epoch < o.epoch THEN
        RAISE EXCEPTION USING ERRCODE = 'SH409', MESSAGE =
            format('shard %s is %s at epoch %s here, %s is older', p_shard,
                   o.role, o.epoch, p_epoch);
    END IF;

    IF o.role = 'primary' AND p_role <> 'primary' AND p_epoch = o.epoch THEN
        RAISE EXCEPTION USING ERRCODE = 'SH409', MESSAGE =
            format('shard %s is primary at epoch %s here: only a greater one '
                   'ends that', p_shard, o.epoch);
    END IF;

    p := shard.position(o);

    IF p_role = o.role AND p_epoch = o.epoch THEN
        RETURN p;
    END IF;

    IF p_role = 'primary' AND o.role <> 'primary' THEN
        PERFORM setval(o.counter, p);
    END IF;

    IF o.role = 'primary' AND p_role <> 'primary' THEN
        p := nextval(o.counter);
        PERFORM shard.mark(p_shard, p);
    END IF;

    IF o.role = 'standby' AND p_role = 'none' THEN
        DELETE FROM shard.marker WHERE shard = p_shard;
        p := 0;
    END IF;

    -- a hold is of its epoch

    UPDATE shard.owner SET role = p_role, epoch = p_epoch,
        held = held AND p_epoch = o.epoch,
        opened = CASE WHEN p_role = 'primary' AND o.role <> 'primary' THEN p
                      ELSE opened END
     WHERE shard = p_shard;

    RETURN p;
END
$$;


CREATE OR REPLACE FUNCTION shard.mark(p_shard bigint, p_position bigint)
RETURNS void
LANGUAGE sql AS $$
    DELETE FROM shard.marker
     WHERE shard = p_shard AND position < p_position;
    INSERT INTO shard.marker VALUES (p_shard, p_position)
    ON CONFLICT DO NOTHING;
$$;


-- A marker of a shard in use, for whoever follows: its number.  A standby's
-- last one stays what it is.

CREATE OR REPLACE FUNCTION shard.marker(p_shard bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    o  shard.owner;
    p  bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(shard.lock(p_shard));
    SELECT * INTO o FROM shard.owner WHERE shard = p_shard;
    p := shard.position(o);

    IF o.role = 'primary' THEN
        p := nextval(o.counter);
        PERFORM shard.mark(p_shard, p);
    END IF;

    RETURN p;
END
$$;


CREATE OR REPLACE FUNCTION shard.stats(p_shard bigint, OUT role text,
    OUT epoch bigint, OUT pos bigint, OUT opened bigint, OUT held boolean)
LANGUAGE sql STABLE AS $$
    SELECT coalesce(max(o.role), 'none'), coalesce(max(o.epoch), 0),
           coalesce(max(shard.position(o)), 0), coalesce(max(o.opened), 0),
           coalesce(bool_or(o.held), false)
      FROM shard.owner o WHERE o.shard = p_shard
$$;


-- Where a shard stands, once that is p_position or p_ms are over: its
-- follower waits here, and not from afar

CREATE OR REPLACE FUNCTION shard.reach(p_shard bigint, p_position bigint,
    p_ms int) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    p      bigint;
    until  timestamptz := clock_timestamp() + p_ms * interval '1 ms';
BEGIN
    LOOP
        SELECT s.pos INTO p FROM shard.stats(p_shard) s;

        IF p >= p_position OR clock_timestamp() >= until THEN
            RETURN p;
        END IF;

        PERFORM pg_sleep(0.001);
    END LOOP;
END
$$;


CREATE OR REPLACE FUNCTION shard.size(p_shard bigint, OUT items bigint,
    OUT bytes bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    t     shard.tables;
    n     bigint;
    size  bigint;
BEGIN
    items := 0;
    bytes := 0;

    FOR t IN SELECT * FROM shard.tables LOOP
        EXECUTE format('SELECT count(*), coalesce(sum(pg_column_size(t.*)), '
                       '0) FROM %s t WHERE t.%I = $1', t.tab, t.col)
           INTO n, size USING p_shard;
        items := items + n;
        bytes := bytes + size;
    END LOOP;
END
$$;


-- At most so many rows of a shard that nobody owns here; those that are left

CREATE OR REPLACE FUNCTION shard.empty(p_shard bigint, p_rows int)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    t      shard.tables;
    n      bigint;
    total  bigint := 0;
BEGIN
    IF EXISTS (SELECT FROM shard.owner
                WHERE shard = p_shard AND role = 'primary') THEN
        RAISE EXCEPTION USING ERRCODE = 'SH409', MESSAGE =
            format('shard %s is primary here: it is not emptied', p_shard);
    END IF;

    DELETE FROM shard.marker WHERE shard = p_shard;

    FOR t IN SELECT * FROM shard.tables LOOP
        EXECUTE format('DELETE FROM shard.%I WHERE %I = $1', t.touched, t.col)
          USING p_shard;
        EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY (ARRAY(SELECT ctid '
                       'FROM %1$s WHERE %2$I = $1 LIMIT $2))', t.tab, t.col)
          USING p_shard, p_rows;
        GET DIAGNOSTICS n = ROW_COUNT;
        total := total + n;
    END LOOP;

    RETURN total;
END
$$;


CREATE OR REPLACE FUNCTION shard.columns(p_table regclass) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT string_agg(format('t.%I', attname), ', ' ORDER BY attname)
      FROM pg_attribute
     WHERE attrelid = p_table AND attnum > 0 AND NOT attisdropped
$$;


CREATE OR REPLACE FUNCTION shard.keys(t shard.tables, p_alias text)
RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT string_agg(format('%s.%I', p_alias, k), ', ' ORDER BY n)
      FROM unnest(t.keys) WITH ORDINALITY u(k, n)
$$;


-- Count and hash of the rows per 64th of the keys: all rows, or those that
-- were touched, which a key that has no row any more shows by not being
-- there.  XOR, because rows of a primary key differ, and a sum would be
-- numeric and cost four times as much.

CREATE OR REPLACE FUNCTION shard.digest(p_shard bigint, p_tail boolean)
RETURNS TABLE (part int, items bigint, hash bigint)
LANGUAGE plpgsql STABLE
SET extra_float_digits = 3 SET datestyle = 'ISO' SET timezone = 'UTC'
SET intervalstyle = 'postgres' SET bytea_output = 'hex' AS $$
DECLARE
    t  shard.tables;
BEGIN
    FOR t IN SELECT * FROM shard.tables ORDER BY name LOOP
        RETURN QUERY EXECUTE format(
            'SELECT (hashtextextended(ROW(%1$s)::text, 0) & 63)::int, '
            'count(*), bit_xor(hashtextextended(ROW(%2$s)::text, '
            'hashtextextended($2, 0))) FROM %3$s WHERE t.%4$I = $1 GROUP BY 1',
            shard.keys(t, 't'), shard.columns(t.tab),
            CASE WHEN p_tail
                 THEN format('(SELECT DISTINCT %s FROM shard.%I x WHERE '
                             'x.%I = $1) k JOIN %s t ON (%s) = (%s)',
                             shard.keys(t, 'x'), t.touched, t.col, t.tab,
                             shard.keys(t, 'k'), shard.keys(t, 't'))
                 ELSE t.tab || ' t' END, t.col)
        USING p_shard, t.name;
    END LOOP;
END
$$;


-- The same of one range of the primary key, without the touched rows: behind
-- p_after, p_limit rows or up to p_to.  Keys are JSON arrays of texts.

CREATE OR REPLACE FUNCTION shard.range(p_table text, p_shard bigint,
    p_after text, p_to text, p_limit int, OUT items bigint, OUT hash bigint,
    OUT last text)
LANGUAGE plpgsql STABLE
SET extra_float_digits = 3 SET datestyle = 'ISO' SET timezone = 'UTC'
SET intervalstyle = 'postgres' SET bytea_output = 'hex' AS $$
DECLARE
    t  shard.tables;
BEGIN
    SELECT * INTO STRICT t FROM shard.tables WHERE name = p_table;

    EXECUTE format(
        'WITH r AS (SELECT row_number() OVER (ORDER BY %1$s) AS n, '
        'json_build_array(%2$s)::text AS k, ROW(%3$s)::text AS v, '
        'EXISTS (SELECT FROM shard.%4$I x WHERE (%5$s) = (%1$s)) AS touched '
        'FROM %6$s t WHERE t.%7$I = $1 %8$s %9$s ORDER BY %1$s LIMIT $2) '
        'SELECT count(*) FILTER (WHERE NOT touched), bit_xor('
        'hashtextextended(v, 0)) FILTER (WHERE NOT touched), '
        '(SELECT k FROM r ORDER BY n DESC LIMIT 1) FROM r',
        shard.keys(t, 't'),
        (SELECT string_agg(format('t.%I::text', k), ', ' ORDER BY n)
           FROM unnest(t.keys) WITH ORDINALITY u(k, n)),
        shard.columns(t.tab), t.touched, shard.keys(t, 'x'), t.tab, t.col,
        CASE WHEN p_after IS NULL THEN '' ELSE
            format('AND (%s) > (%s)', shard.keys(t, 't'),
                   shard.bound(t, p_after)) END,
        CASE WHEN p_to IS NULL THEN '' ELSE
            format('AND (%s) <= (%s)', shard.keys(t, 't'),
                   shard.bound(t, p_to)) END)
    INTO items, hash, last USING p_shard, p_limit;
END
$$;


CREATE OR REPLACE FUNCTION shard.bound(t shard.tables, p_key text)
RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT string_agg(quote_literal(v) || '::' || t.types[n], ', ' ORDER BY n)
      FROM json_array_elements_text(p_key::json) WITH ORDINALITY u(v, n)
$$;


-- Rows that were touched: how many

CREATE OR REPLACE FUNCTION shard.touches(p_shard bigint) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
    t      shard.tables;
    n      bigint;
    total  bigint := 0;
BEGIN
    FOR t IN SELECT * FROM shard.tables LOOP
        EXECUTE format('SELECT count(*) FROM shard.%I WHERE %I = $1',
                       t.touched, t.col) INTO n USING p_shard;
        total := total + n;
    END LOOP;

    RETURN total;
END
$$;


-- From now on, or no longer.  Transactions that still write without touching
-- are told apart by the number that is answered: wait for shard.older().

CREATE OR REPLACE FUNCTION shard.touch(p_shard bigint, p_on boolean)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    t  shard.tables;
BEGIN
    UPDATE shard.owner SET touching = p_on, compared = ''
     WHERE shard = p_shard AND (touching <> p_on OR compared <> '');

    FOR t IN SELECT * FROM shard.tables LOOP
        EXECUTE format('DELETE FROM shard.%I WHERE %I = $1', t.touched, t.col)
          USING p_shard;
    END LOOP;

    RETURN pg_current_xact_id()::text::bigint;
END
$$;


CREATE OR REPLACE FUNCTION shard.older(p_xid bigint) RETURNS boolean
LANGUAGE sql VOLATILE AS $$
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint <= p_xid
$$;


-- What must be true before a shard moves; nothing when all of it is

CREATE OR REPLACE FUNCTION shard.problems(p_tables text[], p_columns text[])
RETURNS SETOF text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    t     record;
    have  bigint;
    want  text;
BEGIN
    IF current_setting('wal_level') <> 'logical' THEN
        RETURN NEXT format('wal_level is %s: set it to logical and restart '
                           'the server', current_setting('wal_level'));
    END IF;

    IF current_setting('max_slot_wal_keep_size') = '-1' THEN
        RETURN NEXT 'max_slot_wal_keep_size is -1: a slot that is left '
                    'behind fills the disk; set it, as to 10GB, and reload';
    END IF;

    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN NEXT format('%s is no superuser: PostgreSQL before 16 lets '
                           'nobody else subscribe', current_user);
    END IF;

    SELECT current_setting('max_replication_slots')::bigint - count(*)
      INTO have FROM pg_replication_slots;

    IF have < 3 THEN
        RETURN NEXT format('%s replication slots are free, 3 are needed: '
                           'raise max_replication_slots', have);
    END IF;

    SELECT current_setting('max_wal_senders')::bigint - count(*)
      INTO have FROM pg_stat_replication;

    IF have < 3 THEN
        RETURN NEXT format('%s WAL senders are free, 3 are needed: raise '
                           'max_wal_senders', have);
    END IF;

    SELECT current_setting('max_logical_replication_workers')::bigint
           - count(pid) INTO have FROM pg_stat_subscription;

    IF have < 2 THEN
        RETURN NEXT format('%s logical replication workers are free, 2 are '
                           'needed: raise max_logical_replication_workers',
                           have);
    END IF;

    FOR t IN SELECT s.name, c.relreplident AS ident, c.relpersistence AS kept,
                    g.tgenabled AS guard
               FROM shard.tables s LEFT JOIN pg_class c ON c.oid = s.tab
                    LEFT JOIN pg_trigger g ON g.tgrelid = s.tab
                              AND g.tgname = 'shard_guard'
    LOOP
        IF t.ident IS NULL THEN
            RETURN NEXT format('table %s is gone: DELETE FROM shard.tables '
                               'WHERE name = %L', t.name, t.name);
        ELSIF t.ident NOT IN ('d', 'f') THEN
            RETURN NEXT format('table %s has no replica identity with its '
                               'shard: ALTER TABLE %s REPLICA IDENTITY '
                               'DEFAULT', t.name, t.name);
        ELSIF t.guard IS DISTINCT FROM 'O' THEN
            RETURN NEXT format('table %s has no guard that fires: SELECT '
                               'shard.install() again', t.name);
        ELSIF t.kept <> 'p' THEN
            RETURN NEXT format('table %s is unlogged and cannot be '
                               'replicated: ALTER TABLE %s SET LOGGED',
                               t.name, t.name);
        END IF;
    END LOOP;

    FOR i IN 1 .. coalesce(array_length(p_tables, 1), 0) LOOP
        want := CASE WHEN position('.' IN p_tables[i]) > 0 THEN p_tables[i]
                     ELSE 'public.' || p_tables[i] END;

        IF NOT EXISTS (SELECT FROM shard.tables s
                        WHERE s.name = want
                              AND s.col = p_columns[i]) THEN
            RETURN NEXT format('table %s is not guarded by %s: SELECT '
                               'shard.install(%L, %L)', want, p_columns[i],
                               want, p_columns[i]);
        END IF;
    END LOOP;

    IF NOT EXISTS (SELECT FROM shard.tables) THEN
        RETURN NEXT 'no table is guarded: SELECT shard.install(''TABLE'', '
                    '''COLUMN'')';
    END IF;
END
$$;


-- Two nodes with different ones cannot have each other's rows, or not in
-- the same order

CREATE OR REPLACE FUNCTION shard.shape() RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT (SELECT format('collation %s %s, encoding %s', datcollate,
                          coalesce(datcollversion, '-'),
                          pg_encoding_to_char(encoding))
              FROM pg_database WHERE datname = current_database())
           || coalesce(string_agg(format(', %s by %s (%s)', s.name, s.keys,
               (SELECT string_agg(a.attname || ' '
                                  || format_type(a.atttypid, a.atttypmod),
                                  ', ' ORDER BY a.attname)
                  FROM pg_attribute a
                 WHERE a.attrelid = s.tab AND a.attnum > 0
                       AND NOT a.attisdropped)), '' ORDER BY s.name), '')
      FROM shard.tables s
$$;


-- Publications cannot be made in prepared form: the names are the driver's

CREATE OR REPLACE FUNCTION shard.publish(p_name name, p_shard bigint)
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_publication WHERE pubname = p_name) THEN
        RETURN;
    END IF;

    EXECUTE format('CREATE PUBLICATION %I FOR TABLE shard.marker WHERE '
                   '(shard = %s)%s WITH (publish = ''insert, update, delete'','
                   ' publish_via_partition_root = true)', p_name, p_shard,
                   (SELECT string_agg(format(', %s WHERE (%I = %s), shard.%I '
                                             'WHERE (%I = %s)', s.tab, s.col,
                                             p_shard, s.touched, s.col,
                                             p_shard), '')
                      FROM shard.tables s));
END
$$;


-- Subscriptions by the beginning of their names: off, and their workers
-- ended; those that still run

CREATE OR REPLACE FUNCTION shard.silence(p_prefix text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    s  name;
    n  bigint := 0;
BEGIN
    FOR s IN SELECT subname FROM pg_subscription
              WHERE starts_with(subname, p_prefix) AND subenabled
                    AND subdbid = (SELECT oid FROM pg_database
                                    WHERE datname = current_database())
    LOOP
        EXECUTE format('ALTER SUBSCRIPTION %I DISABLE', s);
        n := n + 1;
    END LOOP;

    IF n > 0 THEN
        RETURN n;
    END IF;

    PERFORM pg_terminate_backend(pid) FROM pg_stat_subscription
      WHERE starts_with(subname, p_prefix) AND pid IS NOT NULL;

    SELECT count(pid) INTO n FROM pg_stat_subscription
     WHERE starts_with(subname, p_prefix);

    RETURN n;
END
$$;


-- At a standby that has all there is: its subscriptions are off, and the way
-- back begins behind what came over them.  All of that is before this
-- transaction in the WAL, and durable with it.  False: there is no such slot,
-- or no such standby.

CREATE OR REPLACE FUNCTION shard.turn(p_shard bigint, p_epoch bigint,
    p_prefix text, p_slot text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM shard.silence(p_prefix);

    UPDATE shard.owner SET turned = pg_current_wal_insert_lsn()
     WHERE shard = p_shard AND role = 'standby' AND epoch = p_epoch
           AND EXISTS (SELECT FROM pg_replication_slots
                        WHERE slot_name = p_slot);

    RETURN FOUND;
END
$$;

-- Splits and merges, in place: the rows of a range are written again under
-- the number of the shard that is to have them, while the old one is used.
--
--   source  touch on ▶ its rows of the range ── carry ──▶ rows of target
--           touched  ────────────────────────── carry ──▶ the same again
--           compared, sealed, the last touched carried and compared
--
-- Which keys are in a range only the driver knows: their order may be that
-- of a hash.  The target is a standby (a split's new shard) or the primary
-- that takes the source's rows in (a merge).

CREATE SEQUENCE IF NOT EXISTS shard.cut_run;

CREATE TABLE IF NOT EXISTS shard.cut (
    target    bigint PRIMARY KEY,
    source    bigint NOT NULL,
    epoch     bigint NOT NULL,       -- of a target that is primary, else 0
    run       bigint NOT NULL,       -- of who copies: an older one is late
    position  bigint                 -- of the source; NULL: not whole yet
);

-- what was carried since both sides were compared

CREATE TABLE IF NOT EXISTS shard.carried (
    source    bigint NOT NULL,
    tab       text   NOT NULL,
    pk        text   NOT NULL
);

CREATE INDEX IF NOT EXISTS carried_source ON shard.carried (source);


-- The bytes of a row's key, as a router has them

CREATE OR REPLACE FUNCTION shard.place(t shard.tables, p_alias text)
RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format(CASE WHEN atttypid = 'bytea'::regtype THEN '%s.%I'
                       ELSE 'convert_to(%s.%I::text, ''UTF8'')' END,
                  p_alias, t.place)
      FROM pg_attribute WHERE attrelid = t.tab AND attname = t.place
$$;


-- All of a row but its shard

CREATE OR REPLACE FUNCTION shard.row_hash(t shard.tables, p_alias text)
RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('hashtextextended(ROW(%s)::text, %s)',
                  string_agg(format('%s.%I', p_alias, attname), ', '
                             ORDER BY attname), hashtextextended(t.name, 0))
      FROM pg_attribute
     WHERE attrelid = t.tab AND attnum > 0 AND NOT attisdropped
           AND attname <> t.col
$$;


CREATE OR REPLACE FUNCTION shard.pk(t shard.tables, p_alias text)
RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('json_build_array(%s)::text',
                  string_agg(format('%s.%I::text', p_alias, k), ', '
                             ORDER BY n))
      FROM unnest(t.keys) WITH ORDINALITY u(k, n)
$$;


-- The row of p_shard with the key of row p_other, or of the JSON array k.v.
-- Looked up row by row (LATERAL, LIMIT): of a shard that has just been made
-- statistics know nothing, and all other plans are slow ones.

CREATE OR REPLACE FUNCTION shard.same_key(t shard.tables, p_alias text,
    p_shard text, p_other text) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT string_agg(CASE WHEN k = t.col
                           THEN format('%s.%I = %s', p_alias, k, p_shard)
                           WHEN p_other IS NULL
                           THEN format('%s.%I = (k.v ->> %s)::%s', p_alias, k,
                                       n - 1, t.types[n])
                           ELSE format('%s.%I = %s.%I', p_alias, k, p_other,
                                       k) END, ' AND ' ORDER BY n)
      FROM unnest(t.keys) WITH ORDINALITY u(k, n)
$$;


-- What must be true before a shard is cut; nothing when all of it is

CREATE OR REPLACE FUNCTION shard.cut_problems() RETURNS SETOF text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    t  record;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN NEXT format('%s is no superuser: triggers cannot be passed by',
                           current_user);
    END IF;

    FOR t IN SELECT s.name, s.col, s.place, g.tgenabled AS guard,
                    (SELECT string_agg(i.indexrelid::regclass::text, ', ')
                       FROM pg_index i
                      WHERE i.indrelid = s.tab
                            AND (i.indisunique OR i.indisexclusion)
                            AND NOT EXISTS (SELECT FROM pg_attribute a
                                 WHERE a.attrelid = s.tab
                                       AND a.attname = s.col
                                       AND a.attnum = ANY (i.indkey)))
                    AS alone
               FROM shard.tables s
                    LEFT JOIN pg_trigger g ON g.tgrelid = s.tab
                              AND g.tgname = 'shard_guard' ORDER BY s.name
    LOOP
        IF t.place IS NULL THEN
            RETURN NEXT format('it is not known which column of table %s has '
                               'the key: SELECT shard.install(%L, %L, '
                               '''COLUMN'')', t.name, t.name, t.col);
        END IF;

        IF t.guard IS DISTINCT FROM 'O' THEN
            RETURN NEXT format('table %s has no guard that fires: SELECT '
                               'shard.install() again', t.name);
        END IF;

        IF t.alone IS NOT NULL THEN
            RETURN NEXT format('table %s: index %s is unique without the '
                               'column %s, so that a row cannot be in two '
                               'shards for a while', t.name, t.alone, t.col);
        END IF;
    END LOOP;

    IF NOT EXISTS (SELECT FROM shard.tables) THEN
        RETURN NEXT 'no table is guarded: SELECT shard.install(''TABLE'', '
                    '''COLUMN'', ''COLUMN OF THE KEY'')';
    END IF;
END
$$;


-- A primary that is cut stays at its epoch meanwhile: a former holder of the
-- claim on it is known by a smaller token.  0: none.

CREATE OR REPLACE FUNCTION shard.cut_claimed(p_shard bigint, p_token bigint)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    o  shard.owner;
BEGIN
    SELECT * INTO o FROM shard.owner WHERE shard = p_shard;

    IF p_token > 0 AND o.token_of = o.epoch AND o.token > p_token THEN
        RAISE EXCEPTION USING ERRCODE = 'SH409', MESSAGE =
            format('shard %s was claimed by somebody else since: token %s, '
                   'now %s', p_shard, p_token, o.token);
    END IF;

    IF p_token > 0 AND (o.token_of <> o.epoch OR o.token <> p_token) THEN
        UPDATE shard.owner SET token = p_token, token_of = epoch
         WHERE shard = p_shard;
    END IF;
END
$$;


-- A copy begins, or is gone on with (NULL: there is none that was whole).
-- Its number makes all earlier ones void.  p_epoch: of a primary, or 0; a
-- new shard that was told a greater one than p_most belongs to a later copy.

CREATE OR REPLACE FUNCTION shard.cut_begin(p_source bigint, p_target bigint,
    p_epoch bigint, p_most bigint, p_token bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    o  shard.owner;
    n  bigint := nextval('shard.cut_run');
BEGIN
    PERFORM pg_advisory_xact_lock_shared(shard.lock(p_target));
    SELECT * INTO o FROM shard.owner WHERE shard = p_target;

    IF (p_epoch = 0 AND (o.role IS DISTINCT FROM 'standby'
                         OR (p_most > 0 AND o.epoch > p_most)))
       OR (p_epoch > 0 AND (o.role IS DISTINCT FROM 'primary'
                            OR o.epoch <> p_epoch))
    THEN
        RAISE EXCEPTION USING ERRCODE = 'SH409', MESSAGE =
            format('shard %s is %s at epoch %s here and takes no copy',
                   p_target, coalesce(o.role, 'unknown'),
                   coalesce(o.epoch, 0));
    END IF;

    IF p_epoch > 0 THEN
        PERFORM shard.cut_claimed(p_target, p_token);
    END IF;

    INSERT INTO shard.cut VALUES (p_target, p_source, p_epoch, n)
    ON CONFLICT (target) DO UPDATE SET source = p_source, epoch = p_epoch,
        run = n, position = NULL;

    RETURN n;
END
$$;


CREATE OR REPLACE FUNCTION shard.cut_resume(p_source bigint,
    p_target bigint) RETURNS bigint
LANGUAGE sql AS $$
    UPDATE shard.cut SET run = nextval('shard.cut_run')
     WHERE target = p_target AND source = p_source AND position IS NOT NULL
    RETURNING run
$$;


CREATE OR REPLACE FUNCTION shard.cut_end(p_source bigint, p_target bigint)
RETURNS void
LANGUAGE sql AS $$
    DELETE FROM shard.cut WHERE target = p_target AND source = p_source;
    DELETE FROM shard.carried WHERE source = p_source
$$;


-- Nobody else writes what the target has of the source.  The rest of the
-- transaction fires no trigger.

CREATE OR REPLACE FUNCTION shard.cut_mine(p_target bigint, p_run bigint)
RETURNS shard.cut
LANGUAGE plpgsql AS $$
DECLARE
    c  shard.cut;
    o  shard.owner;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(shard.lock(p_target));
    SELECT * INTO o FROM shard.owner WHERE shard = p_target;
    SELECT * INTO c FROM shard.cut WHERE target = p_target FOR UPDATE;

    IF c.run IS DISTINCT FROM p_run
       OR (c.epoch = 0 AND o.role IS DISTINCT FROM 'standby')
       OR (c.epoch > 0 AND (o.role IS DISTINCT FROM 'primary'
                            OR o.epoch IS DISTINCT FROM c.epoch))
    THEN
        RAISE EXCEPTION USING ERRCODE = 'SH409', MESSAGE =
            format('shard %s is %s at epoch %s here and takes no rows of '
                   'this copy (%s, now %s)', p_target,
                   coalesce(o.role, 'unknown'), coalesce(o.epoch, 0), p_run,
                   coalesce(c.run, 0));
    END IF;

    PERFORM set_config('session_replication_role', 'replica', true);

    RETURN c;
END
$$;


-- What an earlier copy brought to a new shard: those that were still there

CREATE OR REPLACE FUNCTION shard.cut_clear(p_target bigint, p_run bigint,
    p_rows int) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    t      shard.tables;
    n      bigint;
    total  bigint := 0;
BEGIN
    PERFORM shard.cut_mine(p_target, p_run);
    DELETE FROM shard.marker WHERE shard = p_target;

    FOR t IN SELECT * FROM shard.tables LOOP
        EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY (ARRAY(SELECT ctid '
                       'FROM %1$s WHERE %2$I = $1 LIMIT $2))', t.tab, t.col)
          USING p_target, p_rows;
        GET DIAGNOSTICS n = ROW_COUNT;
        total := total + n;
    END LOOP;

    RETURN total;
END
$$;


-- Rows of p_shard behind p_after, with the hash of p_other's row of the same
-- key; late: the source's was written and has not been carried yet

CREATE OR REPLACE FUNCTION shard.cut_rows(p_table text, p_shard bigint,
    p_other bigint, p_source bigint, p_after text, p_limit int)
RETURNS TABLE (pk text, key bytea, hash bigint, other bigint, late boolean)
LANGUAGE plpgsql STABLE
SET extra_float_digits = 3 SET datestyle = 'ISO' SET timezone = 'UTC'
SET intervalstyle = 'postgres' SET bytea_output = 'hex' AS $$
DECLARE
    t  shard.tables;
BEGIN
    SELECT * INTO STRICT t FROM shard.tables WHERE name = p_table;

    RETURN QUERY EXECUTE format(
        'SELECT %1$s, %2$s, %3$s, (SELECT %4$s FROM %5$s o WHERE %6$s), '
        'EXISTS (SELECT FROM shard.%7$I x WHERE %8$s) FROM %5$s t '
        'WHERE t.%9$I = $1 %10$s ORDER BY %11$s LIMIT $4',
        shard.pk(t, 't'), shard.place(t, 't'), shard.row_hash(t, 't'),
        shard.row_hash(t, 'o'), t.tab, shard.same_key(t, 'o', '$2', 't'),
        t.touched, shard.same_key(t, 'x', '$3', 't'), t.col,
        CASE WHEN p_after IS NULL THEN '' ELSE
            format('AND (%s) > (%s)', shard.keys(t, 't'),
                   shard.bound(t, p_after)) END, shard.keys(t, 't'))
    USING p_shard, p_other, p_source, p_limit;
END
$$;


-- Where the source stands (a row without a table), and behind that the keys
-- that were touched, with the key that their rows have now at both

CREATE OR REPLACE FUNCTION shard.cut_touched(p_source bigint, p_target bigint,
    p_limit int)
RETURNS TABLE (tab text, touch bigint, pk text, key bytea, other bytea)
LANGUAGE plpgsql VOLATILE
SET extra_float_digits = 3 SET datestyle = 'ISO' SET timezone = 'UTC'
SET intervalstyle = 'postgres' SET bytea_output = 'hex' AS $$
DECLARE
    t  shard.tables;
BEGIN
    RETURN QUERY SELECT NULL::text, shard.position(o), o.role, NULL::bytea,
                        NULL::bytea
                   FROM shard.owner o WHERE o.shard = p_source;

    FOR t IN SELECT * FROM shard.tables ORDER BY name LOOP
        RETURN QUERY EXECUTE format(
            'SELECT $4, x.shard_touch, %1$s, (SELECT %2$s FROM %3$s t '
            'WHERE %4$s), (SELECT %2$s FROM %3$s t WHERE %5$s) '
            'FROM shard.%6$I x WHERE x.%7$I = $1 ORDER BY x.shard_touch '
            'LIMIT $3',
            shard.pk(t, 'x'), shard.place(t, 't'), t.tab,
            shard.same_key(t, 't', '$1', 'x'),
            shard.same_key(t, 't', '$2', 'x'), t.touched, t.col)
        USING p_source, p_target, p_limit, t.name;
    END LOOP;
END
$$;


-- The target's rows p_out go, the source's rows p_in are the target's as
-- well, the touches p_done are done with: how many came

CREATE OR REPLACE FUNCTION shard.carry(p_target bigint, p_run bigint,
    p_table text, p_out text, p_in text, p_done bigint[]) RETURNS bigint
LANGUAGE plpgsql
SET datestyle = 'ISO' SET timezone = 'UTC' SET intervalstyle = 'postgres'
SET extra_float_digits = 3 SET bytea_output = 'hex' AS $$
DECLARE
    t  shard.tables;
    c  shard.cut;
    n  bigint;
BEGIN
    c := shard.cut_mine(p_target, p_run);
    SELECT * INTO STRICT t FROM shard.tables WHERE name = p_table;

    EXECUTE format('DELETE FROM %1$s t USING (SELECT l.* FROM '
                   'json_array_elements($1) k(v) CROSS JOIN LATERAL '
                   '(SELECT t.ctid AS at, t.tableoid AS tab FROM %1$s t '
                   'WHERE %2$s LIMIT 1) l) d WHERE t.ctid = d.at AND '
                   't.tableoid = d.tab', t.tab,
                   shard.same_key(t, 't', '$2', NULL))
      USING p_out::json, p_target;

    EXECUTE (SELECT format(
        'INSERT INTO %1$s (%2$s) OVERRIDING SYSTEM VALUE SELECT %3$s FROM '
        '(SELECT DISTINCT e.v::text AS v FROM json_array_elements($1) e(v)) d '
        'CROSS JOIN LATERAL (SELECT d.v::json AS v) k CROSS JOIN LATERAL '
        '(SELECT t.* FROM %1$s t WHERE %4$s LIMIT 1) t',
        t.tab, string_agg(quote_ident(attname), ', ' ORDER BY attnum),
        string_agg(CASE WHEN attname = t.col THEN '$3'
                        ELSE format('t.%I', attname) END, ', '
                   ORDER BY attnum),
        shard.same_key(t, 't', '$2', NULL))
      FROM pg_attribute
     WHERE attrelid = t.tab AND attnum > 0 AND NOT attisdropped
           AND attgenerated = '') USING p_in::json, c.source, p_target;
    GET DIAGNOSTICS n = ROW_COUNT;

    EXECUTE format('INSERT INTO shard.carried SELECT DISTINCT $1, $2, %s '
                   'FROM shard.%I x WHERE x.%I = $1 AND x.shard_touch = ANY '
                   '($3)', shard.pk(t, 'x'), t.touched, t.col)
      USING c.source, t.name, p_done;
    EXECUTE format('DELETE FROM shard.%I WHERE %I = $1 AND shard_touch = ANY '
                   '($2)', t.touched, t.col) USING c.source, p_done;

    -- a primary's write, as its own are

    IF c.epoch > 0 THEN
        PERFORM nextval((SELECT counter FROM shard.owner
                          WHERE shard = p_target));
    END IF;

    RETURN n;

EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION USING ERRCODE = 'SH409', MESSAGE =
        format('table %s: a row is in shard %s and in shard %s: %s', p_table,
               c.source, p_target, SQLERRM);
END
$$;


-- All of the source before p_position was carried: how many rows were since
-- the comparison

CREATE OR REPLACE FUNCTION shard.cut_at(p_target bigint, p_run bigint,
    p_position bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    c  shard.cut := shard.cut_mine(p_target, p_run);
BEGIN
    UPDATE shard.cut SET position = p_position WHERE target = p_target;

    IF c.epoch = 0 THEN
        PERFORM shard.mark(p_target, p_position);
    END IF;

    RETURN (SELECT count(*) FROM shard.carried WHERE source = c.source);
END
$$;


-- Rows of both whose keys were carried since the comparison

CREATE OR REPLACE FUNCTION shard.cut_tail(p_source bigint, p_target bigint)
RETURNS TABLE (of bigint, key bytea, hash bigint)
LANGUAGE plpgsql STABLE
SET extra_float_digits = 3 SET datestyle = 'ISO' SET timezone = 'UTC'
SET intervalstyle = 'postgres' SET bytea_output = 'hex' AS $$
DECLARE
    t  shard.tables;
    n  bigint;
BEGIN
    FOR t IN SELECT * FROM shard.tables ORDER BY name LOOP
        FOREACH n IN ARRAY ARRAY[p_source, p_target] LOOP
            RETURN QUERY EXECUTE format(
                'SELECT $3, %s, %s FROM (SELECT DISTINCT c.pk FROM '
                'shard.carried c WHERE c.source = $1 AND c.tab = $2) c '
                'CROSS JOIN LATERAL (SELECT c.pk::json AS v) k CROSS JOIN '
                'LATERAL (SELECT t.* FROM %s t WHERE %s LIMIT 1) t',
                shard.place(t, 't'), shard.row_hash(t, 't'), t.tab,
                shard.same_key(t, 't', '$3', NULL))
            USING p_source, t.name, n;
        END LOOP;
    END LOOP;
END
$$;


-- A primary of that epoch gives up rows, [[primary key, key in hex], ...],
-- whose key is still that: how many went

CREATE OR REPLACE FUNCTION shard.cut_drop(p_shard bigint, p_epoch bigint,
    p_token bigint, p_table text, p_rows text) RETURNS bigint
LANGUAGE plpgsql
SET datestyle = 'ISO' SET timezone = 'UTC' SET intervalstyle = 'postgres'
SET extra_float_digits = 3 SET bytea_output = 'hex' AS $$
DECLARE
    t  shard.tables;
    n  bigint;
BEGIN
    PERFORM set_config('shard.epoch', p_epoch::text, true);
    PERFORM shard.write(p_shard, '');
    PERFORM shard.cut_claimed(p_shard, p_token);
    PERFORM set_config('session_replication_role', 'replica', true);

    SELECT * INTO STRICT t FROM shard.tables WHERE name = p_table;

    EXECUTE format('DELETE FROM %1$s t USING (SELECT l.* FROM (SELECT '
                   'e.v -> 0 AS v, e.v ->> 1 AS key FROM '
                   'json_array_elements($1) e(v)) k CROSS JOIN LATERAL '
                   '(SELECT t.ctid AS at, t.tableoid AS tab FROM %1$s t '
                   'WHERE %2$s AND encode(%3$s, ''hex'') = k.key LIMIT 1) l) '
                   'd WHERE t.ctid = d.at AND t.tableoid = d.tab', t.tab,
                   shard.same_key(t, 't', '$2', NULL), shard.place(t, 't'))
      USING p_rows::json, p_shard;
    GET DIAGNOSTICS n = ROW_COUNT;

    RETURN n;
END
$$;


REVOKE ALL ON ALL FUNCTIONS IN SCHEMA shard FROM PUBLIC;
GRANT USAGE ON SCHEMA shard TO PUBLIC;
GRANT EXECUTE ON FUNCTION shard.owned(bigint), shard.write(bigint, text)
   TO PUBLIC;

-- One more with each change of this file; shardkv runs it again where there is
-- a smaller one

COMMENT ON SCHEMA shard IS 'nginx-shard 2';

COMMIT;
