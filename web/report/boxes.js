/** Images with labels, true positives, false positives and missed objects; enlarged in a dialog. */
import { byId, el, say, svg } from './dom.js';
import { keep, recall } from './state.js';

/** Error types by index (ERROR_KINDS of src/metrics/errors.ts). */
const KINDS = ['localisation', 'wrong class', 'duplicate', 'background'];
/** Images added to the gallery at a time. */
const PAGE = 24;
/** Up to this number of detections true positives have captions, too. */
const FEW = 20;
/** Maximum number of false positives with captions, by descending confidence. */
const CAPTIONS = 40;
/** Upper estimate of the width of a letter relative to the font size, to keep captions within the image. */
const LETTER = 0.62;
/** Detections below this confidence are hidden. */
let least = recall('least', 0);

/** @returns the boxes as SVG in pixels of the image, with captions for errors, and for true positives if there are few */
function overlay(image, names, captions) {
  const { width, height } = image;
  const unit = Math.max(width, height);
  const root = svg('svg', { class: 'boxes', viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
  const draw = (kind, [x1, y1, x2, y2], text, confidence) => {
    const group = svg(
      'g',
      { class: `box ${kind}${confidence < least ? ' unsure' : ''}`, 'data-confidence': confidence },
      svg('rect', { x: x1, y: y1, width: Math.max(x2 - x1, 0), height: Math.max(y2 - y1, 0) }),
    );
    if (text) {
      const size = unit / 60;
      const y = kind === 'label' || kind === 'miss' ? Math.min(y2 + size, height - 2) : Math.max(y1 - size * 0.3, size);
      const x = Math.max(0, Math.min(x1, width - text.length * size * LETTER));
      group.append(svg('text', { x, y, 'font-size': size, 'stroke-width': size / 5 }, text));
    }
    root.append(group);
  };
  const few = image.found.length <= FEW;
  let captioned = 0;
  for (const [id, x1, y1, x2, y2, hit] of image.labels) {
    draw(hit ? 'label' : 'miss', [x1, y1, x2, y2], captions && !hit && names[id]);
  }
  for (const [id, x1, y1, x2, y2, confidence, kind] of image.found) {
    const text = `${names[id] ?? id} ${confidence.toFixed(2)}${kind < 0 ? '' : ` ${KINDS[kind]}`}`;
    draw(
      kind < 0 ? 'hit' : 'false',
      [x1, y1, x2, y2],
      captions && (few || (kind >= 0 && captioned++ < CAPTIONS)) && text,
      confidence,
    );
  }
  return root;
}

const baseName = (path) => path.split(/[\\/]/).pop();

function summary({ labels, hits, found }) {
  const wrong = found.length - hits;
  const missed = labels.filter((label) => !label[5]).length;
  return `${hits} of ${labels.length} found, ${wrong} false, ${missed} missed`;
}

/** An image as a button that opens the enlarged image. */
function card(image, names) {
  const name = baseName(image.path);
  const view = el(
    'span',
    { class: 'image', style: `aspect-ratio:${image.width}/${image.height}` },
    el('img', { src: image.source, alt: '', loading: 'lazy' }),
    overlay(image, names, false),
  );
  return el(
    'button',
    {
      type: 'button',
      class: 'card',
      title: image.path,
      'aria-label': `${name}: ${summary(image)}. Open large`,
      onclick: () => openLarge(image, names),
    },
    view,
    el('span', { class: 'name' }, name),
    el('span', { class: 'note' }, summary(image)),
  );
}

/** Fills a gallery with images, a page at a time. @param more button for the next page */
export function gallery(host, more, images, names) {
  let shown = 0;
  const add = () => {
    host.append(...images.slice(shown, shown + PAGE).map((image) => card(image, names)));
    shown += PAGE;
    more.hidden = shown >= images.length;
    more.textContent = `More images (${Math.max(images.length - shown, 0)})`;
  };
  host.replaceChildren();
  more.onclick = () => {
    const next = shown;
    add();
    host.children[next]?.focus();
  };
  add();
}

function openLarge(image, names) {
  const dialog = byId('large');
  dialog.setAttribute('aria-label', `${baseName(image.path)}: ${summary(image)}`);
  dialog.replaceChildren(
    el(
      'form',
      { method: 'dialog', class: 'bar' },
      el('h3', { class: 'path' }, image.path),
      el('button', { autofocus: true }, 'Close'),
    ),
    el(
      'span',
      {
        class: 'image',
        style: `aspect-ratio:${image.width}/${image.height};--part:${image.width / image.height}`,
      },
      el('img', { src: image.source, alt: '' }),
      overlay(image, names, true),
    ),
    el('p', {}, `${summary(image)}.`),
    el('ul', {}, ...image.mistakes.map((text) => el('li', {}, text))),
  );
  dialog.showModal();
}

/** Controls that show and hide boxes by kind and confidence. */
export function kindSwitches() {
  for (const box of document.querySelectorAll('.show-kind')) {
    const apply = () => document.body.classList.toggle(`without-${box.value}`, !box.checked);
    box.checked = recall(`show-${box.value}`, true);
    apply();
    box.addEventListener('change', () => {
      keep(`show-${box.value}`, box.checked);
      apply();
      say(`${box.parentElement.textContent.trim()}: ${box.checked ? 'shown' : 'hidden'}`);
    });
  }
  const slider = byId('least');
  const hideUnsure = () => {
    least = Number(slider.value);
    keep('least', least);
    byId('least-shown').textContent = least.toFixed(2);
    for (const box of document.querySelectorAll('.box[data-confidence]'))
      box.classList.toggle('unsure', Number(box.dataset.confidence) < least);
  };
  if (slider) {
    slider.value = least;
    slider.addEventListener('input', hideUnsure);
    hideUnsure();
  }
  const dialog = byId('large');
  dialog?.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
}
