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

-- loaders replace a library of a smaller number
local VERSION = 3

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
        or scope_shard(scope)
        or is_name(scope:match('^migrator:(.+)$'))
    then
        return nil
    end

    return bad('scope must be shard:ID, nodes, keyspace, predictor or '
               .. 'migrator:NAME')
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


-- JSON object of a record, or nil and why not.  cjson lets a field appear
-- twice; records are flat, so counting colons behind quotes finds that.

local function record_decode(json, max)
    if #json > max then
        return nil, 'is longer than ' .. max .. ' bytes'
    end

    local ok, rec = pcall(cjson.decode, json)

    if not ok or type(rec) ~= 'table' or not json:find('^%s*{') then
        return nil, 'is not a JSON object'
    end

    local fields, nested = 0, json:find('\\', 1, true) ~= nil

    for name, value in pairs(rec) do
        fields = fields + 1

        if type(value) == 'table' and name ~= 'standbys' and name ~= 'units'
        then
            nested = true
        end
    end

    local _, colons = json:gsub('"%s*:', '')

    -- a text may begin with a colon
    if not nested and colons ~= fields then
        _, colons = json:gsub('"[^"]*"', 'n'):gsub('n%s*:', '')
    end

    if not nested and colons ~= fields then
        return nil, 'has a field twice'
    end

    return rec
end


-- cjson reads 0x10, nan and 1e3 as numbers, other readers do not

local function raw_integer(json, field)
    return json:find('"' .. field .. '"%s*:%s*%d+%s*[,}]') ~= nil
end


local function one_of(value, words)
    return value == nil or (type(value) == 'string' and words[value])
end


-- cjson makes the same of {} and []

local function raw_array(json, field)
    return json:find('"' .. field .. '"%s*:%s*%[') ~= nil
end


local function standbys_bad(rec, json, exists)
    local standbys, seen = rec.standbys or {}, {}

    if type(standbys) ~= 'table' or #standbys > 3
        or (rec.standbys and not raw_array(json, 'standbys'))
    then
        return 'standbys must be at most 3 names'
    end

    for index, name in pairs(standbys) do
        if type(index) ~= 'number' or not is_name(name) then
            return 'standbys must be at most 3 names'
        end

        if not exists(name) then
            return 'standby ' .. name .. ' is no node'
        end

        if name == rec.primary or seen[name] then
            return 'standby ' .. name .. ' is '
                   .. (seen[name] and 'named twice' or 'the primary')
        end

        seen[name] = true
    end
end


local function moving_bad(rec, json, exists)
    if rec.target ~= nil and not is_name(rec.target) then
        return 'target must be a name'
    end

    if rec.target ~= nil and not exists(rec.target) then
        return 'target ' .. rec.target .. ' is no node'
    end

    if rec.target ~= nil and rec.target == rec.primary then
        return 'target ' .. rec.target .. ' is the primary'
    end

    if rec.shift ~= nil and not (is_integer(rec.shift, 10000)
                                 and raw_integer(json, 'shift'))
    then
        return 'shift must be 0 to 10000'
    end

    if rec.migration ~= nil and not (type(rec.migration) == 'string'
                                     and rec.migration:find(HEX))
    then
        return 'migration must be 16 lower-case hex digits'
    end

    if rec.phase == 'shifting' and not (rec.target and rec.migration) then
        return 'phase shifting needs target and migration'
    end
end


-- A name that may hold any byte: printable ASCII but for % " and \ stands for
-- itself, any other byte is %xx.  The bytes in hex, which compare as bytes do
-- (Lua compares strings by the locale), or nil.

local function name_hex(s, min)
    if type(s) ~= 'string'
        or s:gsub('%%%x%x', ''):find('[%c\127-\255%%"\\]')
    then
        return nil
    end

    local plain = false
    local bytes = s:gsub('%%(%x%x)', function(hex)
        local c = string.char(tonumber(hex, 16))

        plain = plain or hex:find('%u') or not c:find('[%c\127-\255%%"\\]')

        return c
    end)

    if plain or #bytes < min or #bytes > BOUND_MAX then
        return nil
    end

    return (bytes:gsub('.', function(c)
        return string.format('%02x', c:byte())
    end))
end


-- nil or why not, and the interval [lo, hi) of what the shard holds; "from"
-- and "to" are the same as people read them

local function position_bad(rec)
    local lo, hi = rec.lo, rec.hi

    if type(lo) ~= 'string' or not lo:find(HEX) then
        return 'lo must be 16 lower-case hex digits'
    end

    if hi ~= cjson.null and not (type(hi) == 'string' and hi:find(HEX)) then
        return 'hi must be 16 lower-case hex digits or null'
    end

    if hi ~= cjson.null and hi <= lo then
        return 'hi must be behind lo'
    end

    if hi == cjson.null then
        hi = END
    end

    return nil, { lo = lo, hi = hi, from = lo, to = hi }
end


local function bound_bad(rec)
    local lo, hi = name_hex(rec.lo, 0), END

    if not lo then
        return 'lo must be 0 to 64 bytes, percent-encoded'
    end

    if rec.hi ~= cjson.null then
        hi = name_hex(rec.hi, 1)
    end

    if not hi then
        return 'hi must be 1 to 64 bytes, percent-encoded, or null'
    end

    if hi <= lo then
        return 'hi must be behind lo'
    end

    return nil, { lo = lo, hi = hi, from = '"' .. rec.lo .. '"',
                  to = hi == END and END or '"' .. rec.hi .. '"' }
end


local function units_bad(rec, json)
    local units, seen, n = rec.units or {}, {}, 0

    if type(units) ~= 'table' or (rec.units and not raw_array(json, 'units'))
    then
        return 'units must be 1 to 32 names'
    end

    for _, name in pairs(units) do
        if not name_hex(name, 1) then
            return 'units must be names of 1 to 64 bytes, percent-encoded'
        end

        if seen[name] then
            return 'unit ' .. name .. ' is named twice'
        end

        seen[name], n = true, n + 1
    end

    if rec.default ~= nil and type(rec.default) ~= 'boolean' then
        return 'default must be true or false'
    end

    if n > UNITS_MAX or (n == 0 and not rec.default) then
        return 'units must be 1 to 32 names'
    end

    return nil, units
end


local HOLDS_BAD = { hash = position_bad, ['range uint64'] = position_bad,
                    ['range bytes'] = bound_bad, list = units_bad }


local function holds_bad(rec, json, kind)
    for _, name in ipairs(FOREIGN[kind]) do
        if rec[name] ~= nil then
            return name .. ' has no place in a ' .. kind .. ' keyspace'
        end
    end

    return HOLDS_BAD[kind](rec, json)
end


-- nil or why not, and what it holds: an interval, or a list's units

local function shard_bad(rec, json, kind, exists)
    -- names need none, and readers refuse them there
    if json:find('\\', 1, true) then
        return 'has an escape'
    end

    local why, holds = holds_bad(rec, json, kind)

    if why then
        return why
    end

    if not is_name(rec.primary) then
        return 'primary must be a name'
    end

    if not exists(rec.primary) then
        return 'primary ' .. rec.primary .. ' is no node'
    end

    if not is_integer(rec.epoch, EPOCH_MAX) or not raw_integer(json, 'epoch')
    then
        return 'epoch must be 0 to 4294967295'
    end

    if not one_of(rec.consistency, CONSISTENCY) then
        return 'consistency must be strong or eventual'
    end

    if not one_of(rec.strategy, STRATEGY) then
        return 'strategy must be stateless, copy-on-write, log-shipping '
               .. 'or queue'
    end

    if not one_of(rec.phase, PHASE) then
        return 'phase must be steady, shifting or held'
    end

    return standbys_bad(rec, json, exists) or moving_bad(rec, json, exists),
           holds
end


-- an epoch names one owner for ever: backends rely on it to refuse others

local function epoch_bad(rec, old)
    if rec.epoch < old.epoch then
        return string.format('epoch %.0f is behind %.0f', rec.epoch,
                             old.epoch)
    end

    if rec.primary ~= old.primary and rec.epoch == old.epoch then
        return string.format('primary changes from %s to %s, epoch %.0f '
                             .. 'does not', old.primary, rec.primary,
                             rec.epoch)
    end
end


local function node_bad(name, json)
    local rec, why = record_decode(json, RECORD_MAX)

    if not rec then
        return why
    end

    if type(rec.addr) ~= 'string' or not is_word(rec.addr, 127) then
        return 'addr must be host:port or unix:/path'
    end

    if not rec.addr:find('^unix:/.') and not rec.addr:find('^.+:%d+$') then
        return 'addr must be host:port or unix:/path'
    end

    if not is_name(rec.zone) then
        return 'zone must be a name'
    end

    if type(rec.capacity) ~= 'number'
        or not (rec.capacity >= CAPACITY_MIN and rec.capacity <= CAPACITY_MAX)
        or not json:find('"capacity"%s*:%s*%d[%d.eE+-]*%s*[,}]')
    then
        return 'capacity must be a number from 0.000001 to 1e9'
    end

    if not STATE[rec.state] then
        return 'state must be up, draining or down'
    end
end


local function meta_bad(id, json)
    if id == 'kind' then
        if not FOREIGN[json] then
            return 'must be hash, range uint64, range bytes or list'
        end

        return nil
    end

    if id ~= 'policy' then
        return 'is none of kind, policy'
    end

    if json == '' then
        return nil
    end

    local _, why = record_decode(json, POLICY_MAX)

    -- a policy is nested and may use a name twice at different depths
    return why ~= 'has a field twice' and why or nil
end


-- each(id, json) of every stored shard that this commit leaves as it is,
-- until it answers something; in pieces, as a table may have a million

local function unchanged(key, changed, each)
    local cursor = '0'

    repeat
        local part = redis.call('HSCAN', key, cursor, 'COUNT', SCAN_COUNT)
        local all = part[2]

        for i = 1, #all, 2 do
            local found = not changed[all[i]] and each(all[i], all[i + 1])

            if found then
                return found
            end
        end

        cursor = part[1]
    until cursor == '0'
end


local function node_used(key, name, changed)
    return unchanged(key, changed, function(id, json)
        return json:find('"' .. name .. '"', 1, true) and id
    end)
end


-- intervals [lo, hi) sorted and joined where they touch; nil and a position
-- where two overlap

local function joined(intervals)
    local out, last = {}, nil

    -- mostly they come in order; sorting 100,000 takes a good part of a second
    for i = 2, #intervals do
        if intervals[i].lo < intervals[i - 1].lo then
            table.sort(intervals, function(a, b) return a.lo < b.lo end)
            break
        end
    end

    for _, range in ipairs(intervals) do
        if last and range.lo < last.hi then
            return nil, range.from
        end

        if last and range.lo == last.hi then
            last.hi, last.to = range.hi, range.to
        else
            last = { lo = range.lo, hi = range.hi, from = range.from,
                     to = range.to }
            out[#out + 1] = last
        end
    end

    return out
end


-- the lowest position that is in one interval only, or that of the only one

local function differ_at(b, a)
    if a.lo ~= b.lo or a == b then
        return a.lo < b.lo and a.from or b.from
    end

    return a.hi < b.hi and a.to or b.to
end


-- The table covers all positions once.  It still does when what a commit
-- takes away it puts back, so only the changed shards need be looked at.

local function cover_bad(plan)
    local removed = plan.removed

    if plan.anew then
        removed = { { lo = FIRST[plan.kind], hi = END,
                      from = 'the lowest key', to = END } }
    end

    local before, at = joined(removed)

    if not before then
        return 'stored shards overlap at ' .. at .. ': repair the table'
    end

    local after, over = joined(plan.added)

    if not after then
        return 'shards overlap at ' .. over
    end

    for i = 1, math.max(#before, #after) do
        local b, a = before[i], after[i]

        if not a or not b or a.lo ~= b.lo or a.hi ~= b.hi then
            return 'shards would leave a gap or an overlap near '
                   .. differ_at(b or a, a or b)
        end
    end
end


-- A list covers all names by its one default; no unit is of two shards.  The
-- whole table is looked through only for units that this commit brings in.

local function list_bad(plan)
    local defaults = plan.anew and 1 or plan.defaults_removed
    local had, has, brought = {}, {}, {}

    if plan.defaults_added ~= defaults then
        return 'shards would not have exactly one default'
    end

    for _, name in ipairs(plan.removed) do
        had[name] = true
    end

    for i, name in ipairs(plan.added) do
        if has[name] then
            return 'unit ' .. name .. ' would be of shards ' .. has[name]
                   .. ' and ' .. plan.adder[i]
        end

        has[name] = plan.adder[i]

        if not had[name] then
            brought[#brought + 1] = name
        end
    end

    if plan.scope ~= 'keyspace'
        and (#brought > 0 or #plan.added ~= #plan.removed)
    then
        return 'units would change, which is outside of scope ' .. plan.scope
    end

    if #brought == 0 or plan.anew then
        return nil
    end

    return unchanged(plan.table, plan.changed, function(id, json)
        for _, name in ipairs(brought) do
            if json:find('"' .. name .. '"', 1, true) then
                local rec = record_decode(json, RECORD_MAX) or {}

                for _, unit in pairs(rec.units or {}) do
                    if unit == name then
                        return 'unit ' .. name .. ' would be of shards ' .. id
                               .. ' and ' .. has[name]
                    end
                end
            end
        end
    end)
end


-- what a shard holds goes into the plan: as removed or as added

local function holds_add(plan, verb, id, rec, holds)
    local to = plan[verb]

    if plan.kind ~= 'list' then
        to[#to + 1] = holds
        return
    end

    for _, name in ipairs(holds) do
        to[#to + 1] = name

        if verb == 'added' then
            plan.adder[#to] = id
        end
    end

    if rec.default then
        plan['defaults_' .. verb] = plan['defaults_' .. verb] + 1
    end
end


-- one shard's change against what is stored

local function shard_change_bad(plan, id, json)
    local stored = plan.count > 0 and redis.call('HGET', plan.table, id)
    local old, rec, why

    if stored then
        old = record_decode(stored, RECORD_MAX)

        if not old or type(old.epoch) ~= 'number' then
            return 'is damaged in the table: repair it'
        end

        plan.replaced = plan.replaced + 1

        if not plan.anew then
            local damage, holds = holds_bad(old, stored, plan.kind)

            if damage then
                return 'is damaged in the table: repair it'
            end

            holds_add(plan, 'removed', id, old, holds)
        end
    end

    if json == '' then
        return not stored and 'does not exist' or nil
    end

    local holds

    rec, why = record_decode(json, RECORD_MAX)

    if not why then
        why, holds = shard_bad(rec, json, plan.kind, plan.exists)
    end

    if not why and old then
        why = epoch_bad(rec, old)
    end

    if why then
        return why
    end

    holds_add(plan, 'added', id, rec, holds)
end


-- a keyspace's writer stays away from shards that somebody else works on,
-- and ends claims whose lease ran out, so that their holders learn of it

local function claimed_bad(plan, id)
    local scope = 'shard:' .. id
    local claim = claim_read(plan.claims, scope)

    if not claim or claim.holder == plan.holder then
        return nil
    end

    if claim.until_ms > plan.now then
        return string.format('is claimed by %s for %.0f ms more',
                             claim.holder, claim.until_ms - plan.now)
    end

    plan.ended[#plan.ended + 1] = scope
end


local function change_bad(plan, kind, id, json)
    local scope = plan.scope

    if kind == 'shard' then
        if not uint(id, ID_MAX) then
            return 'is no shard id'
        end

        if scope ~= 'keyspace' and scope ~= 'shard:' .. id then
            return 'is outside of scope ' .. scope
        end

        plan.shards = plan.shards + 1

        return scope == 'keyspace' and claimed_bad(plan, id)
               or shard_change_bad(plan, id, json)
    end

    if scope ~= 'keyspace' and not (kind == 'node' and scope == 'nodes') then
        return 'is outside of scope ' .. scope
    end

    if kind == 'meta' then
        return meta_bad(id, json)
    end

    if not is_name(id) then
        return 'is no node name'
    end

    if json ~= '' then
        return node_bad(id, json)
    end

    local user = node_used(plan.table, id, plan.changed)

    if user then
        return 'serves shard ' .. user
    end
end


-- nil, or why the changes args[7..] cannot be made; fills the plan

local function changes_bad(plan, args)
    local nodes = {}

    for i = 7, #args, 3 do
        local kind, id = args[i], args[i + 1]
        local name = kind .. ' ' .. id

        if kind ~= 'shard' and kind ~= 'node' and kind ~= 'meta' then
            return 'kind ' .. kind .. ' is none of shard, node, meta'
        end

        if plan.seen[name] then
            return name .. ' is changed twice'
        end

        plan.seen[name] = true

        if kind == 'shard' then
            plan.changed[id] = true
        elseif kind == 'node' then
            nodes[id] = args[i + 2] ~= ''
        elseif id == 'kind' and args[i + 2] ~= plan.kind
            and FOREIGN[args[i + 2]]
        then
            plan.kind, plan.anew, plan.turned = args[i + 2], true, true
        end
    end

    plan.exists = function(name)
        if nodes[name] == nil then
            nodes[name] = redis.call('HEXISTS', plan.nodes, name) == 1
        end

        return nodes[name]
    end

    for i = 7, #args, 3 do
        local why = change_bad(plan, args[i], args[i + 1], args[i + 2])

        if why then
            return args[i] .. ' ' .. args[i + 1] .. ' ' .. why
        end
    end

    -- shards of one kind mean nothing to another
    if plan.turned and plan.replaced ~= plan.count then
        return string.format('meta kind must be %s while shards are there',
                             plan.was)
    end

    if plan.shards == 0 then
        return nil
    end

    return plan.kind == 'list' and list_bad(plan)
           or plan.kind ~= 'list' and cover_bad(plan) or nil
end


local function log_entry(keys, args, version, whole)
    local entry = { 'XADD', keys[4], 'MAXLEN', '~', digits(STREAM_MAXLEN),
                    digits(version) .. '-0', 'by', args[6], 'op', args[5] }

    if whole then
        for i = 7, #args, 3 do
            entry[#entry + 1] = args[i] .. ':' .. args[i + 1]
            entry[#entry + 1] = args[i + 2]
        end
    end

    return redis.pcall(unpack(entry))
end


local function changes_write(keys, args)
    local key = { shard = keys[2], node = keys[3], meta = keys[1] }

    for i = 7, #args, 3 do
        if args[i + 2] == '' then
            redis.call('HDEL', key[args[i]], args[i + 1])
        else
            redis.call('HSET', key[args[i]], args[i + 1], args[i + 2])
        end
    end
end


local function commit_form_bad(keys, args)
    local scope, token, holder, version, op, by = unpack(args, 1, 6)

    if #args < 9 or #args % 3 ~= 0 then
        return bad('arguments must be SCOPE TOKEN HOLDER VERSION OPERATION '
                   .. 'BY and KIND ID JSON at least once')
    end

    if not is_word(op, 128) or not is_word(by, 128) then
        return bad('operation and by must be 1 to 128 visible characters')
    end

    if version ~= '-1' and not uint(version, EXACT_MAX) then
        return bad('version must be a number')
    end

    return keys_bad(keys, { 'meta', 'table', 'nodes', 'log', 'claims',
                            'op:' .. op })
           or writer_bad(scope, token, holder)
end


local function shard_commit(keys, args)
    local wrong = commit_form_bad(keys, args)
                  or fenced(keys[5], args[1], args[2], args[3])

    if wrong then
        return wrong
    end

    local done = redis.call('GET', keys[6])

    if done then
        return { 'duplicate', done }
    end

    local version = uint(redis.call('HGET', keys[1], 'version') or '0',
                         EXACT_MAX - 2)
    if not version then
        return bad('meta.version is not a number')
    end

    if args[4] ~= '-1' and args[4] ~= digits(version) then
        return { 'conflict', digits(version) }
    end

    local count = redis.call('HLEN', keys[2])
    local kind = redis.call('HGET', keys[1], 'kind') or 'hash'

    if not FOREIGN[kind] then
        return bad('meta.kind is none of hash, range uint64, range bytes, '
                   .. 'list')
    end

    local plan = { table = keys[2], nodes = keys[3], claims = keys[5],
                   scope = args[1], holder = args[3], now = now_ms(),
                   seen = {}, changed = {}, removed = {}, added = {},
                   adder = {}, defaults_removed = 0, defaults_added = 0,
                   ended = {}, shards = 0, replaced = 0, count = count,
                   kind = kind, was = kind, anew = count == 0 }

    local why = changes_bad(plan, args)

    if why then
        return { 'bad', why }
    end

    -- of another kind readers need the whole table
    local whole = (#args - 6) / 3 <= LOG_CHANGES and not plan.turned

    version = version + (whole and 1 or 2)

    local id = log_entry(keys, args, version, whole)

    if id.err then
        return bad('log refuses entry %.0f-0: %s', version, id.err)
    end

    changes_write(keys, args)

    for _, scope in ipairs(plan.ended) do
        redis.call('HDEL', keys[5], scope)
    end

    redis.call('HSET', keys[1], 'version', digits(version))
    redis.call('SET', keys[6], digits(version), 'EX', OPERATION_S)

    return { 'ok', digits(version) }
end


-- KEYS meta table claims stage stage:table stage:nodes stage:units
-- ARGV TOKEN HOLDER VERSION SEQ KIND_OF_KEYSPACE and KIND ID JSON triples
--   ok SEQ | fenced TOKEN HOLDER | conflict SEQ | bad REASON
-- One piece of a whole new table, which is too large to be checked at once.
-- SEQ counts the changes staged before; 0 begins anew.  Shards come in the
-- order of what they hold, so that each piece joins the one before.  Nothing
-- of it counts before shard_stage_commit, and a stage left alone goes away.

local STAGE_KEYS = { 'meta', 'table', 'claims', 'stage', 'stage:table',
                     'stage:nodes', 'stage:units' }


-- a list's staged units are a set; what is there already is of two shards

local function stage_units_bad(plan, rec, units)
    for _, name in ipairs(units) do
        if plan.units[name]
            or redis.call('SISMEMBER', plan.units_key, name) == 1
        then
            return 'unit ' .. name .. ' is of another shard too'
        end

        plan.units[name] = true
    end

    if rec.default then
        plan.defaults = plan.defaults + 1
    end

    if plan.defaults > 1 then
        return 'is a second default'
    end
end


local function stage_shard_bad(plan, id, json)
    local rec, why = record_decode(json, RECORD_MAX)
    local holds

    if not uint(id, ID_MAX) then
        return 'is no shard id'
    end

    if not why then
        why, holds = shard_bad(rec, json, plan.kind, plan.exists)
    end

    if not why and redis.call('HEXISTS', plan.staged, id) == 1 then
        why = 'is staged twice'
    end

    local stored = not why and redis.call('HGET', plan.table, id)

    if stored then
        local old = record_decode(stored, RECORD_MAX)

        if not old or type(old.epoch) ~= 'number' then
            why = 'is damaged in the table: repair it'
        else
            why = epoch_bad(rec, old)
        end
    end

    if why then
        return why
    end

    if plan.kind == 'list' then
        return stage_units_bad(plan, rec, holds)
    end

    if holds.lo ~= plan.next then
        return 'does not begin where the shard before it ends'
    end

    plan.next = holds.hi
end


local function stage_change_bad(plan, kind, id, json)
    if plan.seen[kind .. id] then
        return 'is staged twice'
    end

    plan.seen[kind .. id] = true

    if kind == 'shard' then
        return stage_shard_bad(plan, id, json)
    end

    if kind ~= 'node' then
        return 'is neither shard nor node'
    end

    if not is_name(id) then
        return 'is no node name'
    end

    plan.known[id] = true

    return node_bad(id, json)
end


local function stage_form_bad(keys, args)
    local wrong = keys_bad(keys, STAGE_KEYS)

    if wrong or #args < 8 or (#args - 5) % 3 ~= 0 then
        return wrong
               or bad('arguments must be TOKEN HOLDER VERSION SEQ KIND and '
                      .. 'KIND ID JSON at least once')
    end

    if not uint(args[3], EXACT_MAX) or not uint(args[4], EXACT_MAX - 1) then
        return bad('version and seq must be numbers')
    end

    return not FOREIGN[args[5]] and bad('kind ' .. args[5] .. ' is no kind of '
                                        .. 'keyspace')
           or writer_bad('keyspace', args[1], args[2])
           or fenced(keys[3], 'keyspace', args[1], args[2])
end


-- the plan of a piece, or the answer that it is not the next one

local function stage_plan(keys, args)
    local plan = { table = keys[2], staged = keys[5], units_key = keys[7],
                   kind = args[5], next = FIRST[args[5]] or END,
                   defaults = 0, units = {}, seen = {}, known = {} }

    plan.exists = function(name)
        if plan.known[name] == nil then
            plan.known[name] = redis.call('HEXISTS', keys[6], name) == 1
        end

        return plan.known[name]
    end

    if args[4] == '0' then
        redis.call('UNLINK', unpack(keys, 4, 7))
        return plan
    end

    local stage = redis.call('HMGET', keys[4], 'seq', 'token', 'version',
                             'kind', 'next', 'defaults')

    if stage[1] ~= args[4] or stage[2] ~= args[1] or stage[3] ~= args[3]
        or stage[4] ~= args[5]
    then
        return nil, { 'conflict', stage[1] or '0' }
    end

    plan.next, plan.defaults = stage[5], tonumber(stage[6])

    return plan
end


local function shard_stage(keys, args)
    local wrong = stage_form_bad(keys, args)

    if wrong then
        return wrong
    end

    local plan, answer = stage_plan(keys, args)

    if not plan then
        return answer
    end

    for i = 6, #args, 3 do
        local why = stage_change_bad(plan, args[i], args[i + 1], args[i + 2])

        if why then
            return { 'bad', args[i] .. ' ' .. args[i + 1] .. ' ' .. why }
        end
    end

    local to = { shard = keys[5], node = keys[6] }

    for i = 6, #args, 3 do
        redis.call('HSET', to[args[i]], args[i + 1], args[i + 2])
    end

    for name in pairs(plan.units) do
        redis.call('SADD', keys[7], name)
    end

    local seq = digits(tonumber(args[4]) + (#args - 5) / 3)

    redis.call('HSET', keys[4], 'seq', seq, 'token', args[1], 'version',
               args[3], 'kind', args[5], 'next', plan.next, 'defaults',
               digits(plan.defaults))

    for i = 4, 7 do
        redis.call('EXPIRE', keys[i], STAGE_S)
    end

    return { 'ok', seq }
end


-- a staged table replaces every shard: none may be somebody else's; claims
-- whose lease ran out end with it

local function stage_claims_bad(key, holder, ended)
    local all, now = redis.call('HGETALL', key), now_ms()

    for i = 1, #all, 2 do
        local claim = scope_shard(all[i]) and claim_read(key, all[i])

        if claim and claim.holder ~= holder then
            if claim.until_ms > now then
                return string.format('shard %s is claimed by %s for %.0f ms '
                                     .. 'more', all[i]:sub(7), claim.holder,
                                     claim.until_ms - now)
            end

            ended[#ended + 1] = all[i]
        end
    end
end


local function stage_whole_bad(keys, args)
    local stage = redis.call('HMGET', keys[7], 'seq', 'token', 'version',
                             'kind', 'next', 'defaults')

    if stage[1] ~= args[6] or stage[2] ~= args[1] or stage[3] ~= args[3] then
        return { 'conflict', stage[1] or '0' }
    end

    if stage[4] == 'list' and stage[6] ~= '1' then
        return bad('no shard is the default')
    end

    if stage[5] ~= END then
        return bad('shards would leave a gap from the end of the last one')
    end

    local why = args[7] ~= '' and meta_bad('policy', args[7])

    if why then
        return bad('meta policy %s', why)
    end

    if redis.call('EXISTS', keys[8], keys[9]) ~= 2 then
        return bad('nothing is staged')
    end

    return nil, stage[4]
end


local function stage_commit_form_bad(keys, args)
    if #args ~= 7 or not is_word(args[4], 128) or not is_word(args[5], 128)
    then
        return bad('arguments must be TOKEN HOLDER VERSION OPERATION BY SEQ '
                   .. 'POLICY')
    end

    return keys_bad(keys, { 'meta', 'table', 'nodes', 'log', 'claims',
                            'op:' .. args[4], 'stage', 'stage:table',
                            'stage:nodes', 'stage:units' })
           or writer_bad('keyspace', args[1], args[2])
           or fenced(keys[5], 'keyspace', args[1], args[2])
end


-- KEYS meta table nodes log claims op:OPERATION stage stage:table
--      stage:nodes stage:units
-- ARGV TOKEN HOLDER VERSION OPERATION BY SEQ POLICY
--   ok VERSION | duplicate VERSION | fenced TOKEN HOLDER
--   | conflict VERSION (or SEQ of the stage) | bad REASON

local function shard_stage_commit(keys, args)
    local wrong = stage_commit_form_bad(keys, args)

    if wrong then
        return wrong
    end

    local done = redis.call('GET', keys[6])

    if done then
        return { 'duplicate', done }
    end

    local stored = redis.call('HGET', keys[1], 'version') or '0'
    local version = uint(stored, EXACT_MAX - 2)

    if not version or stored ~= args[3] then
        return { 'conflict', stored }
    end

    local bad_stage, kind = stage_whole_bad(keys, args)
    local ended = {}
    local why = not bad_stage and stage_claims_bad(keys[5], args[2], ended)

    if bad_stage or why then
        return bad_stage or { 'bad', why }
    end

    version = version + 2

    local id = log_entry(keys, { [5] = args[4], [6] = args[5] }, version)

    if id.err then
        return bad('log refuses entry %.0f-0: %s', version, id.err)
    end

    -- a million records are freed beside, not before, the next command
    redis.call('UNLINK', keys[2], keys[3], keys[7], keys[10])
    redis.call('RENAME', keys[8], keys[2])
    redis.call('RENAME', keys[9], keys[3])
    redis.call('PERSIST', keys[2])
    redis.call('PERSIST', keys[3])

    for _, scope in ipairs(ended) do
        redis.call('HDEL', keys[5], scope)
    end

    redis.call('HSET', keys[1], 'version', digits(version), 'kind', kind)

    if args[7] == '' then
        redis.call('HDEL', keys[1], 'policy')
    else
        redis.call('HSET', keys[1], 'policy', args[7])
    end

    redis.call('SET', keys[6], digits(version), 'EX', OPERATION_S)

    return { 'ok', digits(version) }
end


-- fields of a hash in args[first..], each once, none of "reserved"

local function fields_bad(args, first, reserved)
    local seen = {}

    if (#args - first + 1) % 2 ~= 0 or #args - first > 200 then
        return bad('fields must be at most 100 pairs FIELD VALUE')
    end

    for i = first, #args, 2 do
        local name = args[i]

        if #name > 32 or not name:find('^[a-z][a-z0-9_]*$') then
            return bad('field %d has no good name', (i - first) / 2 + 1)
        end

        if seen[name] or reserved[name] then
            return bad('field %s is %s', name,
                       seen[name] and 'given twice' or 'not the caller\'s')
        end

        if #args[i + 1] > POLICY_MAX then
            return bad('field %s is longer than %d bytes', name, POLICY_MAX)
        end

        seen[name] = args[i + 1]
    end

    return nil, seen
end


local function migration_id(key)
    local id = (key or ''):match(':migration:([^:]+)$')

    return id and id:find(HEX) and id
end


local function shard_migration_put(keys, args)
    local id = migration_id(keys[1])
    local scope, token, holder, seq = args[1], args[2], args[3], args[4]

    if #keys ~= 3 or not id or #args < 4 then
        return bad('keys must be migration:ID migrations claims, arguments '
                   .. 'SCOPE TOKEN HOLDER SEQ and FIELD VALUE pairs')
    end

    local wrong, fields = fields_bad(args, 5, { seq = true })

    wrong = wrong or keys_bad(keys, { 'migration:' .. id, 'migrations',
                                      'claims' })
            or writer_bad(scope, token, holder)
            or (not uint(seq, EXACT_MAX - 1) and bad('seq must be a number'))
            or fenced(keys[3], scope, token, holder)

    if wrong then
        return wrong
    end

    local stored = redis.call('HMGET', keys[1], 'seq', 'shard', 'created_ms')
    local now = stored[1] or '0'

    if now ~= seq then
        return { 'conflict', now }
    end

    local shard = scope_shard(scope)
    local moves = fields.shard or stored[2]

    if shard and moves and moves ~= digits(shard) then
        return bad('migration %s is of shard %s, scope is %s', id, moves,
                   scope)
    end

    local created = fields.created_ms or stored[3] or digits(now_ms())

    if not uint(created, EXACT_MAX) then
        return bad('created_ms must be a number')
    end

    for name, value in pairs(fields) do
        redis.call('HSET', keys[1], name, value)
    end

    seq = digits(tonumber(seq) + 1)

    redis.call('HSET', keys[1], 'id', id, 'seq', seq, 'holder', holder,
               'token', token, 'created_ms', created)
    redis.call('ZADD', keys[2], created, id)

    return { 'ok', seq }
end


-- KEYS decision:ID decisions migration:ID, ARGV FIELD VALUE pairs
--   ok STREAM_ID | conflict PHASE (of the migration, "planned" before it)
-- A decision is made once, and again only after its migration rolled back:
-- then "after_seq" keeps the state seen, so that it is again made only once.
-- A recommendation is no order: it gives way to one, never to another
-- recommendation.

local function recommended(key, fields, phase)
    return (phase == 'planned' or phase == 'rolled-back')
           and fields.mode == 'act'
           and redis.call('HGET', key, 'mode') == 'recommend'
end


local function shard_decision_add(keys, args)
    local id = migration_id(keys[3])

    if not id or #args < 2 then
        return bad('keys must be decision:ID decisions migration:ID, '
                   .. 'arguments FIELD VALUE pairs')
    end

    local wrong, fields = fields_bad(args, 1, { after_seq = true })

    wrong = wrong or keys_bad(keys, { 'decision:' .. id, 'decisions',
                                      'migration:' .. id })

    if wrong then
        return wrong
    end

    local state = redis.call('HMGET', keys[3], 'phase', 'seq')
    local phase, seq = state[1] or 'planned', state[2] or '0'

    if redis.call('EXISTS', keys[1]) == 1
        and (phase ~= 'rolled-back'
             or redis.call('HGET', keys[1], 'after_seq') == seq)
        and not recommended(keys[1], fields, phase)
    then
        return { 'conflict', phase }
    end

    local entry = redis.pcall('XADD', keys[2], 'MAXLEN', '~',
                              digits(STREAM_MAXLEN), '*', unpack(args))
    if entry.err then
        return bad('decisions refuses the entry: %s', entry.err)
    end

    redis.call('DEL', keys[1])
    redis.call('HSET', keys[1], 'after_seq', seq, unpack(args))

    return { 'ok', entry }
end


local function shard_library_version()
    return VERSION
end


redis.register_function('shard_claim', shard_claim)
redis.register_function('shard_release', shard_release)
redis.register_function('shard_commit', shard_commit)
redis.register_function('shard_stage', shard_stage)
redis.register_function('shard_stage_commit', shard_stage_commit)
redis.register_function('shard_migration_put', shard_migration_put)
redis.register_function('shard_decision_add', shard_decision_add)
redis.register_function{ function_name = 'shard_library_version',
                         callback = shard_library_version,
                         flags = { 'no-writes' } }
