/** The network, built once from a model description: what it consists of. It holds no weights. */
import { costOf } from './cost.js';
import { type ModelSpec, parseModelYaml } from './model-yaml.js';
import { type Arrays, type ParameterSpec, startOf } from './parameters.js';

export type { ParameterKind, ParameterSpec, Params } from './parameters.js';

export interface Network {
  spec: ModelSpec;
  /** In the order of `inOrder`. */
  parameters: ParameterSpec[];
  /** Fresh parameters, kernels HWIO. Each has a random stream of its own, keyed by seed and name. */
  init(seed: number): Arrays;
}

/**
 * @param spec from parseModelYaml
 * @param options another class count, and the hidden width of the class branch (fine-tuning keeps the source's)
 */
export function buildNetwork(spec: ModelSpec, options: { nc?: number; headHidden?: number } = {}): Network {
  if (options.nc !== undefined || options.headHidden !== undefined)
    spec = parseModelYaml(spec.yaml, { headHidden: spec.head.args.classHidden, ...options });
  const { parameters } = costOf(spec);
  return {
    spec,
    parameters,
    init: (seed) => Object.fromEntries(parameters.map((parameter) => [parameter.name, startOf(parameter, seed)])),
  };
}
