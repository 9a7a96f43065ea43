/** HTML page that compares several runs: metrics, curves, and differing settings. */
import type { ChartData } from './data.js';
import { renderPage, type Section } from './frame.js';
import { type Html, html } from './html.js';
import { scrollTable } from './sections.js';

/** Contents of the page. */
export interface CompareData {
  title: string;
  /** [R] short names of the runs. */
  runs: string[];
  metrics: CompareRow[];
  settings: CompareRow[];
  /** mAP50-95 per class, if it is in metrics.json of a run. */
  classes: CompareRow[];
  charts?: ChartData;
  /** The command that creates the page. */
  command: string;
}

/** A value of all runs. */
export interface CompareRow {
  name: string;
  /** [R] '' if unknown. */
  values: string[];
  /** Index of the best run. */
  best?: number;
}

/** @returns the HTML document */
export function renderCompare(data: CompareData): string {
  const { title, runs, metrics, settings, classes, charts, command } = data;
  const sections: (Section | false | undefined)[] = [
    { id: 'figures', title: 'Metrics', body: runTable('Metrics of the runs', runs, metrics) },
    charts && { id: 'curves', title: 'Curves', body: html`<div id="charts" class="charts"></div>` },
    {
      id: 'settings',
      title: 'Settings that differ',
      body: settings.length
        ? runTable('Settings that differ', runs, settings)
        : html`<p>All settings are the same.</p>`,
    },
    classes.length > 0 && {
      id: 'classes',
      title: 'Classes',
      body: html`<p>mAP50-95 of each class.</p>${runTable('mAP50-95 of each class', runs, classes)}`,
    },
    {
      id: 'repeat',
      title: 'Command that creates this page',
      body: html`<pre id="command" tabindex="0"><code>${command}</code></pre><button type="button" id="copy" hidden>Copy</button>`,
    },
  ];
  return renderPage({
    title,
    intro: html`<p class="status">${runs.length} ${runs.length === 1 ? 'run' : 'runs'}</p>`,
    sections: sections.filter((section): section is Section => Boolean(section)),
    data: { charts },
  });
}

/** A table with a column per run; the best value of a row is in a <strong> element. */
function runTable(caption: string, runs: readonly string[], rows: readonly CompareRow[]): Html {
  return scrollTable(
    caption,
    html`<table class="sortable runs"><caption class="hidden">${caption}</caption><thead><tr><th scope="col">What</th>${runs.map((run) => html`<th scope="col">${run}</th>`)}</tr></thead>
<tbody>${rows.map(
      ({ name, values, best }) =>
        html`<tr><th scope="row">${name}</th>${values.map((value, r) => (r === best ? html`<td class="path"><strong>${value}</strong></td>` : html`<td class="path">${value}</td>`))}</tr>`,
    )}</tbody></table>`,
  );
}
