chosen as (
  select * from (
    select {actor}, {level} as level, {times}
    from path1 {deeper}
  )
  where s1 is not null
)
