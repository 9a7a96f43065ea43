/** report.html: metrics, errors, dataset, settings and environment of a run. */
import type { ReportData } from './data.js';
import { renderPage, type Section } from './frame.js';
import { type Html, html } from './html.js';
import {
  classTable,
  confidencePanel,
  confusionPanel,
  datasetPanel,
  facts,
  imagePanel,
  mistakeTable,
  settingsPanel,
} from './sections.js';

/** Seconds between reloads of the page during a run: a third of an epoch, within these limits. */
const MIN_RELOAD = 10;
const MAX_RELOAD = 60;

/** @returns the HTML document */
export function renderReport(data: ReportData): string {
  const { charts, curves, confusion, images, names, state } = data;
  const every = reloadSeconds(data);
  return renderPage({
    title: data.title,
    intro: intro(data),
    sections: sectionsOf(data),
    refresh: every,
    data: {
      charts,
      curves,
      confusion,
      images,
      names,
      reload: state === 'running' ? { every, written: data.written } : undefined,
    },
  });
}

function reloadSeconds({ state, progress }: ReportData): number | undefined {
  if (state !== 'running') return undefined;
  return Math.round(Math.min(Math.max((progress?.secondsPerEpoch ?? 0) / 3, MIN_RELOAD), MAX_RELOAD));
}

function intro(data: ReportData): Html {
  const { mode, state, written, progress, key } = data;
  const what = mode === 'train' ? 'Training' : 'Validation';
  const where = progress ? ` after epoch ${progress.epoch} of ${progress.epochs}` : '';
  const words = { running: 'is running', finished: 'is done', interrupted: 'was interrupted' }[state];
  return html`<p class="status"><span class="pill ${state}">${what} ${words}${where}</span> <span>written <time datetime="${written}">${written.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')}</time></span>${
    state === 'running' &&
    html` <span id="reload" hidden><label><input type="checkbox" id="auto-reload" checked> keep up to date</label> <button type="button" id="reload-now">Reload</button></span>`
  }</p>
<dl class="headline">${key.map(({ name, value }) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function sectionsOf(data: ReportData): Section[] {
  const sections: (Section | false | undefined)[] = [
    data.charts && {
      id: 'curves',
      title: 'Curves',
      body: html`<div id="charts" class="charts"></div>${epochTable(data)}`,
    },
    data.classes && { id: 'classes', title: 'Classes', body: classTable(data) },
    data.curves && { id: 'confidence', title: 'Precision and recall', body: confidencePanel(data) },
    data.confusion && { id: 'confusion', title: 'Confusion', body: confusionPanel(data, data.confusion) },
    data.mistakes && { id: 'mistakes', title: 'Mistakes', body: mistakeTable(data.mistakes) },
    data.images && { id: 'images', title: 'Worst images', body: imagePanel(data) },
    data.dataset && { id: 'dataset', title: 'Dataset', body: datasetPanel(data.dataset) },
    { id: 'settings', title: 'Settings', body: settingsPanel(data.settings) },
    {
      id: 'environment',
      title: 'Environment and speed',
      body: html`<div class="columns">${facts('Speed', data.speed)}${facts('Environment', data.environment)}</div>`,
    },
    {
      id: 'repeat',
      title: 'How to repeat it',
      body: html`<pre id="command" tabindex="0"><code>${data.command}</code></pre><button type="button" id="copy" hidden>Copy</button>`,
    },
  ];
  return sections.filter((section): section is Section => Boolean(section));
}

/** The curves as a table, for screen readers and copying. */
function epochTable({ charts }: ReportData): Html | undefined {
  if (!charts) return undefined;
  const columns = charts.charts.flatMap(({ title, series }) =>
    series.map(({ name, values }) => ({
      name: series.length > 1 && /loss/.test(title) ? `${title}, ${name}` : name,
      values,
    })),
  );
  const first = Math.max(0, charts.x.length - MAX_ROWS);
  return html`<details><summary>The curves as a table</summary>${first > 0 && html`<p class="note">The last ${MAX_ROWS} epochs; all of them are in results.csv.</p>`}<div class="scroll wide" tabindex="0" role="region" aria-label="The curves as a table"><table class="sortable">
<caption class="hidden">The curves as a table</caption>
<thead><tr><th scope="col">${charts.xLabel}</th>${columns.map(({ name }) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${charts.x
    .slice(first)
    .map(
      (x, i) =>
        html`<tr><th scope="row">${x}</th>${columns.map(({ values }) => html`<td>${shortNumber(values[first + i])}</td>`)}</tr>`,
    )}</tbody></table></div></details>`;
}

const MAX_ROWS = 500;

function shortNumber(value: number | null): string {
  return value === null ? '' : String(Number(value.toPrecision(5)));
}
