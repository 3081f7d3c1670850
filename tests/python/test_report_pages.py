"""What readers see: six pages in headless Chromium, on a desktop and a phone, light and dark.

SHOAL_SCREENSHOTS=FOLDER keeps the pictures.
"""

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path

import browser
import pytest
from run_files import evaluated, write_run

import shoal
from shoal.report import page

SOURCE = Path(__file__).resolve().parents[2]
SEEDS = "grid.seed=[1, 2]"
RUNS = {  # experiment and what shortens it
    "quickstart": ["experiments/quickstart.toml", "rounds=30", SEEDS],
    "ditto": ["experiments/federated/ditto_personal.toml", "rounds=30", SEEDS],
    "async": ["experiments/federated/async_fedbuff.toml", "evaluate.target=0.8", SEEDS],
    "agents": ["experiments/agents/agent_rules.toml", "task.replicates=40"],
    "federated_agents": ["experiments/agents/agent_federation.toml", "rounds=12", "evaluate.every=3", SEEDS],
    "map": ["map.toml", "task.replicates=40"],
}

pytestmark = pytest.mark.skipif(browser.found() is None, reason="there is no Chromium (Debian's package chromium)")


@pytest.fixture(scope="module")
def chromium() -> Iterator[browser.Browser]:
    with browser.Browser() as started:
        yield started


@pytest.fixture(scope="module", params=list(RUNS))
def written(request: pytest.FixtureRequest, program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    experiment, *settings = RUNS[request.param]
    text = (SOURCE / "experiments/agents/agent_rules_map.toml").read_text().replace("0.5, 0.7]", "0.5]")  # 5 x 5
    (folder / "map.toml").write_text(text)
    path = folder / "map.toml" if experiment == "map.toml" else SOURCE / experiment
    shoal.program.call(
        "run", path, "--out", folder / "run.h5", *(word for setting in settings for word in ("--set", setting))
    )
    out = folder / f"{request.param}.html"
    out.write_text(page([shoal.read(folder / "run.h5")]), encoding="utf-8")
    return out


# Returns sentences about what is wrong.
CHECK = r"""
(() => {
  document.querySelectorAll("details").forEach(fold => { fold.open = true; });
  const wrong = [], width = document.documentElement.clientWidth, name = element => `${element.tagName} '${element.textContent.trim().slice(0, 40)}'`;
  if (document.documentElement.scrollWidth > width) wrong.push(`the page is ${document.documentElement.scrollWidth} wide`);
  const scrolls = element => element.closest(".wide, pre") !== null;
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest("svg.marks, .tip, .guide, script")) continue;
    const box = element.getBoundingClientRect();
    if (box.width && !scrolls(element) && !element.closest("svg.chart g") && (box.right > width + 1 || box.left < -1)) wrong.push(`${name(element)} leaves the page`);
  }
  for (const frame of document.querySelectorAll(".wide")) {
    if (frame.scrollWidth <= frame.clientWidth + 1) continue;
    if (!frame.classList.contains("more")) wrong.push("a table that scrolls does not show it");
    frame.scrollLeft = 60;
    const first = frame.querySelector("tbody td").getBoundingClientRect().left - frame.getBoundingClientRect().left;
    if (Math.abs(first) > 1.5) wrong.push(`a first column moves by ${first}`);
    frame.scrollLeft = 0;
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const ground = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = colour => { const [a, b] = [light(colour), light(ground)]; return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); };
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest("script, style")) continue;
    const style = getComputedStyle(element), inside = element.closest("svg");
    const matrix = inside ? element.getScreenCTM() : null;
    const size = parseFloat(style.fontSize) * (matrix ? Math.hypot(matrix.a, matrix.b) : 1);
    if (size < 10.99) wrong.push(`${name(element)} is ${size.toFixed(2)} pixels high`);
    const colour = (inside ? style.fill : style.color).match(/[\d.]+/g).map(Number);
    if (contrast(colour) < 3) wrong.push(`${name(element)} has a contrast of ${contrast(colour).toFixed(2)}`);
  }
  const figures = document.querySelectorAll("figure.chart, figure.panel");
  for (const figure of figures) {
    const data = JSON.parse(figure.querySelector(".values").textContent), svg = figure.querySelector("svg.chart");
    const title = figure.querySelector("figcaption").textContent;
    const points = data.lines ? data.lines.flatMap(line => line.y) : data.rows;
    if (!points.length) wrong.push(`'${title}' is empty`);
    const texts = [...svg.querySelectorAll("text")], numbers = texts.filter(text => /^[−\d.e]+$/.test(text.textContent.trim()));
    if (numbers.length < (data.lines ? 3 : 2)) wrong.push(`'${title}' has ${numbers.length} numbers at its axes`);
    const frame = svg.getBoundingClientRect();
    for (const text of texts) {
      const box = text.getBoundingClientRect();
      if (box.left < frame.left - 3 || box.right > frame.right + 3 || box.top < frame.top - 3 || box.bottom > frame.bottom + 3) wrong.push(`'${text.textContent.trim()}' leaves '${title}'`);
    }
    if (figure.matches(".chart") && frame.width > 441) wrong.push(`'${title}' is ${frame.width} wide`);
  }
  if (!figures.length && !document.querySelector("table.map")) wrong.push("there is no picture");
  return wrong;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_overflows_or_is_empty(written: Path, chromium: browser.Browser, width: int, scheme: str) -> None:
    chromium.open(written, width, scheme)
    if folder := os.environ.get("SHOAL_SCREENSHOTS"):
        chromium.screenshot(Path(folder) / f"{written.stem}-{width}-{scheme}.png")
    assert chromium.value(CHECK) == []
    ground = chromium.value("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.fixture(scope="module")
def small(chromium: browser.Browser, tmp_path_factory: pytest.TempPathFactory) -> browser.Browser:
    folder = tmp_path_factory.mktemp("small")
    cells = [evaluated([0.5, 0.6, 0.7], label='=SUM(A1, "x")', seed=seed) for seed in (1, 2)] + [
        evaluated([0.4, 0.5, 0.8], label="b_&")
    ]
    (folder / "a.html").write_text(page([shoal.read(write_run(folder / "a.h5", cells))]), encoding="utf-8")
    chromium.open(folder / "a.html", 1280, "light")
    return chromium


def test_shows_values_under_the_pointer(small: browser.Browser) -> None:
    # At the right end: round 30, where the labels have 70 % and 80 %.
    shown = small.value("""(() => {
      const figure = document.querySelector("figure.chart"), svg = figure.querySelector("svg.chart"), box = svg.getBoundingClientRect();
      svg.dispatchEvent(new PointerEvent("pointermove", {clientX: box.right - 12, clientY: box.top + 60}));
      return figure.querySelector(".tip").innerText;
    })()""")
    assert shown.split("\n") == ["round 30", '=SUM(A1, "x") 70', "b_& 80"]


def test_copies_tables(small: browser.Browser) -> None:
    table = 'document.querySelector("#results table")'
    head, first, second, _ = small.value(f"csv({table})").split("\r\n")
    assert head.startswith(",seeds,final accuracy") and second.startswith("b_&,1,80.00 %,")
    assert first.startswith('"\'=SUM(A1, ""x"")",2,70.00 ± 0.00 %,')  # text, not a formula
    latex = small.value(f"latex({table})")
    assert "  b\\_\\& & 1 & 80.00 \\% &" in latex and "70.00 $\\pm$ 0.00 \\%" in latex and latex.count("\\\\\n") == 3


def test_saves_charts(small: browser.Browser) -> None:
    assert small.value("""(() => {
      const text = alone(document.querySelector("figure.chart")), made = new DOMParser().parseFromString(text, "image/svg+xml");
      return made.querySelector("parsererror") === null && !text.includes("var(") && made.querySelectorAll("text").length > 4;
    })()""")
    width = small.value("""new Promise(resolve => {
      const image = new Image();
      image.onload = () => resolve(image.width);
      image.onerror = () => resolve(0);
      image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(alone(document.querySelector("figure.chart")));
    })""")
    assert width == 350


def test_prints_a_chart_alone(small: browser.Browser) -> None:
    small.value("window.print = () => {}; savePdf(document.querySelector('figure.chart'))")
    assert small.value("[...document.body.children].filter(child => child.getClientRects().length).length") > 1
    printed = base64.b64decode(small.call("Page.printToPDF")["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1  # the whole page takes more
    small.value("window.onafterprint()")
    whole = base64.b64decode(small.call("Page.printToPDF")["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", whole)) > 1
