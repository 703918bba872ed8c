import platform
import zipfile
from pathlib import Path

from bench.functions import Start, Times, medians, unpacked
from infra.packages.bytecode import RUNNING
from infra.packages.install import ARCHITECTURES


def test_medians_are_those_of_each_figure_by_itself() -> None:
    rows = [Times(1, 20, 300, 9), Times(2, 10, 200, 8), Times(3, 30, 100, 7)]
    assert medians(rows) == Times(2, 20, 200, 8)
    assert medians([Start(1, 2, 3, 4, 5), Start(3, 2, 1, 6, 9)]) == Start(2, 2, 2, 5, 7)


def test_code_is_there_with_its_bytecode_and_without(tmp_path: Path) -> None:
    machine = next(it for it, name in ARCHITECTURES.items() if name == platform.machine())
    folder = tmp_path / f"{RUNNING}-{machine}"
    folder.mkdir()
    for part, names in (
        ("function", ["app.py", "__pycache__/app.pyc"]),
        ("layer", ["python/pyarrow/lib.so", "python/pyarrow/__pycache__/csv.pyc"]),
    ):
        with zipfile.ZipFile(folder / f"{part}.zip", "w") as archive:
            for name in names:
                archive.writestr(name, name)
    (function, layer), sources = unpacked(tmp_path)
    assert files(function) == {"app.py", "__pycache__/app.pyc"}
    assert files(layer) == {"pyarrow/lib.so", "pyarrow/__pycache__/csv.pyc"}
    assert [files(it) for it in sources] == [{"app.py"}, {"pyarrow/lib.so"}]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
