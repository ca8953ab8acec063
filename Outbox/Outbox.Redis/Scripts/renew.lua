-- Extends a lock if it still is this holder's. One that has vanished stays so.
-- KEYS: the lock. ARGV: what its value begins with, the lease in milliseconds.
local value = redis.call('get', KEYS[1])
if value and string.sub(value, 1, #ARGV[1]) == ARGV[1] then
    return redis.call('pexpire', KEYS[1], ARGV[2])
end
return 0
