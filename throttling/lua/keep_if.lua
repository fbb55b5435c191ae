-- Keep a state that was worked out from another one, if that one still stands: nobody's change is lost.
-- KEYS[1]: the state. ARGV: the state it was worked out from ('' for none), the new one, seconds it is kept for.
local stands = redis.call('GET', KEYS[1]) or ''
if stands ~= ARGV[1] then
  return stands
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return false
