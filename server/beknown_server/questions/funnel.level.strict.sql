-- A path lives only until the next event; among events of the same moment, until the last of them (stretch).
level{k} as (
  select * exclude ({before}), {carried} from (
    select * exclude ({states}), {paths} from (
      select *, {running}
      from level{j}
      window stretched as (partition by {actor}, stretch order by t, tie, seq rows between unbounded preceding and current row)
    )
    window earlier as (partition by {actor} order by t, tie, seq)
  )
)
