"""An IPython extension by which a figure's output carries what the figure draws.

`press.run` loads it into every kernel. The blocks of `press.drawn` stand as JSON in the output's metadata, at
`image/png`, `drawn`; the site offers them as CSV under the figure. Nothing that a chapter computes or shows depends on
it, and a chapter without figures does not import matplotlib for it.
"""

import json
import sys

from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Let figures take their data along, as soon as a cell has imported pyplot: before its own figures are shown."""

    def begin() -> None:
        if "matplotlib.pyplot" in sys.modules:
            shell.events.unregister("post_execute", begin)
            take_along(shell)

    shell.events.register("post_execute", begin)


def take_along(shell: InteractiveShell) -> None:
    """Wrap what turns figures into PNG. The inline backend is imported first, since it then sets its own drawing."""
    import matplotlib_inline.backend_inline  # noqa: F401
    from matplotlib.figure import Figure

    from press.drawn import drawn

    formatter = shell.display_formatter.formatters["image/png"]
    draw = formatter.lookup_by_type(Figure)
    formatter.for_type(Figure, lambda figure: (draw(figure), {"drawn": json.dumps(drawn(figure))}))
