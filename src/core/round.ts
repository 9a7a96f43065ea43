/** Rounds halves to the even neighbour, as Python's round() and OpenCV's cvRound do (Math.round takes them up). */
export function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  const up = rest > 0.5 || (rest === 0.5 && low % 2 !== 0);
  return up ? low + 1 : low;
}
