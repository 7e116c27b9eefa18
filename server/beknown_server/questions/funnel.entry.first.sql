-- Each time the first step was done, and in which interval.
entry1 as (
  select {bucket} as bucket, person, t as s1, {place} as place{stretch} from line where m1
)
