-- Splits and merges: keys of a range become another shard's, whose data may
-- be in this Redis or in another one.
--
--   begin ─▶ run ─▶ dump (source) ─▶ graft ... ─▶ reach: all up to a position
--
--   split   into a standby that has nothing else: the run is its generation,
--           its position is the source's
--   merge   into a primary, each key by an entry of its own log.  PREFIX meta
--           has import (of which shard), import_run, import_at and, once all
--           is there, import_whole
--
-- Counts go key by key: the source's are those of all it has.


local function undelivered(key, g)
    return g.lag or #redis.call('XRANGE', key, '(' .. g['last-delivered-id'],
                                '+')
end


-- items, bytes, queued, depth of one name
local function weigh(m, name)
    local size = redis.call('HGET', m.data .. 'index', name)
    local key = m.data .. name

    if not size then
        return { 0, 0, 0, 0 }
    end

    if string.sub(name, 1, 1) ~= 'q' then
        return { 1, tonumber(size), 0, 0 }
    end

    if redis.call('EXISTS', key) == 0 then
        return { 0, tonumber(size), 0, 0 }
    end

    local n, depth = redis.call('XLEN', key), 0
    local all = groups(key)

    for _, g in ipairs(all) do
        depth = depth + g.pending + undelivered(key, g)
    end

    return { n, tonumber(size), n, #all > 0 and depth or n }
end


local function account(m, before, after)
    for i, field in ipairs(COUNTS) do
        m[field] = m[field] + after[i] - before[i]
    end
end


-- A primary that is cut stays at its epoch meanwhile: a former holder of the
-- claim on it is known by a smaller token.  0: none.
local function no_claim(m, token)
    local seen = redis.call('HMGET', m.prefix .. 'meta', 'token', 'token_of')

    if token == '0' or (seen[1] == token and seen[2] == int(m.epoch)) then
        return nil
    end

    if seen[2] == int(m.epoch) and tonumber(seen[1]) > tonumber(token) then
        return { 'claimed', int(m.position) }
    end

    redis.call('HSET', m.prefix .. 'meta', 'token', token, 'token_of',
               int(m.epoch))
end


-- "split" or "merge", epoch: nil when it may take keys
local function no_cut(m, mode, epoch)
    if mode == 'split' then
        return no_target(m, epoch)
    end

    if m.role ~= 'primary' or m.epoch ~= tonumber(epoch) then
        return { 'other', int(m.position) }
    end
end


-- mode, run, epoch, position that it has reached: of nobody who slept
local function cut(call)
    return function(keys, args)
        local m = load(keys[1])
        local run, at = m.generation, m.position

        if args[1] == 'merge' then
            local import = redis.call('HMGET', m.prefix .. 'meta',
                                      'import_run', 'import_at')
            run, at = tonumber(import[1] or '0'), tonumber(import[2] or '-1')
        end

        local no = no_cut(m, args[1], args[3])

        if no then
            return no
        end

        if run ~= tonumber(args[2]) or at ~= tonumber(args[4]) then
            return { 'stale', int(m.position) }
        end

        return call(m, args)
    end
end


-- mode, epoch, position, the shard that they are of, token: the run
local function cut_begin(keys, args)
    local m = load(keys[1])
    local no = no_cut(m, args[1], args[2])
               or args[1] == 'merge' and no_claim(m, args[5])

    if no then
        return no
    end

    if args[1] == 'merge' then
        redis.call('HSET', m.prefix .. 'meta', 'import', args[4],
                   'import_at', args[3], 'import_whole', '0')
        return { 'ok', int(redis.call('HINCRBY', m.prefix .. 'meta',
                                      'import_run', '1')) }
    end

    give_up(m)
    m.position = tonumber(args[3])
    save(m)

    return { 'ok', int(m.generation) }
end


-- mode, run, epoch, at, entries of the log kept, then name, size, ends_ms,
-- dump of each
local function graft(m, args)
    local ends = ending(m.data)

    for i = 6, #args, 4 do
        local name = args[i]
        local before = weigh(m, name)

        if args[1] == 'merge' then
            logged(m, 'w', name, args[5])
        end

        restore_one(m.data, name, args[i + 2], args[i + 3], ends)

        if args[i + 3] ~= '' then
            redis.call('HSET', m.data .. 'index', name, args[i + 1])
        end

        account(m, before, weigh(m, name))
    end

    save(m)

    return { 'ok', int((#args - 5) / 4) }
end


-- mode, run, epoch, at, position: everything before that is there
local function reach(m, args)
    if args[1] == 'merge' then
        redis.call('HSET', m.prefix .. 'meta', 'import_at', args[5],
                   'import_whole', '1')
    else
        m.position = tonumber(args[5])
        save(m)
    end

    return { 'ok', args[5] }
end


-- of which shard: run and position of an import, if it is whole
local function imported(keys, args)
    local v = redis.call('HMGET', keys[1] .. 'meta', 'import',
                         'import_whole', 'import_run', 'import_at')

    if v[1] ~= args[1] or v[2] ~= '1' then
        return { 'gone', '0' }
    end

    return { 'ok', v[3], v[4] }
end


-- of which shard; the run's number stays: none is given twice
local function cut_end(keys, args)
    if redis.call('HGET', keys[1] .. 'meta', 'import') == args[1] then
        redis.call('HDEL', keys[1] .. 'meta', 'import', 'import_whole',
                   'import_at')
    end

    return { 'ok' }
end


-- epoch, token, entries of the log kept, names: a primary of that very epoch
-- gives them up, each by an entry of its log
local function prune(keys, args)
    local m = load(keys[1])
    local dropped = 0

    if m.role ~= 'primary' or m.epoch ~= tonumber(args[1]) then
        return { 'other', int(m.position) }
    end

    local no = no_claim(m, args[2])

    if no then
        return no
    end

    for i = 4, #args do
        local name = args[i]

        if redis.call('HEXISTS', m.data .. 'index', name) == 1 then
            local before = weigh(m, name)

            logged(m, 'w', name, args[3])
            restore_one(m.data, name, '0', '', false)
            account(m, before, weigh(m, name))
            dropped = dropped + 1
        end
    end

    save(m)

    return { 'ok', int(dropped) }
end


register('imported', imported, { 'no-writes' })
register('cut_begin', cut_begin, {})
register('graft', cut(graft), {})
register('reach', cut(reach), { 'allow-oom' })
register('cut_end', cut_end, { 'allow-oom' })
register('prune', prune, { 'allow-oom' })
