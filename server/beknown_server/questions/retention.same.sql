-- The target is the returning event: who is in a cohort is who came back.
select periods as cohorts, periods from active
