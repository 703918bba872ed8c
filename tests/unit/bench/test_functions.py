import platform
import zipfile
from pathlib import Path

from bench.measurements.functions import Start, Times, medians, unpack
from infra.packages.bytecode import RUNNING
from infra.packages.install import ARCHITECTURES


def test_medians_are_taken_figure_by_figure() -> None:
    rows = [Times(1, 20, 300, 9), Times(2, 10, 200, 8), Times(3, 30, 100, 7)]
    assert medians(rows) == Times(2, 20, 200, 8)
    assert medians([Start(1, 2, 3, 4, 5), Start(3, 2, 1, 6, 9)]) == Start(2, 2, 2, 5, 7)


def test_packages_are_unpacked_with_bytecode_and_without(tmp_path: Path) -> None:
    machine = next(key for key, name in ARCHITECTURES.items() if name == platform.machine())
    folder = tmp_path / f"{RUNNING}-{machine}"
    folder.mkdir()
    for package, names in (
        ("function", ["app.py", "__pycache__/app.pyc"]),
        ("layer", ["python/pyarrow/lib.so", "python/pyarrow/__pycache__/csv.pyc"]),
    ):
        with zipfile.ZipFile(folder / f"{package}.zip", "w") as archive:
            for name in names:
                archive.writestr(name, name)
    (function, layer), sources = unpack(tmp_path)
    assert files(function) == {"app.py", "__pycache__/app.pyc"}
    assert files(layer) == {"pyarrow/lib.so", "pyarrow/__pycache__/csv.pyc"}
    assert [files(source) for source in sources] == [{"app.py"}, {"pyarrow/lib.so"}]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
