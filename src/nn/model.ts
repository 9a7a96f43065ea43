/** The network: its description and the specification of its parameters, without weights. */
import { costOf } from './cost.js';
import { type ModelSpec, parseModelYaml } from './model-yaml.js';
import { type Arrays, initialValue, type ParameterSpec } from './parameters.js';

export type { ParameterKind, ParameterSpec, Params } from './parameters.js';

/** A network without weights. */
export interface Network {
  spec: ModelSpec;
  /** In the order of `inOrder`. */
  parameters: ParameterSpec[];
  /** Initial values, kernels HWIO. Each parameter has its own random stream, keyed by seed and name. */
  init(seed: number): Arrays;
}

/**
 * @param spec from parseModelYaml
 * @param options other number of classes or hidden width of the class branch
 * @throws UserError 'bad-model' if the options are invalid
 */
export function buildNetwork(spec: ModelSpec, options: { nc?: number; headHidden?: number } = {}): Network {
  if (options.nc !== undefined || options.headHidden !== undefined)
    spec = parseModelYaml(spec.yaml, { headHidden: spec.head.args.classHidden, ...options });
  const { parameters } = costOf(spec);
  return {
    spec,
    parameters,
    init: (seed) => Object.fromEntries(parameters.map((parameter) => [parameter.name, initialValue(parameter, seed)])),
  };
}
