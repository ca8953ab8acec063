-- Takes a lock away from whoever holds it, and tells those who wait.
-- KEYS: the lock. ARGV: the channel.
local held = redis.call('del', KEYS[1])
redis.call('publish', ARGV[1], '')
return held
