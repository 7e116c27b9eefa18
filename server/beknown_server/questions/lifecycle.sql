-- Per interval: new (an id of the person was first seen in it, by an event of any kind, be it forgotten since, and none
-- before), returning (active in the one before too), resurrecting (not active in the one before), and dormant (active
-- in the one before only). Interval 0 is the whole one before ($start to $until); of the others counts what lies in the
-- range, which may cut the first and the last.
with born as (
  select person, min(first_seen) as timestamp from ids where person is not null group by person
), active as (
  select distinct person, {bucket} as bucket
  from event
  where timestamp >= $start and timestamp < $stop and (timestamp < $until or timestamp >= $first)
    and person is not null and ({match})
), near as (
  select person, bucket,
         lag(bucket) over (partition by person order by bucket) = bucket - 1 as was,
         lead(bucket) over (partition by person order by bucket) = bucket + 1 as stays
  from active
), state as (
  select n.bucket as slot,
         case when b.timestamp >= $start and {born} = n.bucket then 'new'
              when n.was then 'returning' else 'resurrecting' end as status
  from near n join born b on b.person = n.person
  union all
  select bucket + 1, 'dormant' from near where stays is not true
)
select slot, status, count(*) as persons from state where slot >= 1 and slot <= $last group by all
