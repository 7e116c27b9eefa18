-- active: in which periods a person did the returning event, as a set of bits; pair: beside it, in which the person
-- did the target. Persons who are alike in this are then looked at together. Periods count from that of date_from.
-- came: who came back, and how many periods later. {later}: each time counts, or only the last ("on or after": who
-- comes in the fifth has come in the second or after).
with active as (
  {active}
), pair as (
  {pair}
), alike as (
  select row_number() over () as number, cohorts, periods, count(*) as persons from pair group by cohorts, periods
), came as (
  select number, cohort, later, persons
  from alike, range($periods) c(cohort), range(1, $periods) l(later)
  where {is_member} and {is_back}
)
select cohort, 0 as later, sum(persons)::bigint as persons
from alike, range($periods) c(cohort)
where {is_member}
group by all
union all
select cohort, later, sum(persons)::bigint as persons
from (select number, cohort, {later} as later, persons from came group by number, cohort, persons{each})
group by cohort, later
