"""What runs inside Redis, each atomically. Times are Redis's own, so nodes' clocks need not agree."""

# KEYS: claim. ARGV: node id, life in ms. The owner after this: the node unless another holds it.
CLAIM = """
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""

# KEYS: claim. ARGV: node id. 1 when the node's claim was given up.
RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

# KEYS: claim. The owner, or an empty string.
OWNER = """
return redis.call('GET', KEYS[1]) or ''
"""

# KEYS: hash of "node id, newline, info"; sorted set of expiry times. ARGV: member, such a value, life in ms.
SET_PRESENT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
redis.call('PEXPIREAT', KEYS[1], last)
redis.call('PEXPIREAT', KEYS[2], last)
return 1
"""

# KEYS: as above. ARGV: member, node id. Left alone when another node has announced the member since.
SET_ABSENT = """
local value = redis.call('HGET', KEYS[1], ARGV[1])
local ours = ARGV[2] .. '\\n'
if not value or string.sub(value, 1, #ours) ~= ours then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])
"""

# KEYS: as above. Member and value in turn, of those not expired; the expired are dropped.
PRESENT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('ZREM', KEYS[2], member)
  redis.call('HDEL', KEYS[1], member)
end
return redis.call('HGETALL', KEYS[1])
"""

# KEYS: counter. ARGV: window in ms. {hits in this window, ms left of it}.
HIT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""
