/**
 * Flags of node that make some file operations fail as a disk or share does, which a test cannot bring about otherwise
 * (root reads everything).
 * @param code the system's name of the error, e.g. 'EIO'
 * @param pattern of the paths that are hit
 */
export function failingFiles(code: 'EIO' | 'EACCES', pattern: RegExp): string[] {
  const source = `
    import fs from 'node:fs';
    import { syncBuiltinESMExports } from 'node:module';
    const pattern = new RegExp(${JSON.stringify(pattern.source)});
    const fault = (path) => Object.assign(new Error('${code}: a fault of the disk, open \\'' + path + '\\''),
      { code: '${code}', errno: -5, syscall: 'open', path });
    for (const name of ['openSync', 'readFileSync', 'readdirSync']) {
      const original = fs[name];
      fs[name] = (path, ...rest) => {
        if (typeof path === 'string' && pattern.test(path)) throw fault(path);
        return original(path, ...rest);
      };
    }
    for (const name of ['open', 'readFile']) {
      const original = fs.promises[name];
      fs.promises[name] = async (path, ...rest) => {
        if (typeof path === 'string' && pattern.test(path)) throw fault(path);
        return original(path, ...rest);
      };
    }
    syncBuiltinESMExports();
  `;
  return ['--import', `data:text/javascript,${encodeURIComponent(source)}`];
}
