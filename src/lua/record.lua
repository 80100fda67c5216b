-- Records: what of a shard, a node, the meta hash may be written at all, each
-- seen by itself.


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
