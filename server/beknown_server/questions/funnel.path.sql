-- Who got to step {k}, and the times on the first path there that counts.
path{k} as (
  select {actor}, {times} from {from} group by {actor}
)
