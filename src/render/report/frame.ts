/** The frame of a page: head, styles, script. The page is self-contained; its content security policy forbids requests. */
import { readFileSync } from 'node:fs';
import { type Html, html, jsonBlock, trusted } from './html.js';

/** Files of `web/report/`, each after those that it imports. */
const SCRIPTS = ['dom.js', 'state.js', 'chart.js', 'table.js', 'confidence.js', 'boxes.js', 'confusion.js', 'main.js'];

/** A section of a page. */
export interface Section {
  id: string;
  title: string;
  body: Html;
}

/** Contents of a page. */
export interface PageParts {
  title: string;
  /** Below the title. */
  intro: Html;
  sections: Section[];
  /** Data of the script, as JSON. */
  data: unknown;
  /** Seconds between reloads without JavaScript. */
  refresh?: number;
}

/** @returns the HTML document */
export function renderPage({ title, intro, sections, data, refresh }: PageParts): string {
  const policy =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'";
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>${title}</title>
${refresh !== undefined && html`<noscript><meta http-equiv="refresh" content="${refresh}"></noscript>`}
<style>${trusted(asset('style.css'))}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<div class="bar"><h1>${title}</h1><button type="button" id="theme" hidden>Dark</button></div>
${intro}
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
</header>
<main id="content">
<noscript><p class="note">Charts, the confusion matrix and images need JavaScript; all tables are here without it.</p></noscript>
${sections.map(section)}
</main>
<div id="live" class="hidden" aria-live="polite"></div>
${jsonBlock('data', data)}
<script>${trusted(script())}</script>
</body>
</html>
`;
  return page.text;
}

function section({ id, title, body }: Section): Html {
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${body}
</section>
`;
}

/** Concatenates the modules of `web/report/` to one script, without their imports of each other. */
function script(): string {
  const parts = SCRIPTS.map((name) =>
    asset(name)
      .replace(/^import [^;]*;\n/gm, '')
      .replace(/^export /gm, ''),
  );
  return `(() => {\n'use strict';\n${parts.join('\n')}})();\n`;
}

function asset(name: string): string {
  return readFileSync(new URL(`../../../web/report/${name}`, import.meta.url), 'utf8');
}
