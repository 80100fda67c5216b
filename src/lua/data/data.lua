#!lua name=sharddata

-- Data of shards that live in a Redis: what shardkv --store redis:// calls
-- for each request and the migrator's driver "redis" to move a shard.
--
--   request ─▶ owner: role and epoch ─▶ log <position>-0 ─▶ value, index ─▶ meta
--                │ refused                  ▲ names the key
--                ▼                          │
--           {'owner', ...}      the driver reads it from a position on and
--                               takes each key as it is then (move.lua)
--
-- KEYS[1] is a shard's prefix "shardkv:{ID}:", G a generation of its data:
--
--   PREFIX meta      hash    role epoch generation position held and counts
--   PREFIX G:index   hash    name -> bytes of key and value
--   PREFIX G:ttl     zset    name by the ms it ends at
--   PREFIX G:log     stream  <position>-0: o op, k name
--   PREFIX G:k:KEY   string  a value                     its name is k:KEY
--   PREFIX G:q:KEY   stream  <n>-0: v value, with groups its name is q:KEY
--   shardkv:primaries  set   IDs, shardkv:garbage  list  PREFIX G: to delete
--
-- One call is one change: Redis runs nothing else meanwhile.  What it writes
-- is not rolled back, so everything is checked before the first write.
-- Answers are lists that begin with a word, numbers in them are text.
--
-- The library is one text of several files: this one, queue, role, move,
-- cut.

-- loaders replace a library of a smaller number
local VERSION = 5

local RATE_S = 10                   -- write_rate forgets in about this time
local REAPED = 4                    -- dead names removed beside a write
local READ_BYTES = 8388608          -- of a queue, in one answer
local DUMP_BYTES = 1048576          -- of keys, in one answer
local HASHED = 10000                -- entries of a queue that a hash reads

local COUNTS = { 'items', 'bytes', 'queued', 'depth' }
local FIELDS = { 'role', 'epoch', 'generation', 'position', 'held', 'staging',
                 'generations', 'rate', 'rate_ms', 'items', 'bytes', 'queued',
                 'depth' }


local function int(n)
    return string.format('%.0f', n)
end


local function now_ms()
    local t = redis.call('TIME')
    return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end


local function load(prefix)
    local values = redis.call('HMGET', prefix .. 'meta', unpack(FIELDS))
    local m = { prefix = prefix, role = values[1] or 'none' }

    for i = 2, #FIELDS do
        m[FIELDS[i]] = tonumber(values[i] or '0')
    end

    m.data = prefix .. int(m.generation) .. ':'

    return m
end


local function save(m)
    redis.call('HSET', m.prefix .. 'meta', 'position', int(m.position),
               'items', int(m.items), 'bytes', int(m.bytes),
               'queued', int(m.queued), 'depth', int(m.depth),
               'rate', tostring(m.rate), 'rate_ms', int(m.rate_ms))
end


-- docs/backend-contract.md, "Ordinary requests"; nil: it may go on
local function owner(m, epoch, sender, write)
    if m.role == 'primary' then
        if epoch == '' or tonumber(epoch) == m.epoch then
            return nil
        end

    elseif m.role == 'standby' and not write
        and (sender == 'standby' or sender == 'target')
    then
        return nil
    end

    return { 'owner', m.role, int(m.epoch) }
end


-- a callback of a request whose arguments begin with epoch and sender
local function owned(call, write)
    return function(keys, args)
        local m = load(keys[1])

        return owner(m, args[1], args[2], write) or call(m, args)
    end
end


-- the one write that Redis may refuse comes first
local function logged(m, op, name, keep)
    m.position = m.position + 1
    redis.call('XADD', m.data .. 'log', 'MAXLEN', '~', keep,
               int(m.position) .. '-0', 'o', op, 'k', name)
end


-- names of values that have ended by themselves
local function reap(m, now)
    local dead = redis.call('ZRANGEBYSCORE', m.data .. 'ttl', '-inf',
                            '(' .. int(now), 'LIMIT', '0', int(REAPED))

    for _, name in ipairs(dead) do
        local size = redis.call('HGET', m.data .. 'index', name)

        redis.call('ZREM', m.data .. 'ttl', name)
        redis.call('HDEL', m.data .. 'index', name)

        if size then
            m.items = m.items - 1
            m.bytes = m.bytes - tonumber(size)
        end
    end
end


local function written(m, now)
    local passed = math.max(0, now - m.rate_ms) / 1000

    m.rate = m.rate * math.exp(-passed / RATE_S) + 1 / RATE_S
    m.rate_ms = now

    reap(m, now)
    save(m)
end


-- epoch, sender, key
local function get(m, args)
    local value = redis.call('GET', m.data .. 'k:' .. args[3])

    return value and { 'ok', value } or { 'none' }
end


-- epoch, sender, key, entries of the log kept, value, ttl_ms or 0
local function put(m, args)
    local name = 'k:' .. args[3]
    local ttl = tonumber(args[6])
    local size = #args[3] + #args[5]
    local now = now_ms()

    logged(m, 'w', name, args[4])

    local old = redis.call('HGET', m.data .. 'index', name)

    if ttl > 0 then
        redis.call('SET', m.data .. name, args[5], 'PXAT', int(now + ttl))
        redis.call('ZADD', m.data .. 'ttl', int(now + ttl), name)
    else
        redis.call('SET', m.data .. name, args[5])

        if old then
            redis.call('ZREM', m.data .. 'ttl', name)
        end
    end

    redis.call('HSET', m.data .. 'index', name, int(size))

    m.items = m.items + (old and 0 or 1)
    m.bytes = m.bytes + size - tonumber(old or '0')
    written(m, now)

    return { 'ok', int(m.position) }
end


-- epoch, sender, key, entries of the log kept
local function delete(m, args)
    local name = 'k:' .. args[3]

    if redis.call('EXISTS', m.data .. name) == 0 then
        return { 'none' }
    end

    logged(m, 'w', name, args[4])

    local old = redis.call('HGET', m.data .. 'index', name)

    redis.call('DEL', m.data .. name)
    redis.call('ZREM', m.data .. 'ttl', name)
    redis.call('HDEL', m.data .. 'index', name)

    m.items = m.items - 1
    m.bytes = m.bytes - tonumber(old or '0')
    written(m, now_ms())

    return { 'ok', int(m.position) }
end
