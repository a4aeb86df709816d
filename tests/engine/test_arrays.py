"""Arrays in files."""

import uuid

import fsspec
import numpy as np
import pyarrow as pa
import pytest

from daskrec.engine import arrays

ARRAYS = {
    "int64": np.arange(7),
    "uint64": np.array([2**63 + 5], dtype=np.uint64),
    "int32": np.arange(5, dtype=np.int32),
    "bool": np.array([True, False]),
    "float32 table": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
    "float16": np.ones(3, dtype=np.float16),
    "one value": np.array([7]),
    "by columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "every other": np.arange(20)[::2],
    "backwards": np.arange(5)[::-1],
    "nothing": np.empty(0, dtype=np.int32),
    "no rows": np.empty((0, 5), dtype=np.float32),
    "no columns": np.empty((5, 0)),
    "not a number": np.array([np.nan, -0.0, np.inf]),
}
TEXTS = {
    "strings": pa.array(["b", "é", "", "\U0001f600"], pa.large_string()),
    "no strings": pa.array([], pa.large_string()),
    "slice": pa.array(["a", "b", "c", "d"], pa.large_string())[1:3],
}


@pytest.fixture(params=["path", "memory"])
def folder(request, tmp_path):
    """Name a folder that is not there yet."""
    if request.param == "path":
        return str(tmp_path / "a" / "b")
    return f"memory://arrays/{uuid.uuid4().hex}/b"


@pytest.mark.parametrize("name", ARRAYS)
def test_a_numpy_array_is_read_as_it_was_written(folder, name):
    array = ARRAYS[name]
    arrays.write_arrays(folder, {"x": array})
    found = arrays.read_array(folder, "x")
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize("name", TEXTS)
def test_strings_are_read_as_they_were_written(folder, name):
    arrays.write_arrays(folder, {"x": TEXTS[name]})
    found = arrays.read_array(folder, "x")
    assert isinstance(found, pa.Array)
    assert found.type == TEXTS[name].type
    assert found.to_pylist() == TEXTS[name].to_pylist()


def test_several_arrays_share_a_folder(folder):
    arrays.write_arrays(folder, {"a": ARRAYS["int64"], "b": TEXTS["strings"]})
    found = arrays.read_arrays(folder, ["b", "a"])
    assert list(found) == ["b", "a"]
    assert found["a"].tolist() == list(range(7))


def test_numpy_itself_reads_the_files(tmp_path):
    arrays.write_arrays(str(tmp_path), {"x": ARRAYS["float32 table"]})
    found = np.load(tmp_path / "x.npy", allow_pickle=False)
    assert np.array_equal(found, ARRAYS["float32 table"])


def test_a_local_array_is_mapped_and_a_change_never_reaches_its_file(tmp_path):
    arrays.write_arrays(str(tmp_path), {"x": ARRAYS["int64"]})
    found = arrays.read_array(str(tmp_path), "x")
    assert isinstance(found.base, np.memmap)
    if found.flags.writeable:
        found[0] = 9
    assert arrays.read_array(str(tmp_path), "x").tolist() == list(range(7))


@pytest.mark.parametrize("values", [["a", None], [{}], [1, "a"]])
def test_arrays_of_objects_are_refused(folder, values):
    with pytest.raises((TypeError, ValueError)):
        arrays.write_arrays(folder, {"x": np.array(values, dtype=object)})


def test_a_file_with_pickled_objects_is_never_opened(folder):
    fs, root = arrays.open_folder(folder)
    fs.makedirs(root)
    with fs.open(f"{root}/x.npy", "wb") as sink:
        np.save(sink, np.array([{}] * 50, dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"allow_pickle|[Oo]bject"):
        arrays.read_array(folder, "x")


def test_an_array_that_is_not_there_is_no_file(folder):
    arrays.write_arrays(folder, {"x": ARRAYS["int64"]})
    with pytest.raises(FileNotFoundError):
        arrays.read_array(folder, "y")


def test_a_path_and_a_url_name_a_file_system(tmp_path):
    fs, inside = arrays.open_folder(str(tmp_path))
    assert (type(fs).__name__, inside) == ("LocalFileSystem", str(tmp_path))
    fs, inside = arrays.open_folder("memory://x/y")
    assert fs is fsspec.filesystem("memory")
    assert inside == "/x/y"
