-- Take up to ARGV[3] sends of a way from its pace (GCRA: ITU-T I.371, the virtual scheduling form).
-- KEYS[1]: the way's theoretical arrival time, in microseconds of the server's clock.
-- ARGV: microseconds per send, sends that may go at once, sends wanted. Answers sends granted, and microseconds until one more is.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval = tonumber(ARGV[1])
local burst = tonumber(ARGV[2])
local wanted = tonumber(ARGV[3])
local arrival = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local granted = math.max(0, math.min(wanted, math.floor((now + burst * interval - arrival) / interval)))
if granted > 0 then
  arrival = arrival + granted * interval
  redis.call('SET', KEYS[1], string.format('%.0f', arrival), 'PX', math.ceil((arrival - now) / 1000) + 1000)
end
return {granted, math.max(0, math.ceil(arrival + interval - now - burst * interval))}
