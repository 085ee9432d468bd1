"""Review: what an approval covers, whether it still holds, and what a reviewer reads before giving one."""
