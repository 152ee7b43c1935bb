// memory_queue
