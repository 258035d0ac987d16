-- Requests for an endpoint without a replica: wake it, and hold them until one is ready.
-- From the environment, which the configuration sets: the worker's socket, and seconds
-- a request is held where nothing else is said.
-- docs/ingress.md tells the rules; routes.py writes the maps.

local worker = os.getenv("ALIGHT_HOLD_WORKER")
local usual = tonumber(os.getenv("ALIGHT_HOLD_SECONDS"))
local states = Map.new("states.map", Map._str)
local holds = Map.new("holds.map", Map._str)
local ways = Map.new("ways.map", Map._str)
local grants = Map.new("grants.map", Map._str)

-- The longest that any request may ask to be held, in seconds.
local LONGEST = 3600
-- Seconds until the worker is told again that somebody waits: soon while the endpoint
-- sleeps, seldom while a start is under way, since the worker may have been away.
local AGAIN = {idle = 0.5, starting = 5}

-- When the worker was last told of each endpoint, as this thread knows it.
local told = {}

-- Seconds since `began`.
local function since(began)
  local now = core.now()
  return now.sec - began.sec + (now.usec - began.usec) / 1e6
end

local function wake(name)
  local again = AGAIN[states:lookup(name)]
  if not again or (told[name] and since(told[name]) < again) then return end
  told[name] = core.now()
  core.httpclient():post{
    url = "http://worker/wake",
    dst = "unix@" .. worker,
    headers = {["content-type"] = {"application/json"}},
    body = '{"name":"' .. name .. '"}',
    timeout = 2000,
  }
end

-- Milliseconds to the next look: often while a quick start may be over any moment.
local function pause(waited)
  if waited < 3 then return 10 elseif waited < 30 then return 25 end
  return 100
end

-- The slot of an endpoint, and "public" or "private"; nothing where there is none.
local function way_to(name)
  return (ways:lookup(name) or ""):match("^[^/]+/([^/]+)/[^/]+/([^/]+)")
end

-- Whether it may still call: that may have ended while it was held.
local function passes(txn, name, access)
  if access == "public" then return true end
  local ends = grants:lookup((txn:get_var("txn.grant") or "") .. "/" .. name)
  return ends ~= nil and tonumber(ends) > core.now().sec
end

-- What is said to the request: "ready" (it goes on), or an answer's code.
local function outcome(txn, name, waited, limit)
  local state, slot, access = states:lookup(name), way_to(name)
  if not slot then return "unknown" end
  if not passes(txn, name, access) then return "private" end
  if txn.f:nbsrv(slot) > 0 then
    txn:set_var("txn.slot", slot)
    return "ready"
  end
  if state == "paused" or state == "failed" then return state end
  if waited >= limit then return state == "idle" and "idle" or "starting" end
end

core.register_action("hold", {"http-req"}, function(txn)
  local name, began = txn:get_var("txn.name"), core.now()
  local limit = tonumber(txn:get_var("txn.wait") or holds:lookup(name)) or usual
  limit = math.min(math.max(limit, 0), LONGEST)
  while true do
    wake(name)
    local waited = since(began)
    local said = outcome(txn, name, waited, limit)
    if said then
      txn:set_var("txn.state", said)
      return
    end
    -- Each look lets HAProxy end this when the client has left.
    core.msleep(pause(waited))
  end
end, 0)

-- For who is shown the waiting page instead.
core.register_action("wake", {"http-req"}, function(txn)
  wake(txn:get_var("txn.name"))
end, 0)
