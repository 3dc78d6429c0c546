"""Notebooks as they read without a kernel and without a network: jupyter nbconvert --to stills
notebook.ipynb
"""

import html

VIEW = "application/vnd.jupyter.widget-view+json"


def still(notebook):
    """Of every live view its picture and text; what says nothing without a kernel goes. Changes the
    notebook in place.
    """
    for key in ("widgets", "papermill"):
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        for output in cell.get("outputs", []):
            if len(output.get("data", {})) > 1:  # the view alone is better than nothing
                output.data.pop(VIEW, None)
    return notebook


def described(notebook):
    """Pictures that carry their description: nbconvert leaves it out. Changes the notebook in
    place.
    """
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        alt = output.get("metadata", {}).get("image/png", {}).get("alt")
        if alt and "image/png" in output.get("data", {}):
            source = "".join(output.data["image/png"]).replace("\n", "")
            picture = (
                f'<img src="data:image/png;base64,{source}" alt="{html.escape(alt)}"'
                ' style="max-width:100%">'
            )
            output.data = {"text/html": picture, "text/plain": alt}
    return notebook


def __getattr__(name):
    """`StillsExporter`, made when it is asked for: nbconvert comes with JupyterLab, and attnlib
    does without both.
    """
    if name != "StillsExporter":
        raise AttributeError(name)
    from nbconvert import HTMLExporter

    class StillsExporter(HTMLExporter):
        """A page with the still pictures in it. It fetches nothing, but for MathJax where there are
        formulas.
        """

        export_from_notebook = "HTML with still pictures"

        def __init__(self, config=None, **options):
            super().__init__(
                config, **{"embed_images": True, "require_js_url": "", "jquery_url": ""} | options
            )
            # the last: behind --execute
            self.register_preprocessor(lambda nb, how: (described(still(nb)), how), enabled=True)

    globals()[name] = StillsExporter
    return StillsExporter
