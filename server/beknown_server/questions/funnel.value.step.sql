-- Every value with which a person did the step.
select distinct person, v as value from candidate where {whose}
