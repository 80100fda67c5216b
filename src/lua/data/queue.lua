-- Append queues: streams whose ids are <index>-0, and their consumers.
--
--   append ─▶ 5 6 7 8 ─▶ take: unacknowledged ones again, else new ones
--                │                 │ one consumer of a group at a time
--                └─ gone once every group has acknowledged ◀─ ack up to n
--
-- depth: what each group has still to take or to acknowledge; entries of a
-- queue without groups count once.


local function map(flat)
    local out = {}

    for i = 1, #flat, 2 do
        out[flat[i]] = flat[i + 1]
    end

    return out
end


local function index_of(id)
    return tonumber(string.match(id, '^(%d+)'))
end


local function groups(key)
    local out = {}

    for i, flat in ipairs(redis.call('XINFO', 'GROUPS', key)) do
        out[i] = map(flat)
    end

    return out
end


local function has_group(key, group)
    for _, g in ipairs(groups(key)) do
        if g.name == group then
            return true
        end
    end

    return false
end


-- {n, value, n, value, ...}
local function flatten(entries)
    local out = {}

    for _, entry in ipairs(entries) do
        if entry[2] then
            out[#out + 1] = int(index_of(entry[1]))
            out[#out + 1] = entry[2][2]
        end
    end

    return out
end


-- epoch, sender, key, entries of the log kept, value
local function append(m, args)
    local name = 'q:' .. args[3]
    local size = #args[3] + #args[5]
    local info = { ['last-generated-id'] = '0-0', groups = 0 }

    if redis.call('EXISTS', m.data .. name) == 1 then
        info = map(redis.call('XINFO', 'STREAM', m.data .. name))
    end

    local n = index_of(info['last-generated-id']) + 1

    logged(m, 'a', name, args[4])
    redis.call('XADD', m.data .. name, int(n) .. '-0', 'v', args[5])
    redis.call('HINCRBY', m.data .. 'index', name, int(size))

    m.items = m.items + 1
    m.queued = m.queued + 1
    m.bytes = m.bytes + size
    m.depth = m.depth + math.max(1, info.groups)
    written(m, now_ms())

    return { 'ok', int(m.position), int(n) }
end


-- epoch, sender, key, from, limit: entries behind from
local function read(m, args)
    if m.held == 1 then
        return { 'held' }
    end

    local from, left, bytes, count = args[4], tonumber(args[5]), 0, 8
    local out = {}

    while left > 0 and bytes < READ_BYTES do
        local part = flatten(redis.call('XRANGE', m.data .. 'q:' .. args[3],
                                        '(' .. from .. '-0', '+', 'COUNT',
                                        int(math.min(left, count))))

        for _, value in ipairs(part) do
            out[#out + 1] = value
            bytes = bytes + #value
        end

        if #part == 0 then
            break
        end

        left = left - #part / 2
        from = part[#part - 1]
        count = bytes < READ_BYTES / 64 and count * 2 or 8
    end

    return { 'ok', out }
end


-- all that is not acknowledged becomes the consumer's
local function claim(key, group, consumer)
    local from = '-'

    while true do
        local pending = redis.call('XPENDING', key, group, from, '+', '1000')

        if #pending == 0 then
            return
        end

        local ids = {}

        for i, p in ipairs(pending) do
            ids[i] = p[1]
        end

        redis.call('XCLAIM', key, group, consumer, '0', unpack(ids))
        from = '(' .. ids[#ids]
    end
end


-- epoch, sender, key, entries of the log kept, group, consumer, limit, and
-- the ms after which another consumer is taken for dead
local function take(m, args)
    if m.held == 1 then
        return { 'held' }
    end

    local name, group, consumer = 'q:' .. args[3], args[5], args[6]
    local key = m.data .. name

    if redis.call('EXISTS', key) == 0 then
        return { 'ok', int(m.position), {} }
    end

    local changed = not has_group(key, group)

    if changed then
        m.depth = m.depth + (#groups(key) > 0 and redis.call('XLEN', key) or 0)
        redis.call('XGROUP', 'CREATE', key, group, '0')
    end

    local first = redis.call('XPENDING', key, group, '-', '+', '1')[1]

    if first and first[2] ~= consumer then
        if first[3] < tonumber(args[8]) then
            return { 'busy', first[2] }
        end

        claim(key, group, consumer)
        changed = true
    end

    local found = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT',
                             args[7], 'STREAMS', key, first and '0' or '>')
    local entries = found and found[1] and flatten(found[1][2]) or {}

    if changed or (not first and #entries > 0) then
        logged(m, 'g', name, args[4])
        written(m, now_ms())
    end

    return { 'ok', int(m.position), entries }
end


-- the oldest entry that some group has not acknowledged
local function oldest(key)
    local min

    for _, g in ipairs(groups(key)) do
        local n = index_of(g['last-delivered-id']) + 1

        if g.pending > 0 then
            n = index_of(redis.call('XPENDING', key, g.name)[2])
        end

        min = math.min(min or n, n)
    end

    return min
end


local function trim(m, key, klen)
    local min = int(oldest(key)) .. '-0'
    local bytes, count = 0, 0

    for _, entry in ipairs(redis.call('XRANGE', key, '-', '(' .. min)) do
        bytes = bytes + klen + #entry[2][2]
        count = count + 1
    end

    redis.call('XTRIM', key, 'MINID', min)

    m.items = m.items - count
    m.queued = m.queued - count
    m.bytes = m.bytes - bytes

    return bytes
end


-- epoch, sender, key, entries of the log kept, group, consumer, n
local function ack(m, args)
    local name, group = 'q:' .. args[3], args[5]
    local key = m.data .. name

    if redis.call('EXISTS', key) == 0 or not has_group(key, group) then
        return { 'none' }
    end

    local acked = 0

    for _, p in ipairs(redis.call('XPENDING', key, group, '-', args[7] .. '-0',
                                  '10000', args[6]))
    do
        acked = acked + redis.call('XACK', key, group, p[1])
    end

    if acked > 0 then
        logged(m, 'g', name, args[4])
        m.depth = m.depth - acked
        redis.call('HINCRBY', m.data .. 'index', name,
                   int(0 - trim(m, key, #args[3])))
        written(m, now_ms())
    end

    return { 'ok', int(m.position), int(acked) }
end
