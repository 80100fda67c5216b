-- Who owns the shard, how it stands, and what is left over to delete.


-- a generation's data are of no use any more: collect() deletes them
local function drop(m, generation)
    redis.call('RPUSH', 'shardkv:garbage',
               m.prefix .. int(generation) .. ':')
end


local function generation_next(m)
    m.generations = math.max(m.generations, m.generation) + 1
    redis.call('HSET', m.prefix .. 'meta', 'generations', int(m.generations))

    return m.generations
end


-- a standby that becomes nothing gives the data up; a primary keeps them
local function give_up(m)
    drop(m, m.generation)

    if m.staging > 0 then
        drop(m, m.staging)
    end

    m.generation = generation_next(m)
    m.data = m.prefix .. int(m.generation) .. ':'
    m.position = 0

    for _, field in ipairs(COUNTS) do
        m[field] = 0
    end

    redis.call('HSET', m.prefix .. 'meta', 'generation', int(m.generation),
               'staging', '0')
    save(m)
end


-- role, epoch, and "keep": who means the former owner does not close the one
-- of this very epoch; the contract's keep_primary
local function role(keys, args)
    local m = load(keys[1])
    local word, epoch = args[1], tonumber(args[2])

    if epoch < m.epoch then
        return { 'epoch', int(m.position) }
    end

    if args[3] == 'keep' and m.role == 'primary' and word ~= 'primary'
        and epoch == m.epoch
    then
        return { 'primary', int(m.position) }
    end

    if m.role == 'standby' and word == 'none' then
        give_up(m)
    end

    local id = string.match(m.prefix, '{(%d+)}')

    redis.call(word == 'primary' and 'SADD' or 'SREM', 'shardkv:primaries',
               id)
    redis.call('HSET', m.prefix .. 'meta', 'role', word, 'epoch', int(epoch))

    -- a hold is of its epoch
    if epoch > m.epoch then
        redis.call('HSET', m.prefix .. 'meta', 'held', '0')
    end

    return { 'ok', int(m.position) }
end


-- 1 or 0, and the epoch that it is of; "" for whichever it is
local function hold(keys, args)
    local m = load(keys[1])

    if args[2] ~= '' and tonumber(args[2]) ~= m.epoch then
        return { 'epoch', int(m.position) }
    end

    redis.call('HSET', keys[1] .. 'meta', 'held', args[1])
    return { 'ok' }
end


-- the oldest position that a reader of the log may be at, plus one
local function log_first(m)
    local first = redis.call('XRANGE', m.data .. 'log', '-', '+', 'COUNT',
                             '1')[1]

    return first and tonumber(string.match(first[1], '^(%d+)'))
           or m.position + 1
end


local function stats(keys)
    local m = load(keys[1])
    local now = now_ms()
    local passed = math.max(0, now - m.rate_ms) / 1000
    local dead = redis.call('ZCOUNT', m.data .. 'ttl', '-inf',
                            '(' .. int(now))

    return { 'ok', m.role, int(m.epoch), int(m.position), int(log_first(m)),
             int(m.items - dead), int(m.bytes), int(m.depth),
             string.format('%.3f', m.rate * math.exp(-passed / RATE_S)),
             int(m.held), int(m.generation), int(m.queued) }
end


-- INFO's figures of memory
local function free()
    return { 'ok', redis.call('INFO', 'memory') }
end


-- the IDs of shards this Redis is primary of; KEYS[1] is shardkv:
local function primaries(keys)
    return redis.call('SMEMBERS', keys[1] .. 'primaries')
end


-- deletes about so many values of dead generations; 1: there is more
local function collect(keys, args)
    local list = keys[1] .. 'garbage'
    local data = redis.call('LINDEX', list, '0')

    if not data then
        return 0
    end

    local found = redis.call('HSCAN', data .. 'index', '0', 'COUNT',
                             args[1])[2]

    for i = 1, #found, 2 do
        redis.call('UNLINK', data .. found[i])
        redis.call('HDEL', data .. 'index', found[i])
    end

    if redis.call('HLEN', data .. 'index') == 0 then
        redis.call('UNLINK', data .. 'log', data .. 'ttl')
        redis.call('LPOP', list)
    end

    return redis.call('EXISTS', list)
end
