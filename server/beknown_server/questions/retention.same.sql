-- The target is the returning event too: who was active was in the cohort. One look at the events is enough.
select person, period from active where period < $periods
