"""The application for a WSGI server, with static files served beside it."""

import gc
from pathlib import Path

from servestatic import ServeStatic

from contest import ONE_YEAR, create_app
from contest.collector import collect_apart
from contest.pulse import Pulse
from contest.static_files import prepared

# No page, so a short policy will do; on a slow line every header counts.
HEADERS = {
    # A worker is held to the policy of its own file: it may fetch what is published here.
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# The page for an outage has a style sheet.
PAGE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; font-src 'self'; frame-ancestors 'none'"
}

app = create_app()
static = prepared(Path(app.static_folder or ""), app.config["CONTEST"].data_dir)
app.wsgi_app = ServeStatic(  # type: ignore[method-assign]
    app.wsgi_app,
    root=static,
    prefix="static/",
    max_age=ONE_YEAR,  # every address carries the digest of its file
    allow_all_origins=False,
    add_headers_function=lambda headers, _path, url: [
        headers.add_header(name, value)
        for name, value in (HEADERS | (PAGE if url.endswith(".html") else {})).items()
    ],
)
# What is there now stays: the garbage collector need not look at it again with every full collection.
gc.collect()
gc.freeze()
collect_apart()
# Each web process loads this file itself: what serves people is what says that it is alive.
pulse = Pulse(app, "web").start()
# Says how this process fares, and moves the line before the starts.
door = app.extensions["door"].start()
