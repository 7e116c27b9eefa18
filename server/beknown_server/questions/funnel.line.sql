-- Every event, in any stretch.
line as (
  select * from {from}
)
