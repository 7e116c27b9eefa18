-- Who got as far as one of these steps.
select distinct person
from chosen
where level between $least and $furthest and {of_value}
order by person
limit $most
