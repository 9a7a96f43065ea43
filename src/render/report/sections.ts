/** Sections of a report as HTML; charts, the matrix and images are drawn by the page's script. */
import type { ConfusionData, DatasetData, Fact, MistakeRow, NoteData, ReportData, Setting } from './data.js';
import { type Html, html } from './html.js';

const MAX_CONFUSIONS = 25;

/** Three decimals, as in the terminal. */
const figure = (value: number): string => value.toFixed(3);

/** Heading of a column, with a short form for narrow screens. */
type Head = string | [long: string, brief: string];

function heading(head: Head): Html {
  const [long, brief] = typeof head === 'string' ? [head] : head;
  return html`<th scope="col">${brief ? html`<span class="long" data-brief="${brief}">${long}</span>` : long}</th>`;
}

/**
 * A table in a scrollable region, for long or wide tables.
 * @param label of the region for screen readers
 * @param note above the region
 */
export function scrollTable(label: string, table: Html, note?: string): Html {
  return html`${note && html`<p class="note">${note}</p>`}<div class="scroll" tabindex="0" role="region" aria-label="${label}">${table}</div>`;
}

/** Metrics per class. */
export function classTable({ classes = [], all }: ReportData): Html {
  const heads: Head[] = [
    'Class',
    ['Images', 'Img.'],
    ['Objects', 'Obj.'],
    ['Precision', 'P'],
    ['Recall', 'R'],
    ['mAP50', 'mAP 50'],
    ['mAP50-95', '50-95'],
  ];
  const row = (name: string, figures: NonNullable<ReportData['all']>, kind: string): Html =>
    html`<tr class="${kind}"><th scope="row">${name}</th><td>${figures.images}</td><td>${figures.instances}</td><td>${figure(figures.precision)}</td><td>${figure(figures.recall)}</td><td>${figure(figures.mAP50)}</td><td>${meter(figures['mAP50-95'])}${figure(figures['mAP50-95'])}</td></tr>`;
  return scrollTable(
    'Figures of each class',
    html`<table class="sortable figures"><caption class="hidden">Figures of each class</caption>
<thead><tr>${heads.map(heading)}</tr></thead>
<tbody>${all && row('all', all, 'all')}${classes.map((c) => row(c.name, c, ''))}</tbody></table>`,
    'Precision and recall at the confidence with the highest mean F1. Click a heading to sort.',
  );
}

/** A bar behind a number, hidden from screen readers. @param part length, 0..1 */
function meter(part: number): Html {
  return html`<span class="meter" aria-hidden="true"><span style="width:${(100 * Math.min(Math.max(part, 0), 1)).toFixed(1)}%"></span></span>`;
}

/** Precision, recall and F1 over confidence, with a slider. */
export function confidencePanel({ curves, names }: ReportData): Html {
  const best = (curves?.best ?? 0).toFixed(2);
  const option = (id: number): Html => html`<option value="${id}">${names[id]}</option>`;
  return html`<p>Detections below the confidence are discarded: a low threshold increases recall, a high one precision. F1, their harmonic mean, is highest at ${best}.</p>
<div class="controls" hidden>
<label>Class <select id="curve-class"><option value="-1">all (mean)</option>${curves?.classes.map(option)}</select></label>
<label class="wide">Confidence <input type="range" id="threshold" min="0" max="1" step="0.01" value="${best}"></label>
<output id="at-threshold" for="threshold curve-class"></output>
</div>
<div id="confidence-charts" class="charts"></div>
<p class="note">The circle is the selected confidence. For all classes it need not be on the curve: it is the mean over the classes at one confidence, the curve is their mean at one recall.</p>`;
}

/** Confusion matrix. */
export function confusionPanel({ names }: ReportData, { nc, cells }: ConfusionData): Html {
  const name = (id: number): string => (id === nc ? 'background' : (names[id] ?? `class ${id}`));
  const worst = cells
    .filter(([p, t]) => p !== t)
    .sort((a, b) => b[2] - a[2])
    .slice(0, MAX_CONFUSIONS);
  const words = ([p, t]: ConfusionData['cells'][number]): string =>
    p === nc
      ? `${name(t)} not found`
      : t === nc
        ? `${name(p)} found where none is labelled`
        : `${name(t)} taken for ${name(p)}`;
  return html`<p>Detections above a confidence of 0.25, matched with labels from an IoU of 0.45. Columns are true classes, rows are predicted classes. Click a cell to see its images.</p>
<div class="controls" hidden><label><input type="checkbox" id="normalise" checked> normalized by the number of labels of the class</label></div>
<div id="matrix" class="scroll" tabindex="0" role="region" aria-label="Confusion matrix"></div>
<p id="matrix-note" class="note" hidden></p>
<div id="cell-images" tabindex="-1"></div>
${
  worst.length > 0 &&
  html`<details${worst.length <= 10 && html` open`}><summary>The most frequent confusions</summary><table><caption class="hidden">The most frequent confusions</caption><thead><tr><th scope="col">Confusion</th><th scope="col">Count</th><th scope="col"><span class="hidden">Images</span></th></tr></thead>
<tbody>${worst.map((cell) => html`<tr><th scope="row">${words(cell)}</th><td>${cell[2]}</td><td><button type="button" class="cell" data-cell="${cell[0]},${cell[1]}" hidden aria-label="Images: ${words(cell)}">Images</button></td></tr>`)}</tbody></table></details>`
}`;
}

/** Error types. */
export function mistakeTable(rows: readonly MistakeRow[]): Html {
  const most = Math.max(...rows.map(({ cost }) => cost ?? 0), 1e-9);
  const sorted = [...rows].sort((a, b) => (b.cost ?? 0) - (a.cost ?? 0));
  return scrollTable(
    'Mistakes by kind',
    html`<table class="sortable mistakes"><caption class="hidden">Mistakes by kind</caption>
<thead><tr><th scope="col">Kind</th><th scope="col">Count</th><th scope="col">Cost in mAP50</th><th scope="col" class="text">What it is</th></tr></thead>
<tbody>${sorted.map(({ kind, count, cost, meaning }) => html`<tr><th scope="row">${kind}</th><td>${count}</td><td>${cost !== undefined && [meter(cost / most), figure(cost)]}</td><td class="text">${meaning}</td></tr>`)}</tbody></table>`,
    'Counted at a confidence of 0.25. The cost is the gain in mAP50 without mistakes of the kind, over all confidences.',
  );
}

/** Images with errors. */
export function imagePanel({ images = [], mistaken = 0 }: ReportData): Html {
  const kinds: [string, string][] = [
    ['hit', 'found'],
    ['false', 'false detection'],
    ['miss', 'missed'],
    ['label', 'label (of what was found)'],
  ];
  return html`<p>${mistaken ? `${mistaken} images have mistakes; the worst come first.` : 'No image has a mistake.'} Detections above a confidence of 0.25, evaluated at an IoU of 0.5. Click an image to enlarge it.</p>
<fieldset class="controls" hidden><legend class="hidden">What is drawn</legend>${kinds.map(([kind, text]) => html`<label class="swatch ${kind}"><input type="checkbox" class="show-kind" value="${kind}" checked> ${text}</label>`)}<label class="wide">from confidence <input type="range" id="least" min="0.25" max="1" step="0.01" value="0.25"><output id="least-shown" for="least"></output></label></fieldset>
<div id="gallery" class="gallery" data-count="${images.length}"></div>
<button type="button" id="more-images" hidden>More images</button>
<dialog id="large" aria-label="Image"></dialog>`;
}

/** Statistics of the dataset and findings about it. */
export function datasetPanel({ file, names, splits, notes }: DatasetData): Html {
  return html`<p class="path">${file}</p>
${splitTable(splits)}
<h3>Findings</h3>
${notes.length ? html`<ul class="notes">${notes.map(noteItem)}</ul>` : html`<p>No problems were found.</p>`}
<p class="note">Duplicate images within and across splits are searched by <code>yolo check</code>.</p>
${perClass(names, splits)}`;
}

/** A table with a column per split. */
function splitTable(splits: DatasetData['splits']): Html {
  const rows: [name: string, of: (split: DatasetData['splits'][number]) => number][] = [
    ['Images', ({ images }) => images],
    ['Objects', ({ instances }) => instances],
    ['Backgrounds', ({ backgrounds }) => backgrounds],
    ['Without label file', ({ missingLabels }) => missingLabels],
    ['Left out', ({ corrupt }) => corrupt],
    ['Small objects', ({ sizes }) => sizes.small],
    ['Medium objects', ({ sizes }) => sizes.medium],
    ['Large objects', ({ sizes }) => sizes.large],
  ];
  return scrollTable(
    'Images and objects',
    html`<table class="splits"><caption class="hidden">Images and objects</caption><thead><tr>${['What', ...splits.map(({ split }) => split)].map(heading)}</tr></thead><tbody>${rows.map(([name, of]) => html`<tr><th scope="row">${name}</th>${splits.map((split) => html`<td>${of(split)}</td>`)}</tr>`)}</tbody></table>`,
    "Objects are small under 32² pixels of the network's input, large over 96².",
  );
}

function noteItem({ level, split, message, meaning, examples, count }: NoteData): Html {
  const sign = { harm: 'Harm', warning: 'Warning', note: 'Note' }[level];
  return html`<li class="level-${level}"><strong>${sign}${split && `, ${split}`}:</strong> ${message}. <span>${meaning}</span>${
    examples.length > 0 &&
    html`<details><summary>${examples.length < count ? `${examples.length} of ${count}` : 'where'}</summary><ul>${examples.map((example) => html`<li class="path">${example}</li>`)}</ul></details>`
  }</li>`;
}

function perClass(names: readonly string[], splits: DatasetData['splits']): Html {
  const most = splits.map(({ perClass }) => perClass.reduce((a, b) => Math.max(a, b), 1));
  const rows = names.map(
    (name, id) =>
      html`<tr><th scope="row">${name}</th>${splits.map(({ perClass }, s) => html`<td>${meter(perClass[id] / most[s])}${perClass[id]}</td>`)}</tr>`,
  );
  return html`<details${names.length <= 12 && html` open`}><summary>Objects of each class</summary>${scrollTable('Objects of each class', html`<table class="sortable"><caption class="hidden">Objects of each class</caption><thead><tr><th scope="col">Class</th>${splits.map(({ split }) => html`<th scope="col">${split}</th>`)}</tr></thead><tbody>${rows}</tbody></table>`)}</details>`;
}

/** Settings of the run, first those that differ from the default. */
export function settingsPanel(settings: readonly Setting[]): Html {
  const changed = settings.filter((setting) => setting.changed);
  const rest = settings.filter((setting) => !setting.changed);
  const list = (label: string, rows: readonly Setting[]): Html =>
    html`<dl class="settings" aria-label="${label}">${rows.map(settingRow)}</dl>`;
  return html`${changed.length ? list('Changed from the default', changed) : html`<p>All settings have their default values.</p>`}
<details><summary>${rest.length} settings with default values</summary>${list('Default values', rest)}</details>`;
}

function settingRow({ key, value, usual, changed, help }: Setting): Html {
  const instead = changed && usual !== '' && html` <span class="note">default ${usual}</span>`;
  return html`<div><dt><code>${key}</code></dt><dd class="path">${value || 'none'}${instead}</dd><dd class="note">${help}</dd></div>`;
}

/** A list of named values. */
export function facts(title: string, rows: readonly Fact[]): Html {
  return html`<div><h3>${title}</h3><dl class="facts">${rows.map(({ name, value }) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl></div>`;
}
