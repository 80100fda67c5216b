#!lua name=shard

-- The atomic writes of one keyspace: who may write (claims), the table and
-- its log (commit), decisions and migrations.  docs/redis-keys.md is the
-- reference of keys and answers.
--
--   shard_claim ──▶ claims: scope ▶ token holder until_ms
--                      │ fence: same scope, token and holder, or refused
--                      ▼
--   shard_commit ─▶ checks ─▶ log <version>-0 ─▶ table, nodes, meta
--                      ▲                          └▶ meta.version, op:ID
--   shard_stage ─▶ checks of one piece ─▶ stage:* ─▶ shard_stage_commit
--                  of a whole new table              renames it into place
--
-- A function's writes are not rolled back when it fails half way.  So each
-- checks everything before it writes anything, writes the log entry first
-- (the only write that can be refused), and stores JSON as it was given:
-- decoding is for checks only, since encoding it again would change numbers.
-- Lua's numbers are exact to 2^53; anything larger is refused.
--
-- The library is one text of several files, in the order that embed.sh knows:
-- this one (words, claims), record, commit, stage, moves.

-- loaders replace a library of a smaller number
local VERSION = 7

local EXACT_MAX = 9007199254740991
local ID_MAX = 4294967294
local EPOCH_MAX = 4294967295
local TTL_MAX_MS = 86400000
local OPERATION_S = 86400
local STREAM_MAXLEN = 100000
local RECORD_MAX = 8192
local POLICY_MAX = 65536
local STAGE_S = '600'
local SCAN_COUNT = '1000'
local BOUND_MAX = 64
local UNITS_MAX = 32
local CAPACITY_MIN = 1e-6
local CAPACITY_MAX = 1e9

-- unpack() puts at most 8000 values on Lua's stack.  A commit of more
-- changes than this is not written into the log: it skips one version, and
-- readers, who see the gap, read the whole table.
local LOG_CHANGES = 1000

local HEX4 = '[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
local HEX = '^' .. HEX4 .. HEX4 .. HEX4 .. HEX4 .. '$'
local END = 'g'                     -- sorts behind every hex position

-- what the first shard begins with, in JSON; a list has no order
local FIRST = { hash = '0000000000000000',
                ['range uint64'] = '0000000000000000',
                ['range bytes'] = '' }

-- fields that a record of that kind may not have
local FOREIGN = { hash = { 'units', 'default' },
                  ['range uint64'] = { 'units', 'default' },
                  ['range bytes'] = { 'units', 'default' },
                  list = { 'lo', 'hi' } }

local CONSISTENCY = { strong = true, eventual = true }
local STRATEGY = { stateless = true, ['copy-on-write'] = true,
                   ['log-shipping'] = true, queue = true }
local PHASE = { steady = true, shifting = true, held = true }
local STATE = { up = true, draining = true, down = true }


local function digits(n)
    return string.format('%.0f', n)
end


local function uint(s, max)
    if type(s) ~= 'string' or #s > 16 or not s:find('^%d+$')
        or (#s > 1 and s:sub(1, 1) == '0')
    then
        return nil
    end

    local n = tonumber(s)

    return n <= max and n or nil
end


local function is_name(s)
    return type(s) == 'string' and #s <= 63
           and s:find('^[%w_.-]+$') ~= nil
end


-- holders, operations, authors: visible ASCII without blanks

local function is_word(s, max)
    return #s <= max and s:find('^[!-~]+$') ~= nil
end


local function is_integer(n, max)
    return type(n) == 'number' and n >= 0 and n <= max
           and n == math.floor(n)
end


local function now_ms()
    local t = redis.call('TIME')

    return t[1] * 1000 + math.floor(t[2] / 1000)
end


local function bad(fmt, ...)
    return { 'bad', string.format(fmt, ...) }
end


-- all keys must be of one keyspace, or one keyspace's claim would open
-- another's table

local function keys_bad(keys, names)
    local prefix = (keys[1] or ''):match('^shard:{[%w_.-]+}:')

    if not prefix or #keys ~= #names then
        return bad('keys must be %d: shard:{KEYSPACE}: and %s', #names,
                   table.concat(names, ' '))
    end

    for i, name in ipairs(names) do
        if keys[i] ~= prefix .. name then
            return bad('key %d must be %s%s', i, prefix, name)
        end
    end
end


local function scope_shard(scope)
    return uint(scope:match('^shard:(%d+)$'), ID_MAX)
end


local function scope_bad(scope)
    if scope == 'nodes' or scope == 'keyspace' or scope == 'predictor'
        or scope == 'dns'
        or scope_shard(scope)
        or is_name(scope:match('^migrator:(.+)$'))
        or uint(scope:match('^standby:(%d+)$'), ID_MAX)
    then
        return nil
    end

    return bad('scope must be shard:ID, nodes, keyspace, predictor, '
               .. 'dns, migrator:NAME or standby:BLOCK')
end


local function claim_read(key, scope)
    local text = redis.call('HGET', key, scope) or ''
    local token, holder, until_ms = text:match('^(%d+) (%S+) (%d+)$')

    if not token then
        return nil
    end

    return { token = token, holder = holder,
             until_ms = tonumber(until_ms) }
end


-- nil when SCOPE is HOLDER's with TOKEN: a lease that ran out is good until
-- somebody takes it

local function fenced(key, scope, token, holder)
    local claim = claim_read(key, scope)

    if not claim then
        return { 'fenced', '0', '' }
    end

    if claim.token ~= token or claim.holder ~= holder then
        return { 'fenced', claim.token, claim.holder }
    end
end


local function writer_bad(scope, token, holder)
    if scope_bad(scope) then
        return scope_bad(scope)
    end

    if not uint(token, EXACT_MAX) then
        return bad('token must be a number')
    end

    if not is_word(holder, 63) then
        return bad('holder must be 1 to 63 visible characters')
    end
end


local function shard_claim(keys, args)
    local wrong = keys_bad(keys, { 'meta', 'claims' })

    if wrong or #args ~= 3 then
        return wrong or bad('arguments must be SCOPE HOLDER TTL_MS')
    end

    local scope, holder, ttl = args[1], args[2], uint(args[3], TTL_MAX_MS)

    wrong = writer_bad(scope, '0', holder)

    if wrong or not ttl or ttl == 0 then
        return wrong or bad('ttl must be 1 to %d ms', TTL_MAX_MS)
    end

    local now = now_ms()
    local claim = claim_read(keys[2], scope)

    if claim and claim.holder ~= holder and claim.until_ms > now then
        return { 'held', claim.holder, digits(claim.until_ms - now) }
    end

    local token = claim and claim.holder == holder and claim.token

    if not token then
        local issued = uint(redis.call('HGET', keys[1], 'token') or '0',
                            EXACT_MAX - 1)
        if not issued then
            return bad('meta.token is not a number')
        end

        token = digits(issued + 1)
        redis.call('HSET', keys[1], 'token', token, 'holder', holder)
    end

    redis.call('HSET', keys[2], scope,
               token .. ' ' .. holder .. ' ' .. digits(now + ttl))

    return { 'ok', token }
end


local function shard_release(keys, args)
    local wrong = keys_bad(keys, { 'meta', 'claims' })

    if wrong or #args ~= 3 then
        return wrong or bad('arguments must be SCOPE HOLDER TOKEN')
    end

    local scope, holder, token = args[1], args[2], args[3]

    wrong = writer_bad(scope, token, holder)
            or fenced(keys[2], scope, token, holder)

    if wrong then
        return wrong
    end

    redis.call('HDEL', keys[2], scope)

    return { 'ok' }
end
