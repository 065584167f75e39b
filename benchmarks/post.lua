-- For wrk: posts the file args[1] as args[2]; an answer is right if it is a 200 that holds the text args[3].
-- The last line printed is what came of it, as JSON.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local file = assert(io.open(args[1], "rb"))
  post = wrk.format("POST", nil, { ["Content-Type"] = args[2] }, file:read("*a"))
  file:close()
  expected = args[3]
  right, wrong, batches = 0, 0, {}
end

function request()
  return post
end

function response(status, _, body)
  if status == 200 and body:find(expected, 1, true) then
    right = right + 1
  else
    wrong = wrong + 1
  end
  local batch = body:match('"batch_size": ?(%d+)')
  if batch then
    batches[batch] = (batches[batch] or 0) + 1
  end
end

function done(summary, latency)
  local answers, failures, sizes = 0, 0, {}
  for _, thread in ipairs(threads) do
    answers, failures = answers + thread:get("right"), failures + thread:get("wrong")
    for batch, count in pairs(thread:get("batches")) do
      table.insert(sizes, string.format('"%s": %d', batch, count))
    end
  end
  failures = failures + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  print(string.format(
    '\n{"seconds": %f, "right": %d, "errors": %d, "p50": %f, "p99": %f, "batches": {%s}}',
    summary.duration / 1e6, answers, failures, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    table.concat(sizes, ", ")
  ))
end
