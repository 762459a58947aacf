import hashlib
import pathlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from nnabla.utils.download import get_data_home

from datasets import download
from datasets.download import RemoteFile, data_home, fetch
from errors import UserError

CONTENT = np.random.default_rng(0).bytes(5000)
WAYS_OUT = "do one of three other things"


@pytest.fixture
def remote(site):
    site.content = CONTENT
    return RemoteFile(f"{site.url}/file.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refusal(remote, folder, log=print):
    with pytest.raises(UserError) as error:
        fetch(remote, folder, WAYS_OUT, log)
    text = str(error.value)
    assert "\n" not in text
    assert text.endswith(WAYS_OUT)
    return text


def test_a_file_is_downloaded_once(site, remote, tmp_path):
    folder = tmp_path / "new" / "folder"
    path = fetch(remote, folder, WAYS_OUT)
    assert path == folder / "file.bin"
    assert path.read_bytes() == CONTENT
    assert fetch(remote, folder, WAYS_OUT) == path
    assert site.requests == [None]
    assert names(folder) == ["file.bin"]


def test_broken_connections_are_continued(site, remote, tmp_path):
    site.cuts = [1000, 1, 2500]
    assert fetch(remote, tmp_path, WAYS_OUT).read_bytes() == CONTENT
    assert site.requests == [None, "bytes=1000-", "bytes=1001-", "bytes=3501-"]


def test_a_server_without_ranges_sends_everything_again(site, remote, tmp_path):
    site.ranges, site.cuts = False, [1000, 700]
    assert fetch(remote, tmp_path, WAYS_OUT).read_bytes() == CONTENT
    assert site.requests == [None, "bytes=1000-", "bytes=700-"]


def test_giving_up_keeps_what_came_for_the_next_run(site, remote, tmp_path):
    site.cuts = [1200] + [0] * (download.RETRIES + 1)
    text = refusal(remote, tmp_path)
    assert "3,800 bytes early (run again to continue)" in text
    assert len(site.requests) == 1 + download.RETRIES + 1
    assert names(tmp_path) == ["file.bin.part"]
    assert fetch(remote, tmp_path, WAYS_OUT).read_bytes() == CONTENT
    assert site.requests[-1] == "bytes=1200-"


def test_a_server_that_never_gets_further_is_given_up(site, remote, tmp_path):
    site.ranges, site.cuts = False, [1000] + [700, 900] * 50
    assert "4,100 bytes early" in refusal(remote, tmp_path)
    assert len(site.requests) == 1 + download.RETRIES + 1


@pytest.mark.parametrize("size", [1, 4999, 5000, 5001])
def test_what_a_killed_run_left_is_used(site, remote, tmp_path, size):
    (tmp_path / "file.bin.part").write_bytes((CONTENT + b"more")[:size])
    assert fetch(remote, tmp_path, WAYS_OUT).read_bytes() == CONTENT
    assert site.requests == {1: ["bytes=1-"], 4999: ["bytes=4999-"], 5000: [], 5001: [None]}[size]
    assert names(tmp_path) == ["file.bin"]


def test_a_spoiled_remainder_is_removed(remote, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(b"spoiled")
    assert "the download is not the published file: its SHA-256 is" in refusal(remote, tmp_path)
    assert names(tmp_path) == []
    assert fetch(remote, tmp_path, WAYS_OUT).read_bytes() == CONTENT


def test_a_range_that_the_server_has_not_starts_again(site, remote, tmp_path):
    site.content = CONTENT[:300]
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:400])
    assert "offers 300 bytes instead of 5,000" in refusal(remote, tmp_path)
    assert site.requests == ["bytes=400-", None]


def test_wrong_content_of_the_right_size_is_never_kept(site, remote, tmp_path):
    site.content = CONTENT[::-1]
    text = refusal(remote, tmp_path)
    assert hashlib.sha256(site.content).hexdigest() in text
    assert remote.sha256 in text
    assert names(tmp_path) == []


def test_another_size_is_refused_and_the_remainder_stays(site, remote, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:100])
    site.content, site.ranges = b"<html>log in first</html>", False
    assert "offers 25 bytes instead of 5,000" in refusal(remote, tmp_path)
    assert (tmp_path / "file.bin.part").read_bytes() == CONTENT[:100]


def test_a_short_page_without_a_size_leaves_nothing_behind(site, remote, tmp_path):
    site.content, site.sized = b"<html>log in first</html>", False
    assert "4,975 bytes early" in refusal(remote, tmp_path)
    assert names(tmp_path) == []


def test_the_published_file_may_come_without_a_size(site, remote, tmp_path):
    site.sized = False
    assert fetch(remote, tmp_path, WAYS_OUT).read_bytes() == CONTENT


@pytest.mark.parametrize("path", ["absent", "moved"])
def test_a_page_that_is_not_there(site, remote, tmp_path, path):
    text = refusal(replace(remote, url=f"{site.url}/{path}/file.bin"), tmp_path)
    assert f"/{path}/file.bin: the server answered 404 Not Found" in text
    assert len(site.requests) == {"absent": 1, "moved": 2}[path]


def test_a_wrong_file_is_reported_and_replaced(remote, tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT[:-1] + b"?")
    lines = []
    assert fetch(remote, tmp_path, WAYS_OUT, lines.append).read_bytes() == CONTENT
    assert lines[0].startswith(f"{tmp_path / 'file.bin'} is not the published file: its SHA-256 is")
    assert lines[0].endswith("; downloading it again")


def test_a_wrong_file_is_not_used_when_there_is_no_other(remote, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"old")
    lines = []
    refusal(replace(remote, url=f"{remote.url[:-8]}absent/file.bin"), tmp_path, lines.append)
    assert "it has 3 bytes instead of 5,000" in lines[0]


def test_without_a_network_it_says_so_at_once(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/file.bin"
        text = refusal(RemoteFile(url, 10, "0"), tmp_path / "new" / "folder")
    assert text == f"cannot download {url}: Connection refused; {WAYS_OUT}"
    assert names(tmp_path) == []


def test_an_interruption_before_anything_has_arrived_leaves_nothing(remote, monkeypatch, tmp_path):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch(remote, tmp_path / "new", WAYS_OUT)
    assert names(tmp_path) == []


def test_a_folder_with_something_else_in_it_stays(remote, tmp_path):
    (tmp_path / "data").mkdir()
    refusal(replace(remote, url=f"{remote.url[:-8]}absent/file.bin"), tmp_path / "data")
    assert names(tmp_path / "data") == []  # it was there before, empty as it is


def test_those_who_wait_for_a_failing_download_make_the_folder_again(site, remote, tmp_path):
    missing, begun = replace(remote, url=f"{remote.url[:-8]}absent/file.bin"), threading.Event()

    def attempt(number):
        if number:
            assert begun.wait(60)  # the failing one holds the lock
            return fetch(remote, tmp_path / "new", WAYS_OUT).read_bytes()
        return refusal(missing, tmp_path / "new", log=lambda _: begun.set())

    with ThreadPoolExecutor(6) as pool:
        first, *others = pool.map(attempt, range(6))
    assert "404" in first and set(others) == {CONTENT}
    assert names(tmp_path / "new") == ["file.bin"]


def test_a_folder_that_cannot_be(remote, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert refusal(remote, tmp_path / "file" / "data").startswith(
        f"cannot write {tmp_path}/file/data/file.bin: Not a"
    )


def test_simultaneous_requests_download_once(site, remote, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch(remote, tmp_path, WAYS_OUT), range(4)))
    assert site.requests == [None]
    assert {path.read_bytes() for path in paths} == {CONTENT}


def test_data_home_is_that_of_nnabla(monkeypatch, tmp_path):
    for home in (tmp_path, "/"):
        monkeypatch.setenv("HOME", str(home))
        monkeypatch.chdir(tmp_path)
        found = data_home()
        assert home == "/" or not found.exists()
        assert found == pathlib.Path(get_data_home())
