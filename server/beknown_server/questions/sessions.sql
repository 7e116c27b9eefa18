-- One row for all sessions that began in the range, and one for each of the most frequent entries, exits and sources.
-- place: a number that sorts like time, then arrival. A session of two persons is that of the one who began it.
with happened as (
  select session, person, timestamp, event, timestamp::hugeint * 4611686018427387904 + seq as place,
         case when event = $view then {page} end as page, {source} as source
  from event
  where timestamp >= $start - $longest and timestamp < $stop + $longest and session is not null and ({match})
), visit as (
  select session, arg_min(person, place) as person, min(timestamp) as began, max(timestamp) - min(timestamp) as lasted,
         count(*) filter (where event = $view) as views, count(*) filter (where event = $click) as clicks,
         arg_min(page, place) as entry, arg_max(page, place) as exit, arg_min_null(source, place) as source
  from happened
  group by session
), counted as (
  select *, views <= 1 and clicks = 0 and lasted < $bounce as bounced
  from visit where began >= $start and began < $stop
), placed as (
  select 'entries' as what, entry as value, bounced from counted
  union all
  select 'exits', exit, bounced from counted
  union all
  select 'sources', source, bounced from counted
)
select 'all', null, count(*), count(distinct person), count(*) filter (bounced), avg(lasted) / 1000,
       median(lasted) / 1000, avg(views)
from counted
union all
(
  select what, value, count(*), null, count(*) filter (bounced), null, null, null
  from placed
  group by what, value
  qualify row_number() over (partition by what order by count(*) desc, value nulls last) <= $most
  order by what, count(*) desc, value nulls last
)
