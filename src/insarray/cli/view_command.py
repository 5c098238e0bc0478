"""Command that shows results in the browser, or writes the page to a folder."""

import webbrowser

from insarray.cli.components_points_export import View
from insarray.cli.say import echo
from insarray.model.errors import ArgumentError


def view(options: View) -> None:
    """Serve the page until Ctrl-C, or write it."""
    show = _serve if options.static is None else _write
    show(options)


def _write(options: View) -> None:
    from insarray.viewer.static import write_static

    if options.given(type(options)).keys() & {"port", "browser"}:
        raise ArgumentError("static: a folder has no --port and opens no browser; leave --port and --no-browser out")
    written = write_static(
        list(options.stores),
        str(options.static),
        overwrite=options.overwrite,
        say=echo,
        gnss=options.gnss,
        basemap=options.basemap,
    )
    echo(f"{written}: written; put it on a web server, or look at it with: python -m http.server --directory {written}")


def _serve(options: View) -> None:
    from insarray.viewer.server import Server, Site

    if options.overwrite:
        raise ArgumentError("overwrite: is for --static; leave --overwrite out")
    site = Site(list(options.stores), options.gnss, options.basemap)
    try:
        server = Server(site, options.port)
    except OSError as error:
        site.close()
        raise ArgumentError(f"port: {options.port} cannot be used ({error.strerror}); choose another --port") from error
    try:
        echo(f"{server.url}\nShown on this machine only; Ctrl-C ends it.")
        if options.browser:
            webbrowser.open(server.url)
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        echo("ended")
    finally:
        server.server_close()
