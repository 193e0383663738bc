-- Counts a request's body that comes without its length being told, and ends the request when it passes the site's limit.
-- Bodies of a told length are refused by a rule before anything of them is read; for them, and for requests without a
-- body, nothing is counted here.
local BodyLimit = {}
BodyLimit.id = "berth body limit"
BodyLimit.flags = filter.FLT_CFG_FL_HTX
BodyLimit.__index = BodyLimit

function BodyLimit:new()
  return setmetatable({ seen = 0, limit = self.limit }, BodyLimit)
end

function BodyLimit:http_headers(txn, message)
  if message.channel:is_resp() then return filter.CONTINUE end
  if txn.sf:req_fhdr("content-length") == "" and txn.sf:req_fhdr("upgrade") == "" then
    filter.register_data_filter(self, message.channel)
  end
  return filter.CONTINUE
end

function BodyLimit:http_payload(txn, message)
  if message.channel:is_resp() then return end
  self.seen = self.seen + message:input()
  if self.seen <= self.limit then return end
  txn:set_var("txn.too_large", true)
  return filter.ERROR
end

core.register_filter("body-limit", BodyLimit, function(self, arguments)
  self.limit = tonumber(arguments[1])
  return self
end)
