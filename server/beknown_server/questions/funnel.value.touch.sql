-- One value for each person: of the first or the last of its steps that has one.
select person, {pick}(v, (t, tie, seq)) filter (where v is not null and {is_step}) as value
from candidate
group by person
