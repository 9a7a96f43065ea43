/** The confusion matrix; a click on a cell, or Enter on the selected one, shows its images. */
import { gallery } from './boxes.js';
import { byId, el, say, svg } from './dom.js';
import { keep, recall } from './state.js';

/** Width of the names, pixels. */
const NAMES = 96;

/** @param data ConfusionData of src/render/report/data.ts @param names of the classes @param images of the report */
export function confusionMatrix({ nc, cells, shown, others }, names, images) {
  const host = byId('matrix');
  const note = byId('matrix-note');
  const box = byId('normalise');
  const nameOf = (id) => (id === nc ? 'background' : (names[id] ?? `class ${id}`));
  const counts = new Map(cells.map(([p, t, count]) => [`${p},${t}`, count]));
  const columns = new Array(nc + 1).fill(0);
  for (const [, t, count] of cells) columns[t] += count;
  const mark = { p: 0, t: 0 };
  let marker = null;

  function words(p, t) {
    const count = counts.get(`${p},${t}`) ?? 0;
    const part = columns[t] ? ` (${((100 * count) / columns[t]).toFixed(0)} % of its column)` : '';
    return `predicted ${nameOf(p)}, labelled ${nameOf(t)}: ${count}${count ? part : ''}`;
  }

  function draw() {
    const n = nc + 1;
    const size = Math.max(13, Math.min(64, Math.floor((host.clientWidth - NAMES - 2) / n)));
    const side = size * n;
    const font = Math.min(12, size - 2);
    const root = svg('svg', {
      class: 'matrix',
      width: NAMES + side + 1,
      height: NAMES + side + 1,
      role: 'img',
      'aria-label': `Confusion matrix of ${nc} classes and the background; arrow keys move, Enter opens the images`,
    });
    for (let i = 0; i < n; i++) {
      const at = NAMES + i * size + size / 2;
      root.append(
        svg(
          'text',
          { class: 'tick', x: NAMES - 5, y: at + font / 3, 'text-anchor': 'end', style: `font-size:${font}px` },
          cut(nameOf(i)),
        ),
      );
      root.append(
        svg(
          'text',
          {
            class: 'tick',
            style: `font-size:${font}px`,
            transform: `translate(${at + font / 3} ${NAMES - 5}) rotate(-90)`,
          },
          cut(nameOf(i)),
        ),
      );
    }
    root.append(svg('rect', { class: 'field', x: NAMES, y: NAMES, width: side, height: side }));
    const most = Math.max(...counts.values(), 1);
    for (const [p, t, count] of cells) {
      const part = box.checked ? count / (columns[t] || 1) : count / most;
      const [x, y] = [NAMES + t * size, NAMES + p * size];
      root.append(
        svg('rect', {
          class: p === t ? 'cell right' : 'cell wrong',
          x,
          y,
          width: size,
          height: size,
          'fill-opacity': (0.12 + 0.88 * Math.sqrt(part)).toFixed(3),
        }),
      );
      if (size >= 30)
        root.append(
          svg(
            'text',
            { class: part > 0.3 ? 'count on' : 'count', x: x + size / 2, y: y + size / 2 + 4, 'text-anchor': 'middle' },
            box.checked ? part.toFixed(2) : count,
          ),
        );
    }
    marker = svg('rect', { class: 'marker', width: size, height: size });
    root.append(marker);
    const cellAt = (event) => {
      const frame = root.getBoundingClientRect();
      const [t, p] = [event.clientX - frame.left, event.clientY - frame.top].map((v) => Math.floor((v - NAMES) / size));
      return p >= 0 && t >= 0 && p < n && t < n ? { p, t } : undefined;
    };
    root.addEventListener('pointermove', (event) => {
      const cell = cellAt(event);
      if (cell) point(cell, size);
    });
    root.addEventListener('click', (event) => {
      const cell = cellAt(event);
      if (cell) openCell(cell.p, cell.t);
    });
    host.replaceChildren(root);
    host.onkeydown = (event) => {
      const [dp, dt] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
      if (event.key === 'Enter' || event.key === ' ') openCell(mark.p, mark.t);
      else if (dp === undefined) return;
      else {
        point({ p: Math.min(Math.max(mark.p + dp, 0), nc), t: Math.min(Math.max(mark.t + dt, 0), nc) }, size);
        say(words(mark.p, mark.t));
      }
      event.preventDefault();
    };
  }

  function point({ p, t }, size) {
    Object.assign(mark, { p, t });
    marker.setAttribute('x', NAMES + t * size);
    marker.setAttribute('y', NAMES + p * size);
    marker.classList.add('on');
    note.hidden = false;
    note.textContent = words(p, t);
  }

  function openCell(p, t) {
    const target = byId('cell-images');
    const here = (shown[`${p},${t}`] ?? []).map((i) => images[i]);
    const paths = others[`${p},${t}`] ?? [];
    const title = el('h3', {}, `${words(p, t)[0].toUpperCase()}${words(p, t).slice(1)}`);
    const grid = el('div', { class: 'gallery' });
    const more = el('button', { type: 'button' });
    const rest =
      paths.length > 0 &&
      el(
        'details',
        { open: here.length === 0 },
        el('summary', {}, `${paths.length} more by name`),
        el('ul', {}, ...paths.map((path) => el('li', { class: 'path' }, path))),
      );
    const nothing =
      here.length + paths.length === 0 &&
      el('p', {}, counts.has(`${p},${t}`) ? 'The report contains no image of it.' : 'There are no such detections.');
    target.replaceChildren(...[title, nothing, grid, more, rest].filter(Boolean));
    gallery(grid, more, here, names);
    target.focus({ preventScroll: true });
    title.scrollIntoView({ block: 'nearest' });
    say(`${words(p, t)}, ${here.length + paths.length} images`);
  }

  box.checked = recall('normalise', true);
  box.addEventListener('change', () => {
    keep('normalise', box.checked);
    draw();
  });
  for (const button of document.querySelectorAll('button.cell')) {
    button.hidden = false;
    button.addEventListener('click', () => openCell(...button.dataset.cell.split(',').map(Number)));
  }
  let width = 0;
  new ResizeObserver(() => {
    if (host.clientWidth === width) return;
    width = host.clientWidth;
    draw();
  }).observe(host);
}

function cut(name) {
  return name.length > 14 ? `${name.slice(0, 13)}…` : name;
}
