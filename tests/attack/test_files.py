"""Files and folders that are not granted answer like those that are not there."""

from __future__ import annotations

import pytest

from tests.attack.conftest import Till
from tests.support.http import Answer, Api

EXPORT = "hfitVersion: 1\ntemplateName: {name}\npackageName: x\n{prepare}exports:\n  f: {{type: files, {files}}}\n"


def shape(answer: Answer) -> object:
    if answer.status == 200:
        return answer.status, answer.body
    return answer.status, answer.json["code"], answer.json["message"], answer.json["resource"]


@pytest.mark.parametrize(
    ("path", "there", "missing"),
    [
        ("/files/files/download?path={}", "secret/s.txt", "nowhere/s.txt"),
        ("/files/files/download?path={}", "secret/s.txt", "secret/t.txt"),
        ("/files/files/download?name={}", "s.txt", "t.txt"),
        ("/files/files/download?folder={}", "hidden", "nowhere"),
        ("/files/files?folder={}", "hidden", "nowhere"),
    ],
)
async def test_f11_a_file_that_is_not_granted_answers_like_none(
    till: Till, path: str, there: str, missing: str
) -> None:
    api = Api(till.daemon, till.alice)
    one, other = await api.get(path.format(there)), await api.get(path.format(missing))
    assert str(shape(one)).replace(there, "") == str(shape(other)).replace(missing, "")
    assert one.status == 404


@pytest.mark.parametrize("folder", ["hidden", "nowhere"])
async def test_f11_an_export_of_a_folder_that_is_not_granted_is_refused_like_one_of_none(
    till: Till, folder: str
) -> None:
    api = Api(till.daemon, till.alice)
    name = f"folder-{folder}"
    files = f'volume: files, filters: ["folder:{folder}"]'
    assert (await api.put_template(EXPORT.format(name=name, prepare="", files=files))).status == 201
    answer = await api.package(name)
    assert (answer.status, answer.code) == (403, "EXPORT_REFUSED")


async def test_f11_a_prepare_step_takes_the_first_file_that_is_granted(till: Till) -> None:
    api = Api(till.daemon, till.alice)
    step = "{type: volume, volume: files, glob: '*.txt', sort: 'name|desc'}"
    prepare = f"prepare:\n  - {{setVar: v, from: hot-data, hdata: {step}}}\n"
    files = 'volume: files, filters: ["name:${v}"]'
    assert (await api.put_template(EXPORT.format(name="first", prepare=prepare, files=files))).status == 201
    answer = await api.package("first", compression="none")
    assert answer.status == 200, answer.body
    assert b"f/open.txt" in answer.body
