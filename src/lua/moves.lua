-- Decisions and migrations, and what the library offers.


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


local FORGOTTEN_MS = 90000

-- A promotion that no migrator took in time may be asked for again: if the
-- first one is taken after all, both are the same migration.

local function forgotten(key, fields, phase, seq)
    local decided = redis.call('HGET', key, 'decided_ms') or '0'

    return fields.verb == 'promote' and phase == 'planned' and seq == '0'
           and (tonumber(fields.decided_ms) or 0)
               >= (tonumber(decided) or 0) + FORGOTTEN_MS
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
        and not forgotten(keys[1], fields, phase, seq)
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


-- KEYS migration:ID, ARGV WISH ("pause", "resume", "rollback") BY
--   ok VERDICT PHASE: "wished"; or nothing was written: "none" (there is no
-- such migration), "late" (committing, or behind it), "back" (it is rolled
-- back), "idle" (to be resumed, and does not pause)

local COMMITTED = { commit = true, release = true, standby = true,
                    done = true }

local WISHES = { pause = 'pause', resume = '', rollback = 'rollback' }


local function wish_verdict(wish, phase, now)
    if not phase then
        return 'none'
    end

    if COMMITTED[phase] then
        return 'late'
    end

    if phase == 'rolled-back' then
        return 'back'
    end

    if wish ~= 'rollback' and phase == 'rolling-back' then
        return 'late'
    end

    if wish == 'resume' and now ~= 'pause' then
        return 'idle'
    end

    return 'wished'
end


local function shard_migration_wish(keys, args)
    local id = migration_id(keys[1])
    local wish, by = args[1], args[2]

    if not id or #keys ~= 1 or #args ~= 2 or not WISHES[wish] then
        return bad('key must be migration:ID, arguments pause, resume or '
                   .. 'rollback, and BY')
    end

    if #by > 64 or not by:find('^[%w_.:-]+$') then
        return bad('by is no name')
    end

    local stored = redis.call('HMGET', keys[1], 'phase', 'wish')
    local there = redis.call('EXISTS', keys[1]) == 1
    local phase = there and (stored[1] or 'planned')
    local verdict = wish_verdict(wish, phase, stored[2])

    if verdict == 'wished' then
        redis.call('HSET', keys[1], 'wish', WISHES[wish], 'wish_by', by)
    end

    return { 'ok', verdict, phase or '' }
end


-- KEYS table ids
--   ok ID, of a shard to be made: above all that there have ever been, so
-- that what backends, claims and history keep of one that is gone is never
-- taken for another's.

local function shard_id_new(keys, args)
    local wrong = keys_bad(keys, { 'table', 'ids' })

    if wrong or #args ~= 0 then
        return wrong or bad('there are no arguments')
    end

    local id = uint(redis.call('GET', keys[2]) or '0', ID_MAX)

    if not id then
        return bad('ids is not a shard id')
    end

    if id == 0 or redis.call('HEXISTS', keys[1], digits(id)) == 1 then
        unchanged(keys[1], {}, function(name)
            local other = uint(name, ID_MAX)

            id = other and other >= id and other + 1 or id
        end)
    end

    if id >= ID_MAX then
        return bad('all shard ids are used up')
    end

    redis.call('SET', keys[2], digits(id + 1))

    return { 'ok', digits(id) }
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
redis.register_function('shard_migration_wish', shard_migration_wish)
redis.register_function('shard_id_new', shard_id_new)
redis.register_function{ function_name = 'shard_library_version',
                         callback = shard_library_version,
                         flags = { 'no-writes' } }
