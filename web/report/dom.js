/** Creation of elements and formatting of numbers. Text is inserted as text, never as HTML. */

/** @returns the element with this id, or null */
export const byId = (id) => document.getElementById(id);

/** Creates an HTML element with attributes, listeners (`onclick`) and children (text or elements). */
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Creates an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.filter((child) => child !== undefined && child !== false && child !== null));
  return node;
}

/** Announces a change to screen readers. */
export function say(text) {
  byId('live').textContent = text;
}

/** Formats a number with four significant digits; – if it is missing. */
export function short(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2).replace(/\.?0+e/, 'e');
  return String(Number(value.toPrecision(4)));
}
