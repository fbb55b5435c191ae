-- Take up to ARGV[2] messages of a tenant's day. KEYS[1]: how many it has had. ARGV: the day's quota, messages wanted, seconds kept.
-- Answers how many it may have, and how many it has had with them.
local had = tonumber(redis.call('GET', KEYS[1]) or 0)
local granted = math.max(0, math.min(tonumber(ARGV[2]), tonumber(ARGV[1]) - had))
if granted > 0 then
  had = redis.call('INCRBY', KEYS[1], granted)
  redis.call('EXPIRE', KEYS[1], ARGV[3])
end
return {granted, had}
