-- The stage: a whole new table in pieces, each joined to the one before, so
-- that no check ever looks at all of it.


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
