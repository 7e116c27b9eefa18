-- How many events each person has in a bucket, then the measure of these counts; who has none is not in it.
with counted as (
  select {series} as series, {bucket} as bucket, person, count(*) as value
  from event
  where timestamp >= $start and timestamp < $stop and ({match}) and person is not null
  group by all
)
select series, bucket, {measure} as number from counted group by all
