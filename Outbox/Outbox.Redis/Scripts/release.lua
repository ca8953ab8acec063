-- Gives a lock up if it still is this holder's, and tells those who wait.
-- KEYS: the lock. ARGV: what its value begins with, the channel.
local value = redis.call('get', KEYS[1])
if value and string.sub(value, 1, #ARGV[1]) == ARGV[1] then
    redis.call('del', KEYS[1])
    redis.call('publish', ARGV[2], '')
    return 1
end
return 0
