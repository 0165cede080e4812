"""The static files as they are served: a copy with small twins of each, made once per version."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from servestatic.compress import Compressor


def prepared(source: Path, data_dir: Path) -> Path:
    """Return a folder with the files of `source` and their minified, compressed twins.

    The folder is named after the content.
    Of several processes that start at once, one moves its copy into place and the others use it.
    """
    files = sorted(path for path in source.rglob("*") if path.is_file())
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes())
    place = data_dir / "static" / digest.hexdigest()[:16]
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    copy = Path(tempfile.mkdtemp(dir=place.parent))
    shutil.copytree(source, copy, dirs_exist_ok=True)
    compressor = Compressor(use_zstd=False, minify=True, quiet=True)
    for path in files:
        target = copy / path.relative_to(source)
        if compressor.should_compress(str(target)):
            compressor.compress(target)
    copy.chmod(0o755)
    try:
        os.rename(copy, place)
    except OSError:
        shutil.rmtree(copy)
    return place
