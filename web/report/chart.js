/** Line charts with a shared cursor and zoom: hover or use the arrow keys to read values, drag to zoom. */
import { el, say, short, svg } from './dom.js';
import { keep, recall } from './state.js';

const COLORS = 8;
const HEIGHT = 210;
const MARGIN = { left: 46, right: 10, top: 8, bottom: 26 };

/**
 * State shared by charts with the same x axis: `range`, the visible part, null for all; `at`, index of the cursor.
 * @param name under which the range is kept @param x values in ascending order
 */
export function createView(name, x) {
  const full = [x[0], x[x.length - 1]];
  const view = {
    x,
    range: recall(`${name}-range`, null),
    at: null,
    pinned: null,
    redraws: [],
    shown: () => view.range ?? (full[0] === full[1] ? [full[0] - 1, full[1] + 1] : full),
    redraw() {
      for (const redraw of view.redraws) redraw();
    },
    zoom(from, to) {
      const least = (full[1] - full[0]) / Math.max(x.length - 1, 1);
      const [a, b] = [Math.max(Math.min(from, to), full[0]), Math.min(Math.max(from, to), full[1])];
      view.range = b - a < least || (a <= full[0] && b >= full[1]) ? null : [a, b];
      keep(`${name}-range`, view.range);
      view.redraw();
    },
    scale(by) {
      const [a, b] = view.shown();
      const middle = view.at === null ? (a + b) / 2 : x[view.at];
      view.zoom(middle - (middle - a) * by, middle + (b - middle) * by);
    },
    whole: () => view.zoom(full[0], full[1]),
  };
  return view;
}

/** Zoom buttons, for use without a mouse. */
export function zoomButtons(view) {
  const button = (text, label, onclick) => el('button', { type: 'button', 'aria-label': label, onclick }, text);
  return el(
    'div',
    { class: 'controls', role: 'group', 'aria-label': 'Zoom of the charts' },
    button('+', 'Zoom in', () => view.scale(0.5)),
    button('−', 'Zoom out', () => view.scale(2)),
    button('Reset', 'Show all', () => view.whole()),
    el('span', { class: 'note' }, 'Drag across a chart to zoom; double-click to reset.'),
  );
}

/**
 * @param chart { title, better, series: [{ name, values, x }], fixed: [low, high], point: () => ({ x, y }) }; `x` of a series
 *   is optional; `point` is marked, and its values are shown while there is no cursor
 * @param view from createView
 * @returns the figure element
 */
export function lineChart(chart, view, xLabel) {
  const hidden = new Set(recall(`hidden:${chart.title}`, []));
  const plot = svg('svg', { tabindex: 0, role: 'img', height: HEIGHT });
  const legend = el('div', { class: 'legend' });
  const place = el('span', { class: 'at' });
  const better = chart.better && el('span', { class: 'note' }, `${chart.better} is better`);
  const figure = el(
    'figure',
    { class: 'chart' },
    el('figcaption', {}, el('strong', {}, chart.title), better, place),
    plot,
    legend,
  );
  const buttons = chart.series.map(({ name }, i) => {
    const value = el('span', { class: 'value' });
    const button = el(
      'button',
      { type: 'button', class: `key c${i % COLORS} d${Math.floor(i / COLORS) % 3}`, onclick: () => toggle(name) },
      el('span', { class: 'line', 'aria-hidden': 'true' }),
      `${name} `,
      value,
    );
    legend.append(button);
    return { button, value };
  });
  const toggle = (name) => {
    if (!hidden.delete(name)) hidden.add(name);
    keep(`hidden:${chart.title}`, [...hidden]);
    draw();
  };
  const xOf = (series) => series.x ?? view.x;
  let axes = null;

  function draw() {
    const width = Math.max(plot.clientWidth || figure.clientWidth, 200);
    const shown = chart.series.filter(({ name }) => !hidden.has(name));
    const [x0, x1] = view.shown();
    const [y0, y1] = chart.fixed ?? bounds(shown, xOf, x0, x1);
    const px = (x) => MARGIN.left + ((x - x0) / (x1 - x0)) * (width - MARGIN.left - MARGIN.right);
    const py = (y) => HEIGHT - MARGIN.bottom - ((y - y0) / (y1 - y0)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
    axes = { width, x0, x1, px };
    plot.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    plot.setAttribute('aria-label', describe(chart, xLabel));
    plot.replaceChildren(...grid({ width, x0, x1, y0, y1, px, py, xLabel }));
    const clip = svg('svg', {
      x: MARGIN.left,
      y: 0,
      width: width - MARGIN.left - MARGIN.right,
      height: HEIGHT,
      viewBox: `${MARGIN.left} 0 ${width - MARGIN.left - MARGIN.right} ${HEIGHT}`,
    });
    chart.series.forEach((series, i) => {
      if (hidden.has(series.name)) return;
      const look = `c${i % COLORS} d${Math.floor(i / COLORS) % 3}`;
      clip.append(svg('path', { class: `curve ${look}`, d: pathOf(xOf(series), series.values, px, py) }));
      if (xOf(series).length === 1 && series.values[0] !== null)
        clip.append(svg('circle', { class: `dot ${look}`, cx: px(xOf(series)[0]), cy: py(series.values[0]), r: 3 }));
    });
    plot.append(clip);
    const point = chart.point?.();
    if (point) plot.append(svg('circle', { class: 'mark', cx: px(point.x), cy: py(point.y), r: 5 }));
    cursor(px, py, point);
  }

  /** Draws the vertical line and the values in the legend: at the cursor, else at the marked point, else the last values. */
  function cursor(px, py, point) {
    const at = view.at ?? view.pinned;
    const marked = at === null ? point : undefined;
    const x = marked ? marked.x : at === null ? null : view.x[at];
    place.textContent = x === null ? '' : `${xLabel} ${short(x)}`;
    if (x !== null && axes.x0 <= x && x <= axes.x1)
      plot.append(svg('line', { class: 'cursor', x1: px(x), x2: px(x), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
    chart.series.forEach((series, i) => {
      const { button, value } = buttons[i];
      const y = marked?.y ?? (x === null ? lastOf(series.values) : valueAt(xOf(series), series.values, x));
      value.textContent = short(y);
      button.setAttribute('aria-pressed', String(!hidden.has(series.name)));
      if (!marked && x !== null && y !== null && y !== undefined && !hidden.has(series.name))
        plot.append(svg('circle', { class: `dot c${i % COLORS}`, cx: px(x), cy: py(y), r: 3.5 }));
    });
  }

  steer(
    plot,
    view,
    () => axes,
    () => say(`${chart.title}, ${place.textContent}: ${legend.textContent}`),
  );
  view.redraws.push(draw);
  new ResizeObserver(draw).observe(figure);
  return figure;
}

/** Pointer and keyboard: hover moves the cursor, dragging zooms, arrow keys move the cursor, + − 0 zoom. */
function steer(plot, view, axes, tell) {
  let from = null;
  let band = null;
  const xAt = (event) => {
    const { width, x0, x1 } = axes();
    const part =
      ((event.clientX - plot.getBoundingClientRect().left) * (width / plot.clientWidth) - MARGIN.left) /
      (width - MARGIN.left - MARGIN.right);
    return x0 + Math.min(Math.max(part, 0), 1) * (x1 - x0);
  };
  plot.addEventListener('pointermove', (event) => {
    const x = xAt(event);
    view.at = nearest(view.x, x);
    view.redraw();
    if (from === null) return;
    const { px } = axes();
    band = svg('rect', {
      class: 'band',
      x: Math.min(px(from), px(x)),
      width: Math.abs(px(x) - px(from)),
      y: MARGIN.top,
      height: HEIGHT - MARGIN.top - MARGIN.bottom,
    });
    plot.append(band);
  });
  plot.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'touch' || event.button !== 0) return;
    from = xAt(event);
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener('pointerup', (event) => {
    const [start, end] = [from, xAt(event)];
    from = null;
    if (start !== null && band) view.zoom(start, end);
    band = null;
  });
  plot.addEventListener('pointerleave', () => {
    view.at = null;
    view.redraw();
  });
  plot.addEventListener('dblclick', () => view.whole());
  plot.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (step !== undefined) view.at = Math.min(Math.max((view.at ?? view.x.length - 1) + step, 0), view.x.length - 1);
    else if (event.key === '+' || event.key === '=') view.scale(0.5);
    else if (event.key === '-') view.scale(2);
    else if (event.key === '0' || event.key === 'Escape') view.whole();
    else return;
    event.preventDefault();
    view.redraw();
    tell();
  });
}

function grid({ width, x0, x1, y0, y1, px, py, xLabel }) {
  const nodes = [];
  for (const y of ticks(y0, y1, 5)) {
    nodes.push(svg('line', { class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: py(y), y2: py(y) }));
    nodes.push(svg('text', { class: 'tick', x: MARGIN.left - 6, y: py(y) + 4, 'text-anchor': 'end' }, short(y)));
  }
  const marks = ticks(x0, x1, Math.max(2, Math.floor(width / 90))).filter((x) => px(x) < width - MARGIN.right - 50);
  for (const x of marks)
    nodes.push(svg('text', { class: 'tick', x: px(x), y: HEIGHT - 9, 'text-anchor': 'middle' }, short(x)));
  nodes.push(svg('text', { class: 'tick', x: width - MARGIN.right, y: HEIGHT - 9, 'text-anchor': 'end' }, xLabel));
  return nodes;
}

/** @returns about `about` round numbers from low to high, at steps of 1, 2 or 5 times a power of ten */
export function ticks(low, high, about) {
  const rough = (high - low) / about;
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? 10 * power;
  const out = [];
  for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) out.push(Number((k * step).toPrecision(12)));
  return out;
}

/** Range of the visible values with a margin of 6 %. */
export function bounds(series, xOf, x0, x1) {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const one of series) {
    const x = xOf(one);
    one.values.forEach((y, i) => {
      if (y === null || x[i] < x0 || x[i] > x1) return;
      low = Math.min(low, y);
      high = Math.max(high, y);
    });
  }
  if (!Number.isFinite(low)) return [0, 1];
  const air = (high - low || Math.abs(high) || 1) * 0.06;
  return [low >= 0 ? Math.max(0, low - air) : low - air, high + air];
}

function pathOf(x, values, px, py) {
  let d = '';
  let drawing = false;
  values.forEach((y, i) => {
    if (y !== null) d += `${drawing ? 'L' : 'M'}${px(x[i]).toFixed(1)} ${py(y).toFixed(1)}`;
    drawing = y !== null;
  });
  return d;
}

/** Index of the value nearest to x. */
export function nearest(values, x) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (Math.abs(values[i] - x) < Math.abs(values[best] - x)) best = i;
  return best;
}

function valueAt(xs, values, x) {
  const i = nearest(xs, x);
  return Math.abs(xs[i] - x) > 1e-9 && xs.length > 1 && Math.abs(xs[i] - x) > Math.abs(xs[1] - xs[0]) / 2
    ? null
    : values[i];
}

function lastOf(values) {
  return values.findLast((value) => value !== null) ?? null;
}

/** Description of the chart for screen readers. */
function describe({ title, better, series }, xLabel) {
  const parts = series.map(({ name, values }) => {
    const known = values.filter((value) => value !== null);
    if (!known.length) return `${name}: nothing yet`;
    const best = better === 'lower' ? Math.min(...known) : Math.max(...known);
    return `${name}: last ${short(known[known.length - 1])}${better ? `, best ${short(best)}` : ''}`;
  });
  return `${title} over ${xLabel}. ${parts.join('; ')}. Arrow keys read values.`;
}
