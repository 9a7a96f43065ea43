/** Work in stages, a bar for each: the next one begins where the last one ends. */
import { memory } from './format.js';
import { Bar } from './progress.js';

export class Stages {
  private bar?: Bar;
  private stage?: string;

  constructor(private readonly labels: Record<string, [label: string, unit: string]>) {}

  update(stage: string, done: number, total: number): void {
    if (stage !== this.stage) {
      this.end();
      this.stage = stage;
      const [label, unit] = this.labels[stage] ?? [stage, ''];
      this.bar = new Bar(label, total, unit);
    }
    this.bar?.update(done, total, memory());
    if (done >= total) this.end();
  }

  end(): void {
    this.bar?.end();
    this.bar = undefined;
  }
}
