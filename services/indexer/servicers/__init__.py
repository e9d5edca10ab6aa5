"""The doorways beside the main one."""
