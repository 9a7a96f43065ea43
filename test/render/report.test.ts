import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { html, jsonBlock } from '../../src/render/report/html.js';
import { renderReport } from '../../src/render/report/page.js';
import { Browser, findChromium } from '../helpers/chromium.js';
import { type SampleImage, sampleReport } from '../helpers/report-data.js';
import { tmpDir } from '../helpers/tmp.js';

const HOSTILE = [
  `</script><script>document.title='broken'</script>`,
  `"><img src="http://example.com/x" onerror="document.title='broken'">`,
];

/** What the page's script gets. */
function dataOf(page: string): Record<string, unknown> {
  return JSON.parse(/<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page)![1]);
}

describe('html', () => {
  it('escapes what it is given, and lists of it, but not what it made itself', () => {
    const made = html`<b class="${`"'`}">${['<', html`<i>${'&'}</i>`, undefined, false, 7]}</b>`;
    expect(made.text).toBe('<b class="&#34;&#39;">&#60;<i>&#38;</i>7</b>');
  });
  it('keeps every text inside its block of data', () => {
    const value = ['</script>', '<!--', '\u2028', 'ü&>'];
    const { text } = jsonBlock('data', value);
    expect(text.match(/<\/script>/g)).toHaveLength(1);
    expect(text).not.toContain('<!--');
    expect(JSON.parse(text.replace(/^<script[^>]*>|<\/script>$/g, ''))).toEqual(value);
  });
});

describe('renderReport', () => {
  it('fetches nothing, and no class name or path gets out of its place', async () => {
    const dir = tmpDir();
    const hostile = [
      {
        name: `<img src=x onerror=alert(1)>&"'.png`,
        detections: [0, 0, 9, 9, 0.9, 0],
        labels: [1, 0.5, 0.5, 0.2, 0.2],
      },
    ];
    const { data } = await sampleReport(dir, HOSTILE, hostile);
    const page = renderReport({ ...data, title: HOSTILE[1] });
    expect(page.match(/<script/g)).toHaveLength(2);
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    const withoutData = page.replace(/<script.*?<\/script>/gs, '');
    expect(withoutData).not.toMatch(/<(img|link|iframe|object|embed|script|base)\b/i);
    // A tag with such an attribute, not the text of one.
    expect(withoutData).not.toMatch(/<[^>]*\s(src|href|action)="(?!#)/i);
    expect(page).not.toMatch(/@import|url\(|import\(|fetch\(|XMLHttpRequest|WebSocket/);
    expect(page).toContain('default-src &#39;none&#39;');
    expect(dataOf(page).names).toEqual(HOSTILE);
  });

  it('holds what the evaluation found', async () => {
    const { data, evaluation } = await sampleReport(tmpDir(), ['cat', 'dog']);
    const page = renderReport(data);
    expect(page).toContain(`<dt>mAP50</dt><dd>${evaluation.mAP50.toFixed(3)}</dd>`);
    for (const { name, images, instances } of evaluation.classes)
      expect(page).toContain(`<th scope="row">${name}</th><td>${images}</td><td>${instances}</td>`);
    expect(page).toContain('dog taken for cat');
    expect(page).toContain('cat not found');
    expect(page).toContain('dog found where none is labelled');
    expect(page).toContain('yolo train epochs=3 name=&#39;a b&#39;');
    expect(page.indexOf('<code>epochs</code>')).toBeLessThan(page.indexOf('<code>imgsz</code>'));
    // Each heading of a section, once, in order; each table says what it is.
    expect([...page.matchAll(/<h2 id="(\w+)-title">/g)].map((m) => m[1])).toEqual([
      'curves',
      'classes',
      'confidence',
      'confusion',
      'mistakes',
      'images',
      'settings',
      'environment',
      'repeat',
    ]);
    expect(page.match(/<table/g)?.length).toBe(page.match(/<caption/g)?.length);
  });

  it('opens the images behind a cell', async () => {
    const { data } = await sampleReport(tmpDir(), ['cat', 'dog']);
    const { cells, shown } = data.confusion!;
    const of = (key: string) => (shown[key] ?? []).map((i) => data.images![i].path.split('/').pop());
    expect(cells).toContainEqual([0, 1, 1]);
    expect(of('0,1')).toEqual(['b.png']); // found cat, labelled dog
    expect(of('1,2')).toEqual(['b.png']); // a dog that is none
    expect(of('2,0')).toEqual(['a.png']); // a cat that was missed
    expect(Object.keys(shown).sort()).toEqual(cells.map(([p, t]) => `${p},${t}`).sort());
  });

  it('judges each box of an image', async () => {
    const { data } = await sampleReport(tmpDir(), ['cat', 'dog']);
    const [a, b] = ['a.png', 'b.png'].map((name) => data.images!.find(({ path }) => path.endsWith(name))!);
    expect(a.labels).toEqual([
      [0, 10, 10, 30, 30, 1],
      [0, 70, 70, 90, 90, 0],
    ]);
    expect(a.found).toEqual([[0, 10, 10, 30, 30, 0.9, -1]]);
    expect(a.mistakes).toEqual(['cat: missed']);
    expect(b.found.map((row) => row[6])).toEqual([1, 3]); // wrong class, background
    expect(b.mistakes[0]).toMatch(/^cat 0.80: wrong class \(labelled dog, IoU 1.00\)$/);
    expect(a.source).toMatch(/^data:image\/webp;base64,/);
  });

  it('stays small with many classes and images', async () => {
    const names = Array.from({ length: 90 }, (_, i) => `class ${i}`);
    const images = Array.from(
      { length: 300 },
      (_, i): SampleImage => ({
        name: `${i}.png`,
        detections: Array.from({ length: 20 }, (_, k) => [k, k, k + 50, k + 40, 0.95 - k / 50, (i + k) % 90]).flat(),
        labels: [i % 90, 0.3, 0.3, 0.4, 0.4],
      }),
    );
    const { data } = await sampleReport(tmpDir(), names, images);
    expect(data.images!.length).toBeLessThanOrEqual(220);
    expect(renderReport(data).length).toBeLessThan(5_000_000);
  });

  it('loads itself anew only while the run goes on', async () => {
    const { data } = await sampleReport(tmpDir(), ['cat', 'dog']);
    expect(renderReport(data)).not.toContain('http-equiv="refresh"');
    const running = renderReport({ ...data, state: 'running' });
    expect(running).toContain('<noscript><meta http-equiv="refresh" content="20"></noscript>');
    expect(running).toContain('Training is running after epoch 2 of 3');
    expect(renderReport({ ...data, state: 'interrupted' })).toContain('Training was interrupted');
  });
});

const chromium = findChromium();

describe.skipIf(!chromium)(`the page in a browser${chromium ? '' : ' (skipped: no Chromium here)'}`, () => {
  /** The document after its script and `act` have run. */
  function open(page: string, act: string): string {
    const file = join(tmpDir(), 'report.html');
    const say = `document.body.insertAdjacentHTML('beforeend', '<output id=told></output>'); const tell = (x) => { told.textContent += JSON.stringify(x) + '\\n'; };`;
    writeFileSync(
      file,
      page.replace(
        '</body>',
        () => `<script>addEventListener('load', () => setTimeout(() => { ${say} ${act} }, 300));</script></body>`,
      ),
    );
    const flags = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--virtual-time-budget=3000',
      '--window-size=1000,800',
    ];
    const { stdout } = spawnSync(chromium!, [...flags, '--dump-dom', `file://${file}`], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    return stdout;
  }
  const told = (dom: string): unknown[] => {
    const text = /<output id="told">(.*?)<\/output>/s.exec(dom)?.[1] ?? '';
    const plain = text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');
    return plain
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  };

  it('draws, sorts, reads values, opens a cell and an image', async () => {
    const { data } = await sampleReport(tmpDir(), ['cat', 'dog']);
    const dom = open(
      renderReport(data),
      `tell(document.documentElement.dataset.ready);
       tell(document.querySelectorAll('#charts figure').length);
       tell([...document.querySelectorAll('#charts path')].every((p) => !p.getAttribute('d').includes('NaN')));
       document.querySelector('#classes th:nth-child(7) button').click();
       tell([...document.querySelectorAll('#classes tbody th')].map((th) => th.textContent));
       const slider = document.getElementById('threshold'); slider.value = 0.6; slider.dispatchEvent(new Event('input'));
       tell(document.getElementById('at-threshold').textContent);
       document.querySelector('[data-cell="0,1"]').click();
       tell(document.querySelector('#cell-images h3').textContent);
       tell(document.querySelectorAll('#cell-images .card').length);
       tell(document.querySelectorAll('#cell-images .box.false').length);
       document.querySelector('#cell-images .card').click();
       tell(document.getElementById('large').open);
       const least = document.getElementById('least'); least.value = 0.7; least.dispatchEvent(new Event('input'));
       tell([...document.querySelectorAll('#large .box')].map((b) => b.getBoundingClientRect().width > 0));`,
    );
    const [ready, figures, whole, order, at, title, cards, wrong, large, drawn] = told(dom);
    expect([ready, figures, whole]).toEqual(['true', 7, true]);
    const byMap = [...data.classes!].sort((a, b) => b['mAP50-95'] - a['mAP50-95']).map(({ name }) => name);
    expect(order).toEqual(['all', ...byMap]);
    expect(at).toMatch(/^all at 0.60: precision \d\.\d{3}, recall \d\.\d{3}, F1 \d\.\d{3}$/);
    expect(title).toBe('Predicted cat, labelled dog: 1 (100 % of its column)');
    expect([cards, wrong, large]).toEqual([1, 2, true]);
    expect(drawn).toEqual([true, true, false]); // the label, 0.8, 0.5
  }, 60_000);

  describe('on a phone', () => {
    let browser: Browser;
    beforeAll(async () => {
      const { data } = await sampleReport(tmpDir(), ['cat', 'an animal with a long name', ...names(30)]);
      const splits = ['train', 'val'].map((split) => ({
        ...{ split, images: 123456, instances: 1234567, backgrounds: 9, missingLabels: 9, corrupt: 0 },
        perClass: data.names.map(() => 12345),
        sizes: { small: 123456, medium: 123456, large: 123456 },
      }));
      const file = join(tmpDir(), 'report.html');
      const dataset = { file: '/a/long/path/of/a/folder/with/data.yaml', names: data.names, splits, notes: [] };
      writeFileSync(file, renderReport({ ...data, dataset }));
      browser = await Browser.start(chromium!, join(tmpDir(), 'profile'));
      await browser.resize(390, 844);
      await browser.open(`file://${file}`);
      await browser.until("document.documentElement.dataset.ready === 'true'", 30);
    }, 60_000);
    afterAll(() => browser?.close());
    const names = (n: number) => Array.from({ length: n }, (_, i) => `class ${i}`);

    it('tables and notes fit the screen; only the table of epochs and the matrix may be wider', async () => {
      await browser.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })");
      const wide = await browser.evaluate<string[]>(`[...document.querySelectorAll('main *, header *')]
        .filter((e) => !e.closest('.wide, #matrix, nav, svg, .hidden') && e.getBoundingClientRect().right > innerWidth + 0.5)
        .map((e) => e.outerHTML.slice(0, 100))`);
      expect(wide).toEqual([]);
      const scrolling = await browser.evaluate<
        string[]
      >(`[...document.querySelectorAll('.scroll:not(.wide):not(#matrix)')]
        .filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)
        .map((e) => e.getAttribute('aria-label'))`);
      expect(scrolling).toEqual([]);
      expect(await browser.evaluate('document.documentElement.scrollWidth')).toBe(390);
    });

    it('the chart of precision over recall says what the line over it says', async () => {
      const said = await browser.evaluate<string>("document.getElementById('at-threshold').textContent");
      const [, precision, recall] = /precision ([\d.]+), recall ([\d.]+)/.exec(said)!;
      const figure = "[...document.querySelectorAll('#confidence-charts figure')][1]";
      const shown = await browser.evaluate<string[]>(
        `[${figure}.querySelector('.at').textContent, ${figure}.querySelector('.legend .value').textContent]`,
      );
      expect(shown).toEqual([`recall ${Number(recall)}`, String(Number(precision))]);
      const [mark, cursor] = await browser.evaluate<number[]>(
        `[${figure}.querySelector('.mark').getAttribute('cx'), ${figure}.querySelector('.cursor').getAttribute('x1')].map(Number)`,
      );
      expect(cursor).toBeCloseTo(mark, 3);
    });
  });

  it('shows hostile names as text', async () => {
    const { data } = await sampleReport(tmpDir(), HOSTILE);
    const dom = open(
      renderReport({ ...data, title: 'fine' }),
      `for (const b of document.querySelectorAll('button.cell, .card')) b.click();
       document.querySelectorAll('.card')[0].click();
       tell(document.documentElement.dataset.ready); tell(document.title); tell(document.querySelectorAll('img:not([src^="data:"])').length);`,
    );
    expect(told(dom)).toEqual(['true', 'fine', 0]);
  }, 60_000);
});
