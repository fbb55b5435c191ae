-- Give back ARGV[2] sends that were taken from a pace and not used. ARGV[1]: microseconds per send.
local arrival = redis.call('GET', KEYS[1])
if arrival then
  redis.call('SET', KEYS[1], string.format('%.0f', arrival - ARGV[1] * ARGV[2]), 'KEEPTTL')
end
return 0
