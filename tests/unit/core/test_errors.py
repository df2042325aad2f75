"""Which errors are the machine's, and no property of a scan or a training."""

import errno

import pytest
import torch

from ldae.core.errors import UserError, is_machine_error, sentence_of


def caused(error: Exception, cause: Exception) -> Exception:
    try:
        raise error from cause
    except type(error) as raised:
        return raised


MACHINE = [
    *(OSError(number, "words") for number in (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.ESTALE, errno.ENOMEM)),
    MemoryError(),
    ImportError("libcuda.so.1: cannot open shared object file"),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 10.62 GiB."),
    RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("ITK ERROR: std::bad_alloc"),
    caused(UserError("the checkpoint could not be written"), OSError(errno.ENOSPC, "No space left on device")),
]
OWN = [
    FileNotFoundError(errno.ENOENT, "No such file or directory"),
    PermissionError(errno.EACCES, "Permission denied"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ZeroDivisionError(),
    UserError("a loss was not finite"),
    caused(UserError("wrong"), ValueError("wrong")),
    None,
]


@pytest.mark.parametrize("error", MACHINE, ids=repr)
def test_the_machine_s(error):
    assert is_machine_error(error)


@pytest.mark.parametrize("error", OWN, ids=repr)
def test_not_the_machine_s(error):
    assert not is_machine_error(error)


def test_an_error_that_replaces_another_counts_by_itself():
    """``raise ... from None`` says that the cause does not matter."""
    try:
        try:
            raise OSError(errno.EIO, "Input/output error")
        except OSError:
            raise ValueError("another") from None
    except ValueError as error:
        assert not is_machine_error(error)


def test_a_circle_of_causes_ends():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert not is_machine_error(one)


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libgomp.so.1", "`apt-get install libgomp1`"),
        ("libGL.so.1", "`apt-get install libgl1`"),
        ("libglib-2.0.so.0", "`apt-get install libglib2.0-0`"),
        ("libstdc++.so.6", "`apt-get install libstdc++6`"),
        ("libodd.so.3", "`apt-file search`"),
    ],
)
def test_a_missing_library_of_the_system_names_its_package(library, package):
    words = f"{library}: cannot open shared object file: No such file or directory"
    for error in (ImportError(words), OSError(words), RuntimeError(f"could not load: {words}")):
        sentence = sentence_of(error)
        assert library in sentence and package in sentence and "make setup" not in sentence
    assert "`make setup`" in sentence_of(ImportError("No module named 'ants'"))
