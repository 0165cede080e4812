"""The application for a WSGI server, with static files served beside it."""

from pathlib import Path

from servestatic import ServeStatic

from contest import ONE_YEAR, create_app
from contest.responses import HEADERS
from contest.static_files import prepared

app = create_app()
static = prepared(Path(app.static_folder or ""), app.config["CONTEST"].data_dir)
app.wsgi_app = ServeStatic(  # type: ignore[method-assign]
    app.wsgi_app,
    root=static,
    prefix="static/",
    max_age=ONE_YEAR,  # every address carries the digest of its file
    allow_all_origins=False,
    add_headers_function=lambda headers, _path, _url: [
        headers.add_header(name, value) for name, value in HEADERS.items()
    ],
)
