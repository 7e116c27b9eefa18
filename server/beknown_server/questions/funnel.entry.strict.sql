-- Each entry with the events that bring it to step {k}. There may be two: the first within the entry's stretch, among
-- events of one moment, and the event that ends the stretch. From the one a step of that moment can follow, from the
-- other what comes after.
entry{k} as (
  select distinct a.bucket, a.person, a.s1, b.place{stretch_of}
  from (select *, unnest([0, 1]) as ahead from entry{j}) a
  asof join (select person, t, {place} as place{stretch}{was} from line where m{k}) b
    on {goes_on} and b.stretch - b.was = a.ahead and a.place < b.place
  where b.t - a.s1 <= $window
)
