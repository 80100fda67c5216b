-- The commit: changes of the table that together leave a good one.  Only what
-- changes is looked at; a plan gathers what the changes take away and add.


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


-- A split makes a shard, a merge takes one's keys into another: beside its
-- own a shard's writer may make new ones, and change those that it has
-- claimed as well.  What all of them hold stays the same (cover_bad).

local function beside_bad(plan, id)
    local claim = claim_read(plan.claims, 'shard:' .. id)

    if claim and claim.until_ms > plan.now then
        return claim.holder ~= plan.holder
               and 'is claimed by ' .. claim.holder or nil
    end

    if redis.call('HEXISTS', plan.table, id) == 1 then
        return 'is outside of scope ' .. plan.scope .. ' and not claimed'
    end
end


local function change_bad(plan, kind, id, json)
    local scope = plan.scope

    if kind == 'shard' then
        if not uint(id, ID_MAX) then
            return 'is no shard id'
        end

        if scope ~= 'keyspace' and not scope_shard(scope) then
            return 'is outside of scope ' .. scope
        end

        plan.shards = plan.shards + 1

        return scope == 'keyspace' and claimed_bad(plan, id)
               or scope ~= 'keyspace' and scope ~= 'shard:' .. id
                  and beside_bad(plan, id)
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
