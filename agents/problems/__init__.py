"""What agents decide: tasks, their instances and episodes, certified bounds."""
