/** Rounds halves to the nearest even integer, as Python's round() and OpenCV's cvRound do (Math.round rounds them up). */
export function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  const up = rest > 0.5 || (rest === 0.5 && low % 2 !== 0);
  return up ? low + 1 : low;
}
