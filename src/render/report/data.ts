/**
 * Contents of a report as plain data without HTML: created by the engine, rendered by page.ts. Values drawn by the page's
 * script are numbers; what is shown without a script is text.
 */
import type { ErrorKind } from '../../metrics/errors.js';
import type { ClassFigures } from '../../metrics/tally.js';

/** A report. */
export interface ReportData {
  mode: 'train' | 'val';
  /** The run folder. */
  title: string;
  /** 'running': the page reloads itself. */
  state: 'running' | 'finished' | 'interrupted';
  /** Time of writing, ISO 8601. */
  written: string;
  progress?: RunProgress;
  /** The most important values, in order of importance. */
  key: Fact[];
  charts?: ChartData;
  classes?: ClassFigures[];
  /** Mean over all classes, first row of the table. */
  all?: Omit<ClassFigures, 'class' | 'name'>;
  names: string[];
  curves?: CurveData;
  confusion?: ConfusionData;
  mistakes?: MistakeRow[];
  images?: ImageData[];
  /** Number of images with errors; `images` contains the worst of them. */
  mistaken?: number;
  dataset?: DatasetData;
  settings: Setting[];
  environment: Fact[];
  speed: Fact[];
  /** The command that repeats the run. */
  command: string;
}

/** Progress of a run. */
export interface RunProgress {
  epoch: number;
  epochs: number;
  /** Determines how often the page reloads. */
  secondsPerEpoch: number;
}

/** A named value. */
export interface Fact {
  name: string;
  value: string;
}

/** Line charts with a common x axis. */
export interface ChartData {
  xLabel: string;
  /** [N] */
  x: number[];
  charts: Chart[];
}

/** A line chart. */
export interface Chart {
  title: string;
  /** Which values are better. */
  better?: 'higher' | 'lower';
  series: Series[];
}

/** A line. */
export interface Series {
  name: string;
  /** Null if not measured. */
  values: (number | null)[];
  /** [values.length] if it differs from the common x. */
  x?: number[];
}

/** Curves per class, in thousandths, over confidence or recall i / (points − 1). */
export interface CurveData {
  points: number;
  /** [C] class ids. */
  classes: number[];
  /** [C][points] */
  precision: number[][];
  /** [C][points] */
  recall: number[][];
  /** [C][points] */
  precisionOverRecall: number[][];
  /** Mean over all classes, including those left out if there are too many. */
  mean: { precision: number[]; recall: number[]; f1: number[]; precisionOverRecall: number[] };
  /** Confidence with the maximum mean F1. */
  best: number;
}

/** Confusion matrix; class K is the background. */
export interface ConfusionData {
  /** K */
  nc: number;
  /** [predicted, true, count] with a count above 0. */
  cells: [predicted: number, actual: number, count: number][];
  /** 'predicted,true' → indices of images of the report with this pair. */
  shown: Record<string, number[]>;
  /** 'predicted,true' → paths of some other images with this pair. */
  others: Record<string, string[]>;
}

/** An error type. */
export interface MistakeRow {
  kind: ErrorKind;
  count: number;
  /** Gain in mAP50 if all errors of the type were fixed, 0..1. */
  cost?: number;
  meaning: string;
}

/** An image with its labels and detections. */
export interface ImageData {
  path: string;
  /** Pixels of the original image; boxes are in them. */
  width: number;
  height: number;
  /** Data URI of the thumbnail. */
  source: string;
  /** [M][6] class, x1, y1, x2, y2, 1 if detected. */
  labels: number[][];
  /** [N][7] class, x1, y1, x2, y2, confidence, index of the error type or −1 for a true positive. */
  found: number[][];
  /** Descriptions of the errors. */
  mistakes: string[];
  /** Number of true positives. */
  hits: number;
}

/** A dataset. */
export interface DatasetData {
  file: string;
  names: string[];
  splits: SplitData[];
  notes: NoteData[];
}

/** Statistics of a split. */
export interface SplitData {
  split: string;
  images: number;
  instances: number;
  backgrounds: number;
  missingLabels: number;
  corrupt: number;
  /** [K] objects per class. */
  perClass: number[];
  /** Objects by area at imgsz: below 32² pixels, below 96², larger. */
  sizes: { small: number; medium: number; large: number };
}

/** A finding about the dataset. */
export interface NoteData {
  level: 'harm' | 'warning' | 'note';
  split?: string;
  message: string;
  meaning: string;
  count: number;
  examples: string[];
}

/** A setting of the run. */
export interface Setting {
  key: string;
  value: string;
  /** Default value. */
  usual: string;
  changed: boolean;
  help: string;
}
