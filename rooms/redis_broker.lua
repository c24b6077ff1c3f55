-- Knows what a room is in Redis, and each command on it as one atomic step; knows no node's connections.
--
-- KEYS, all of one hash tag: room (hash: epoch, last, seq, order, timer, log_bytes, empty_since), members (hash: member ->
-- JSON), log (list of JSON), digests (hash: digest -> id), times (list of "digest time"), nodes (sorted set: node -> when
-- its lease ends). ARGV: command, channel, limits as JSON, now in seconds ("": this server's own), node, the command's own.
-- Answers {"ok", seq, ...} or {error code}. Each event is published as JSON with its seq: whoever misses one can tell.

local room, members, log, digests, times, nodes = unpack(KEYS)
local command, channel, limits, now, node = ARGV[1], ARGV[2], cjson.decode(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
if now == nil then
  local clock = redis.call("TIME")
  now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
end
local A = {unpack(ARGV, 6)}

local function number(field)
  return tonumber(redis.call("HGET", room, field) or "0")
end

-- Numbers as Redis must not round them.
local function exact(value)
  return string.format("%.6f", value)
end

local function tell(event)
  event.seq = redis.call("HINCRBY", room, "seq", 1)
  redis.call("PUBLISH", channel, cjson.encode(event))
  return event.seq
end

local function ttl()
  local limit, wanted = limits.message_ttl, number("timer")
  if limit > 0 and wanted > 0 then return math.min(limit, wanted) end
  return math.max(limit, wanted)
end

local function forget_oldest()
  local entry = cjson.decode(redis.call("LPOP", log))
  redis.call("HINCRBY", room, "log_bytes", -#entry[3])
end

local function age()
  local seconds = ttl()
  if seconds == 0 then return end
  while true do
    local oldest = redis.call("LINDEX", log, 0)
    if not oldest or tonumber(cjson.decode(oldest)[4]) + seconds > now then return end
    forget_oldest()
  end
end

local function keep()
  local seconds = limits.empty_room_ttl + limits.lease
  for _, key in ipairs(KEYS) do redis.call("EXPIRE", key, math.ceil(seconds) + 1) end
end

local function emptied()
  if redis.call("HLEN", members) > 0 then return end
  if number("last") == 0 then
    -- Nothing was said: there is nothing to keep but the count, for whoever still listens.
    redis.call("DEL", log, digests, times, nodes, room)
    return
  end
  redis.call("HSET", room, "empty_since", exact(now))
end

local function remove(member)
  redis.call("HDEL", members, member)
  return tell({kind = "left", member = member})
end

-- Members of nodes that have not said for a lease's time that they live.
local function reap()
  local dead = redis.call("ZRANGEBYSCORE", nodes, "-inf", "(" .. exact(now))
  if #dead == 0 then return end
  local gone = {}
  for _, name in ipairs(dead) do
    if name ~= node then
      gone[name] = true
      redis.call("ZREM", nodes, name)
    end
  end
  local all = redis.call("HGETALL", members)
  for at = 1, #all, 2 do
    if gone[cjson.decode(all[at + 1]).node] then remove(all[at]) end
  end
  if #all > 0 then emptied() end
end

local function forget_if_old()
  local since = redis.call("HGET", room, "empty_since")
  if since and tonumber(since) + limits.empty_room_ttl <= now then redis.call("DEL", unpack(KEYS)) end
end

local function seated(member, seat)
  local held = redis.call("HGET", members, member)
  if not held then return nil end
  held = cjson.decode(held)
  if held.seat ~= seat then return nil end
  return held
end

local function state(after)
  local entries = {}
  for _, entry in ipairs(redis.call("LRANGE", log, 0, -1)) do
    if cjson.decode(entry)[1] > after then entries[#entries + 1] = entry end
  end
  local epoch = redis.call("HGET", room, "epoch") or ""
  return {"ok", number("seq"), epoch, number("last"), number("timer"), redis.call("HGETALL", members), entries}
end

local commands = {}

-- member, user, seat, epoch if there is no room
function commands.join()
  local member, user, seat, epoch = unpack(A)
  if redis.call("EXISTS", room) == 0 then redis.call("HSET", room, "epoch", epoch, "last", 0, "seq", 0) end
  local held = redis.call("HGET", members, member)
  if not held and redis.call("HLEN", members) >= limits.room_members then return {"room-full"} end
  local order = held and cjson.decode(held).order or redis.call("HINCRBY", room, "order", 1)
  redis.call("HSET", members, member, cjson.encode({user = user, seat = seat, node = node, order = order}))
  redis.call("HDEL", room, "empty_since")
  redis.call("ZADD", nodes, exact(now + limits.lease), node)
  tell({kind = "joined", member = member, user = user, seat = seat, node = node, returned = held and true or false})
  local found = state(0)
  found[8] = held and 1 or 0
  return found
end

-- member, seat
function commands.leave()
  local member, seat = unpack(A)
  if not seated(member, seat) then return {"not-in-room"} end
  local seq = remove(member)
  emptied()
  return {"ok", seq}
end

-- member, seat, user
function commands.change()
  local member, seat, user = unpack(A)
  local held = seated(member, seat)
  if not held then return {"not-in-room"} end
  held.user = user
  redis.call("HSET", members, member, cjson.encode(held))
  return {"ok", tell({kind = "changed", member = member, user = user, seat = seat})}
end

-- member, seat, ciphertext, digest
function commands.publish()
  local member, seat, ciphertext, digest = unpack(A)
  if not seated(member, seat) then return {"not-in-room"} end
  local known = redis.call("HGET", digests, digest)
  if known then return {"ok", 0, tonumber(known)} end
  local id = redis.call("HINCRBY", room, "last", 1)
  redis.call("RPUSH", log, cjson.encode({id, member, ciphertext, exact(now)}))
  redis.call("HINCRBY", room, "log_bytes", #ciphertext)
  redis.call("HSET", digests, digest, id)
  redis.call("RPUSH", times, digest .. " " .. exact(now))
  while true do
    local many = redis.call("LLEN", times)
    if many <= limits.digests_kept then break end
    local oldest, when = string.match(redis.call("LINDEX", times, 0), "^(%S+) (%S+)$")
    if many <= limits.digests_at_most and now - tonumber(when) < limits.digest_seconds then break end
    redis.call("LPOP", times)
    redis.call("HDEL", digests, oldest)
  end
  while redis.call("LLEN", log) > limits.log_size or number("log_bytes") > limits.room_log_bytes do forget_oldest() end
  return {"ok", tell({kind = "posted", id = id, member = member, ciphertext = ciphertext}), id}
end

-- member, seat, ciphertext
function commands.signal()
  local member, seat, ciphertext = unpack(A)
  if not seated(member, seat) then return {"not-in-room"} end
  return {"ok", tell({kind = "typed", member = member, ciphertext = ciphertext})}
end

-- member, seat, seconds
function commands.keep()
  local member, seat, seconds = unpack(A)
  if not seated(member, seat) then return {"not-in-room"} end
  redis.call("HSET", room, "timer", seconds)
  age()
  return {"ok", number("seq")}
end

-- The node lives. Answers whether the room still knew of it.
function commands.renew()
  local known = redis.call("ZSCORE", nodes, node)
  if not known then return {"ok", number("seq"), 0} end
  redis.call("ZADD", nodes, exact(now + limits.lease), node)
  return {"ok", number("seq"), 1}
end

-- the last message id that is known
function commands.state()
  return state(tonumber(A[1]))
end

forget_if_old()
reap()
age()
local answer = commands[command]()
if redis.call("EXISTS", room) == 1 then keep() end
return answer
