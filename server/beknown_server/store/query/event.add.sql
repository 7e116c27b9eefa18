insert into event (project_id, uuid, event, distinct_id, timestamp, micros, received, session_id, properties)
values (:project_id, :uuid, :event, :distinct_id, :timestamp, :micros, :received, :session_id, :properties)
