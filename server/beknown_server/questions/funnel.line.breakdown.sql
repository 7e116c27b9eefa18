-- Each actor's values, and of its events those that go with the value.
choice as ({choice}),
valued as (
  select candidate.*, choice.value from candidate join choice on choice.person = candidate.person where {kept}
)
