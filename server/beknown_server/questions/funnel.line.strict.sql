line as (
  select *, sum(alone::int) over (partition by {actor} order by t, tie, seq rows unbounded preceding) as stretch
  from (
    select *, (count(*) over moment = 1 or min(tie) over moment > {steps}) as alone
    from {from}
    window moment as (partition by {actor}, t)
  )
)
