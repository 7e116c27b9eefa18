-- Of the open paths to the step before, the one that began last: it has the most of its window left. Starts only
-- grow along time, so it is the greatest.
level{k} as (
  select * exclude ({before}), {carried} from (
    select *, {paths}
    from level{j}
    window earlier as (partition by {actor} order by t, tie, seq rows between unbounded preceding and 1 preceding)
  )
)
