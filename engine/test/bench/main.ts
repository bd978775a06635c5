import { parseArgs } from 'node:util';
import { benchContentAware } from './content-aware.ts';
import { benchControlPlane } from './control-plane.ts';
import { benchEncoding } from './encoding.ts';
import { benchKeys } from './keys.ts';
import { benchPackaging } from './packaging.ts';
import { benchProtectedServing } from './protected-serving.ts';
import { benchServing } from './serving.ts';

const { values } = parseArgs({ options: { only: { type: 'string', multiple: true } }, strict: false });
const isAsked = (name: string): boolean => values.only === undefined || [values.only].flat().includes(name);

if (isAsked('serving')) {
  process.stderr.write('serving …\n');
  process.stdout.write(`${await benchServing()}\n`);
}
if (isAsked('control-plane')) {
  process.stderr.write('control plane …\n');
  process.stdout.write(`${await benchControlPlane()}\n`);
}
if (isAsked('keys')) {
  process.stderr.write('keys …\n');
  process.stdout.write(`${await benchKeys()}\n`);
}
if (isAsked('protected-serving')) {
  process.stderr.write('protected serving …\n');
  process.stdout.write(`${await benchProtectedServing()}\n`);
}
if (isAsked('packaging')) {
  process.stderr.write('packaging …\n');
  process.stdout.write(`${await benchPackaging()}\n`);
}
if (isAsked('encoding')) {
  process.stderr.write('encoding …\n');
  process.stdout.write(`${await benchEncoding()}\n`);
}
if (isAsked('content-aware')) {
  process.stderr.write('content-aware encoding …\n');
  process.stdout.write(`${await benchContentAware()}\n`);
}
