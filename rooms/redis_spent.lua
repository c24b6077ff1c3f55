-- Knows how much of an allowance all nodes of a site have used up together; knows not whose it is.
--
-- KEYS: full (list of when each bucket of the allowance will be full again, as text). ARGV: seconds that the node's use
-- costs, for each bucket. Answers how many seconds each bucket is from full.

local full = KEYS[1]
local clock = redis.call("TIME")
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local before = redis.call("LRANGE", full, 0, -1)
local answer, longest = {}, 0
redis.call("DEL", full)
for at, cost in ipairs(ARGV) do
  local owed = math.max(tonumber(before[at] or "0") - now, 0) + tonumber(cost)
  redis.call("RPUSH", full, string.format("%.6f", now + owed))
  answer[at] = string.format("%.6f", owed)
  longest = math.max(longest, owed)
end
redis.call("EXPIRE", full, math.ceil(longest) + 1)
return answer
