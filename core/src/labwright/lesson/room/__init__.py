"""The room in which a lesson's jobs run: the host to read, the lesson at /antidote to write, and nothing else."""

from labwright.lesson.room.check import check
from labwright.lesson.room.rooms import WARM, Rooms, open_rooms

__all__ = ["WARM", "Rooms", "check", "open_rooms"]
