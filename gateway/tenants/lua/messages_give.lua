-- Give back ARGV[1] messages of a day (KEYS[1]) that were taken and not accepted.
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('DECRBY', KEYS[1], ARGV[1])
end
return 0
