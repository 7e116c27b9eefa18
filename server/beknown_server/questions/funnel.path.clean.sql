-- Who got to step {k}, and the times on the first path there that is clean: null if none is.
path{k} as (
  select {actor}, {times}
  from (select distinct {columns} from level{k}) a left join (select * from {from} where s1 is not null) b on {same}
  group by {actor}
)
