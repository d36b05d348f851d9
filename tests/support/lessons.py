"""Lessons in folders, written by tests."""

from __future__ import annotations

from pathlib import Path

META = """\
name: First steps
slug: first-steps
category: fundamentals
tier: local
description: Two routers and a computer
shortDescription: Routers
endpoints:
- name: linux1
  image: utility
  presentations:
  - name: cli
    port: 22
    type: ssh
- name: r-1
  image: frr
  configurationType: napalm
  additionalPorts: [22]
- name: leaf1
  image: frr
  configurationType: python
  additionalPorts: [22, 830]
- name: srv1
  image: utility
  configurationType: ansible
  additionalPorts: [22]
connections:
- a: linux1
  b: r-1
  subnet: 192.0.2.0/30
- a: r-1
  b: leaf1
stages:
- description: Begin
  guideType: markdown
- description: Go on
  guideType: jupyter
"""
PLAYBOOK = "- hosts: all\n  tasks:\n  - ansible.builtin.ping:\n"
FILES = {
    "lesson.meta.yaml": META,
    "stage0/guide.md": "# Begin\n",
    "stage1/guide.ipynb": '{"cells": [], "nbformat": 4}\n',
    **{
        f"stage{number}/configs/{name}": text
        for number in (0, 1)
        for name, text in (("r-1-frr.txt", "hostname r-1\n"), ("leaf1.py", "print(1)\n"), ("srv1.yml", PLAYBOOK))
    },
}
"""A lesson with nothing wrong in it."""


def write(folder: Path, files: dict[str, str] | None = None) -> Path:
    """These files in a folder, by default the good lesson's."""
    for name, text in (FILES if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def line_of(text: str, part: str) -> int:
    """The line, from 1, of the first place of a part."""
    return text[: text.index(part)].count("\n") + 1
