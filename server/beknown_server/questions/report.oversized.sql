select person, count(*) as ids from ids where person is not null group by person having count(*) > $most
order by ids desc
