-- From which page to which: page views that follow each other in a session, the same page twice in a row once.
with view as (
  select person, session, timestamp, seq, {page} as page
  from event
  where timestamp >= $start and timestamp < $stop and person is not null and session is not null
    and event = $view and ({match}) and {page} is not null
), changed as (
  select * from view
  window visit as (partition by session order by timestamp, seq)
  qualify lag(page) over visit is distinct from page
), step as (
  select person, page, row_number() over visit as place, lead(page) over visit as next
  from changed
  window visit as (partition by session order by timestamp, seq)
)
select place, page, next, count(*) as visits, count(distinct person) as persons
from step
where place <= $steps
group by all
order by place, visits desc, page, next nulls last
limit $most
