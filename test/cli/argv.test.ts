import { describe, expect, it } from 'vitest';
import { parseArgv, type Request } from '../../src/cli/argv.js';
import { joinArguments } from '../../src/cli/join.js';
import { UserError } from '../../src/core/errors.js';

/** Arguments as one line, split at spaces; single quotes keep words together. */
const split = (line: string): string[] => (line.match(/'[^']*'|\S+/g) ?? []).map((w) => w.replace(/^'|'$/g, ''));

describe('joinArguments', () => {
  it.each([
    ['a=1 b=2', ['a=1', 'b=2']],
    ['a = 1 b = 2', ['a=1', 'b=2']],
    ['a= 1 b =2', ['a=1', 'b=2']],
    ['imgsz=[320, 640] x=1', ['imgsz=[320,640]', 'x=1']],
    ['imgsz = [320, 640]', ['imgsz=[320,640]']],
    ['imgsz=[ 320 , 640 ]', ['imgsz=[320,640]']],
    ['imgsz=320, 640 x=1', ['imgsz=320,640', 'x=1']],
    ['--imgsz [320, 640] x=1', ['--imgsz', '[320,640]', 'x=1']],
    ['--epochs = 3', ['--epochs=3']],
    ['data= epochs=3', ['data=', 'epochs=3']],
    ['data=', ['data=']],
    ['source=http://h/x?a= b', ['source=http://h/x?a=', 'b']],
    ['source=a[1].jpg b', ['source=a[1].jpg', 'b']],
    ["'source=a b.jpg'", ['source=a b.jpg']],
    ['', []],
  ])('%s → %j', (line, want) => {
    expect(joinArguments(split(line))).toEqual(want);
  });
  it.each(['= 3', 'imgsz=[320, 640', '--imgsz [320'])('refuses %s', (line) => {
    expect(() => joinArguments(split(line))).toThrow(UserError);
  });
});

describe('parseArgv', () => {
  // Without a dash no parser is loaded; `--save` before it has yargs read the same.
  it.each([
    ['model=a.pt', 'source=b c.jpg', 'conf=0.5'],
    ['name=', 'model==', 'source=http://h/x?a=1&b=--c'],
    ['epochs=3', 'epochs=5', 'imgsz=[320,640]', 'save_txt'],
    ['name="a b"', "project='x", 'source=-'],
    ['name=constructor', 'project=a.b.c', 'lr0=-1e-3', 'name=true'],
    ['source=line\nend', 'project=é', 'classes=0x10'],
  ])('%j is read as yargs does', async (...args) => {
    const [plain, parsed] = await Promise.all([
      parseArgv(['predict', ...args]),
      parseArgv(['predict', '--save', ...args]),
    ]);
    expect({ ...plain.entries, save: 'true' }).toEqual(parsed.entries);
  });
  const plain = { words: [] };
  it.each<[string, Partial<Request>]>([
    ['predict model=a.pt source=b.jpg', { mode: 'predict', entries: { model: 'a.pt', source: 'b.jpg' } }],
    ['source=b.jpg predict model=a.pt', { mode: 'predict', entries: { source: 'b.jpg', model: 'a.pt' } }],
    ['detect train data=d.yaml', { mode: 'train', entries: { data: 'd.yaml' } }],
    ['train detect data=d.yaml', { mode: 'train', entries: { data: 'd.yaml' } }],
    ['mode=train data=d.yaml task=detect', { mode: 'train', entries: { data: 'd.yaml', task: 'detect' } }],
    ['predict --source b.jpg --conf=0.5', { mode: 'predict', entries: { source: 'b.jpg', conf: '0.5' } }],
    ['predict --save-txt --line-width 3', { mode: 'predict', entries: { save_txt: 'true', line_width: '3' } }],
    ['predict save_txt save_conf', { mode: 'predict', entries: { save_txt: 'true', save_conf: 'true' } }],
    ['predict --save_txt source=b.jpg', { mode: 'predict', entries: { save_txt: 'true', source: 'b.jpg' } }],
    ['predict --save false', { mode: 'predict', entries: { save: 'false' } }],
    ['--save_txt predict', { mode: 'predict', entries: { save_txt: 'true' } }],
    ['predict --source -', { mode: 'predict', entries: { source: '-' } }],
    ['predict source=-', { mode: 'predict', entries: { source: '-' } }],
    ['train --save_period -1', { mode: 'train', entries: { save_period: '-1' } }],
    ['train val', { mode: 'train', entries: { val: 'true' } }],
    ['val data=d.yaml', { mode: 'val', entries: { data: 'd.yaml' } }],
    ['train resume', { mode: 'train', entries: { resume: 'true' } }],
    ['train epochs=3 epochs=5', { mode: 'train', entries: { epochs: '5' } }],
    ['train epochs=3 --epochs 5', { mode: 'train', entries: { epochs: '5' } }],
    ['train epochs = 3 imgsz = 320', { mode: 'train', entries: { epochs: '3', imgsz: '320' } }],
    ['predict imgsz=[320, 640]', { mode: 'predict', entries: { imgsz: '[320,640]' } }],
    ['predict --imgsz [320, 640] save', { mode: 'predict', entries: { imgsz: '[320,640]', save: 'true' } }],
    ['predict source=http://h/x.jpg?a=1&b=2', { mode: 'predict', entries: { source: 'http://h/x.jpg?a=1&b=2' } }],
    ['train epochs=007 name=1e2', { mode: 'train', entries: { epochs: '007', name: '1e2' } }],
    ['train data=', { mode: 'train', entries: { data: '' } }],
    ['train --no-such-key 3', { mode: 'train', entries: { no_such_key: '3' } }],
    ['predict show', { mode: 'predict', entries: { show: 'true' } }],
    ['show data=d.yaml', { mode: 'show', entries: { data: 'd.yaml' } }],
    ['report runs/a runs/b', { mode: 'report', entries: {}, words: ['runs/a', 'runs/b'] }],
    ['cfg=my.yaml', { mode: undefined, entries: { cfg: 'my.yaml' } }],
    ['help', { command: 'help', words: [] }],
    ['help train', { command: 'help', words: ['train'] }],
    ['train help', { command: 'help', words: ['train'] }],
    ['train epoch=3 --help', { command: 'help', words: ['train'], entries: { epoch: '3' } }],
    ['checks json', { command: 'checks', words: ['json'] }],
    ['-h', { command: 'help' }],
    ['--version', { command: 'version' }],
    ['-v', { command: 'version' }],
    ['completion zsh', { command: 'completion', words: ['zsh'] }],
    ['copy-cfg', { command: 'copy-cfg' }],
    ['predict --name version', { mode: 'predict', entries: { name: 'version' } }],
  ])('%s', async (line, want) => {
    expect(await parseArgv(split(line))).toEqual({ entries: {}, ...plain, ...want });
  });

  it('keeps quotes out of values and spaces in them', async () => {
    const { entries } = await parseArgv(['predict', "source='a b.jpg'", '--name="my run"']);
    expect(entries.name.replaceAll('"', '')).toBe('my run');
    expect(entries.source.replaceAll("'", '')).toBe('a b.jpg');
  });

  it.each([
    ['segment predict', /'segment' is not supported: this tool does detection only/],
    ['classify train', /detection only/],
    ['trian data=d.yaml', /'trian' is not a valid argument\. Similar: train/],
    ['mode=trian', /Similar: train/],
    ['predict imgsz', /'imgsz' has no value/],
    ['predict -x', /'-x' is not a valid argument/],
    ['train predict', /'predict' is not a valid argument/],
    ['train a.b=3', /'a\.b=3' is not a valid argument/],
  ])('refuses %s', async (line, message) => {
    await expect(parseArgv(split(line))).rejects.toThrow(message);
    await expect(parseArgv(split(line))).rejects.toBeInstanceOf(UserError);
  });

  it.each([
    ['predict bus.jpg', /source=bus\.jpg/],
    ['predict https://h/x', /source=https:\/\/h\/x/],
    ['predict yolov8n.pt', /model=yolov8n\.pt/],
    ['train coco128.yaml', /data=coco128\.yaml/],
    ['predict imgsz', /imgsz=640/],
  ])('%s: tells how to write it', async (line, hint) => {
    const error = await parseArgv(split(line)).catch((e) => e);
    expect(error.hint).toMatch(hint);
  });
});
