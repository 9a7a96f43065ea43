/**
 * URL of a worker thread's module.
 * @param name file name, in the folder of the module that starts it
 * @param from `import.meta.url` of that module; if it is TypeScript (in tests), the built file in dist/ is used
 */
export function workerUrl(name: string, from: string): URL {
  const url = new URL(name.replace(/\.ts$/, '.js'), from);
  if (from.endsWith('.ts')) url.pathname = url.pathname.replace(/\/src\/(?!.*\/src\/)/, '/dist/');
  return url;
}
