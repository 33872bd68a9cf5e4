"""`src/press/install.py` on machines that lack something."""

import os
import sys

import pytest

from press import install


@pytest.fixture
def project(tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    return tmp_path


@pytest.fixture
def installed(monkeypatch):
    """Folders that were installed into, instead of installing."""
    folders = []

    def install_nothing(root, venv):
        venv.mkdir(exist_ok=True)
        (venv / "installed").write_text(install.wanted(root))
        folders.append(venv)

    monkeypatch.setattr(install, "install", install_nothing)
    monkeypatch.setattr(install, "create", lambda venv, command: None)
    return folders


def a_python_that_says(folder, name, answer):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\necho {answer}\n")
    (folder / name).chmod(0o755)


def test_an_unsupported_python_gets_one_line_of_remedy(project, monkeypatch, capsys):
    monkeypatch.setattr(install, "version_of", lambda command: (3, 10))
    assert install.main(project) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "3.11, 3.12, 3.13" in said
    assert "apt install python3" in said


def test_a_python_without_ensurepip_gets_one_line_of_remedy(project, monkeypatch, capsys):
    (project / "ensurepip.py").write_text("raise ImportError")  # what Debian's python3 without python3-venv amounts to
    monkeypatch.setenv("PYTHONPATH", str(project))
    assert install.main(project) == 1
    said = capsys.readouterr().err
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert said == f"Python cannot make virtual environments here: sudo apt install python{version}-venv\n"


@pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts; Windows asks the py launcher")
def test_the_newest_supported_python_on_the_path_stands_in_for_an_unsupported_one(tmp_path, monkeypatch):
    a_python_that_says(tmp_path / "bin", "old", "3 14")
    for minor in (11, 12):
        a_python_that_says(tmp_path / "bin", f"python3.{minor}", f"3 {minor}")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "old"))
    assert install.find() == ["python3.12"]


def test_the_running_python_is_taken_if_it_is_supported():
    assert install.find() == [sys.executable]
    assert install.version_of([sys.executable]) == sys.version_info[:2]


def test_a_command_that_is_not_there_has_no_version(tmp_path):
    assert install.version_of([str(tmp_path / "none")]) == ()


def test_a_second_run_installs_nothing(project, installed):
    assert [install.main(project), install.main(project)] == [0, 0]
    assert installed == [project / ".venv"]


def test_a_changed_lock_installs_again(project, installed):
    install.main(project)
    (project / "requirements.txt").write_text("numpy==2\n")
    install.main(project)
    assert len(installed) == 2


def test_a_moved_folder_installs_again(project, installed):
    install.main(project)
    moved = project.rename(project.with_name("moved"))
    install.main(moved)
    assert installed == [project / ".venv", moved / ".venv"]


def test_an_environment_whose_making_was_interrupted_is_made_anew(project, monkeypatch, installed):
    made = []
    monkeypatch.setattr(install, "create", lambda venv, command: made.append(venv))
    monkeypatch.setattr(install, "version_of", lambda command: (3, 12))
    monkeypatch.setattr(install, "has", lambda command, *modules: False)
    install.main(project)
    assert made == [project / ".venv"]


def test_a_folder_where_no_environment_can_be_made_is_named(project, capsys):
    (project / ".venv").write_text("a file, not a folder")
    assert install.main(project) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{project / '.venv'} could not be made. Delete that folder and try again. Python says: ")
    assert said.count("\n") == 1


def test_an_interrupted_installation_says_so_in_one_line(project, monkeypatch, capsys):
    def interrupted(root, venv):
        raise KeyboardInterrupt

    monkeypatch.setattr(install, "create", lambda venv, command: None)
    monkeypatch.setattr(install, "install", interrupted)
    assert install.main(project) == 130
    assert capsys.readouterr().err == "\nInterrupted. The next run installs what is missing.\n"


def test_line_endings_of_the_lock_do_not_matter(project):
    before = install.wanted(project)
    (project / "requirements.txt").write_bytes(b"numpy==1\r\n")
    assert install.wanted(project) == before
