"""The application for a WSGI server, with static files served beside it."""

from servestatic import ServeStatic

from contest import ONE_YEAR, create_app

app = create_app()
app.wsgi_app = ServeStatic(app.wsgi_app, root=app.static_folder, prefix="static/", max_age=ONE_YEAR)
