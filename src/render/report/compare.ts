/** One page about several runs: their curves over each other, what they reached, and in which settings they differ. */
import type { ChartData } from './data.js';
import { renderPage, type Section } from './frame.js';
import { type Html, html } from './html.js';
import { scrollTable } from './sections.js';

export interface CompareData {
  title: string;
  /** Short names of the runs, R of them. */
  runs: string[];
  /** Rows of figures, a value a run. */
  metrics: CompareRow[];
  settings: CompareRow[];
  /** mAP50-95 of each class, where a run's metrics.json tells it. */
  classes: CompareRow[];
  charts?: ChartData;
  /** The command that makes the page. */
  command: string;
}

export interface CompareRow {
  name: string;
  /** [R] '' where a run does not tell. */
  values: string[];
  /** Which of them is best. */
  best?: number;
}

/** @returns the file's text */
export function renderCompare(data: CompareData): string {
  const { title, runs, metrics, settings, classes, charts, command } = data;
  const sections: (Section | false | undefined)[] = [
    { id: 'figures', title: 'What they reached', body: runTable('Figures of the runs', runs, metrics) },
    charts && { id: 'curves', title: 'Curves', body: html`<div id="charts" class="charts"></div>` },
    {
      id: 'settings',
      title: 'Settings that differ',
      body: settings.length ? runTable('Settings that differ', runs, settings) : html`<p>None differs.</p>`,
    },
    classes.length > 0 && {
      id: 'classes',
      title: 'Classes',
      body: html`<p>mAP50-95 of each class.</p>${runTable('mAP50-95 of each class', runs, classes)}`,
    },
    {
      id: 'repeat',
      title: 'How to make this page again',
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

/** A column a run; the best of a row is bold and marked for those who do not see it. */
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
