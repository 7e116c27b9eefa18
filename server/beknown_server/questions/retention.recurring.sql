-- Everybody who did the target in a period: a person may be in many cohorts.
select distinct person, {period} as period
from event
where timestamp >= $start and timestamp < $until and person is not null and ({match})
