/** Limits of class names, which appear in images, plots, tables and names of folders. */
import { brief } from './brief.js';
import { UserError } from './errors.js';

/** Characters. The longest names of the large public datasets have about 50. */
const MAX_NAME = 200;

/**
 * @param where file that the names come from, for the message
 * @throws UserError `code` if a name is longer than MAX_NAME
 */
export function refuseLongNames(names: readonly string[], where: string, code: string): void {
  const long = names.findIndex((name) => name.length > MAX_NAME);
  if (long < 0) return;
  const { length } = names[long];
  const what = `the name of class ${long} has ${length} characters; at most ${MAX_NAME} are allowed`;
  throw new UserError(code, `${where}: ${what} (${brief(names[long])})`, 'shorten it');
}
