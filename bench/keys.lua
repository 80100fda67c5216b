-- keys of 300 customers in turn, as the instruction counts have them

local n = 0

request = function()
    n = (n + 1) % 300
    return wrk.format("GET", string.format("/?k=customer-%08d", n * 7919 % 1000003))
end
