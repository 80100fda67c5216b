-- What the migrator's driver asks of a source and a target.
--
--   begin ─▶ a generation nobody sees ─▶ scan, dump ─▶ restore ... ─▶ switch:
--            it is the shard's data, at the position the source had before it
--   log ─▶ dump ─▶ restore ... ─▶ advance: the keys that the source's log
--            names, as they are now, then the position
--   hash, absent: what is compared
--
-- A driver that slept in the middle is refused by the generation, the
-- position, the role or the epoch it knows: it cannot take anything back.


-- epoch 0: any
local function no_target(m, epoch)
    if m.role == 'primary' then
        return { 'primary', int(m.position) }
    end

    if epoch ~= '0' and m.epoch > tonumber(epoch) then
        return { 'epoch', int(m.position) }
    end
end


-- a callback of the driver that writes a target; its epoch is args[at]
local function targeted(call, at)
    return function(keys, args)
        local m = load(keys[1])

        return no_target(m, args[at]) or call(m, args)
    end
end


-- epoch
local function begin(m, args)
    if m.staging > 0 then
        drop(m, m.staging)
    end

    local generation = generation_next(m)

    redis.call('HSET', m.prefix .. 'meta', 'staging', int(generation))

    return { 'ok', int(generation) }
end


-- cursor, about how many; the next cursor, then name and size of each
local function scan(keys, args)
    local m = load(keys[1])
    local found = redis.call('HSCAN', m.data .. 'index', args[1], 'COUNT',
                             args[2])
    local out = { 'ok', found[1] }

    for i, value in ipairs(found[2]) do
        out[i + 2] = value
    end

    return out
end


-- without values that end nobody need be asked when each of them does
local function ending(data)
    return redis.call('EXISTS', data .. 'ttl') == 1
end


-- names; size, ends_ms or 0, and DUMP's text of each, '' of what is no more.
-- Of the first ones only, where all would be too much for one answer.
local function dump(keys, args)
    local m = load(keys[1])
    local sizes = redis.call('HMGET', m.data .. 'index', unpack(args))
    local ends = ending(m.data)
    local out = { 'ok' }
    local bytes = 0

    for i, name in ipairs(args) do
        if bytes > DUMP_BYTES then
            break
        end

        local text = redis.call('DUMP', m.data .. name)
        local at = text and ends
                   and redis.call('PEXPIRETIME', m.data .. name) or 0

        out[#out + 1] = text and sizes[i] or '0'
        out[#out + 1] = at > 0 and int(at) or '0'
        out[#out + 1] = text or ''
        bytes = bytes + (text and #text or 0)
    end

    return out
end


-- position, at most so many: the shard's position, its counts, then op and
-- name of each entry behind that position
local function log(keys, args)
    local m = load(keys[1])
    local from = tonumber(args[1])

    if from > m.position then
        return { 'ahead', int(m.position) }
    end

    local out = { 'ok', int(m.position), int(m.items), int(m.bytes),
                  int(m.queued), int(m.depth) }

    if from == m.position then
        return out
    end

    local entries = redis.call('XRANGE', m.data .. 'log',
                               '(' .. args[1] .. '-0', '+', 'COUNT', args[2])

    if not entries[1] or index_of(entries[1][1]) ~= from + 1 then
        return { 'gone', int(m.position) }
    end

    for _, entry in ipairs(entries) do
        out[#out + 1] = entry[2][2]
        out[#out + 1] = entry[2][4]
    end

    return out
end


-- DUMP's text, or '' of a name that is no more
local function restore_one(data, name, ends_ms, dump, ends)
    if dump == '' then
        redis.call('UNLINK', data .. name)
        redis.call('HDEL', data .. 'index', name)
        redis.call('ZREM', data .. 'ttl', name)

    elseif ends_ms == '0' then
        redis.call('RESTORE', data .. name, '0', dump, 'REPLACE')

        if ends then
            redis.call('ZREM', data .. 'ttl', name)
        end

    else
        redis.call('RESTORE', data .. name, ends_ms, dump, 'REPLACE',
                   'ABSTTL')
        redis.call('ZADD', data .. 'ttl', ends_ms, name)
    end
end


-- generation, epoch, then name, size, ends_ms, dump of each
local function restore(m, args)
    local generation = tonumber(args[1])

    if generation ~= m.staging and generation ~= m.generation then
        return { 'stale', int(m.position) }
    end

    local data = m.prefix .. args[1] .. ':'
    local ends = ending(data)
    local index = {}

    for i = 3, #args, 4 do
        restore_one(data, args[i], args[i + 2], args[i + 3], ends)

        if args[i + 3] ~= '' then
            index[#index + 1] = args[i]
            index[#index + 1] = args[i + 1]
        end
    end

    if #index > 0 then
        redis.call('HSET', data .. 'index', unpack(index))
    end

    return { 'ok', int((#args - 2) / 4) }
end


-- the source's counts at the position that is set
local function counted(m, args, at)
    for i, field in ipairs(COUNTS) do
        m[field] = tonumber(args[at + i - 1])
    end
end


-- generation, epoch, position, counts
local function switch(m, args)
    if tonumber(args[1]) ~= m.staging then
        return { 'stale', int(m.position) }
    end

    if m.position > tonumber(args[3]) then
        return { 'ahead', int(m.position) }
    end

    drop(m, m.generation)
    redis.call('HSET', m.prefix .. 'meta', 'generation', args[1], 'staging',
               '0')

    m.position = tonumber(args[3])
    counted(m, args, 4)
    save(m)

    return { 'ok', int(m.position) }
end


-- generation, epoch, position, entries of the log kept, counts, then op and
-- name of each entry behind that position
local function advance(m, args)
    if tonumber(args[1]) ~= m.generation or tonumber(args[3]) ~= m.position
    then
        return { 'stale', int(m.position) }
    end

    for i = 9, #args, 2 do
        logged(m, args[i], args[i + 1], args[4])
    end

    counted(m, args, 5)
    save(m)

    return { 'ok', int(m.position) }
end


local function hash_stream(key)
    local info = map(redis.call('XINFO', 'STREAM', key))
    local parts = { info['last-generated-id'], info.length }

    for _, entry in ipairs(redis.call('XREVRANGE', key, '+', '-', 'COUNT',
                                      int(HASHED)))
    do
        parts[#parts + 1] = entry[1]
        parts[#parts + 1] = redis.sha1hex(entry[2][2])
    end

    for _, g in ipairs(groups(key)) do
        parts[#parts + 1] = g.name
        parts[#parts + 1] = g['last-delivered-id']

        for _, p in ipairs(redis.call('XPENDING', key, g.name, '-', '+',
                                      int(HASHED)))
        do
            parts[#parts + 1] = p[1]
            parts[#parts + 1] = p[2]
        end
    end

    return table.concat(parts, ' ')
end


local function hash_one(key, name, ends)
    local text

    if string.sub(name, 1, 1) == 'q' then
        text = redis.call('EXISTS', key) == 1 and hash_stream(key)
    else
        text = redis.call('GET', key)
    end

    if not text then
        return '----------------'
    end

    local at = ends and redis.call('PEXPIRETIME', key) or -1

    return string.sub(redis.sha1hex(int(at) .. ' ' .. text), 1, 16)
end


-- names; 16 hex digits of each, behind each other
local function hash(keys, args)
    local m = load(keys[1])
    local ends = ending(m.data)
    local out = {}

    for i, name in ipairs(args) do
        out[i] = hash_one(m.data .. name, name, ends)
    end

    return { 'ok', table.concat(out) }
end


-- names; those that are not in the index
local function absent(keys, args)
    local m = load(keys[1])
    local out = { 'ok' }

    for _, name in ipairs(args) do
        if redis.call('HEXISTS', m.data .. 'index', name) == 0 then
            out[#out + 1] = name
        end
    end

    return out
end


local function version()
    return VERSION
end


local function register(name, callback, flags)
    redis.register_function{ function_name = 'sharddata_' .. name,
                             callback = callback, flags = flags }
end

register('version', version, { 'no-writes' })
register('get', owned(get, false), { 'no-writes' })
register('read', owned(read, false), { 'no-writes' })
register('stats', stats, { 'no-writes' })
register('free', free, { 'no-writes' })
register('primaries', primaries, { 'no-writes' })
register('scan', scan, { 'no-writes' })
register('dump', dump, { 'no-writes' })
register('log', log, { 'no-writes' })
register('hash', hash, { 'no-writes' })
register('absent', absent, { 'no-writes' })
register('put', owned(put, true), {})
register('append', owned(append, true), {})
register('restore', targeted(restore, 2), {})
register('begin', targeted(begin, 1), {})

-- these make room or must be possible without any
register('delete', owned(delete, true), { 'allow-oom' })
register('take', owned(take, true), { 'allow-oom' })
register('ack', owned(ack, true), { 'allow-oom' })
register('role', role, { 'allow-oom' })
register('hold', hold, { 'allow-oom' })
register('collect', collect, { 'allow-oom' })
register('switch', targeted(switch, 2), { 'allow-oom' })
register('advance', targeted(advance, 2), { 'allow-oom' })
