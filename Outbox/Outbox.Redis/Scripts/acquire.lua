-- Takes a free lock and returns its token; 0 if another holds it.
-- KEYS: the lock, its last token. ARGV: the instance, the owner, the lease in milliseconds, how long the last token is kept in milliseconds.
-- Microseconds by this server's clock, or one more than the last token: so tokens go on rising when the data has been lost.
local time = redis.call('time')
local token = math.max(time[1] * 1000000 + time[2], (tonumber(redis.call('get', KEYS[2])) or 0) + 1)
local text = string.format('%.0f', token)
if not redis.call('set', KEYS[1], text .. ' ' .. ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3], 'NX') then
    return 0
end
redis.call('set', KEYS[2], text, 'PX', ARGV[4])
return token
