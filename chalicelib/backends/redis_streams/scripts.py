"""Lua scripts for anything that takes more than one command: Redis runs a script atomically."""

# Every script: KEYS = stream, dead letters, delays; ARGV = group, consumer, visibility timeout (ms), …
_COMMON = """
local stream, dead, delayed = KEYS[1], KEYS[2], KEYS[3]
local group, consumer, visibility = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function forget(id)
  redis.call('XACK', stream, group, id)
  redis.call('XDEL', stream, id)
  redis.call('HDEL', delayed, id)
end

local function bury(id, fields, deliveries, reason)
  local message = {}
  for i = 1, #fields, 2 do message[fields[i]] = fields[i + 1] end
  redis.call('XADD', dead, '*', 'id', id, 'reason', reason, 'deliveries', deliveries,
             'message', cjson.encode(message))
  forget(id)
end

-- Redis has no negative idle times, so delays longer than the visibility timeout are kept in a hash.
local function hide(id, keeper, ms)
  local idle = math.max(0, visibility - ms)
  redis.call('XCLAIM', stream, group, keeper, 0, id, 'IDLE', idle, 'JUSTID')
  if ms > visibility then redis.call('HSET', delayed, id, now + ms) else redis.call('HDEL', delayed, id) end
end
"""

# ARGV[4..7] = limit, max deliveries, reason, keeper. Returns {id, deliveries, fields} for each delivery.
# JUSTID, because without it Redis 6.2 reports a deleted entry as a nil without its id, and because the count
# is checked before it grows. XAUTOCLAIM stops after 10 x COUNT entries: without following its cursor,
# messages that are held for long would hide the expired ones behind them.
CLAIM = (
    _COMMON
    + """
local limit, max_deliveries, reason = tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local taken = {}

local function deliver(id)
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry then return forget(id) end
  local due = tonumber(redis.call('HGET', delayed, id) or 0)
  if due > now then return hide(id, ARGV[7], due - now) end
  local deliveries = redis.call('XPENDING', stream, group, id, id, 1)[1][4]
  if deliveries >= max_deliveries then return bury(id, entry[2], deliveries, reason) end
  redis.call('XCLAIM', stream, group, consumer, 0, id)
  taken[#taken + 1] = {id, deliveries + 1, entry[2]}
end

local cursor = '0-0'
repeat
  local reply = redis.call('XAUTOCLAIM', stream, group, consumer, visibility, cursor,
                           'COUNT', limit - #taken, 'JUSTID')
  cursor = reply[1]
  for _, id in ipairs(reply[2]) do deliver(id) end
  for _, id in ipairs(reply[3] or {}) do redis.call('HDEL', delayed, id) end
until cursor == '0-0' or #taken == limit
return taken
"""
)

# ARGV[4..5] = id, number of the delivery. The message is the caller's only while both still match.
_IF_HELD = (
    _COMMON
    + """
local id = ARGV[4]
local held = redis.call('XPENDING', stream, group, id, id, 1)[1]
if not held or held[2] ~= consumer or held[4] ~= tonumber(ARGV[5]) then return 0 end
"""
)
# ARGV[4…] = pairs of id and number of the delivery. Returns which, counted from 0, are not the caller's.
ACKNOWLEDGE = (
    _COMMON
    + """
local others = {}
for i = 4, #ARGV, 2 do
  local id = ARGV[i]
  local held = redis.call('XPENDING', stream, group, id, id, 1)[1]
  if held and held[2] == consumer and held[4] == tonumber(ARGV[i + 1]) then
    forget(id)
  else
    others[#others + 1] = (i - 4) / 2
  end
end
return others
"""
)
HIDE = _IF_HELD + "hide(id, ARGV[6], tonumber(ARGV[7])) return 1"
BURY = (
    _IF_HELD
    + """
local entry = redis.call('XRANGE', stream, id, id)[1]
if entry then bury(id, entry[2], held[4], ARGV[6]) else forget(id) end
return 1
"""
)

# ARGV[4] = silence in ms. XGROUP DELCONSUMER also drops pending messages, which would lose them: so it
# removes only consumers with nothing pending, and checks that atomically.
SWEEP = (
    _COMMON
    + """
for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', stream, group)) do
  local info = {}
  for i = 1, #flat, 2 do info[flat[i]] = flat[i + 1] end
  local leaves = info.name == ARGV[5] or info.idle > tonumber(ARGV[4])
  if leaves and info.pending == 0 then redis.call('XGROUP', 'DELCONSUMER', stream, group, info.name) end
end
"""
)

ALL = (CLAIM, ACKNOWLEDGE, HIDE, BURY, SWEEP)
