/**
 * What a report shows, as plain data: the engine fills it in, the page draws it. Figures that the page's script needs are
 * numbers in arrays; everything that a reader sees without a script is text. Nothing in here is HTML.
 */
import type { ErrorKind } from '../../metrics/errors.js';
import type { ClassFigures } from '../../metrics/tally.js';

export interface ReportData {
  mode: 'train' | 'val';
  /** The run folder, as the user knows it. */
  title: string;
  /** 'running': the page reloads itself. */
  state: 'running' | 'finished' | 'interrupted';
  /** When it was written, ISO 8601. */
  written: string;
  progress?: RunProgress;
  /** Name and value of what matters most, in the order of importance. */
  key: Fact[];
  charts?: ChartData;
  classes?: ClassFigures[];
  /** The mean of all classes, first row of the table. */
  all?: Omit<ClassFigures, 'class' | 'name'>;
  names: string[];
  curves?: CurveData;
  confusion?: ConfusionData;
  mistakes?: MistakeRow[];
  images?: ImageData[];
  /** How many images have mistakes in all; `images` holds the worst of them. */
  mistaken?: number;
  dataset?: DatasetData;
  settings: Setting[];
  environment: Fact[];
  speed: Fact[];
  /** The command line that does the same again. */
  command: string;
}

export interface RunProgress {
  epoch: number;
  epochs: number;
  /** Seconds that an epoch takes; how often the page looks for news depends on it. */
  secondsPerEpoch: number;
}

export interface Fact {
  name: string;
  value: string;
}

/** Lines over one common x. */
export interface ChartData {
  xLabel: string;
  /** [N] */
  x: number[];
  charts: Chart[];
}

export interface Chart {
  title: string;
  /** What is better. */
  better?: 'higher' | 'lower';
  series: Series[];
}

export interface Series {
  name: string;
  /** Null where nothing was measured. */
  values: (number | null)[];
  /** Where this series has an x of its own: [values.length] */
  x?: number[];
}

/** Curves per class, in thousandths, over confidence (or recall) i / (points − 1). */
export interface CurveData {
  points: number;
  /** Class ids, C of them. */
  classes: number[];
  /** [C][points] */
  precision: number[][];
  recall: number[][];
  precisionOverRecall: number[][];
  /** Mean over all classes, also of those that are left out when there are too many. */
  mean: { precision: number[]; recall: number[]; f1: number[]; precisionOverRecall: number[] };
  /** Where the mean F1 is highest. */
  best: number;
}

/** Which class was taken for which; id K is the background. */
export interface ConfusionData {
  /** K */
  nc: number;
  /** [predicted, true, count], only those that occur. */
  cells: [predicted: number, actual: number, count: number][];
  /** 'predicted,true' → images of the report in which that happened. */
  shown: Record<string, number[]>;
  /** 'predicted,true' → paths of other images in which it happened, at most a few. */
  others: Record<string, string[]>;
}

export interface MistakeRow {
  kind: ErrorKind;
  count: number;
  /** What mAP50 would gain if these were mended, 0..1. */
  cost?: number;
  meaning: string;
}

export interface ImageData {
  path: string;
  /** Pixels of the original image; boxes are in them. */
  width: number;
  height: number;
  /** Data URI of the thumbnail. */
  source: string;
  /** class, x1, y1, x2, y2, 1 when found. */
  labels: number[][];
  /** class, x1, y1, x2, y2, confidence, index of the kind of mistake or −1 for a hit. */
  found: number[][];
  /** Says in words what went wrong. */
  mistakes: string[];
  hits: number;
}

export interface DatasetData {
  file: string;
  names: string[];
  splits: SplitData[];
  notes: NoteData[];
}

export interface SplitData {
  split: string;
  images: number;
  instances: number;
  backgrounds: number;
  missingLabels: number;
  corrupt: number;
  /** Objects by class id. */
  perClass: number[];
  /** Objects by size at imgsz: under 32², under 96², larger. */
  sizes: { small: number; medium: number; large: number };
}

export interface NoteData {
  level: 'harm' | 'warning' | 'note';
  split?: string;
  message: string;
  meaning: string;
  count: number;
  examples: string[];
}

export interface Setting {
  key: string;
  value: string;
  /** What it is when nobody says anything. */
  usual: string;
  changed: boolean;
  help: string;
}
