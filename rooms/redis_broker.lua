-- Knows what a room is in Redis, and each command on it as one atomic step; knows no node's connections.
--
-- KEYS, all of one hash tag: room (hash: epoch, last, chain, seq, order, timer, log_bytes, empty_since, seen), members
-- (hash: member -> JSON), log (list of JSON), digests (hash: digest -> id), times (list of "digest time"), nodes (sorted
-- set: node -> when its lease ends). ARGV: command, channel, how to publish, limits as JSON, now in seconds ("": this
-- server's own), node, whether its link is young, random bytes for an epoch, the command's own.
-- Answers {"ok", seq, ...} or {error code}. Each event is published as JSON with its seq and epoch: whoever misses one,
-- or hears of another room than it knows, can tell.

local room, members, log, digests, times, nodes = unpack(KEYS)
local command, channel, publish, limits = ARGV[1], ARGV[2], ARGV[3], cjson.decode(ARGV[4])
local now, node, young, fresh_epoch = tonumber(ARGV[5]), ARGV[6], ARGV[7] == "1", ARGV[8]
if now == nil then
  local clock = redis.call("TIME")
  now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
end
local A = {unpack(ARGV, 9)}

-- How many characters of a SHA-1 tell one history from another: there is no attacker, who could change all of it.
local CHAIN = 16

local function number(field)
  return tonumber(redis.call("HGET", room, field) or "0")
end

-- Numbers as Redis must not round them.
local function exact(value)
  return string.format("%.6f", value)
end

local function epoch()
  return redis.call("HGET", room, "epoch") or ""
end

local function chain()
  return redis.call("HGET", room, "chain") or ""
end

local function tell(event)
  event.seq = redis.call("HINCRBY", room, "seq", 1)
  event.epoch = epoch()
  redis.call(publish, channel, cjson.encode(event))
  return event.seq
end

local function ttl()
  local limit, wanted = limits.message_ttl, number("timer")
  if limit > 0 and wanted > 0 then return math.min(limit, wanted) end
  return math.max(limit, wanted)
end

-- An entry of the log: id, member, ciphertext, when, digest, the chain up to it.
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

-- What nobody looks at any more goes by itself: a room that stands empty sooner than any in which somebody is, also
-- where that one's nodes have not renewed their leases for a while, and Redis must make room for others.
local function expire()
  local seconds = math.ceil(limits.empty_room_ttl + limits.lease) + 1
  if redis.call("HLEN", members) > 0 then seconds = seconds + math.ceil(4 * limits.lease) end
  for _, key in ipairs(KEYS) do redis.call("EXPIRE", key, seconds) end
end

local function forget()
  redis.call("DEL", unpack(KEYS))
end

local function emptied()
  if redis.call("HLEN", members) > 0 then return end
  if number("last") == 0 then return forget() end -- nothing was said: there is nothing to keep
  redis.call("HSET", room, "empty_since", exact(now))
end

local function remove(member)
  redis.call("HDEL", members, member)
  return tell({kind = "left", member = member})
end

local function lives(name)
  redis.call("ZADD", nodes, exact(now + limits.lease), name)
end

-- Members of nodes that have not said for a lease's time that they live. Where Redis itself was away or stood still for
-- so long, nobody could say so, and everybody gets the time anew: a node knows of that whose link to it is young, or who
-- is here and has been just as silent as the others. Its words may have waited all the while.
local function reap()
  if redis.call("HEXISTS", room, "epoch") == 0 then return end
  local seen = number("seen")
  redis.call("HSET", room, "seen", exact(now))
  if (young or redis.call("ZSCORE", nodes, node)) and seen + limits.lease < now then
    for _, name in ipairs(redis.call("ZRANGE", nodes, 0, -1)) do lives(name) end
    return
  end
  local dead = redis.call("ZRANGEBYSCORE", nodes, "-inf", "(" .. exact(now))
  local gone, any = {}, false
  for _, name in ipairs(dead) do
    if name ~= node then
      gone[name], any = true, true
      redis.call("ZREM", nodes, name)
    end
  end
  if not any then return end
  local all = redis.call("HGETALL", members)
  for at = 1, #all, 2 do
    if gone[cjson.decode(all[at + 1]).node] then remove(all[at]) end
  end
  emptied()
end

local function forget_if_old()
  local since = redis.call("HGET", room, "empty_since")
  if since and tonumber(since) + limits.empty_room_ttl <= now then forget() end
end

local function seated(member, seat)
  local held = redis.call("HGET", members, member)
  if not held then return nil end
  held = cjson.decode(held)
  if held.seat ~= seat then return nil end
  return held
end

local function state(after)
  local entries = redis.call("LRANGE", log, 0, -1)
  while after > 0 and entries[1] and cjson.decode(entries[1])[1] <= after do table.remove(entries, 1) end
  local all = redis.call("HGETALL", members)
  return {"ok", number("seq"), epoch(), number("last"), chain(), number("timer"), all, entries}
end

-- Whether the message that a node knows as this one is another here: then history has been told twice, as after the
-- loss of a master whose replica had not heard of the last messages.
local function forked(id, known)
  if id > number("last") then return true end
  if id == number("last") then return chain() ~= known end
  for _, text in ipairs(redis.call("LRANGE", log, 0, -1)) do
    local entry = cjson.decode(text)
    if entry[1] == id then return entry[6] ~= known end
  end
  return false -- it is too long ago to tell
end

-- The room goes on as another one, with what it still knows, and with its numbers, which messages name: all come anew,
-- and see what they had not seen.
local function begin_anew(seq)
  redis.call("HSET", room, "epoch", fresh_epoch, "seq", math.max(seq, number("seq")))
  tell({kind = "anew"})
end

local commands = {}

-- member, user, seat, whether the site has no place for one more room
function commands.join()
  local member, user, seat, full = unpack(A)
  if redis.call("HEXISTS", room, "epoch") == 0 then
    if full == "1" then return {"server-full"} end
    if redis.call("EXISTS", unpack(KEYS)) > 0 then forget() end -- a Redis that makes room has let go of a part
    redis.call("HSET", room, "epoch", fresh_epoch, "last", 0, "seq", 0, "seen", exact(now))
  end
  local held = redis.call("HGET", members, member)
  if not held and redis.call("HLEN", members) >= limits.room_members then return {"room-full"} end
  local order = held and cjson.decode(held).order or redis.call("HINCRBY", room, "order", 1)
  redis.call("HSET", members, member, cjson.encode({user = user, seat = seat, node = node, order = order}))
  redis.call("HDEL", room, "empty_since")
  lives(node)
  tell({kind = "joined", member = member, user = user, seat = seat, node = node, returned = held and true or false})
  local found = state(0)
  found[9] = held and 1 or 0
  return found
end

-- member, seat
function commands.leave()
  local member, seat = unpack(A)
  if not seated(member, seat) then return {"not-in-room"} end
  local seq = remove(member)
  local answer = {"ok", seq, epoch()}
  emptied()
  return answer
end

-- member, seat, user
function commands.change()
  local member, seat, user = unpack(A)
  local held = seated(member, seat)
  if not held then return {"not-in-room"} end
  held.user = user
  redis.call("HSET", members, member, cjson.encode(held))
  return {"ok", tell({kind = "changed", member = member, user = user, seat = seat}), epoch()}
end

-- member, seat, ciphertext, digest
function commands.publish()
  local member, seat, ciphertext, digest = unpack(A)
  if not seated(member, seat) then return {"not-in-room"} end
  local known = redis.call("HGET", digests, digest)
  if known then return {"ok", 0, epoch(), tonumber(known)} end
  local id = redis.call("HINCRBY", room, "last", 1)
  local before = chain()
  local after = string.sub(redis.sha1hex(before .. digest), 1, CHAIN)
  local length = redis.call("RPUSH", log, cjson.encode({id, member, ciphertext, exact(now), digest, after}))
  if length == 1 then redis.call("HSET", room, "log_bytes", 0) end -- whatever Redis may have let go of
  redis.call("HSET", room, "chain", after)
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
  local event = {kind = "posted", id = id, member = member, ciphertext = ciphertext, before = before, after = after}
  return {"ok", tell(event), epoch(), id, before, after}
end

-- member, seat, ciphertext
function commands.signal()
  local member, seat, ciphertext = unpack(A)
  if not seated(member, seat) then return {"not-in-room"} end
  return {"ok", tell({kind = "typed", member = member, ciphertext = ciphertext}), epoch()}
end

-- member, seat, seconds
function commands.keep()
  local member, seat, seconds = unpack(A)
  if not seated(member, seat) then return {"not-in-room"} end
  redis.call("HSET", room, "timer", seconds)
  age()
  return {"ok", number("seq"), epoch()}
end

-- The node lives. Answers whether the room still knows of it.
function commands.renew()
  return {"ok", number("seq"), epoch(), redis.call("ZSCORE", nodes, node) and 1 or 0}
end

-- What a node knows: seq, the last message's id, the chain up to it, and of which epoch
function commands.state()
  local seq, id, known, of = tonumber(A[1]), tonumber(A[2]), A[3], A[4]
  if redis.call("HEXISTS", room, "epoch") == 0 then return state(id) end
  -- In another epoch its knowledge is void, and whoever is there already need not come anew once more.
  if of == epoch() and forked(id, known) then begin_anew(seq) end
  return state(id)
end

-- A full Redis refuses a script's first write that needs memory, and lets it go on if it has begun with one that needs
-- none (Redis documentation, "Scripting with Lua"): so whoever goes or lives is noted there, too.
local frees = {leave = true, renew = true, state = true}

if redis.call("EXISTS", room) == 1 then
  if frees[command] then redis.call("EXPIRE", room, math.ceil(limits.empty_room_ttl + limits.lease) + 1) end
  forget_if_old()
  reap()
  age()
  if redis.call("ZSCORE", nodes, node) then lives(node) end
end
local answer = commands[command]()
if redis.call("EXISTS", room) == 1 then expire() end
return answer
