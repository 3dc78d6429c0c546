"""Film the explorer in JupyterLab for README.md: notebooks/images/explorer.gif

    python .ci/film.py

A hand moves the controls one by one; each picture is what the browser shows. Needs the test
requirements and Chromium.
"""

import io
import json
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import lab  # noqa: E402

HEIGHT = 560  # pixels of the film
CODE = "from attnlib.course import explorer\nexplorer()"
HAND = """() => {
    const hand = document.createElement("div");
    hand.id = "hand";
    hand.style = "position:fixed;z-index:99999;width:18px;height:18px;border-radius:50%;"
        + "background:#D55E00aa;border:2px solid #D55E00;pointer-events:none;"
        + "left:-40px;top:-40px;transform:translate(-50%,-50%)";
    document.body.append(hand);
    document.addEventListener("mousemove", (event) => {
        hand.style.left = event.clientX + "px";
        hand.style.top = event.clientY + "px";
    });
}"""


class Film:
    """Pictures of the explorer's cell, and how long each stays (ms)."""

    def __init__(self, page, cell):
        self.page, self.cell, self.pictures, self.times, self.top = page, cell, [], [], 0

    def shoot(self, milliseconds=900):
        self.page.wait_for_timeout(250)
        box = self.cell.bounding_box()
        clip = {"x": box["x"], "y": box["y"] + self.top, "width": box["width"], "height": HEIGHT}
        self.pictures.append(Image.open(io.BytesIO(self.page.screenshot(clip=clip))).convert("RGB"))
        self.times.append(milliseconds)

    def point(self, node):
        """Move the hand there."""
        box = node.bounding_box()
        self.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def click(self, name, milliseconds=1300):
        """Press a button, or a word ("it looks"), with the hand on it."""
        button = self.cell.get_by_role("button", name=name, exact=True)
        self.point(button)
        button.click()
        self.page.wait_for_timeout(700)
        self.shoot(milliseconds)

    def slide(self, name, keys, milliseconds=500):
        """Move a slider by keyboard, a picture for each key."""
        slider = self.cell.get_by_role("slider", name=name, exact=True)
        self.point(slider)
        slider.focus()
        for key in keys:
            self.page.keyboard.press(key)
            self.shoot(milliseconds)

    def choose(self, name, option, milliseconds=1300):
        """Choose from a menu."""
        menu = self.cell.get_by_label(name, exact=True)
        self.point(menu)
        menu.select_option(label=option)
        self.page.wait_for_timeout(900)
        self.shoot(milliseconds)

    def save(self, path):
        """An animated GIF with one palette for all pictures, which never flickers."""
        width, height = self.pictures[0].size
        all_of_them = Image.new("RGB", (width, height * len(self.pictures)))
        for i, picture in enumerate(self.pictures):
            all_of_them.paste(picture, (0, i * height))
        # a weight of 0 and one of 0.1 stay apart
        counted = sorted(all_of_them.getcolors(1 << 24), reverse=True)[:256]
        palette = Image.new("P", (1, 1))
        palette.putpalette([part for _, colour in counted for part in colour])
        few = [
            picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in self.pictures
        ]
        few[0].save(
            path, save_all=True, append_images=few[1:], duration=self.times, loop=0, optimize=True
        )


def main(target):
    with tempfile.TemporaryDirectory() as work:
        files = Path(work, "files")
        files.mkdir()
        cell = {
            "cell_type": "code",
            "id": "explorer",
            "metadata": {},
            "source": CODE,
            "outputs": [],
            "execution_count": None,
        }
        about = {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
        }
        notebook = {"cells": [cell], "metadata": about, "nbformat": 4, "nbformat_minor": 5}
        (files / "film.ipynb").write_text(json.dumps(notebook))
        with lab.chromium() as browser, lab.jupyter(work, files) as address:
            tab = lab.Tab(browser, width=1000, height=1500)
            page = tab.page
            page.goto(f"{address}/lab/tree/film.ipynb?reset", wait_until="commit")
            page.wait_for_selector(".jp-CodeCell")
            page.evaluate(
                "async () => { while (!window.jupyterapp) await new"
                " Promise(requestAnimationFrame); }"
            )
            page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")
            page.wait_for_timeout(3000)
            page.evaluate("() => jupyterapp.commands.execute('notebook:run-all-cells')")
            output = page.locator(".jp-OutputArea-output").first
            output.locator(".attnlib-live svg[tabindex]").wait_for()
            page.evaluate(HAND)
            page.wait_for_timeout(1500)
            play(Film(page, output), target)


def play(film, target):
    """What the film shows."""
    film.shoot(1500)
    film.click("look-alikes", 900)
    film.click("mat looks", 1100)
    film.click("map", 1500)
    film.click("pronoun → noun", 700)
    film.click("it looks", 900)
    film.click("local", 1300)
    film.slide("window", ["ArrowRight"] * 4)
    film.click("threads", 1300)
    film.click("causal", 900)
    film.choose("heads", "tiny-gpt", 1900)
    film.click("write one token", 1100)
    film.click("write one token", 1100)
    film.click("␣it looks", 1900)
    film.save(target)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "notebooks" / "images" / "explorer.gif")
