"""The page of a report in a real browser: no error, no request, all of it in the window, and the JSON's figures."""

import json
import re
import shutil
import subprocess

import planted
import pytest

from dataload import Loader
from dataload.doctor import examine
from dataload.report import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Run in the page when it is laid out: what the test asks for, as text in it.
LOOK = """
<script>
addEventListener("error", event => document.body.dataset.failed = event.message);
addEventListener("load", () => {
  const cells = name => [...document.querySelectorAll(`#${name} tbody tr`)].map(
    row => [...row.cells].map(cell => cell.innerText.trim()));
  const right = Math.max(...[...document.querySelectorAll("main *")].filter(
    part => !part.closest(".wide")).map(part => part.getBoundingClientRect().right));
  const said = {
    width: innerWidth, scroll: document.documentElement.scrollWidth, right,
    requests: performance.getEntriesByType("resource").map(entry => entry.name),
    background: getComputedStyle(document.body).backgroundColor,
    stages: cells("stages"), tried: cells("tried"), slowest: cells("samples"),
    drawings: document.querySelectorAll("svg rect").length,
    names: [...document.querySelectorAll("svg, .bar")].every(part => part.getAttribute("aria-label")),
    loop: document.querySelector("#waiting p").innerText,
    verdict: document.querySelector(".verdict").innerText,
  };
  const out = document.createElement("pre");
  out.id = "said"; out.textContent = JSON.stringify(said);
  document.body.append(out);
});
</script></head>
"""


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("needs a browser")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    chain = [planted.Heavy(3000), planted.Light(2)]
    loader = Loader(planted.Arrays(200, 50), transforms={"x": chain}, batch_size=8)
    report = examine(loader, step=0.001, seconds=0.1, rounds=1, subject="train:loader")
    write_report(report, folder / "r.html")
    (folder / "look.html").write_text((folder / "r.html").read_text().replace("</head>", LOOK, 1))
    return folder / "look.html", report


def look(browser, path, width, *options):
    run = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]
    show = [f"--window-size={width},1000", "--virtual-time-budget=2000", "--dump-dom"]
    profile = f"--user-data-dir={path.parent / 'profile'}"
    command = [browser, *run, *show, profile, *options, path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr and "data-failed" not in done.stdout
    text = re.search(r'<pre id="said">(.*?)</pre>', done.stdout, re.DOTALL)[1]
    return json.loads(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@pytest.mark.slow
@pytest.mark.timeout(200)
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_fits_and_says_what_the_json_says(browser, page, width):
    path, report = page
    said = look(browser, path, width)
    # Below some width a browser lays out for that one.
    assert said["width"] <= max(width, 500) and said["scroll"] <= said["width"] and said["right"] <= said["width"] + 0.5
    assert said["requests"] == [] and said["names"] and said["drawings"] >= 2 * min(len(report.recent), 60)
    figures = report.to_json()
    assert [row[0] for row in said["stages"]] == [stage["name"] for stage in figures["stages"]]
    assert [row[1] for row in said["stages"]] == [f"{stage['share']:.1%}" for stage in figures["stages"]]
    assert [row[-1] for row in said["tried"]] == [f"{one['gain']:.2f}x" for one in figures["tried"]]
    assert [row[0] for row in said["slowest"]] == [one["sample"] for one in figures["slowest"]]
    assert f"{figures['waited']:.1%}" in said["loop"]
    assert all(line in said["verdict"] for line in figures["advice"])


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_page_is_dark_where_that_is_wanted(browser, page):
    path, _ = page
    light, dark = look(browser, path, 1000), look(browser, path, 1000, "--force-dark-mode")
    assert light["background"] == "rgb(255, 255, 255)" and dark["background"] == "rgb(13, 17, 23)"
