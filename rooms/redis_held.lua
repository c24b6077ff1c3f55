-- Knows how many of something each node of a site holds for somebody; knows not of what, and for whom.
--
-- KEYS: held (hash: node -> "number time"). ARGV: node, its number, how long what a node has said counts, in seconds.
-- Answers how many the others hold.

local held = KEYS[1]
local node, number, counts = ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = tonumber(redis.call("TIME")[1])
if tonumber(number) > 0 then
  redis.call("HSET", held, node, number .. " " .. now)
else
  redis.call("HDEL", held, node)
end
local others = 0
local all = redis.call("HGETALL", held)
for at = 1, #all, 2 do
  local many, when = string.match(all[at + 1], "^(%d+) (%d+)$")
  if all[at] ~= node and tonumber(when) + counts >= now then others = others + tonumber(many) end
end
redis.call("EXPIRE", held, math.ceil(counts) + 1)
return others
