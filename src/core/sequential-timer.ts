/** Times calls for a resource that executes them in their order: each gets the time since the end of the one before it. */
export class SequentialTimer {
  private idleSince = 0;

  /** @returns the result of `work`, and its milliseconds without those that it waited for an earlier call */
  async time<T>(work: () => Promise<T>): Promise<[result: T, ms: number]> {
    const asked = performance.now();
    const result = await work();
    const started = Math.max(asked, this.idleSince);
    this.idleSince = performance.now();
    return [result, this.idleSince - started];
  }
}
