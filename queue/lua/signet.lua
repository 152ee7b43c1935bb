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
--
-- Ids are packed: many in one argument, 16 octets each; times beside them are packed little-endian doubles of ms.
-- Callers pass at most 256 ids a call, so that no call takes much longer than a millisecond.

local VERSION = '@SIGNET_LUA_VERSION@'
local PRIORITIES = {'critical', 'high', 'normal', 'bulk'}
local PRIORITY_MAX = 16384  -- hints a shard and priority
local LANE_MAX = 4096       -- of them a lane
local PROMOTE_MAX = 256     -- by one call
local LAPSE_MAX = 128
local CREDIT_MAX = 256
local LOOK_MAX = 64         -- lanes or senders looked at in one turn
local POP_MAX = 1024        -- pops in one claim, whatever is found

local sub, match, min, max, floor, ceil = string.sub, string.match, math.min, math.max, math.floor, math.ceil

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + floor(time[2] / 1000)
end

local function split(packed)
  local ids, n = {}, 0
  for at = 1, #packed, 16 do
    n = n + 1
    ids[n] = sub(packed, at, at + 15)
  end
  return ids
end

local function due_of(packed, n)
  return (struct.unpack('<d', packed, n * 8 - 7))
end

-- Lua's stack takes about 8,000 values; an even chunk keeps pairs together.
local function variadic(command, key, values)
  local size = #values
  if size == 0 then return 0 end
  if size <= 1024 then return redis.call(command, key, unpack(values)) end
  local sum = 0
  for from = 1, size, 1024 do
    sum = sum + redis.call(command, key, unpack(values, from, min(from + 1023, size)))
  end
  return sum
end

local function parts(list)
  return match(list, '^([^:]+):([^:]+):([^:]+)$')
end

local function is_leased(where)
  return sub(where, 1, 1) == '@'
end

local function list_of(where)
  return is_leased(where) and match(where, '^@[^@]*@(.*)$') or where
end

local function add(tag, priority, lane, by)
  redis.call('HINCRBY', tag .. ':count', priority, by)
  redis.call('HINCRBY', tag .. ':count', priority .. ':' .. lane, by)
end

-- Who is new begins beside the least busy one: no credit for having been away, no debt either.
local function activate(key, member)
  if redis.call('ZSCORE', key, member) then return end
  local least = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  redis.call('ZADD', key, least[2] or 0, member)
end

local function push(tag, side, list, ids)
  local priority, lane, sender = parts(list)
  variadic(side, tag .. ':q:' .. list, ids)
  activate(tag .. ':active:' .. priority .. ':' .. lane, sender)
  activate(tag .. ':active:' .. priority, lane)
end

-- Back to the head of their lists: they were in line before those who wait there. From the last to the first, so that
-- the first ends at the head.
local function push_back(tag, ids, lists)
  local groups, order = {}, {}
  for n = #ids, 1, -1 do
    local list = lists[n]
    if list then
      local group = groups[list]
      if not group then
        group = {}
        groups[list] = group
        order[#order + 1] = list
      end
      group[#group + 1] = ids[n]
    end
  end
  for _, list in ipairs(order) do push(tag, 'LPUSH', list, groups[list]) end
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
  for list, group in pairs(push_back(tag, ids, lists)) do
    local priority, lane = parts(list)
    add(tag, priority, lane, #group)
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

local function offer_list(tag, now, list, ids, dues)
  local priority, lane = parts(list)
  local counts = redis.call('HMGET', tag .. ':count', priority, priority .. ':' .. lane)
  local room = min(PRIORITY_MAX - (tonumber(counts[1]) or 0), LANE_MAX - (tonumber(counts[2]) or 0))
  local known = redis.call('HMGET', tag .. ':own', unpack(ids))
  local ready, later, record, seen = {}, {}, {}, {}
  local taken = 0
  for n, id in ipairs(ids) do
    if taken >= room then break end
    local where = known[n]
    if not seen[id] and not (where and list_of(where) == list) then
      if where then forget(tag, id, where) end
      seen[id] = true
      taken = taken + 1
      record[taken * 2 - 1] = id
      record[taken * 2] = list
      local due = dues ~= '' and due_of(dues, n) or 0
      if due <= now then
        ready[#ready + 1] = id
      else
        later[#later + 1] = due
        later[#later + 1] = id
      end
    end
  end
  if taken == 0 then return 0 end
  variadic('HSET', tag .. ':own', record)
  if #ready > 0 then push(tag, 'RPUSH', list, ready) end
  variadic('ZADD', tag .. ':sched', later)
  add(tag, priority, lane, taken)
  return taken
end

-- ARGV: (list, ids, due times or '' for "all are due")...
local function offer(keys, args)
  local tag, now = keys[1], now_ms()
  redis.call('INCR', tag .. ':stamp')
  local taken = 0
  for n = 1, #args, 3 do
    taken = taken + offer_list(tag, now, args[n], split(args[n + 1]), args[n + 2])
  end
  return taken
end

-- claim -----------------------------------------------------------------------------------------------------------

-- Pops up to `want`; returns how many of them count and how many were popped.
local function take_sender(c, priority, lane, sender, want)
  c.pops = c.pops - 1
  local list = priority .. ':' .. lane .. ':' .. sender
  local ids = redis.call('LPOP', c.tag .. ':q:' .. list, want)
  if not ids then return 0, 0 end
  local known = redis.call('HMGET', c.own, unpack(ids))
  local mine, lease, record, seen, expiry = c.mark .. list, c.lease, c.record, c.seen, c.expiry
  local kept, n, at = {}, 0, #record
  for i = 1, #ids do
    local id = ids[i]
    -- Recorded elsewhere: it was offered for another list, or acknowledged, after this entry was made.
    if known[i] == list and not seen[id] then
      seen[id] = true
      n = n + 1
      kept[n] = id
      record[at + 1], record[at + 2] = id, mine
      lease[at + 1], lease[at + 2] = expiry, id
      at = at + 2
    end
  end
  local of_lane = priority .. ':' .. lane
  c.gone[priority] = (c.gone[priority] or 0) + #ids
  c.gone[of_lane] = (c.gone[of_lane] or 0) + #ids
  if n > 0 then
    c.out[#c.out + 1] = list
    c.out[#c.out + 1] = table.concat(kept)
  end
  return n, #ids
end

local function take_lane(c, priority, lane, want)
  local key = c.tag .. ':active:' .. priority .. ':' .. lane
  local taken = 0
  while taken < want and c.pops > 0 do
    local senders = redis.call('ZRANGE', key, 0, LOOK_MAX - 1)
    if #senders == 0 then
      redis.call('ZREM', c.tag .. ':active:' .. priority, lane)
      return taken
    end
    local share = ceil((want - taken) / #senders)
    for _, sender in ipairs(senders) do
      local asked = min(share, want - taken)
      if asked <= 0 or c.pops <= 0 then break end
      local kept, popped = take_sender(c, priority, lane, sender, asked)
      taken = taken + kept
      if popped < asked then
        redis.call('ZREM', key, sender)
      else
        redis.call('ZINCRBY', key, popped, sender)
      end
    end
  end
  if taken > 0 then redis.call('ZINCRBY', c.tag .. ':active:' .. priority, taken, lane) end
  return taken
end

local function open_lanes(c, priority)
  local open = {}
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
    local share = ceil((want - taken) / #lanes)
    for _, lane in ipairs(lanes) do
      local asked = min(share, want - taken)
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
    if waiting[p] and left > 0 and now - served[p] >= aging_ms then spend(p, min(left, max(1, floor(want / 16)))) end
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
      local asked = min(left, floor(credit[p] + 1e-6))
      if waiting[p] and asked > 0 then spend(p, asked) end
      if waiting[p] and (not richest or credit[p] > credit[richest]) then richest = p end
    end
    if left == begin and richest then spend(richest, 1) end
  end
  local state = {}
  for p = 1, 4 do
    state[#state + 1] = 'c' .. p
    state[#state + 1] = max(-CREDIT_MAX, min(CREDIT_MAX, credit[p]))
    state[#state + 1] = 't' .. p
    state[#state + 1] = served[p]
  end
  redis.call('HSET', turn, unpack(state))
  return want - left
end

-- ARGV: n, owner, lease_ms, four weights, aging_ms, '1' for critical only, closed lanes...
-- Reply: (list, ids)...
local function claim(keys, args)
  local tag, now = keys[1], now_ms()
  promote(tag, now)
  lapse(tag, now)
  local c = {
    tag = tag, own = tag .. ':own', mark = '@' .. args[2] .. '@', expiry = now + tonumber(args[3]), pops = POP_MAX,
    closed = {}, closed_count = #args - 9, out = {}, record = {}, lease = {}, seen = {}, gone = {},
  }
  for n = 10, #args do c.closed[args[n]] = true end
  local want, is_critical_only = tonumber(args[1]), args[9] == '1'
  local taken
  if is_critical_only then
    taken = take(c, 'critical', want)
    -- What critical gets ahead of the others it owes them in the next full claim.
    local credit = taken > 0 and tonumber(redis.call('HGET', tag .. ':turn', 'c1'))
    if credit then redis.call('HSET', tag .. ':turn', 'c1', max(-CREDIT_MAX, credit - taken), 't1', now) end
  else
    local weights = {}
    for p = 1, 4 do weights[p] = max(1, tonumber(args[3 + p])) end
    taken = share_out(c, want, weights, tonumber(args[8]), now)
  end
  for field, by in pairs(c.gone) do redis.call('HINCRBY', tag .. ':count', field, -by) end
  if taken > 0 then
    variadic('HSET', c.own, c.record)
    variadic('ZADD', tag .. ':lease', c.lease)
  elseif not is_critical_only and c.closed_count == 0 and c.pops > 0 and
      redis.call('EXISTS', tag .. ':sched', tag .. ':lease') == 0 then
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
    if where and not seen[id] and sub(where, 1, #mark) == mark then
      seen[id] = true
      n = n + 1
      mine[n], lists[n], places[n] = id, sub(where, #mark + 1), i
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
  variadic('ZADD', tag .. ':sched', later)  -- a time that has passed is promoted by the next claim
  for list, by in pairs(counts) do
    local priority, lane = parts(list)
    add(tag, priority, lane, by)
  end
  return #mine
end

-- ARGV: owner, ids, lease_ms
local function renew(keys, args)
  local mine = held(keys[1], args[1], split(args[2]))
  local expiry, lease = now_ms() + tonumber(args[3]), {}
  for n, id in ipairs(mine) do
    lease[n * 2 - 1] = expiry
    lease[n * 2] = id
  end
  variadic('ZADD', keys[1] .. ':lease', lease)
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
  return {tonumber(redis.call('GET', tag .. ':stamp')) or 0, waiting, redis.call('ZCARD', tag .. ':lease')}
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

-- A server that is out of memory takes no more offers; everything else lets it get well.
redis.register_function('sg_offer', offer)
for name, callback in pairs({sg_claim = claim, sg_ack = ack, sg_nack_at = nack_at, sg_renew = renew, sg_sweep = sweep,
                             sg_clear = clear}) do
  redis.register_function{function_name = name, callback = callback, flags = {'allow-oom'}}
end
redis.register_function{function_name = 'sg_inspect', callback = inspect, flags = {'no-writes'}}
redis.register_function{function_name = 'sg_version', callback = function() return VERSION end, flags = {'no-writes'}}
