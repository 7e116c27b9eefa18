-- candidate: the events that matter, each with the steps it matches (m1, m2, ...) and the first of them (tie).
-- line: the same, per actor (a person, or a person with a value of the breakdown).
-- level{k}: s{k}_1 ... s{k}_k, when the steps of the path were done that this event brings to step k; else null.
-- chosen: one path per actor, the furthest; of several the one that got there first.
with candidate as (
  select person, timestamp as t, seq, {flags}, case {tie} end as tie
  from event
  where timestamp >= $start and timestamp < $stop and person is not null and ({wanted})
), {line}, {levels}, {chosen}
{answer}
