/** Import directions: cfg → data → graph, nn → loss, optim → engine → cli; see README, "Layout". */
const may = {
  core: [],
  cfg: ['core'],
  io: ['core'],
  image: ['core', 'io'],
  data: ['core', 'cfg', 'io', 'image'],
  graph: ['core', 'io'],
  backend: ['core', 'graph'],
  nn: ['core', 'cfg', 'io', 'graph', 'backend'],
  detect: ['core', 'cfg', 'io', 'graph', 'backend', 'nn'],
  browser: ['core', 'image', 'detect'],
  loss: ['core', 'nn', 'graph'],
  optim: ['core', 'nn', 'graph'],
  metrics: ['core'],
  track: ['core'],
  export: ['core', 'cfg', 'io', 'graph', 'backend', 'nn', 'detect'],
  render: ['core', 'cfg', 'io', 'image', 'metrics'],
  engine: [
    ...['core', 'cfg', 'io', 'image', 'data', 'graph', 'backend', 'nn', 'detect'],
    ...['loss', 'optim', 'metrics', 'track', 'export', 'render'],
  ],
  cli: ['core', 'cfg', 'engine', 'index'],
};
const forbidden = Object.entries(may).map(([from, to]) => ({
  name: `${from}-imports`,
  severity: 'error',
  comment: `src/${from} may import ${to.length ? to.map((d) => `src/${d}`).join(', ') : 'nothing of src'}`,
  from: { path: `^src/${from}/` },
  to: {
    path: '^src/',
    pathNot: [`^src/${from}/`, ...to.map((d) => (d === 'index' ? '^src/index\\.ts$' : `^src/${d}/`))],
  },
}));
module.exports = {
  forbidden: [
    ...forbidden,
    { name: 'no-circular', severity: 'error', comment: 'of types alone neither', from: {}, to: { circular: true } },
    {
      name: 'src-imports-of-bin',
      severity: 'error',
      comment: 'src asks the set-up where things lie and takes its locks; it sets nothing up',
      from: { path: '^src/' },
      to: { path: '^bin/', pathNot: '^bin/setup/(paths|gpu-paths|driver|lock)\\.(d\\.mts|mjs)$' },
    },
    {
      name: 'bin-imports-nothing-built',
      severity: 'error',
      comment: 'bin runs before anything is built; what runs after it tries the engine or reads the option table',
      from: { path: '^bin/', pathNot: '^bin/(setup/smoke(-gpu)?|generate)\\.mjs$' },
      to: { path: '(^|/)(src|dist)/' },
    },
    {
      name: 'setup-imports-no-package',
      severity: 'error',
      comment: 'bin/setup runs before dependencies are installed; the build, after it, may use the bundler',
      from: { path: '^bin/setup' },
      to: { dependencyTypesNot: ['core', 'local'], pathNot: '^node_modules/esbuild/|(^|/)dist/' },
    },
    {
      name: 'sharp-only-in-image',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/image/' },
      to: { path: '^node_modules/sharp' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
