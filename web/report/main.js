/** Starts the parts of the page. An error in one of them does not affect the others and the tables. */
import { gallery, kindSwitches } from './boxes.js';
import { createView, lineChart, zoomButtons } from './chart.js';
import { confidencePanel } from './confidence.js';
import { confusionMatrix } from './confusion.js';
import { byId, say } from './dom.js';
import { keep, recall, themeButton } from './state.js';
import { sortableTables } from './table.js';

const data = JSON.parse(byId('data').textContent);

const parts = {
  theme: () => themeButton(byId('theme')),
  tables: sortableTables,
  charts: () => data.charts && curves(data.charts),
  confidence: () => data.curves && confidencePanel(data.curves, data.names),
  confusion: () => data.confusion && confusionMatrix(data.confusion, data.names, data.images ?? []),
  images: () => data.images && gallery(byId('gallery'), byId('more-images'), data.images, data.names),
  kinds: kindSwitches,
  details: keepDetails,
  copy: () => byId('copy') && copyButton(byId('copy')),
  reload: () => data.reload && reloader(data.reload),
};

function curves({ x, xLabel, charts }) {
  const host = byId('charts');
  const view = createView('charts', x);
  host.before(zoomButtons(view));
  host.append(...charts.map((chart) => lineChart(chart, view, xLabel)));
}

/** Keeps the state of <details> elements across reloads. */
function keepDetails() {
  document.querySelectorAll('main details').forEach((details, i) => {
    details.open = recall(`open-${i}`, details.open);
    details.addEventListener('toggle', () => keep(`open-${i}`, details.open));
  });
}

function copyButton(button) {
  button.hidden = false;
  button.addEventListener('click', async () => {
    const range = document.createRange();
    range.selectNodeContents(byId('command'));
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    const copied = await navigator.clipboard?.writeText(byId('command').textContent).then(
      () => true,
      () => false,
    );
    say(copied ? 'Copied' : 'Selected; copy it with the keyboard');
  });
}

/** Reloads the page regularly during a run, unless it is hidden or the report has not been written for a long time. */
function reloader({ every, written }) {
  const box = byId('auto-reload');
  byId('reload').hidden = false;
  byId('reload-now').addEventListener('click', () => location.reload());
  box.checked = recall('auto-reload', true);
  box.addEventListener('change', () => keep('auto-reload', box.checked));
  const stale = () => Date.now() - Date.parse(written) > Math.max(3600, 40 * every) * 1000;
  setInterval(() => {
    if (box.checked && !document.hidden && !stale() && !byId('large')?.open) location.reload();
  }, every * 1000);
}

for (const hidden of document.querySelectorAll('.controls[hidden]')) hidden.hidden = false;
for (const [name, start] of Object.entries(parts)) {
  try {
    start();
  } catch (error) {
    console.error(`${name}:`, error);
  }
}
document.documentElement.dataset.ready = 'true';
