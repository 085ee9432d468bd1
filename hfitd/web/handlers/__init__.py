"""Handlers: ten lines each, one room below behind every one."""
