-- Persons whose earliest event of this name falls into the bucket. {passes}: the filters; {first}: whether the
-- earliest is looked for among those that pass ("matching"), or must pass itself.
with earliest as (
  select person, min(timestamp) as timestamp, arg_min({series}, (timestamp, seq)) as series,
         arg_min(coalesce({passes}, false), (timestamp, seq)) as passes
  from event
  where person is not null and ({first})
  group by person
)
select series, {bucket} as bucket, count(*) as number
from earliest
where passes and timestamp >= $start and timestamp < $stop
group by all
