"""Builds the optional C part, `wscore._core.frames._speedups`, where that can be done.

With it the wheel is one for this platform and all CPython from 3.11 on; without it, for want of a compiler or because
WSCORE_PURE=1 asks for that, the wheel is pure Python, and everything works. Nothing but the repository's own C files
go in.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MODULE = "wscore._core.frames._speedups"
FOLDER = Path("src/wscore/_core/frames")
SOURCES = ("_speedups.c", "_lane.c")


class SpeedupsHook(BuildHookInterface):  # type: ignore[type-arg]
    """hatchling calls it before it makes a wheel, editable ones included."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say so in the wheel's tag; or warn, and leave the wheel pure."""
        if self.target_name != "wheel" or os.environ.get("WSCORE_PURE"):
            return
        if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
            return  # no limited API to build against
        self._folder = tempfile.mkdtemp()
        try:
            built = compiled([Path(self.root) / FOLDER / source for source in SOURCES], Path(self._folder))
        except Exception as error:  # setuptools has a dozen ways to say that there is no compiler
            self.app.display_warning(f"wscore is built without its C part, which is optional: {error}")
            return
        if version == "editable":  # imports come from the source tree, so it has to be there
            target = Path(self.root) / FOLDER / built.name
            # Renamed into its place: whoever has the old one loaded keeps it, where writing into it would kill them.
            fresh = shutil.copy(built, target.with_name(f"{target.name}.{os.getpid()}"))
            os.replace(fresh, target)
        else:
            build_data["force_include"][str(built)] = f"wscore/_core/frames/{built.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{platform()}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Throw away what was compiled."""
        del version, build_data, artifact_path
        if folder := getattr(self, "_folder", None):
            shutil.rmtree(folder, ignore_errors=True)


def compiled(sources: list[Path], folder: Path) -> Path:
    """Compile and link `sources` into `folder`; give the module's file."""
    from setuptools import Distribution, Extension

    extension = Extension(MODULE, [*map(str, sources)], py_limited_api=True)
    command = Distribution({"name": "wscore", "ext_modules": [extension]}).get_command_obj("build_ext")
    command.build_lib = command.build_temp = str(folder)
    command.ensure_finalized()
    command.run()
    return Path(command.get_ext_fullpath(MODULE))


def platform() -> str:
    """Give the wheel's platform tag: of this system, and not one that promises to run on older ones."""
    from packaging.tags import sys_tags

    return next(tag.platform for tag in sys_tags() if not tag.platform.startswith(("manylinux", "musllinux")))
