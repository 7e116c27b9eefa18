-- How many persons entered in each interval, and how many of them got to the last step.
select 1, bucket, count(distinct person) from entry1 group by bucket
union all
select {last}, bucket, count(distinct person) from entry{last} group by bucket
