#!lua name=signet
-- Hints of what is due, one Redis function library. Everything of a shard shares its hash tag, e.g. {sg:07}, which is
-- KEYS[1] of every call; all other keys are derived from it, so that a shard lies whole on one server of a Cluster.
--
--   {sg:07}:q:<priority>:<lane>:<sender>  LIST of ids (16 octets); "<priority>:<lane>:<sender>" is called the list
--   {sg:07}:active:<priority>             ZSET of lanes with work, by how much was taken of them: least busy first
--   {sg:07}:active:<priority>:<lane>      ZSET of senders with work, likewise
--   {sg:07}:sched                         ZSET of ids by due ms
--   {sg:07}:lease                         ZSET of ids by expiry ms
--   {sg:07}:own                           HASH id -> list while queued or scheduled, "@owner@list" while leased
--   {sg:07}:count                         HASH priority, priority:lane -> entries in lists and schedule
--   {sg:07}:turn                          HASH of what the round robin owes each priority; only under contention
--   {sg:07}:stamp                         counter, bumped by each batch of offers
-- Besides, one a limit and caller, gone by itself when the quota is whole again:
--   sg:rate:<class>:<id or hash>          the theoretical arrival time of GCRA in us
-- and one a provider with a rate, of all daemons, gone after a day without a send:
--   sg:tokens:<provider>                  likewise
--
-- Ids are packed: many in one argument, 16 octets each; times beside them are 14 decimal digits of ms each. A number
-- that goes into many arguments is made text once: Redis writes each with "%.17g", which costs more than the command.
-- Callers pass at most 256 ids a call, so that no call takes much longer than a millisecond.

-- While a library is loaded it sees nothing but `redis`: string, math and the rest exist only inside calls.
local VERSION = '@SIGNET_LUA_VERSION@'
local PRIORITIES = {'critical', 'high', 'normal', 'bulk'}
local PRIORITY_MAX = 16384  -- hints a shard and priority
local LANE_MAX = 4096       -- of them a lane
local PROMOTE_MAX = 256     -- by one call
local LAPSE_MAX = 128
local CREDIT_MAX = 256
local LOOK_MAX = 64         -- lanes or senders looked at in one turn
local POP_MAX = 1024        -- pops in one claim, whatever is found
-- Redis keeps a small hash or ZSET as a list and searches it from its begin, which was half of all the time spent. One
-- long value in it makes it a table.
local LONG = 'a value of more than 64 octets, so that Redis keeps this as a table and not as a list'

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function split(packed)
  local ids, n, sub = {}, 0, string.sub
  for at = 1, #packed, 16 do
    n = n + 1
    ids[n] = sub(packed, at, at + 15)
  end
  return ids
end

local function due_of(packed, n)
  return string.sub(packed, n * 14 - 13, n * 14)
end

local function text_of(ms)
  return string.format('%.0f', ms)
end

-- Lua's stack takes about 8,000 values; an even chunk keeps pairs together.
local function variadic(command, key, values)
  local size = #values
  if size == 0 then return 0 end
  if size <= 1024 then return redis.call(command, key, unpack(values)) end
  local sum = 0
  for from = 1, size, 1024 do
    sum = sum + redis.call(command, key, unpack(values, from, math.min(from + 1023, size)))
  end
  return sum
end

-- `times`: (ms, id)...
local function set_times(key, times)
  if #times == 0 then return end
  redis.call('ZADD', key, '+inf', LONG)
  variadic('ZADD', key, times)
end

local function time_count(key)
  return math.max(0, redis.call('ZCARD', key) - 1)
end

local function parts(list)
  return string.match(list, '^([^:]+):([^:]+):([^:]+)$')
end

local function is_leased(where)
  return string.sub(where, 1, 1) == '@'
end

local function list_of(where)
  return is_leased(where) and string.match(where, '^@[^@]*@(.*)$') or where
end

local function add(tag, priority, lane, by)
  redis.call('HINCRBY', tag .. ':count', priority, by)
  redis.call('HINCRBY', tag .. ':count', priority .. ':' .. lane, by)
end

-- Who is new begins beside the least busy one: no credit for having been away, no debt either.
local function activate(key, members)
  local scores = redis.call('ZMSCORE', key, unpack(members))
  local least, added
  for n, member in ipairs(members) do
    if not scores[n] then
      if not added then
        least, added = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2] or '0', {}
      end
      added[#added + 1] = least
      added[#added + 1] = member
    end
  end
  if added then variadic('ZADD', key, added) end
end

local function append(groups, name, value)
  local group = groups[name]
  if not group then
    group = {}
    groups[name] = group
    groups[#groups + 1] = name  -- and the order of names
  end
  group[#group + 1] = value
end

-- `groups`: ids by list
local function push(tag, side, groups)
  local senders, lanes = {}, {}
  for _, list in ipairs(groups) do
    local priority, lane, sender = parts(list)
    variadic(side, tag .. ':q:' .. list, groups[list])
    append(senders, priority .. ':' .. lane, sender)
    if #senders[priority .. ':' .. lane] == 1 then append(lanes, priority, lane) end
  end
  for _, name in ipairs(senders) do activate(tag .. ':active:' .. name, senders[name]) end
  for _, name in ipairs(lanes) do activate(tag .. ':active:' .. name, lanes[name]) end
end

-- Back to the head of their lists: they were in line before those who wait there. From the last to the first, so that
-- the first ends at the head.
local function push_back(tag, ids, lists)
  local groups = {}
  for n = #ids, 1, -1 do
    if lists[n] then append(groups, lists[n], ids[n]) end
  end
  push(tag, 'LPUSH', groups)
  return groups
end

local function due_until(key, now, count)
  return redis.call('ZRANGE', key, '-inf', now, 'BYSCORE', 'LIMIT', 0, count)
end

local function promote(tag, now)
  local ids = due_until(tag .. ':sched', now, PROMOTE_MAX)
  if #ids == 0 then return 0 end
  variadic('ZREM', tag .. ':sched', ids)
  local lists = redis.call('HMGET', tag .. ':own', unpack(ids))
  for n, where in ipairs(lists) do
    if where and is_leased(where) then  -- an entry it left in this list before it was scheduled was claimed
      lists[n] = false
      local priority, lane = parts(list_of(where))
      add(tag, priority, lane, -1)
    end
  end
  push_back(tag, ids, lists)
  return #ids
end

local function lapse(tag, now)
  local ids = due_until(tag .. ':lease', now, LAPSE_MAX)
  if #ids == 0 then return 0 end
  variadic('ZREM', tag .. ':lease', ids)
  local lists = redis.call('HMGET', tag .. ':own', unpack(ids))
  local record = {}
  for n, where in ipairs(lists) do
    local list = where and is_leased(where) and list_of(where)
    lists[n] = list
    if list then
      record[#record + 1] = ids[n]
      record[#record + 1] = list
    end
  end
  variadic('HSET', tag .. ':own', record)
  local groups = push_back(tag, ids, lists)
  for _, list in ipairs(groups) do
    local priority, lane = parts(list)
    add(tag, priority, lane, #groups[list])
  end
  return #ids
end

-- offer -----------------------------------------------------------------------------------------------------------

-- The id moves to another list. Its entry in the old list stays behind; claim drops it.
local function forget(tag, id, where)
  if is_leased(where) then
    redis.call('ZREM', tag .. ':lease', id)
  elseif redis.call('ZREM', tag .. ':sched', id) == 1 then
    local priority, lane = parts(where)
    add(tag, priority, lane, -1)
  end
end

-- How many more a priority, or a lane of it, takes.
local function rooms(tag, lists)
  local room, fields = {}, {}
  for _, list in ipairs(lists) do
    local priority, lane = parts(list)
    for field, most in pairs({[priority] = PRIORITY_MAX, [priority .. ':' .. lane] = LANE_MAX}) do
      if not room[field] then
        room[field] = most
        fields[#fields + 1] = field
      end
    end
  end
  for n, count in ipairs(redis.call('HMGET', tag .. ':count', unpack(fields))) do
    room[fields[n]] = room[fields[n]] - (tonumber(count) or 0)
  end
  return room
end

-- The lanes that were offered to and take no more.
local function full_lanes(lists, room)
  local out, seen = {}, {}
  for _, list in ipairs(lists) do
    local priority, lane = parts(list)
    local of_lane = priority .. ':' .. lane
    if not seen[of_lane] and (room[priority] <= 0 or room[of_lane] <= 0) then out[#out + 1] = of_lane end
    seen[of_lane] = true
  end
  return out
end

-- ARGV: (list, ids, due times or '' for "all are due")...
-- Reply: how many were taken, "<priority>:<lane>" of each lane that is full now...
local function offer(keys, args)
  local tag, now = keys[1], now_ms()
  redis.call('INCR', tag .. ':stamp')
  local lists, all = {}, {}
  for n = 1, #args, 3 do
    lists[#lists + 1] = args[n]
    for _, id in ipairs(split(args[n + 1])) do all[#all + 1] = id end
  end
  local room = rooms(tag, lists)
  local known = redis.call('HMGET', tag .. ':own', unpack(all))
  local ready, later, record, seen, added, taken, at = {}, {}, {'why', LONG}, {}, {}, 0, 0
  for g, list in ipairs(lists) do
    local priority, lane = parts(list)
    local of_lane, dues = priority .. ':' .. lane, args[g * 3]
    for n = 1, #args[g * 3 - 1] / 16 do
      at = at + 1
      local id, where = all[at], known[at]
      if not seen[id] and room[priority] > 0 and room[of_lane] > 0 and not (where and list_of(where) == list) then
        if where then forget(tag, id, where) end
        seen[id] = true
        taken = taken + 1
        room[priority], room[of_lane] = room[priority] - 1, room[of_lane] - 1
        added[priority], added[of_lane] = (added[priority] or 0) + 1, (added[of_lane] or 0) + 1
        record[#record + 1] = id
        record[#record + 1] = list
        local due = dues ~= '' and due_of(dues, n)
        if not due or tonumber(due) <= now then
          append(ready, list, id)
        else
          later[#later + 1] = due
          later[#later + 1] = id
        end
      end
    end
  end
  if taken > 0 then
    variadic('HSET', tag .. ':own', record)
    push(tag, 'RPUSH', ready)
    set_times(tag .. ':sched', later)
    for field, by in pairs(added) do redis.call('HINCRBY', tag .. ':count', field, by) end
  end
  return {taken, unpack(full_lanes(lists, room))}
end

-- claim -----------------------------------------------------------------------------------------------------------

-- Keeps what is popped from a list if it is recorded there. If not, it was offered for another list, or acknowledged,
-- after this entry was made.
local function keep(c, ids, list_at)
  local known = redis.call('HMGET', c.own, unpack(ids))
  local lease, record, seen, expiry, out = c.lease, c.record, c.seen, c.expiry, c.out
  local taken, at = 0, #record
  local list, mine, kept = nil, nil, {}
  for i = 1, #ids do
    if list_at[i] then  -- the first of a list
      if #kept > 0 then out[#out + 1], out[#out + 2] = list, table.concat(kept) end
      list, kept = list_at[i], {}
      mine = c.mark .. list
    end
    local id = ids[i]
    if known[i] == list and not seen[id] then
      seen[id] = true
      taken = taken + 1
      kept[#kept + 1] = id
      record[at + 1], record[at + 2] = id, mine
      lease[at + 1], lease[at + 2] = expiry, id
      at = at + 2
    end
  end
  if #kept > 0 then out[#out + 1], out[#out + 2] = list, table.concat(kept) end
  return taken
end

local function take_lane(c, priority, lane, want)
  local of_lane = priority .. ':' .. lane
  local key = c.tag .. ':active:' .. of_lane
  local taken = 0
  while taken < want and c.pops > 0 do
    local senders = redis.call('ZRANGE', key, 0, LOOK_MAX - 1, 'WITHSCORES')
    if #senders == 0 then
      redis.call('ZREM', c.tag .. ':active:' .. priority, lane)
      return taken
    end
    local left = want - taken
    local share = math.ceil(left * 2 / #senders)
    local ids, list_at, scores, gone = {}, {}, {}, {}
    for n = 1, #senders, 2 do
      local asked = math.min(share, left)
      if asked <= 0 or c.pops <= 0 then break end
      c.pops = c.pops - 1
      local list = of_lane .. ':' .. senders[n]
      local popped = redis.call('LPOP', c.tag .. ':q:' .. list, asked) or {}
      if #popped > 0 then list_at[#ids + 1] = list end
      for i = 1, #popped do ids[#ids + 1] = popped[i] end
      if #popped < asked then
        gone[#gone + 1] = senders[n]
      else
        scores[#scores + 1] = senders[n + 1] + #popped
        scores[#scores + 1] = senders[n]
      end
      left = left - #popped
    end
    variadic('ZREM', key, gone)
    variadic('ZADD', key, scores)
    if #ids > 0 then
      c.gone[priority] = (c.gone[priority] or 0) + #ids
      c.gone[of_lane] = (c.gone[of_lane] or 0) + #ids
      taken = taken + keep(c, ids, list_at)
    end
  end
  if taken > 0 then redis.call('ZINCRBY', c.tag .. ':active:' .. priority, taken, lane) end
  return taken
end

local function open_lanes(c, priority)
  local open = {}
  if c.shut[priority] then return open end
  local found = redis.call('ZRANGE', c.tag .. ':active:' .. priority, 0, c.closed_count + LOOK_MAX - 1)
  for _, lane in ipairs(found) do
    if not c.closed[lane] then open[#open + 1] = lane end
  end
  return open
end

local function take(c, priority, want)
  local taken = 0
  while taken < want and c.pops > 0 do
    local lanes = open_lanes(c, priority)
    if #lanes == 0 then break end
    local share = math.ceil((want - taken) / #lanes)
    for _, lane in ipairs(lanes) do
      local asked = math.min(share, want - taken)
      if asked <= 0 or c.pops <= 0 then break end
      taken = taken + take_lane(c, priority, lane, asked)
    end
  end
  return taken
end

-- Weighted deficit round robin: each priority with work earns its share of the batch and keeps what it could not
-- spend; who has nothing left to send keeps nothing. Aging: a priority not served for aging_ms goes first.
local function share_out(c, want, weights, aging_ms, now)
  local waiting, count, last = {}, 0, 0
  for p, priority in ipairs(PRIORITIES) do
    if #open_lanes(c, priority) > 0 then
      waiting[p] = true
      count = count + 1
      last = p
    end
  end
  local turn = c.tag .. ':turn'
  if count < 2 then
    redis.call('DEL', turn)
    return count == 1 and take(c, PRIORITIES[last], want) or 0
  end
  local kept = redis.call('HMGET', turn, 'c1', 'c2', 'c3', 'c4', 't1', 't2', 't3', 't4')
  local credit, served = {}, {}
  for p = 1, 4 do
    credit[p] = waiting[p] and tonumber(kept[p]) or 0
    served[p] = waiting[p] and tonumber(kept[p + 4]) or now
  end
  local left = want
  local function spend(p, asked)
    local got = take(c, PRIORITIES[p], asked)
    left = left - got
    credit[p] = credit[p] - got
    if got > 0 then served[p] = now end
    if got < asked then
      waiting[p] = nil
      credit[p], served[p] = 0, now
    end
  end
  for p = 4, 1, -1 do
    if waiting[p] and left > 0 and now - served[p] >= aging_ms then
      spend(p, math.min(left, math.max(1, math.floor(want / 16))))
    end
  end
  while left > 0 and c.pops > 0 do
    local total = 0
    for p = 1, 4 do
      if waiting[p] then total = total + weights[p] end
    end
    if total == 0 then break end
    local begin, richest = left, nil
    for p = 1, 4 do
      if waiting[p] then credit[p] = credit[p] + begin * weights[p] / total end
    end
    for p = 1, 4 do
      local asked = math.min(left, math.floor(credit[p] + 1e-6))
      if waiting[p] and asked > 0 then spend(p, asked) end
      if waiting[p] and (not richest or credit[p] > credit[richest]) then richest = p end
    end
    if left == begin and richest then spend(richest, 1) end
  end
  local state = {}
  for p = 1, 4 do
    state[#state + 1] = 'c' .. p
    state[#state + 1] = math.max(-CREDIT_MAX, math.min(CREDIT_MAX, credit[p]))
    state[#state + 1] = 't' .. p
    state[#state + 1] = served[p]
  end
  redis.call('HSET', turn, unpack(state))
  return want - left
end

-- ARGV: n, owner, lease_ms, four weights, aging_ms, '1' for critical only, a digit a priority with '1' for closed,
-- closed lanes...
-- Reply: (list, ids)...
local function claim(keys, args)
  local tag, now = keys[1], now_ms()
  promote(tag, now)
  lapse(tag, now)
  local c = {
    tag = tag, own = tag .. ':own', mark = '@' .. args[2] .. '@', expiry = text_of(now + tonumber(args[3])),
    closed = {}, closed_count = #args - 10, shut = {}, pops = POP_MAX, out = {}, record = {}, lease = {}, seen = {},
    gone = {},
  }
  for n = 11, #args do c.closed[args[n]] = true end
  for p, priority in ipairs(PRIORITIES) do c.shut[priority] = string.sub(args[10], p, p) == '1' end
  local want, is_critical_only = tonumber(args[1]), args[9] == '1'
  local taken
  if is_critical_only then
    taken = take(c, 'critical', want)
    -- What critical gets ahead of the others it owes them in the next full claim.
    local credit = taken > 0 and tonumber(redis.call('HGET', tag .. ':turn', 'c1'))
    if credit then redis.call('HSET', tag .. ':turn', 'c1', math.max(-CREDIT_MAX, credit - taken), 't1', now) end
  else
    local weights = {}
    for p = 1, 4 do weights[p] = math.max(1, tonumber(args[3 + p])) end
    taken = share_out(c, want, weights, tonumber(args[8]), now)
  end
  for field, by in pairs(c.gone) do redis.call('HINCRBY', tag .. ':count', field, -by) end
  if taken > 0 then
    variadic('HSET', c.own, c.record)
    set_times(tag .. ':lease', c.lease)
  elseif not is_critical_only and c.closed_count == 0 and args[10] == '0000' and c.pops > 0 and
      time_count(tag .. ':sched') + time_count(tag .. ':lease') == 0 then
    -- Nothing is here, so whatever is recorded was lost (keys evicted by an operator's policy): it may be offered.
    redis.call('UNLINK', c.own, tag .. ':count')
  end
  return c.out
end

-- leases ----------------------------------------------------------------------------------------------------------

-- The ids that `owner` leases, their lists, and their places among those given.
local function held(tag, owner, ids)
  local mark = '@' .. owner .. '@'
  local known = redis.call('HMGET', tag .. ':own', unpack(ids))
  local mine, lists, places, n, seen = {}, {}, {}, 0, {}
  for i = 1, #ids do
    local where, id = known[i], ids[i]
    if where and not seen[id] and string.sub(where, 1, #mark) == mark then
      seen[id] = true
      n = n + 1
      mine[n], lists[n], places[n] = id, string.sub(where, #mark + 1), i
    end
  end
  return mine, lists, places
end

-- ARGV: owner, ids
local function ack(keys, args)
  local mine = held(keys[1], args[1], split(args[2]))
  variadic('HDEL', keys[1] .. ':own', mine)
  variadic('ZREM', keys[1] .. ':lease', mine)
  return #mine
end

-- ARGV: owner, ids, due times
local function nack_at(keys, args)
  local tag = keys[1]
  local mine, lists, places = held(tag, args[1], split(args[2]))
  local record, later, counts = {}, {}, {}
  for n, id in ipairs(mine) do
    record[#record + 1] = id
    record[#record + 1] = lists[n]
    later[#later + 1] = due_of(args[3], places[n])
    later[#later + 1] = id
    counts[lists[n]] = (counts[lists[n]] or 0) + 1
  end
  variadic('ZREM', tag .. ':lease', mine)
  variadic('HSET', tag .. ':own', record)
  set_times(tag .. ':sched', later)  -- a time that has passed is promoted by the next claim
  for list, by in pairs(counts) do
    local priority, lane = parts(list)
    add(tag, priority, lane, by)
  end
  return #mine
end

-- ARGV: owner, ids, lease_ms
local function renew(keys, args)
  local mine = held(keys[1], args[1], split(args[2]))
  local expiry, lease = text_of(now_ms() + tonumber(args[3])), {}
  for n, id in ipairs(mine) do
    lease[n * 2 - 1] = expiry
    lease[n * 2] = id
  end
  set_times(keys[1] .. ':lease', lease)
  return #mine
end

local function sweep(keys)
  local now = now_ms()
  return promote(keys[1], now) + lapse(keys[1], now)
end

-- shards ----------------------------------------------------------------------------------------------------------

-- Reply: stamp, entries in lists and schedule, leases
local function inspect(keys)
  local tag = keys[1]
  local waiting = 0
  for _, count in ipairs(redis.call('HMGET', tag .. ':count', unpack(PRIORITIES))) do
    waiting = waiting + (tonumber(count) or 0)
  end
  return {tonumber(redis.call('GET', tag .. ':stamp')) or 0, waiting, time_count(tag .. ':lease')}
end

local function clear(keys)
  local tag = keys[1]
  for _, priority in ipairs(PRIORITIES) do
    local lanes = tag .. ':active:' .. priority
    for _, lane in ipairs(redis.call('ZRANGE', lanes, 0, -1)) do
      local senders = lanes .. ':' .. lane
      for _, sender in ipairs(redis.call('ZRANGE', senders, 0, -1)) do
        redis.call('UNLINK', tag .. ':q:' .. priority .. ':' .. lane .. ':' .. sender)
      end
      redis.call('UNLINK', senders)
    end
    redis.call('UNLINK', lanes)
  end
  redis.call('UNLINK', tag .. ':sched', tag .. ':lease', tag .. ':own', tag .. ':count', tag .. ':turn',
             tag .. ':stamp')
  return redis.status_reply('OK')
end

-- limits ----------------------------------------------------------------------------------------------------------

-- KEYS: of one limit and one who is limited; ARGV: quota, window in us. queue/rate.cc has the same in C++.
-- Reply: 1 if allowed, how many more now, us until all are there again, us to wait
local function gcra(keys, args)
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local quota = tonumber(args[1])
  local interval = math.max(1, math.floor(tonumber(args[2]) / quota))
  local burst = interval * quota
  local tat = tonumber(redis.call('GET', keys[1]) or 0)
  local next_tat = math.max(tat, now) + interval
  local allowed, wait = 0, next_tat - burst - now
  if wait <= 0 then
    allowed, wait, tat = 1, 0, next_tat
    redis.call('SET', keys[1], text_of(tat), 'PX', text_of(math.ceil((tat - now) / 1000)))
  end
  local full = math.max(0, tat - now)
  return {allowed, math.floor((burst - full) / interval), full, wait}
end

-- The bucket of one provider, shared by all daemons: GCRA that gives several at once. One that is not there begins
-- with a single token: after a loss nobody knows what was sent in the second before. One that lies further ahead than
-- its burst was written by a clock that has been set back since.
-- KEYS: the bucket; ARGV: tokens a second, burst, tokens wanted. queue/rate.cc has the same in C++.
-- Reply: tokens given, us until the next one
local function tokens(keys, args)
  local time = redis.call('TIME')
  local now = time[1] * 1000000 + time[2]
  local interval, burst = 1000000 / tonumber(args[1]), tonumber(args[2])
  -- From now on, since a double holds times of today to no more than a quarter of a microsecond.
  local full = burst * interval
  local used = math.max(0, math.min(tonumber(redis.call('GET', keys[1]) or now + full - interval) - now, full))
  local given = math.min(math.floor((full - used) / interval + 1e-6), tonumber(args[3]))
  used = math.ceil(used + given * interval)
  redis.call('SET', keys[1], text_of(now + used), 'PX', text_of(86400000 + math.ceil(used / 1000)))
  return {given, math.max(0, math.ceil(used + interval - full))}
end

-- A server that is out of memory takes no more offers; everything else lets it get well.
local function register(name, callback, flags)
  redis.register_function{function_name = name, callback = callback, flags = flags}
end
register('sg_offer', offer, {})
register('sg_claim', claim, {'allow-oom'})
register('sg_ack', ack, {'allow-oom'})
register('sg_nack_at', nack_at, {'allow-oom'})
register('sg_renew', renew, {'allow-oom'})
register('sg_sweep', sweep, {'allow-oom'})
register('sg_clear', clear, {'allow-oom'})
register('sg_inspect', inspect, {'no-writes'})
register('sg_gcra', gcra, {'allow-oom'})
register('sg_tokens', tokens, {'allow-oom'})
register('sg_version', function() return VERSION end, {'no-writes'})
