"""The trainer's layer: functions that replace a kernel module by one import line."""
