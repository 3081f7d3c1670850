// Values under the pointer, tables as CSV or LaTeX, charts as files. Without scripts the page still shows everything.
"use strict";
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const button = (text, action) => make("button", {type: "button", textContent: text, onclick: action});
const shown = value => value === null ? "-" : String(Number(value.toPrecision(4)));

// --- values under the pointer ------------------------------------------------------------------------------------------
const colour = index => `var(--c${index})`;
const nearest = (values, wanted, distance) => {
  let best = -1;
  values.forEach((value, i) => {
    if (value !== null && (best < 0 || distance(value, wanted) < distance(values[best], wanted))) best = i;
  });
  return best;
};
const lineValues = (data, x) => {
  const [low, high, log] = data.x, [left, , right] = data.box;
  const share = (x - left) / (right - left);
  if (share < -0.02 || share > 1.02) return null;
  const wanted = log ? low * (high / low) ** share : low + (high - low) * share;
  const distance = (a, b) => log ? Math.abs(Math.log(a / b)) : Math.abs(a - b);
  let at = null;
  const rows = [];
  for (const line of data.lines) {
    const i = nearest(line.x, wanted, distance);
    if (i < 0) continue;
    if (at === null || distance(line.x[i], wanted) < distance(at, wanted)) at = line.x[i];
    const band = line.low && line.low[i] !== line.high[i] ? ` (${shown(line.low[i])} to ${shown(line.high[i])})` : "";
    rows.push(make("div", {}, Object.assign(make("i", {}), {style: `background:${colour(line.c)}`}), line.name + " ",
                   make("b", {textContent: shown(line.y[i])}), band));
  }
  if (at === null) return null;
  const place = log ? Math.log(at / low) / Math.log(high / low) : (at - low) / (high - low);
  return {head: `${data.xname} ${shown(at)}`, rows: rows.slice(0, 12), x: left + place * (right - left)};
};
const rowValues = (data, y) => {
  const i = nearest(data.rows.map(row => row.at), y, (a, b) => Math.abs(a - b));
  return i < 0 ? null : {head: data.rows[i].name, rows: [make("div", {textContent: data.rows[i].text})], x: null};
};
const watch = figure => {
  const svg = figure.querySelector("svg.chart"), data = JSON.parse(figure.querySelector(".values").textContent);
  const tip = make("div", {className: "tip", hidden: true}), guide = make("div", {className: "guide", hidden: true});
  figure.append(tip, guide);
  const hide = () => { tip.hidden = guide.hidden = true; };
  svg.addEventListener("pointermove", event => {
    const frame = svg.getBoundingClientRect(), around = figure.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / frame.width;
    const x = (event.clientX - frame.left) * scale, y = (event.clientY - frame.top) * scale;
    const found = data.lines ? lineValues(data, x) : rowValues(data, y);
    if (!found) return hide();
    tip.replaceChildren(make("div", {textContent: found.head}), ...found.rows);
    tip.hidden = false;
    const middle = event.clientX - around.left, space = around.width - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(space, middle > around.width / 2 ? middle - tip.offsetWidth - 14 : middle + 14))}px`;
    tip.style.top = `${event.clientY - around.top + 14}px`;
    guide.hidden = found.x === null;
    if (found.x === null) return;
    const top = frame.top - around.top + data.box[1] / scale;
    guide.style = `left:${frame.left - around.left + found.x / scale}px;top:${top}px;height:${(data.box[3] - data.box[1]) / scale}px`;
  });
  svg.addEventListener("pointerleave", hide);
};

// --- charts as files ---------------------------------------------------------------------------------------------------
const name = figure => figure.querySelector("figcaption").textContent.trim().replace(/[^\w]+/g, "-").toLowerCase() || "chart";
const save = (blob, file) => {
  const link = make("a", {href: URL.createObjectURL(blob), download: file});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
// The picture by itself: the page's colours become plain ones.
const alone = figure => {
  const svg = figure.querySelector("svg.chart").cloneNode(true), style = getComputedStyle(document.documentElement);
  const [, , width, height] = svg.getAttribute("viewBox").split(" ");
  svg.setAttribute("width", width);
  svg.setAttribute("height", height);
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", style.getPropertyValue("--ground").trim());
  svg.prepend(ground);
  const text = new XMLSerializer().serializeToString(svg);
  return text.replace(/var\((--\w+)\)/g, (_, variable) => style.getPropertyValue(variable).trim());
};
const saveSvg = figure => save(new Blob([alone(figure)], {type: "image/svg+xml"}), name(figure) + ".svg");
const savePng = figure => {
  const image = new Image();
  image.onload = () => {
    const canvas = make("canvas", {width: 4 * image.width, height: 4 * image.height});
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob(blob => save(blob, name(figure) + ".png"));
  };
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(alone(figure));
};
// By the browser's own printing, which writes PDF.
const savePdf = figure => {
  const printed = make("div", {className: "printed"}, figure.cloneNode(true));
  document.body.prepend(printed);
  document.body.classList.add("alone");
  window.onafterprint = () => { document.body.classList.remove("alone"); printed.remove(); };
  window.print();
};

// --- tables as text ----------------------------------------------------------------------------------------------------
const cells = table => [...table.rows].map(row => [...row.cells].map(cell => cell.textContent.trim().replace(/\s+/g, " ")));
// Text that a spreadsheet would take for a formula is marked as text.
const harmless = text => /^[=+@\t\r-]/.test(text) && !/^-?[\d.,]+( ?[%\w]+)?$|^-$/.test(text) ? "'" + text : text;
const quoted = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
const csv = table => cells(table).map(row => row.map(cell => quoted(harmless(cell))).join(",")).join("\r\n") + "\r\n";
const special = {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "±": "$\\pm$", "≈": "$\\approx$",
  "−": "$-$", "<": "\\textless{}", ">": "\\textgreater{}", "|": "$|$"};
const escaped = text => text.replace(/[\\~^±≈−<>|&%$#_{}]/g, sign => special[sign] ?? "\\" + sign);
const latex = table => {
  const [head, ...rows] = cells(table).map(row => "  " + row.map(escaped).join(" & ") + " \\\\");
  const columns = "l" + "r".repeat(table.rows[0].cells.length - 1);
  return ["\\begin{tabular}{" + columns + "}", "  \\toprule", head, "  \\midrule", ...rows, "  \\bottomrule", "\\end{tabular}", ""].join("\n");
};
const copy = async (text, pressed) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", {value: text});
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = pressed.textContent;
  pressed.textContent = "copied";
  setTimeout(() => { pressed.textContent = before; }, 1200);
};

const hint = frame => frame.classList.toggle("more", frame.scrollLeft + frame.clientWidth < frame.scrollWidth - 2);
for (const figure of document.querySelectorAll("figure.chart, figure.panel")) {
  watch(figure);
  if (figure.matches(".panel")) continue;
  figure.append(make("div", {className: "tools"}, button("SVG", () => saveSvg(figure)), button("PNG", () => savePng(figure)),
                     button("PDF", () => savePdf(figure))));
}
for (const frame of document.querySelectorAll(".wide")) {
  const table = frame.querySelector("table"), tools = make("div", {className: "tools"});
  if (table.tHead) {
    tools.append(button("copy as CSV", event => copy(csv(table), event.target)),
                 button("copy as LaTeX", event => copy(latex(table), event.target)));
    frame.after(tools);
  }
  frame.addEventListener("scroll", () => hint(frame), {passive: true});
}
const hints = () => document.querySelectorAll(".wide").forEach(hint);
window.addEventListener("resize", hints);
document.addEventListener("toggle", hints, true);
hints();
