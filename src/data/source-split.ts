/** Several sources in one text: `a.jpg,b.jpg`, `[a.jpg, b/*.png]`, addresses with commas between them. */
/** The parts, without brackets and quotes around them; one part when the text names one source. */
export function splitSource(text: string): string[] {
  const inside = /^\[(.*)\]$/s.exec(text)?.[1] ?? text;
  // A comma may belong to an address: only one that another address follows separates.
  const parts = /^[a-z][a-z0-9+.-]*:\/\//i.test(inside.trim())
    ? inside.split(/,(?=\s*[a-z][a-z0-9+.-]*:\/\/)/i)
    : betweenCommas(inside);
  return parts.map((part) => part.trim().replace(/^(["'])(.*)\1$/, '$2')).filter((part) => part !== '');
}

/** Commas inside the braces of a pattern (`{a,b}.jpg`) do not separate. */
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
