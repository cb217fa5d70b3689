"""What surrounds a training: devices, clocks, schedules, callbacks, logs and checkpoints."""
