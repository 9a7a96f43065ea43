/** Where a worker thread's code lies: beside the module that starts it; when that runs from TypeScript (tests), in dist/. */
export function workerUrl(name: string, from: string): URL {
  const url = new URL(name.replace(/\.ts$/, '.js'), from);
  if (from.endsWith('.ts')) url.pathname = url.pathname.replace(/\/src\/(?!.*\/src\/)/, '/dist/');
  return url;
}
