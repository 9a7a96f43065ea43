/** Text as outlines: width and SVG paths from the packaged glyphs, independent of the machine's fonts. */
import { FONT, GLYPH_TABLE } from './glyph-table.js';

interface Glyph {
  /** Advance width, units of 1/1000 em. */
  advance: number;
  contours: { x: number; y: number; rest: string }[];
}

let table: Map<string, string> | undefined;
const parsed = new Map<string, Glyph>();

/** Whether every character has a glyph (Latin, Greek, Cyrillic and common symbols). */
export function canDraw(text: string): boolean {
  return [...text.normalize('NFC')].every((char) => lines().has(char));
}

/** Width of a line of text, pixels. @param size font size, pixels */
export function textWidth(text: string, size: number): number {
  let units = 0;
  for (const char of text.normalize('NFC')) units += glyph(char).advance;
  return (units * size) / FONT.em;
}

/** SVG path data of a line of text in font units (1000 per em), y up, starting at x = 0 on the baseline. */
export function textOutline(text: string): string {
  let x = 0;
  let d = '';
  for (const char of text.normalize('NFC')) {
    const { advance, contours } = glyph(char);
    for (const c of contours) d += `M${c.x + x} ${c.y}${c.rest}z`;
    x += advance;
  }
  return d;
}

function lines(): Map<string, string> {
  if (!table) {
    table = new Map();
    for (const line of GLYPH_TABLE.trim().split('\n')) {
      const end = line.indexOf(' ');
      table.set(String.fromCodePoint(Number.parseInt(line.slice(0, end), 16)), line.slice(end + 1));
    }
  }
  return table;
}

/** A character without a glyph is drawn as its base letter if it has one (ő → o), else as a question mark. */
function glyph(char: string): Glyph {
  const known = parsed.get(char);
  if (known) return known;
  const line = lines().get(char) ?? lines().get(char.normalize('NFKD')[0]) ?? lines().get('?') ?? '500 ';
  const end = line.indexOf(' ');
  const contours: Glyph['contours'] = [];
  for (const contour of line.slice(end + 1).split('z')) {
    const start = /^M(-?\d+) ?(-?\d+)(.*)$/.exec(contour);
    if (start) contours.push({ x: Number(start[1]), y: Number(start[2]), rest: start[3] });
  }
  const result: Glyph = { advance: Number(line.slice(0, end)), contours };
  parsed.set(char, result);
  return result;
}
