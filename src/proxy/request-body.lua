-- Counts a request's body that comes without its length being told, and ends the request when it passes the site's limit:
-- HAProxy itself knows told lengths only. Those are refused by a rule before anything of them is read; for them, and for
-- requests without a body, nothing is counted here. No timers: a filter that is woken after its message has ended takes
-- HAProxy 2.6 down.
local RequestBody = {}
RequestBody.id = "request body"
RequestBody.flags = filter.FLT_CFG_FL_HTX
RequestBody.__index = RequestBody

local seldom_with_body = { GET = true, HEAD = true, OPTIONS = true }

function RequestBody:new()
  return setmetatable({ seen = 0, limit = self.limit }, RequestBody)
end

function RequestBody:http_headers(txn, message)
  if message.channel:is_resp() then return filter.CONTINUE end
  local chunked = txn.sf:req_fhdr("transfer-encoding") ~= ""
  local tunnel = txn.sf:req_fhdr("upgrade") ~= "" and not chunked
  local told = txn.sf:req_fhdr("content-length") ~= "" or tunnel
  -- By HTTP/2 a body is announced by nothing.
  local unannounced = chunked or txn.sf:req_ver() == "2.0"
  if not told and (unannounced or not seldom_with_body[txn.sf:method()]) then
    filter.register_data_filter(self, message.channel)
  end
  return filter.CONTINUE
end

function RequestBody:http_payload(txn, message)
  if message.channel:is_resp() then return end
  self.seen = self.seen + message:input()
  -- The end of the body counts as one byte of it.
  if self.seen <= self.limit + 1 then return end
  txn:set_var("txn.too_large", true)
  -- The only way out of here: what this function returns isn't looked at.
  error("the body passes " .. self.limit .. " bytes", 0)
end

core.register_filter("request-body", RequestBody, function(self, arguments)
  self.limit = tonumber(arguments[1])
  return self
end)
