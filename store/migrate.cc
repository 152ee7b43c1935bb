// migrate
