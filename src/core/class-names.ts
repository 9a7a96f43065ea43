/** Names of classes stand in images, plots, tables and names of folders: there is a limit to what they can be. */
import { brief } from './brief.js';
import { UserError } from './errors.js';

/** Characters; the longest names of the large public datasets have about 50. */
const MAX_NAME = 200;

/** @throws UserError when a name is longer than MAX_NAME @param where the file that they come from */
export function refuseLongNames(names: readonly string[], where: string, code: string): void {
  const long = names.findIndex((name) => name.length > MAX_NAME);
  if (long < 0) return;
  const { length } = names[long];
  const what = `the name of class ${long} has ${length} characters; at most ${MAX_NAME} are possible`;
  throw new UserError(code, `${where}: ${what} (${brief(names[long])})`, 'shorten it');
}
