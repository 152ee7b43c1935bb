// event
