/** Sorting of tables by a click on a heading: numbers descending, names ascending; another click reverses the order. */
import { el, say } from './dom.js';
import { keep, recall } from './state.js';

/** Makes all tables of class `sortable` sortable. */
export function sortableTables() {
  document.querySelectorAll('table.sortable').forEach((table, t) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = el('button', { type: 'button', class: 'sort', onclick: () => sort(column) }, ...head.childNodes);
      head.append(button);
    });
    const chosen = recall(`sort-${t}`);
    if (chosen && chosen.column < heads.length) apply(chosen.column, chosen.descending);

    function sort(column) {
      const now = heads[column].getAttribute('aria-sort');
      const descending = now ? now === 'ascending' : isNumber(table, column);
      keep(`sort-${t}`, { column, descending });
      apply(column, descending);
      say(`Sorted by ${heads[column].textContent}, ${descending ? 'descending' : 'ascending'}`);
    }

    function apply(column, descending) {
      for (const head of heads) head.removeAttribute('aria-sort');
      heads[column].setAttribute('aria-sort', descending ? 'descending' : 'ascending');
      const body = table.tBodies[0];
      const rows = [...body.rows].filter((row) => !row.classList.contains('all'));
      rows.sort((a, b) => compare(cell(a, column), cell(b, column)) * (descending ? -1 : 1));
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

/** Compares two cells: numbers by value, other text alphabetically. */
export function compare(a, b) {
  const [x, y] = [Number(a), Number(b)];
  if (a !== '' && b !== '' && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  return a.localeCompare(b);
}
