"""The README of a package: lines that people paste into a shell."""

from __future__ import annotations

import subprocess

import pytest

from hfitd.export.package.readme import LOADERS, shell_word
from hfitd.export.template.names import key_problem

NAMES = [
    "10-tables.sql",
    "a b/it's #1; rm.sql",
    "$(echo taken).sql",
    "`echo taken`'.sql",
    "$HOME/${PATH}.sql",
    "a!!.sql",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_t11_the_name_of_a_file_is_one_word_of_the_line_that_loads_it(name: str) -> None:
    assert key_problem(name) == "", "a template may call a file so"
    told = subprocess.run(["sh", "-c", f"printf %s {shell_word(name)}"], capture_output=True, check=True, text=True)
    assert told.stdout == name
    assert all('"{path}"' not in line for line in LOADERS.values()), "it brings its own quotes"
