"""What the program's main module defines reaches its workers, under whatever name that module has there."""

import zipapp

import pytest
from programs import FIND, program, python

pytestmark = pytest.mark.slow

# What a main module defines: functions that call each other, a class that comes back, an exception, a global.
DEFINES = """
from dataclasses import dataclass
from dataload import Loader, RandomTransform

OFFSET = 100

@dataclass
class Made:
    value: int

class Refused(Exception):
    pass

class Source:
    def __len__(self):
        return 6
    def __getitem__(self, index):
        return Made(index)

class Draw(RandomTransform):
    def __call__(self, made, rng):
        return shifted(made)

def shifted(made):
    if made.value == 5:
        raise Refused("five")
    return Made(made.value + OFFSET)

def check(_=None):
    with Loader(Source(), transforms=[Draw(), lambda made: Made(made.value)], num_workers=2, worker="process",
                collate_fn=lambda samples: samples) as loader:
        found = []
        try:
            for batch in loader:
                found += batch
        except Refused as error:
            found.append(str(error))
    assert found == [Made(100 + i) for i in range(5)] + ["five"], found
    assert all(type(made) is Made for made in found[:-1]), [type(made) for made in found]
    return "good"
"""
RUN = "\nif __name__ == {name!r}:\n    print(check())\n"
CHILD = """
if __name__ == "__main__":
    import multiprocessing
    context = multiprocessing.get_context({method!r})
    with context.Pool(1) as pool:
        print(pool.map(check, [0])[0])
"""
EXECUTOR = """
if __name__ == "__main__":
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context({method!r})) as pool:
        print(pool.submit(check).result())
"""


def by_script(folder):
    return [program(folder, DEFINES + RUN.format(name="__main__"))]


def by_module(folder):
    by_script(folder)
    return ["-m", "prog"]


def by_package(folder):
    program(folder / "pack", "", "__init__.py")
    program(folder / "pack", DEFINES, "inner.py")
    program(folder / "pack", DEFINES + "from .inner import check as other\nother()\nprint(check())\n", "__main__.py")
    return ["-m", "pack"]


def by_run_path(folder):
    program(folder, DEFINES + RUN.format(name="other"))
    return ["-c", "import runpy; runpy.run_path('prog.py', run_name='other')"]


def by_run_module(folder):
    program(folder, DEFINES + RUN.format(name="other"))
    return ["-c", "import runpy; runpy.run_module('prog', run_name='other', alter_sys=True)"]


def by_spawn(folder):
    return [program(folder, DEFINES + CHILD.format(method="spawn"))]


def by_forkserver(folder):
    return [program(folder, DEFINES + CHILD.format(method="forkserver"))]


def by_executor(folder):
    return [program(folder, DEFINES + EXECUTOR.format(method="spawn"))]


def by_spawn_of_a_module(folder):
    by_spawn(folder)
    return ["-m", "prog"]


def by_zipapp(folder):
    program(folder / "zipped", DEFINES + RUN.format(name="__main__"), "__main__.py")
    zipapp.create_archive(folder / "zipped", folder / "app.pyz")
    return ["app.pyz"]


def by_exec(folder):
    program(folder, DEFINES + "print(check())\n")
    return ["-c", "exec(open('prog.py').read(), {'__name__': 'nowhere'})"]


def by_exec_without_a_name(folder):
    program(folder, DEFINES + "print(check())\n")
    return ["-c", "exec(open('prog.py').read(), {})"]


def by_console(folder):
    program(folder, DEFINES)
    return [
        "-c",
        "import code; console = code.InteractiveInterpreter()\n"
        "console.runcode(compile(open('prog.py').read(), '<cell 1>', 'exec'))\n"
        "console.runcode(compile('print(check())', '<cell 2>', 'exec'))\n",
    ]


def by_file_location(folder):
    program(folder, DEFINES)
    return [
        "-c",
        "import importlib.util as u, sys; spec = u.spec_from_file_location('odd-name', 'prog.py')\n"
        "module = u.module_from_spec(spec); sys.modules['odd-name'] = module; spec.loader.exec_module(module)\n"
        "print(module.check())\n",
    ]


STARTS = [value for name, value in list(globals().items()) if name.startswith("by_")]


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start.__name__[3:])
def test_what_the_main_module_defines_reaches_the_workers_and_comes_back(start, tmp_path):
    assert python(*start(tmp_path), cwd=tmp_path) == "good\n"


def test_a_program_from_standard_input_reaches_its_workers(tmp_path):
    assert python("-", cwd=tmp_path, text=FIND + DEFINES + "print(check())\n") == "good\n"
    assert (
        python(
            "-i",
            "-q",
            cwd=tmp_path,
            text=FIND + "from dataload import Loader\ndef f(x): return -x\n\n"
            "print([int(b[0]) for b in Loader(range(3), transforms=f, num_workers=1, worker='process')])\n",
        )
        == "[0, -1, -2]\n"
    )
