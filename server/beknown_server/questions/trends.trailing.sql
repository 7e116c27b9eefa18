-- Persons active in the $length days that end with each day. A person's days are the bits of one number, put together
-- once; each window of days is a mask over them. A number has 127 bits: longer ranges are done in stretches of
-- $stretch ends, each with the days before its first end. ``series`` as in trends; ``day`` counts from the first read.
with stretch as (
  select range::integer as n from range($stretches::integer)
), active as (
  select series, n, person, bit_or(1::hugeint << (day - n * $stretch::integer)::integer) as days
  from (
    select {series} as series, person, {day} as day
    from event
    where timestamp >= $start and timestamp < $stop and ({match}) and person is not null
  )
  join stretch on day >= n * $stretch::integer and day < (n + 1) * $stretch::integer + $length::integer - 1
  group by all
), ending as (
  select range::integer as begins, ((1::hugeint << $length::integer) - 1) << range::integer as mask from range($stretch::integer)
)
select series, n * $stretch::integer + begins + $length::integer - 1 as day, count(*) as number
from active join ending on days & mask <> 0
group by all
