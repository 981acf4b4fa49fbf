-- wrk asks each line of the file named by QUERIES in turn, a path or a path and JSON to post there; answers other than
-- 200 are counted.
local paths = {}
for line in io.lines(os.getenv("QUERIES")) do paths[#paths + 1] = line end
local at = 0
local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

function init()
  at = number * 97
  refused = 0
end

function request()
  at = at + 1
  local line = paths[at % #paths + 1]
  local space = line:find(" ", 1, true)
  if space == nil then return wrk.format("GET", line) end
  return wrk.format("POST", line:sub(1, space - 1), {["Content-Type"] = "application/json"}, line:sub(space + 1))
end

function response(status)
  if status ~= 200 then refused = refused + 1 end
end

function done(summary, latency)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + thread:get("refused") end
  io.write(string.format('{"requests": %d, "seconds": %.3f, "p50_ms": %.3f, "p99_ms": %.3f, "bad": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    bad + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
