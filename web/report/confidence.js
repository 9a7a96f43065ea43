/** Charts of precision, recall and F1 over confidence, and their values at the slider. */
import { createView, lineChart } from './chart.js';
import { byId } from './dom.js';
import { keep, recall } from './state.js';

/** @param curves CurveData of src/render/report/data.ts @param names of the classes */
export function confidencePanel(curves, names) {
  const host = byId('confidence-charts');
  const slider = byId('threshold');
  const select = byId('curve-class');
  const grid = Array.from({ length: curves.points }, (_, i) => i / (curves.points - 1));
  const part = (values) => values.map((value) => value / 1000);
  const over = {
    title: 'Over confidence',
    fixed: [0, 1.02],
    series: ['precision', 'recall', 'F1'].map((name) => ({ name, values: [] })),
  };
  const point = { x: 0, y: 0 };
  const against = {
    title: 'Precision over recall',
    fixed: [0, 1.02],
    series: [{ name: 'precision', values: [] }],
    point: () => point,
  };
  const view = createView('confidence', grid);
  const other = createView('recall', grid);

  function choose() {
    const id = Number(select.value);
    const c = curves.classes.indexOf(id);
    const { precision, recall: found, precisionOverRecall } = c < 0 ? curves.mean : pick(curves, c);
    const [p, r] = [part(precision), part(found)];
    const f1 = c < 0 ? part(curves.mean.f1) : p.map((value, i) => (2 * value * r[i]) / (value + r[i] || 1));
    over.series.forEach((series, i) => {
      series.values = [p, r, f1][i];
    });
    against.series[0].values = part(precisionOverRecall);
    keep('curve-class', select.value);
    move();
  }

  function move() {
    const at = Math.round(Number(slider.value) * (curves.points - 1));
    const [p, r, f1] = over.series.map(({ values }) => values[at]);
    [point.x, point.y] = [r, p];
    view.pinned = at;
    const name = Number(select.value) < 0 ? 'all' : names[Number(select.value)];
    byId('at-threshold').textContent =
      `${name} at ${Number(slider.value).toFixed(2)}: precision ${p.toFixed(3)}, recall ${r.toFixed(3)}, F1 ${f1.toFixed(3)}`;
    keep('threshold', slider.value);
    view.redraw();
    other.redraw();
  }

  slider.value = recall('threshold', slider.value);
  select.value = recall('curve-class', '-1');
  host.append(lineChart(over, view, 'confidence'), lineChart(against, other, 'recall'));
  slider.addEventListener('input', move);
  select.addEventListener('change', choose);
  choose();
}

function pick({ precision, recall: found, precisionOverRecall }, c) {
  return { precision: precision[c], recall: found[c], precisionOverRecall: precisionOverRecall[c] };
}
