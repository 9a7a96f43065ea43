/** Tables that a click on a heading sorts: numbers from the largest, names from A; again turns the order round. */
import { el, say } from './dom.js';
import { keep, recall } from './state.js';

export function sortableTables() {
  document.querySelectorAll('table.sortable').forEach((table, t) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = el('button', { type: 'button', class: 'sort', onclick: () => sort(column) }, ...head.childNodes);
      head.append(button);
    });
    const chosen = recall(`sort-${t}`);
    if (chosen && chosen.column < heads.length) apply(chosen.column, chosen.falling);

    function sort(column) {
      const now = heads[column].getAttribute('aria-sort');
      const falling = now ? now === 'ascending' : isNumber(table, column);
      keep(`sort-${t}`, { column, falling });
      apply(column, falling);
      say(`Sorted by ${heads[column].textContent}, ${falling ? 'falling' : 'rising'}`);
    }

    function apply(column, falling) {
      for (const head of heads) head.removeAttribute('aria-sort');
      heads[column].setAttribute('aria-sort', falling ? 'descending' : 'ascending');
      const body = table.tBodies[0];
      const rows = [...body.rows].filter((row) => !row.classList.contains('all'));
      rows.sort((a, b) => compare(cell(a, column), cell(b, column)) * (falling ? -1 : 1));
      body.append(...rows);
    }
  });
}

const cell = (row, column) => row.cells[column].textContent.trim();

function isNumber(table, column) {
  return [...table.tBodies[0].rows].every(
    (row) => cell(row, column) === '' || !Number.isNaN(Number(cell(row, column))),
  );
}

/** Numbers by size, everything else by name. */
export function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  if (a !== '' && b !== '' && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a.localeCompare(b);
}
