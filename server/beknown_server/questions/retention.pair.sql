select t.periods as cohorts, a.periods from ({target}) t left join active a on a.person = t.person
