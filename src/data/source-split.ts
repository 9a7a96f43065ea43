/**
 * Splits a text with several sources: `a.jpg,b.jpg`, `[a.jpg, b/*.png]`, URLs separated by commas.
 * @returns the parts without brackets and quotes; one part when the text is a single source
 */
export function splitSource(text: string): string[] {
  const inside = /^\[(.*)\]$/s.exec(text)?.[1] ?? text;
  // A URL may contain commas: only a comma that is followed by another URL separates.
  const parts = /^[a-z][a-z0-9+.-]*:\/\//i.test(inside.trim())
    ? inside.split(/,(?=\s*[a-z][a-z0-9+.-]*:\/\/)/i)
    : betweenCommas(inside);
  return parts.map((part) => part.trim().replace(/^(["'])(.*)\1$/, '$2')).filter((part) => part !== '');
}

/** Splits at commas, except inside the braces of a glob pattern (`{a,b}.jpg`). */
function betweenCommas(text: string): string[] {
  const parts = [''];
  let depth = 0;
  for (const char of text) {
    if (char === '{') depth++;
    if (char === '}') depth = Math.max(0, depth - 1);
    if (char === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += char;
  }
  return parts;
}
