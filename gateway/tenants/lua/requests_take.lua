-- Take one request of a tenant from its pace (GCRA: ITU-T I.371, the virtual scheduling form).
-- KEYS[1]: the theoretical arrival time, in microseconds of the server's clock. ARGV: microseconds per request, requests at once.
-- Answers whether it may pass, how many more may at once, microseconds until one may, and until all may again.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval = tonumber(ARGV[1])
local room = tonumber(ARGV[2]) * interval
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local passes = 0
if arrival + interval <= now + room then
  passes = 1
  arrival = arrival + interval
  redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 1000)
end
local left = math.max(0, math.floor((now + room - arrival) / interval))
return {passes, left, math.max(0, math.ceil(arrival + interval - now - room)), math.ceil(arrival - now)}
