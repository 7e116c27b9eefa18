-- A path lives only until the next event; among events of the same moment until the last of them. So events come in
-- stretches: a path goes on if it is of the stretch that the event right before (was) lies in.
line as (
  select *, lag(stretch) over (partition by {actor} order by t, tie, seq) as was
  from (
    select *, sum(alone::int) over (partition by {actor} order by t, tie, seq rows unbounded preceding) as stretch
    from (
      select *, (count(*) over moment = 1 or min(tie) over moment > {steps}) as alone
      from {from}
      window moment as (partition by {actor}, t)
    )
  )
)
