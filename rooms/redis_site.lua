-- Knows what all nodes of a site share beside its rooms; knows no room.
--
-- KEYS: facts (hash: salt, address_key), nodes (hash: node -> JSON with "at"). ARGV: node, salt (or "", if the node has
-- none yet), a salt and a key for addresses that nobody has if there are none, how long nodes may be silent in seconds,
-- what the node has, as JSON. The first node's salt is the site's. Answers {salt, key, what each of the other nodes has}.

local facts, nodes = unpack(KEYS)
local node, salt, fresh_salt, fresh_key, silence, has = unpack(ARGV)
local now = tonumber(redis.call("TIME")[1])

redis.call("HSETNX", facts, "salt", salt ~= "" and salt or fresh_salt)
redis.call("HSETNX", facts, "address_key", fresh_key)
local own = cjson.decode(has)
own.at = now
redis.call("HSET", nodes, node, cjson.encode(own))
local others = {}
local all = redis.call("HGETALL", nodes)
for at = 1, #all, 2 do
  if cjson.decode(all[at + 1]).at + tonumber(silence) < now then
    redis.call("HDEL", nodes, all[at])
  elseif all[at] ~= node then
    others[#others + 1] = all[at + 1]
  end
end
return {redis.call("HGET", facts, "salt"), redis.call("HGET", facts, "address_key"), others}
