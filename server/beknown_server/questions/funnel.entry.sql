-- Each entry with the first event that brings it to step {k}.
entry{k} as (
  select a.bucket, a.person, a.s1, b.place
  from entry{j} a
  asof join (select person, t, {place} as place from line where m{k}) b on {goes_on} and a.place < b.place
  where b.t - a.s1 <= $window
)
