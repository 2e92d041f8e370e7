-- Health of the four kinds of bucle.dev for Argo CD; one text for all of them.
-- Ready wins over Reconciling: a ModelDeployment that judges a candidate for days, or is paused, answers its callers
-- meanwhile. Were it Progressing or Suspended, a sync with waves would wait for it, and hold back every later commit.
local health = {status = "Progressing", message = "the operator has not looked at this generation yet"}
local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation then
  return health
end

local found = {}
for _, condition in ipairs(status.conditions or {}) do
  found[condition.type] = condition
end

local function because(condition)
  if condition.message == nil or condition.message == "" then
    return condition.reason or ""
  end
  return (condition.reason or "") .. ": " .. condition.message
end

local function holds(type)
  return found[type] ~= nil and found[type].status == "True"
end

if holds("Stalled") then
  return {status = "Degraded", message = because(found.Stalled)}
end
if holds("Ready") then
  return {status = "Healthy", message = because(found.Ready)}
end
local why = found.Reconciling or found.Ready
if why ~= nil then
  health.message = because(why)
end
return health
